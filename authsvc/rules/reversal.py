"""An 0400 or 0420: give back what the original took, whole or in part; remember it when it came first."""

from __future__ import annotations

from authsvc.model import (
    Answer,
    Approved,
    CountersSet,
    EarlyReversal,
    Hold,
    HoldEnd,
    HoldEnded,
    HoldReduced,
    Minor,
    Outcome,
    Past,
    Reason,
    Refused,
    Reversal,
    ReversalRemembered,
    ReversalsForgotten,
    ScaUse,
)
from authsvc.rules import currency
from authsvc.rules.approve import APPROVED, count_without_sca
from authsvc.rules.case import Case
from authsvc.rules.limits import add
from authsvc.rules.memory import open_original, reversals_to_forget


def decide(case: Case, past: Past) -> tuple[Outcome, Answer]:
    """Reversals work on blocked and expired cards too: they only ever give back."""
    reversal = case.request
    assert isinstance(reversal, Reversal)
    if not case.card.id:
        return _refuse(case, case.refused("card", Reason.UNKNOWN_CARD, {}))
    hold = open_original(reversal, case.account)
    if hold is not None and hold.expires > case.now:
        return _give_back(case, reversal, hold)
    if hold is not None or past.original is not None:
        return _nothing_left(case, past, hold)
    return _came_first(case, reversal)


def _give_back(case: Case, reversal: Reversal, hold: Hold) -> tuple[Outcome, Answer]:
    """DE95 is what the amount becomes; without it, or zero, nothing stays."""
    becomes = currency.becomes(reversal, hold)
    if becomes > hold.amount and not reversal.is_advice:
        inputs: dict[str, int | str | bool] = {"held": hold.amount, "becomes": becomes, "field": "DE95"}
        return _refuse(case, case.refused("reversal", Reason.FORMAT_ERROR, inputs))
    given_back = Minor(max(0, hold.amount - becomes))
    whole = becomes == 0
    if whole:
        case.changes.append(HoldEnded(hold.id, HoldEnd.REVERSED, case.now))
    elif given_back:
        case.changes.append(HoldReduced(hold.id, becomes))
    _restore(case, hold, given_back, 1 if whole else 0)
    case.passed(
        "reversal", {"hold": hold.id, "held": hold.amount, "becomes": min(becomes, hold.amount), "whole": whole}
    )
    return Approved(amount=given_back, hold=hold.id), Answer(APPROVED)


def _restore(case: Case, hold: Hold, amount: Minor, count: int) -> None:
    """Day counters go back into the original's day and kind; SCA counters only if no SCA happened since. A reversal
    never gives PIN tries back."""
    used, counters = case.counters.used, case.counters
    if used.day == hold.day:
        used = add(used, hold.bucket, Minor(-amount), -count)
    if counters.scas == hold.scas:
        counters = count_without_sca(counters, hold.sca_use, Minor(-amount), -count, used)
    else:
        counters = count_without_sca(counters, ScaUse.NONE, Minor(0), 0, used)
    if counters != case.counters:
        case.counters = counters
        case.changes.append(CountersSet(case.card.id, counters))


def _nothing_left(case: Case, past: Past, hold: Hold | None) -> tuple[Outcome, Answer]:
    """The original is known but holds nothing any more (refused, already reversed, expired): the end state the sender
    wants is there, so the answer is 00 and nothing changes."""
    how = "expired" if hold is not None else (past.original_end.value if past.original_end else "held nothing")
    case.passed("reversal", {"original": how, "given_back": 0})
    return Approved(), Answer(APPROVED)


def _came_first(case: Case, reversal: Reversal) -> tuple[Outcome, Answer]:
    """Remembered, so that the late original holds nothing; 0400 is answered 25, 0420 is answered 00."""
    if forget := reversals_to_forget(case.account, case.now):
        case.changes.append(ReversalsForgotten(forget))
    origin = reversal.origin
    early = EarlyReversal(reversal.card, reversal.original, origin.terminal, origin.merchant, case.now)
    case.changes.append(ReversalRemembered(early))
    if reversal.is_advice:
        case.passed("reversal", {"original": "not here yet", "remembered": True})
        return Approved(), Answer(APPROVED)
    inputs: dict[str, int | str | bool] = {"original": "not here yet", "remembered": True}
    return _refuse(case, case.refused("reversal", Reason.ORIGINAL_NOT_FOUND, inputs))


def _refuse(case: Case, refused: Refused) -> tuple[Outcome, Answer]:
    return refused, Answer(case.product.code(refused.reason))
