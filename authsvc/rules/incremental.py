"""Incremental authorizations: more on a hold that is open already (hotel, car rental, parking).

The amount counts into the day's limits, the count does not; it needs no SCA of its own and counts into no counter of
payments without one (rulebook section 4). A reversal may name the increment, or the original with all of it.
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import Authorization, Day, Hold, HoldIncreased, Increment, Kind, Minor, Reason, Refused
from authsvc.rules.case import Case
from authsvc.rules.memory import hold_to_add_to

MAX_INCREMENTS = 20
"""Cap of the increments of a hold, so that its document stays small; the next one is refused, not forgotten."""


def find(case: Case) -> Refused | None:
    """Which hold it adds to: by DE90, or by DE48.63. The first message that brings an id in DE48.63 is no increment: there is
    no hold of that id yet."""
    request = case.request
    assert isinstance(request, Authorization)
    if request.kind is not Kind.INCREMENTAL and not request.link:
        return None
    hold = hold_to_add_to(request, case.account)
    if hold is not None and hold.expires > case.now:
        if len(hold.increments) >= MAX_INCREMENTS:
            return case.refused("incremental", Reason.SUSPECTED_FRAUD, {"increments": len(hold.increments)})
        case.adds_to, case.bucket = hold, hold.bucket
        case.passed("incremental", {"hold": hold.id, "held": hold.amount, "amount": request.amount})
        return None
    if request.kind is not Kind.INCREMENTAL:
        return None
    return case.refused("incremental", Reason.ORIGINAL_NOT_FOUND, {"original": "no open hold"})


def increase(case: Case, hold: Hold) -> HoldIncreased:
    """The hold with the amount of this message in it."""
    request = case.request
    assert isinstance(request, Authorization)
    increment = Increment(request.origin, request.amount, case.day)
    return HoldIncreased(hold.id, Minor(hold.amount + request.amount), increment)


def counted_on(hold: Hold, day: Day) -> Minor:
    """How much of the hold counted into the limits of `day`, grosze."""
    later = sum(one.amount for one in hold.increments if one.day == day)
    return Minor(later + (base(hold) if hold.day == day else 0))


def base(hold: Hold) -> Minor:
    """The hold without its increments, grosze."""
    return Minor(hold.amount - sum(one.amount for one in hold.increments))


def less(hold: Hold, amount: int) -> Hold:
    """The hold with `amount` grosze given back: of the newest increments first, then of the original; of a cashback the cash
    first, because there is none without a purchase (W §8.7)."""
    left, kept = amount, list(hold.increments)
    while left and kept:
        part = min(left, kept[-1].amount)
        left -= part
        kept[-1] = replace(kept[-1], amount=Minor(kept[-1].amount - part))
        if not kept[-1].amount:
            kept.pop()
    cash = Minor(max(0, hold.cash - left))
    return replace(hold, amount=Minor(hold.amount - amount), cash=cash, increments=tuple(kept))


def without(hold: Hold, increment: Increment, becomes: Minor) -> Hold:
    """The hold with one increment brought down to `becomes` grosze."""
    kept = tuple(
        replace(one, amount=becomes) if one is increment else one
        for one in hold.increments
        if one is not increment or becomes
    )
    return replace(hold, amount=Minor(hold.amount - increment.amount + becomes), increments=kept)
