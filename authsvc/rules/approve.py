"""Rule 14: approve. Place the hold, count what was used, and the payments without SCA."""

from __future__ import annotations

import hashlib

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
    Reason,
    Refused,
    ScaUse,
    Used,
)
from authsvc.rules import contactless, currency, limits, three_ds
from authsvc.rules.calendar import days_later
from authsvc.rules.case import Case
from authsvc.rules.funds import card_room

APPROVED = "00"
VERIFIED = "85"
MAX_OPEN_HOLDS = 500
"""Cap of an account's open holds, so that its state document stays small; the next one is refused, not forgotten."""


def room_for_a_hold(case: Case) -> Refused | None:
    """An account with more open holds than the cap is refused: the document must stay bounded."""
    if case.bucket is Bucket.NONE or len(case.account.holds) < MAX_OPEN_HOLDS:
        return None
    still_open = sum(hold.expires > case.now for hold in case.account.holds)
    if still_open < MAX_OPEN_HOLDS:
        return None
    return case.refused("hold", Reason.SUSPECTED_FRAUD, {"open_holds": still_open, "cap": MAX_OPEN_HOLDS})


def approve(case: Case) -> tuple[Approved, Answer]:
    """Write what an approval changes into the case; return the outcome and the answer (S §26.3, W §14.12, P §10.2)."""
    request = case.request
    assert isinstance(request, Authorization)
    code = authorization_code(case)
    if contactless.unlocks(case) and not case.counters.contactless_unlocked:
        case.counters = replace(case.counters, contactless_unlocked=True)
    if case.bucket is Bucket.NONE:
        return Approved(), _answer_without_hold(case, request, code)
    case.used = limits.add(case.used, case.bucket, request.amount, 1)
    case.counters = count_without_sca(case.counters, case.sca_use, request.amount, 1, case.used)
    hold = _hold(case, request, code)
    case.changes.append(HoldPlaced(hold))
    case.passed("hold", {"amount": hold.amount, "expires": hold.expires, "hold": hold.id})
    currency.notice(case)
    three_ds.spend(case, request)
    return Approved(amount=request.amount, hold=hold.id, exemption=case.exemption), Answer(APPROVED, code)


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
    )


def _answer_without_hold(case: Case, request: Authorization, code: str) -> Answer:
    """Verification and balance inquiry hold nothing; the inquiry tells the available funds in DE54."""
    if request.kind is Kind.BALANCE_INQUIRY:
        return Answer(APPROVED, code, available=card_room(case.account, case.card, case.product, case.now))
    return Answer(VERIFIED, code)


def authorization_code(case: Case) -> str:
    """DE38, six digits: a hash of what makes this decision unique, so that a replay gives the same code."""
    name = f"{case.account.id}:{case.account.seq + 1}:{case.now}".encode()
    return f"{int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), 'big') % 1_000_000:06d}"
