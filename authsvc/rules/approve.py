"""Rule 14: approve. Place the hold, count what was used, and the payments without SCA."""

from __future__ import annotations

import hashlib
from struct import Struct

from msgspec.structs import replace

from authsvc.model import (
    Answer,
    Approved,
    Authorization,
    Bucket,
    Counters,
    Hold,
    HoldId,
    HoldPlaced,
    Kind,
    Minor,
    Posting,
    Reason,
    Refused,
    ScaUse,
    Used,
)
from authsvc.rules import contactless, currency, incremental, limits, offered, posting, three_ds
from authsvc.rules.calendar import days_later
from authsvc.rules.case import Case
from authsvc.rules.funds import card_room

_number = Struct(">Q")
APPROVED = "00"
IN_PART = "10"
VERIFIED = "85"
MAX_OPEN_HOLDS = 500
"""Cap of an account's open holds, so that its state document stays small; the next one is refused, not forgotten."""


def room_for_a_hold(case: Case) -> Refused | None:
    """An account with more open holds than the cap is refused: the document must stay bounded."""
    request = case.request
    assert isinstance(request, Authorization)
    if case.bucket is Bucket.NONE or case.adds_to is not None or request.is_financial or has_room(case):
        return None
    return case.refused("hold", Reason.SUSPECTED_FRAUD, {"cap": MAX_OPEN_HOLDS})


def has_room(case: Case) -> bool:
    return case.account.holds.open(case.now) < MAX_OPEN_HOLDS


def approve(case: Case, holds: bool = True) -> tuple[Approved, Answer]:
    """Write what an approval changes into the case; return the outcome and the answer (S §26.3, W §14.12, P §10.2).
    `holds`: False for what is counted and sets nothing aside (P §10.3, W §14.14)."""
    request = case.request
    assert isinstance(request, Authorization)
    code = (request.code if request.is_advice else "") or authorization_code(case)
    if contactless.unlocks(case) and not case.counters.contactless_unlocked:
        case.counters = replace(case.counters, contactless_unlocked=True)
    if case.bucket is Bucket.NONE:
        return _without_hold(case, request, code)
    is_new = case.adds_to is None
    case.used = limits.add(case.used, case.bucket, request.amount, 1 if is_new else 0, case.cash)
    case.counters = count_without_sca(case.counters, case.sca_use, request.amount, 1, case.used)
    outcome = _set_aside(case, request, code, holds)
    currency.notice(case)
    three_ds.spend(case, request)
    if case.asked is not None:
        return outcome, Answer(IN_PART, code, amount=request.amount)
    return outcome, Answer(APPROVED, code)


def _set_aside(case: Case, request: Authorization, code: str, holds: bool) -> Approved:
    """A hold; more on one that is open; or, for an 0200, the posting at once."""
    amount, exemption = request.amount, case.exemption
    if case.adds_to is not None:
        increased = incremental.increase(case, case.adds_to)
        case.changes.append(increased)
        case.passed("hold", {"amount": increased.amount, "hold": increased.hold})
        return Approved(amount, increased.hold, exemption)
    if request.is_financial:
        return _post(case, request, code, amount)
    if not holds:
        case.not_applicable("hold")
        return Approved(amount, exemption=exemption)
    hold = _hold(case, request, code)
    case.changes.append(HoldPlaced(hold))
    case.passed("hold", {"amount": hold.amount, "expires": hold.expires, "hold": hold.id})
    return Approved(amount, hold.id, exemption)


def _post(case: Case, request: Authorization, code: str, amount: Minor) -> Approved:
    """An 0200 posts at once: no presentment will come. A negative `amount` is given to the holder."""
    made = Posting(
        id=posting.id_of(case.account), card=request.card, kind=posting.kind_of(request.kind), amount=amount, at=case.now,
        origin=request.origin, authorization_code=code, day=case.day, bucket=case.bucket, cash=case.cash,
        with_cash=bool(case.cash),
        sca_use=case.sca_use, scas=case.counters.scas, foreign=case.foreign,
    )  # fmt: skip
    posted = posting.post(case.account, made, case.product)
    case.changes.append(posted)
    case.passed("posting", {"amount": amount, "balance": posted.balance})
    return Approved(Minor(abs(amount)), exemption=case.exemption, posting=made.id)


def count_without_sca(counters: Counters, use: ScaUse, amount: Minor, count: int, used: Used) -> Counters:
    """Counters with `amount` more (or less) in the one that `use` names, and `used` as the day's."""
    if use is ScaUse.CONTACTLESS:
        return replace(counters, used=used, contactless=Minor(max(0, counters.contactless + amount)))
    if use is ScaUse.LOW_VALUE:
        total = Minor(max(0, counters.low_value_sum + amount))
        number = max(0, counters.low_value_count + count)
        return replace(counters, used=used, low_value_sum=total, low_value_count=number)
    return replace(counters, used=used)


def _hold(case: Case, request: Authorization, code: str) -> Hold:
    rules = case.product.hold
    days = rules.pre_authorization_days if request.kind is Kind.PRE_AUTHORIZATION else rules.days
    return Hold(
        id=HoldId(f"{case.account.id}-{case.account.seq + 1}"),
        card=request.card,
        amount=request.amount,
        first_amount=request.amount,
        created=case.now,
        expires=days_later(case.now, days),
        origin=request.origin,
        authorization_code=code,
        day=case.day,
        bucket=case.bucket,
        sca_use=case.sca_use,
        scas=case.counters.scas,
        foreign=case.foreign,
        exemption=case.exemption,
        cash=case.cash,
        with_cash=bool(case.cash),
        link=request.link,
    )


def _without_hold(case: Case, request: Authorization, code: str) -> tuple[Approved, Answer]:
    """Verification and balance inquiry hold nothing; the inquiry tells the available funds in DE54. Refunds and deposits raise
    nothing until they are posted: an 0200 does that itself."""
    if request.kind is Kind.BALANCE_INQUIRY:
        available = card_room(case.account, case.card, case.product, case.now)
        return Approved(), Answer(APPROVED, code, available=available)
    if request.kind is Kind.PIN_CHANGE:
        offered.change_pin(case, request)
        return Approved(), Answer(APPROVED, code)
    if request.kind in currency.CREDITS:
        return _credited(case, request, code), Answer(APPROVED, code)
    return Approved(), Answer(VERIFIED, code)


def _credited(case: Case, request: Authorization, code: str) -> Approved:
    case.passed(request.kind.value, {"amount": request.amount, "posted": request.is_financial})
    if request.is_financial and request.amount:
        return _post(case, request, code, Minor(-request.amount))
    return Approved(request.amount)


def authorization_code(case: Case) -> str:
    """DE38, six digits: a hash of what makes this decision unique, so that a replay gives the same code."""
    name = f"{case.account.id}:{case.account.seq + 1}:{case.now}".encode()
    (number,) = _number.unpack(hashlib.blake2b(name, digest_size=8).digest())
    return str(number % 1_000_000).zfill(6)
