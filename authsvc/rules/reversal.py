"""An 0400 or 0420: give back what the original took or posted, whole or in part; remember it when it came first."""

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
    Posting,
    Reason,
    Refused,
    Reversal,
    ReversalRemembered,
    ReversalsForgotten,
    ScaUse,
    Used,
)
from authsvc.rules import currency, posting
from authsvc.rules.approve import APPROVED, count_without_sca
from authsvc.rules.case import Case
from authsvc.rules.incremental import base, counted_on, less, without
from authsvc.rules.limits import add
from authsvc.rules.memory import increment_named, open_original, posted_original, reversals_to_forget


def decide(case: Case, past: Past) -> tuple[Outcome, Answer]:
    """Reversals work on blocked and expired cards too: they only ever give back."""
    reversal = case.request
    assert isinstance(reversal, Reversal)
    if not case.card.id:
        return _refuse(case, case.refused("card", Reason.UNKNOWN_CARD, {}))
    hold = open_original(reversal, case.account)
    if hold is not None and hold.expires > case.now:
        return _give_back(case, reversal, hold)
    posted = posted_original(reversal, case.account) or past.posting
    if posted is not None:
        return _take_back(case, reversal, posted)
    if reversal.undoes_claim:
        return _no_such_claim(case, reversal)
    if hold is not None or past.original is not None:
        return _nothing_left(case, past, hold)
    return _came_first(case, reversal)


def _give_back(case: Case, reversal: Reversal, hold: Hold) -> tuple[Outcome, Answer]:
    """DE95 is what the amount becomes; without it, or zero, nothing stays. Of the hold, or of the increment named."""
    increment = increment_named(reversal, hold)
    named = hold.amount if increment is None else increment.amount
    becomes = currency.becomes(reversal, hold.foreign)
    if becomes > named and not reversal.is_advice:
        return _too_much(case, named, becomes)
    becomes = min(becomes, named)
    after = less(hold, named - becomes) if increment is None else without(hold, increment, becomes)
    if not after.amount:
        case.changes.append(HoldEnded(hold.id, HoldEnd.REVERSED, case.now))
    elif after.amount != hold.amount:
        case.changes.append(HoldReduced(hold.id, after.amount, after.cash, after.increments))
    _restore_hold(case, hold, after)
    inputs: dict[str, int | str | bool] = {"hold": hold.id, "held": named, "becomes": becomes, "whole": not becomes}
    case.passed("reversal", inputs if increment is None else {**inputs, "increment": True})
    return Approved(amount=Minor(named - becomes), hold=hold.id), Answer(APPROVED)


def _restore_hold(case: Case, hold: Hold, after: Hold) -> None:
    """Of today's limits what the hold counted into them; the count when nothing of the original stays."""
    day = case.counters.used.day
    amount = counted_on(hold, day) - counted_on(after, day)
    whole = not after.amount
    count = 1 if whole and day == hold.day else 0
    is_today = day == hold.day
    cash = after.cash - hold.cash if is_today else 0
    used = add(case.counters.used, hold.bucket, Minor(-amount), -count, cash, with_cash=hold.with_cash and is_today)
    _restore(case, hold, Minor(base(hold) - base(after)), whole, used)


def _take_back(case: Case, reversal: Reversal, before: Posting) -> tuple[Outcome, Answer]:
    """What was posted at once, or by a presentment, goes back, whole or in part; money that was given is taken again."""
    sign, posted = (1, before.amount) if before.amount >= 0 else (-1, -before.amount)
    becomes = currency.becomes(reversal, before.foreign)
    if becomes > posted and not reversal.is_advice:
        return _too_much(case, Minor(posted), becomes)
    if not posted or becomes >= posted:
        case.passed("reversal", {"original": "posted", "given_back": 0})
        return Approved(), Answer(APPROVED)
    reduced = posting.take_back(case.account, before, Minor(sign * becomes), case.product)
    case.changes.append(reduced)
    used, whole = case.counters.used, not becomes
    if used.day == before.day:
        cash = reduced.posting.cash - before.cash
        used = add(used, before.bucket, Minor(-reduced.returned), -1 if whole else 0, cash, before.with_cash)
    _restore(case, before, reduced.returned, whole, used)
    inputs: dict[str, int | str | bool] = {"posting": before.id, "posted": posted, "becomes": becomes, "whole": whole}
    case.passed("reversal", inputs)
    return Approved(amount=Minor(abs(reduced.returned)), posting=before.id), Answer(APPROVED)


def _restore(case: Case, counted: Hold | Posting, amount: Minor, whole: bool, used: Used) -> None:
    """Day counters go back into the original's day and kind; SCA counters only if no SCA happened since. A reversal
    never gives PIN tries back."""
    counters = case.counters
    use = counted.sca_use if counters.scas == counted.scas else ScaUse.NONE
    counters = count_without_sca(counters, use, Minor(-amount), -1 if whole else 0, used)
    if counters != case.counters:
        case.counters = counters
        case.changes.append(CountersSet(case.card.id, counters))


def _too_much(case: Case, held: Minor, becomes: Minor) -> tuple[Outcome, Answer]:
    inputs: dict[str, int | str | bool] = {"held": held, "becomes": becomes, "field": "DE95"}
    return _refuse(case, case.refused("reversal", Reason.FORMAT_ERROR, inputs))


def _nothing_left(case: Case, past: Past, hold: Hold | None) -> tuple[Outcome, Answer]:
    """The original is known but holds nothing any more (refused, already reversed, expired): the end state the sender
    wants is there, so the answer is 00 and nothing changes."""
    how = "expired" if hold is not None else (past.original_end.value if past.original_end else "held nothing")
    case.passed("reversal", {"original": how, "given_back": 0})
    return Approved(), Answer(APPROVED)


def _no_such_claim(case: Case, reversal: Reversal) -> tuple[Outcome, Answer]:
    """A person has to look at it: nothing whole was presented under this name, or it was reversed before. Not remembered: by
    its RRN it would also stop an authorization."""
    inputs: dict[str, int | str | bool] = {
        "original": "no such presentment", "rrn": reversal.original.rrn, "amount": reversal.amount,
    }  # fmt: skip
    return _refuse(case, case.refused("reversal", Reason.ORIGINAL_NOT_FOUND, inputs))


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
