"""An 0220, or a line of a clearing file: the claim that turns a hold into a posting. It is always posted.

Also late, above the hold, twice, on a blocked card, and though it overdraws (S §19.4; W §14.13-14; P §10.9, §17.6). What its
authorization counted is not counted again; a presentment without one counts as used (rulebook section 4).
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import (
    Answer,
    Approved,
    Bucket,
    CountersSet,
    Decision,
    Hold,
    HoldEnd,
    HoldEnded,
    HoldId,
    HoldReduced,
    Minor,
    Outcome,
    Past,
    Posted,
    Posting,
    Presentment,
    Reason,
    Refused,
    Step,
)
from authsvc.model.values import Value
from authsvc.rules import currency, incremental, limits, posting
from authsvc.rules.approve import APPROVED
from authsvc.rules.case import Case
from authsvc.rules.channel import bucket_of
from authsvc.rules.memory import early_reversal_of, hold_presented

FLAGS: dict[str, tuple[str, ...]] = {
    "expired hold": ("late",),
    "posted hold": ("twice",),
    "reversed hold": ("after_reversal",),
    "released hold": ("after_reversal",),
    "no authorization": ("no_authorization",),
}


class Matched(Value, frozen=True, gc=False):
    """What a presentment belongs to. `how`: for people; `hold`: the open one; `counted`: whether the day's limits were used by
    its authorization, and still are."""

    how: str
    hold: Hold | None = None
    counted: bool = False


def decide(case: Case, past: Past) -> tuple[Outcome, Answer]:
    """Post it. Refused only when it cannot be written down: an unknown card, a currency without a rate."""
    request = case.request
    assert isinstance(request, Presentment)
    if not case.card.id:
        return _refuse(case, case.refused("card", Reason.UNKNOWN_CARD, {}))
    if (early := early_reversal_of(request, case.account)) is not None:
        case.passed("reversal", {"reversed_at": early.at})
        return Approved(), Answer(APPROVED)
    matched = _match(case, request, past)
    case.bucket = Bucket.NONE if matched.counted else bucket_of(request, case.product)
    # At the table of today (the day of settlement); without one, at the rate that its hold was made with.
    if (refused := currency.convert(case, matched.hold.foreign if matched.hold else None)) is not None:
        return _refuse(case, refused)
    return _post(case, matched, past)


def _match(case: Case, request: Presentment, past: Past) -> Matched:
    if request.kind in currency.CREDITS:  # a shop that gives the RRN of the purchase with it still claims the purchase
        return Matched(request.kind.value, counted=True)
    hold = hold_presented(request, case.account)
    if hold is not None:
        return Matched("open hold" if hold.expires > case.now else "expired hold", hold, counted=True)
    approved = past.original is not None and isinstance(past.original.outcome, Approved)
    if not past.original_hold and not approved:
        return Matched("no authorization")
    return _match_ended(past.original_end)


def _match_ended(end: HoldEnd | None) -> Matched:
    """Its authorization holds nothing any more. A reversal has given its limits back, so they are used now."""
    if end in (HoldEnd.REVERSED, HoldEnd.RELEASED):
        return Matched(f"{end.value} hold")
    if end is None:
        return Matched("authorization without hold", counted=True)
    return Matched(f"{end.value} hold", counted=True)


def _post(case: Case, matched: Matched, past: Past) -> tuple[Outcome, Answer]:
    request, hold = case.request, matched.hold
    assert isinstance(request, Presentment)
    if hold is not None and hold.expires > case.now:
        case.changes.append(_settled(case, request, hold))
    if case.bucket is not Bucket.NONE:
        used = limits.add(case.used, case.bucket, request.amount, 1, request.cash)
        case.changes.append(CountersSet(case.card.id, replace(case.counters, used=used)))
    of = hold.id if hold else past.original_hold
    made = _posting(case, request, of)
    posted = posting.post(case.account, made, case.product)
    case.changes.append(posted)
    currency.notice(case)
    case.passed("presentment", _inputs(case, request, matched, posted))
    return Approved(amount=request.amount, hold=made.hold, posting=made.id), Answer(APPROVED)


def _settled(case: Case, request: Presentment, hold: Hold) -> HoldEnded | HoldReduced:
    """A final one ends the hold, whatever is left of it; a partial one leaves the rest."""
    if request.final or request.amount >= hold.amount:
        return HoldEnded(hold.id, HoldEnd.POSTED, case.now)
    rest = incremental.less(hold, request.amount)
    return HoldReduced(hold.id, rest.amount, rest.cash, rest.increments)


def _posting(case: Case, request: Presentment, hold: HoldId) -> Posting:
    """Money for the merchant; of a refund or a deposit, money for the holder."""
    return Posting(
        id=posting.id_of(case.account),
        card=request.card,
        kind=posting.kind_of(request.kind),
        amount=Minor(-request.amount if request.kind in currency.CREDITS else request.amount),
        at=case.now,
        origin=request.origin,
        authorization_code=request.code,
        day=case.day,
        bucket=case.bucket,
        cash=request.cash if case.bucket is not Bucket.NONE else Minor(0),
        with_cash=bool(request.cash) and case.bucket is not Bucket.NONE,
        scas=case.counters.scas,
        hold=hold,
        foreign=case.foreign,
    )


def _inputs(case: Case, request: Presentment, matched: Matched, posted: Posted) -> dict[str, int | str | bool]:
    overdrawn = case.account.credit_limit + posted.balance < 0 < posted.posting.amount
    inputs: dict[str, int | str | bool] = {
        "matched": matched.how, "amount": request.amount, "final": request.final, "counts": not matched.counted,
        "balance": posted.balance, "overdrawn": overdrawn,
    }  # fmt: skip
    if matched.hold is None:
        return inputs
    tolerated = case.product.presentment.tolerated(matched.hold.amount, request.mcc)
    return {**inputs, "hold": matched.hold.id, "held": matched.hold.amount, "tolerated": tolerated}


def _refuse(case: Case, refused: Refused) -> tuple[Outcome, Answer]:
    return refused, Answer(case.product.code(refused.reason))


def matched(decision: Decision) -> str:
    """What a presentment belonged to, as its trace says; "" when it posted nothing."""
    step = _step(decision)
    return str(step.inputs["matched"]) if step else ""


def flags(decision: Decision) -> tuple[str, ...]:
    """What a clearing desk looks at: everything but a final presentment of an open hold, of its amount or, within the product's
    tolerance, above it."""
    step = _step(decision)
    if step is None:
        return ()
    found = dict.fromkeys(FLAGS.get(str(step.inputs["matched"]), ()), True)
    held, amount = step.inputs.get("held"), step.inputs["amount"]
    if isinstance(held, int) and isinstance(amount, int):
        tolerated = step.inputs.get("tolerated", held)
        assert isinstance(tolerated, int)
        found |= {"above_hold": amount > tolerated, "below_hold": amount < held and step.inputs["final"] is True}
    found["overdrawn"] = step.inputs["overdrawn"] is True
    return tuple(name for name, is_so in found.items() if is_so)


def _step(decision: Decision) -> Step | None:
    return next((step for step in decision.trace if step.rule == "presentment"), None)
