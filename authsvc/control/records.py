"""A decision as it is answered: what was asked, what came out, why, and what changed. No secret is in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from authsvc.control.views import HoldView, hold_view, rfc3339
from authsvc.model import Approved, Decision, HoldPlaced, Reason, Refused, Step, Verdict
from authsvc.rules.remedy import remedy

WITHHELD = frozenset({"pvv", "new_pvv", "fingerprint", "content"})
"""Names that are left out wherever they stand: a PVV gives its PIN away to whoever has the key; a fingerprint is a hash
of what was sent; the content of product files is long, and in the journal."""


class StepView(Struct, frozen=True):
    """One rule that ran."""

    rule: str
    verdict: Verdict
    paragraph: str
    inputs: dict[str, int | str | bool]


class DecisionView(Struct, frozen=True):
    """`decision`: `ACCOUNT:SEQ`; `kind`: type of the request, `request`: the rest of it; `outcome`: "approved" or
    "refused"; `amount`: grosze approved; `remedy`: what would have helped, null if nothing; `reason`, `rule`,
    `paragraph`: of a refusal; `response_code`: DE39, null for a command; `hold`: the hold it placed; `changes`: what it
    did to the account."""

    decision: str
    account: str
    seq: int
    at: datetime
    product: str
    kind: str
    request: dict[str, Any]
    outcome: str
    amount: int | None
    reason: Reason | None
    rule: str | None
    paragraph: str | None
    remedy: str | None
    response_code: str | None
    authorization_code: str | None
    hold: HoldView | None
    trace: list[StepView]
    changes: list[dict[str, Any]]


def decision_view(decision: Decision) -> DecisionView:
    request = public(decision.request)
    answer = decision.answer
    approved = decision.outcome if isinstance(decision.outcome, Approved) else None
    refusal = decision.outcome if isinstance(decision.outcome, Refused) else None
    return DecisionView(
        decision=decision.id,
        account=decision.account,
        seq=decision.seq,
        at=rfc3339(decision.at),
        product=decision.product,
        kind=request.pop("type"),
        request=request,
        outcome="refused" if refusal else "approved",
        amount=approved.amount if approved else None,
        reason=refusal.reason if refusal else None,
        rule=refusal.rule if refusal else None,
        paragraph=refusal.paragraph if refusal else None,
        remedy=remedy(decision) or None,
        response_code=answer.response_code if answer else None,
        authorization_code=(answer.authorization_code or None) if answer else None,
        hold=_hold(decision),
        trace=[_step_view(step) for step in decision.trace],
        changes=[public(change) for change in decision.changes],
    )


def _hold(decision: Decision) -> HoldView | None:
    placed = (change.hold for change in decision.changes if isinstance(change, HoldPlaced))
    return next((hold_view(hold) for hold in placed), None)


def _step_view(step: Step) -> StepView:
    return StepView(step.rule, step.verdict, step.paragraph, step.inputs)


def public(part: Struct) -> dict[str, Any]:
    """A part of a decision as JSON would have it, without what is WITHHELD."""
    plain = _without_withheld(msgspec.to_builtins(part))
    assert isinstance(plain, dict)
    return plain


def _without_withheld(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_withheld(inner) for name, inner in value.items() if name not in WITHHELD}
    if isinstance(value, list | tuple):
        return [_without_withheld(inner) for inner in value]
    return value
