"""Rule 14: the approval: hold, counters, authorization code."""

from __future__ import annotations

import re

import pytest
from given import (
    ALL,
    HOUR,
    MANY,
    MC,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    changes_of,
    code,
    contactless,
    hold,
    ids,
    online,
    reason,
    warsaw,
    with_pin,
    withdrawal,
)
from msgspec.structs import replace

from authsvc.model import (
    Approved,
    Authorization,
    Bucket,
    CountersSet,
    HoldEnd,
    HoldEnded,
    HoldPlaced,
    Kind,
    Reason,
    ScaUse,
    UnixMs,
)
from authsvc.products import Product
from authsvc.rules.approve import MAX_OPEN_HOLDS
from authsvc.rules.decide import decide


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("request_", "bucket", "use", "scas"),
    [
        (authorization(50_00), Bucket.CASHLESS, ScaUse.NONE, 0),
        (with_pin(50_00), Bucket.CASHLESS, ScaUse.NONE, 1),
        (contactless(50_00), Bucket.CASHLESS, ScaUse.CONTACTLESS, 0),
        (online(50_00), Bucket.INTERNET, ScaUse.LOW_VALUE, 0),
        (withdrawal(50_00), Bucket.CASH, ScaUse.NONE, 1),
        (authorization(50_00, kind=Kind.PRE_AUTHORIZATION), Bucket.CASHLESS, ScaUse.NONE, 0),
    ],
)
def test_the_hold(product: Product, request_: Authorization, bucket: Bucket, use: ScaUse, scas: int) -> None:
    """An approval sets its amount aside for seven days and writes down what it counted into (S §26.3, W §14.12, P §10.7)."""
    decision = decide(request_, account(product), product, NOON)
    (placed,) = changes_of(decision, HoldPlaced)
    one = placed.hold
    exemption = "low_value" if one.sca_use is ScaUse.LOW_VALUE else ""
    assert decision.outcome == Approved(amount=request_.amount, hold=one.id, exemption=exemption)
    assert (one.amount, one.first_amount, one.card) == (50_00, 50_00, "card")
    assert (one.created, one.expires, one.day) == (NOON, warsaw("2026-06-22 12:00"), "2026-06-15")
    assert (one.bucket, one.sca_use, one.scas, one.origin) == (bucket, use, scas, request_.origin)


@pytest.mark.parametrize(
    ("created", "expires"),
    [("2026-03-27 12:00", "2026-04-03 12:00"), ("2026-10-20 12:00", "2026-10-27 12:00")],
    ids=["clocks go forward", "clocks go back"],
)
def test_a_hold_over_a_change_of_clocks(created: str, expires: str) -> None:
    """Seven days by the wall clock, though they have 167 or 169 hours: never early (W §14.13, P §10.2)."""
    story, paid = Story(SGB, account(SGB, 50_00), now=warsaw(created)), authorization(50_00)
    story.approve(paid)
    assert story.account.holds[0].expires == warsaw(expires)
    assert reason(story.send(authorization(1), at=UnixMs(warsaw(expires) - 1))) is Reason.INSUFFICIENT_FUNDS
    assert reason(story.send(authorization(1), at=warsaw(expires))) is None


@pytest.mark.parametrize(("days", "then"), [(7, "2026-06-22 12:00"), (30, "2026-07-15 12:00")])
def test_a_pre_authorization_lives_as_long_as_its_product_says(days: int, then: str) -> None:
    """A pre-authorization holds the estimate for its own published time (rulebook sections 2 and 5)."""
    patient = replace(SGB, hold=replace(SGB.hold, pre_authorization_days=days))
    decision = decide(authorization(kind=Kind.PRE_AUTHORIZATION), account(), patient, NOON)
    (placed,) = changes_of(decision, HoldPlaced)
    assert placed.hold.expires == warsaw(then)


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("request_", "then"),
    [
        (authorization(0, kind=Kind.VERIFICATION), "85"),
        (online(0, kind=Kind.VERIFICATION, cvv2="M"), "85"),
        (withdrawal(0, kind=Kind.BALANCE_INQUIRY), "00"),
    ],
    ids=["verification", "online verification", "balance"],
)
def test_what_holds_nothing(product: Product, request_: Authorization, then: str) -> None:
    """Verification and balance inquiry hold nothing and use up no limit (rulebook section 4)."""
    story = Story(product)
    decision = story.send(request_)
    assert (code(decision), decision.outcome) == (then, Approved())
    assert story.account.holds == ()
    assert story.counters.used.cash_count + story.counters.used.cashless_count == 0


def test_the_authorization_code() -> None:
    """Six digits, the same for the same decision, and not the same for the next (rule 14)."""
    story = Story(SGB)
    codes = [story.send(authorization(10)).answer.authorization_code for _ in range(10)]  # type: ignore[union-attr]
    assert all(re.fullmatch(r"\d{6}", one) for one in codes)
    assert len(set(codes)) > 8
    request = authorization()
    assert decide(request, story.account, SGB, NOON) == decide(request, story.account, SGB, NOON)


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_refusal_holds_nothing(product: Product) -> None:
    """A refused payment sets nothing aside and has no authorization code."""
    decision = decide(authorization(MANY + 1), account(product, 10_00), product, NOON)
    assert reason(decision) is not None
    assert changes_of(decision, HoldPlaced) == changes_of(decision, CountersSet) == []
    assert decision.answer is not None
    assert decision.answer.authorization_code == ""


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("holds", "now", "then"),
    [
        (MAX_OPEN_HOLDS - 1, NOON, None),
        (MAX_OPEN_HOLDS, NOON, Reason.SUSPECTED_FRAUD),
        (MAX_OPEN_HOLDS, NOON + 7 * 24 * HOUR, None),  # expired ones do not count
    ],
)
def test_the_cap_on_open_holds(product: Product, holds: int, now: int, then: Reason | None) -> None:
    """An account with 500 open holds gets no more of them: refused, never forgotten (architecture: bounded)."""
    start = account(product, MANY, holds=tuple(hold(1, number) for number in range(holds)))
    decision = decide(authorization(), start, product, UnixMs(now))
    assert reason(decision) is then
    assert code(decision) == ("00" if then is None else "63" if product in MC else "59")


def test_at_the_cap_what_holds_nothing_goes_on() -> None:
    """A balance inquiry places no hold, so the cap does not concern it."""
    start = account(SGB, MANY, holds=tuple(hold(1, number) for number in range(MAX_OPEN_HOLDS)))
    assert reason(decide(withdrawal(0, kind=Kind.BALANCE_INQUIRY), start, SGB, NOON)) is None


def test_expired_holds_end_with_the_next_decision() -> None:
    """A hold that is over ends with the account's next decision, as of the moment it was due (P §10.9)."""
    story = Story(SGB, account(SGB, 100_00, holds=(hold(30_00, 1), hold(40_00, 2, days=9))))
    decision = story.send(authorization(5_00), at=UnixMs(NOON + 8 * 24 * HOUR))
    (ended,) = changes_of(decision, HoldEnded)
    assert (ended.hold, ended.how, ended.at) == ("hold-1", HoldEnd.EXPIRED, warsaw("2026-06-22 12:00"))
    assert story.held == 45_00


def test_expiry_gives_no_limit_back() -> None:
    """An expired hold frees the money; the day's limit and the SCA counters stay used (rulebook section 4, "expiry")."""
    story = Story(SGB)
    story.approve(contactless(50_00))
    story.send(authorization(0, kind=Kind.VERIFICATION), at=UnixMs(NOON + 8 * 24 * HOUR))
    assert (story.held, story.counters.contactless) == (0, 50_00)
    assert story.counters.used.cashless == 50_00
