"""Rule 12: day limits, amounts first, then counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from given import (
    ALL,
    BPS,
    CREDIT,
    HOUR,
    MANY,
    MINOR_SGB,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    code,
    ids,
    limits,
    online,
    reason,
    reversal,
    warsaw,
    withdrawal,
)
from hypothesis import given
from hypothesis import strategies as st

from authsvc.model import (
    AccountId,
    Authorization,
    Bucket,
    CardId,
    Counters,
    Day,
    Kind,
    Limits,
    Minor,
    Reason,
    SetLimits,
    UnixMs,
    Used,
)
from authsvc.products import Product
from authsvc.rules.limits import add, remaining_today, used_today

CASH, CASHLESS, INTERNET = Reason.CASH_LIMIT, Reason.CASHLESS_LIMIT, Reason.INTERNET_LIMIT


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("day_limits", "requests", "then"),
    [
        (limits(cash=100_00), [withdrawal(60_00), withdrawal(40_00)], None),  # to the last grosz
        (limits(cash=100_00), [withdrawal(60_00), withdrawal(40_01)], CASH),
        (limits(cash=100_00), [authorization(100_00), withdrawal(100_00)], None),  # cash and cashless apart
        (limits(cash=100_00), [authorization(60_00, kind=Kind.QUASI_CASH), withdrawal(40_01)], CASH),
        (limits(cashless=100_00), [authorization(100_00)], None),
        (limits(cashless=100_00), [authorization(100_01)], CASHLESS),
        (limits(cashless=100_00), [withdrawal(90_00), authorization(100_00)], None),
        (limits(cashless=100_00), [online(60_00), authorization(40_01)], CASHLESS),  # internet uses cashless up
        (limits(cashless=100_00), [authorization(60_00), online(40_01)], CASHLESS),
        (limits(internet=50_00), [online(50_00), authorization(50_00)], None),  # the shop is not the internet
        (limits(internet=50_00), [online(20_00), online(30_01)], INTERNET),
        (limits(cashless=100_00, internet=50_00), [authorization(60_00), online(40_01)], CASHLESS),
        (limits(cashless=100_00, internet=50_00), [online(50_01)], INTERNET),
        (limits(cashless=10_00, internet=10_00), [online(10_01)], CASHLESS),  # cashless is looked at first
    ],
)
def test_amounts(product: Product, day_limits: Limits, requests: list[Authorization], then: Reason | None) -> None:
    """The day's total of each kind, this one included, stays within its limit.

    S §23.1.1-3, §27.5.1; W §10.1.1-2, §14.15.1; P §3.4, §10.1, zał.2.
    """
    story = Story(product, account(product, MANY, card(limits=day_limits)))
    story.approve(*requests[:-1])
    decision = story.send(requests[-1])
    assert (reason(decision), code(decision)) == (then, "00" if then is None else "61")


@pytest.mark.parametrize("product", [SGB, MINOR_SGB], ids=ids)
@pytest.mark.parametrize(
    ("make", "most", "then"),
    [
        (withdrawal, 5, Reason.CASH_COUNT),
        (authorization, 15, Reason.CASHLESS_COUNT),
        (online, 10, Reason.INTERNET_COUNT),
    ],
)
def test_counts(product: Product, make: Callable[..., Authorization], most: int, then: Reason) -> None:
    """P allows 5 withdrawals, 15 payments, 10 of them on the internet, a day (P §3.4, §3.6, §10.1, zał.2)."""
    story = Story(product)
    story.approve(*[make(10) for _ in range(most)])
    decision = story.send(make(10))
    assert (reason(decision), code(decision)) == (then, "61")  # Mastercard's 65 asks for SCA
    assert reason(story.send(make(10), at=warsaw("2026-06-16 00:00"))) is None


@pytest.mark.parametrize(
    ("name", "make"),
    [("cash", withdrawal), ("cashless", authorization), ("internet", online)],
    ids=["cash", "cashless", "internet"],
)
def test_a_child_spends_within_the_limits_and_nobody_widens_them(name: str, make: Callable[..., Authorization]) -> None:
    """A user under 13 has the account's money by card alone, and to the set limits (P §40.2.3): 100.00 a day of each kind,
    whatever lies on the account, and no order takes it further (P zał.2)."""
    start = account(MINOR_SGB, MANY, card(limits=limits(100_00, 100_00, 100_00)))
    story = Story(MINOR_SGB, start)
    wider = SetLimits(AccountId("account"), CardId("card"), **{name: Minor(100_01)})
    assert reason(story.send(wider)) is Reason.ABOVE_CEILING
    story.approve(make(60_00), make(40_00))
    assert reason(story.send(make(1))) in (CASH, CASHLESS)


def test_ten_on_the_internet_are_ten_of_the_fifteen() -> None:
    """After ten internet payments five in shops are left (P zał.2: 10 of the 15)."""
    story = Story(SGB)
    story.approve(*[online(10) for _ in range(10)], *[authorization(10) for _ in range(5)])
    assert story.reasons(authorization(10), online(10)) == [Reason.CASHLESS_COUNT] * 2


@pytest.mark.parametrize("product", [CREDIT, BPS], ids=ids)
def test_s_and_w_do_not_count(product: Product) -> None:
    """S and W limit amounts, not counts (S §23.1, W §10.1)."""
    story = Story(product)
    story.approve(*[authorization(10) for _ in range(40)], *[withdrawal(10) for _ in range(10)])


def test_the_amount_is_looked_at_before_the_count() -> None:
    """When both are exceeded the amount names the reason (rulebook section 2: amount then count)."""
    used = Used(day=Day("2026-06-15"), cash=Minor(100_00), cash_count=5)
    full = card(limits=limits(cash=100_00), counters=Counters(used=used))
    assert Story(SGB, account(SGB, MANY, full)).reasons(withdrawal(1)) == [CASH]


@pytest.mark.parametrize(
    ("first", "second", "then"),
    [
        ("2026-06-15 23:59:59.999", "2026-06-16 00:00", None),
        ("2026-06-15 00:00", "2026-06-15 23:59:59.999", CASHLESS),
        ("2026-03-29 00:00", "2026-03-29 23:59:59.999", CASHLESS),  # 23 hours
        ("2026-03-29 23:59:59.999", "2026-03-30 00:00", None),
        ("2026-10-25 00:00", "2026-10-25 23:59:59.999", CASHLESS),  # 25 hours
        ("2026-10-25 23:59:59.999", "2026-10-26 00:00", None),
        ("2026-12-31 23:59", "2027-01-01 00:00", None),
    ],
)
@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_new_day_begins_at_midnight_in_warsaw(product: Product, first: str, second: str, then: Reason | None) -> None:
    """Limits are of the calendar day in Warsaw, which has 23 or 25 hours when the clocks change (rulebook, "Day")."""
    story = Story(product, account(product, MANY, card(limits=limits(cashless=100_00))))
    assert reason(story.send(authorization(100_00), at=warsaw(first))) is None
    assert reason(story.send(authorization(1), at=warsaw(second))) is then


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_what_is_refused_is_not_used(product: Product) -> None:
    """Only what was approved uses up a limit."""
    story = Story(product, account(product, 50_00, card(limits=limits(cashless=100_00))))
    story.send(authorization(90_00))
    assert used_today(story.card, story.now) == Used(day=Day("2026-06-15"))


@pytest.mark.parametrize(
    ("becomes", "used", "number"), [(None, 0, 0), (0, 0, 0), (40_00, 40_00, 1)], ids=["full", "zero", "part"]
)
@pytest.mark.parametrize("make", [withdrawal, authorization, online])
def test_a_reversal_restores(becomes: int | None, used: int, number: int, make: Callable[..., Authorization]) -> None:
    """A reversal gives amount and count back to the kind it came from; a partial one keeps the count (section 4)."""
    story, paid = Story(SGB), make(100_00)
    story.approve(paid, reversal(paid, becomes))
    today = used_today(story.card, story.now)
    counted = {withdrawal: today.cash, authorization: today.cashless, online: today.internet}
    counts = {withdrawal: today.cash_count, authorization: today.cashless_count, online: today.internet_count}
    assert (counted[make], counts[make]) == (used, number)
    assert sum((today.cash, today.cashless)) == used


def test_a_reversal_of_yesterday_leaves_today_alone() -> None:
    """A reversal restores the day of its original, so today's limit is as it was (rulebook, "Limits restore")."""
    story, paid = Story(SGB), authorization(100_00)
    story.approve(paid)
    story.now = UnixMs(NOON + 24 * HOUR)
    story.approve(authorization(30_00), reversal(paid))
    assert used_today(story.card, story.now) == Used(day=Day("2026-06-16"), cashless=30_00, cashless_count=1)
    assert story.held == 30_00


AMOUNTS = st.integers(0, 10**9)
USED = st.builds(Used, day=st.just(Day("2026-06-15")), cash=AMOUNTS, cashless=AMOUNTS, internet=AMOUNTS)


@given(USED, st.sampled_from(list(Bucket)), AMOUNTS)
def test_what_is_added_and_given_back_leaves_nothing(used: Used, bucket: Bucket, amount: int) -> None:
    """An amount added and taken off again leaves the counters as they were; they never fall below zero."""
    assert add(add(used, bucket, Minor(amount), 1), bucket, Minor(-amount), -1) == used
    lowest = add(used, bucket, Minor(-(10**10)), -99)
    assert min(lowest.cash, lowest.cashless, lowest.internet, lowest.cash_count, lowest.internet_count) >= 0


@pytest.mark.parametrize(
    ("requests", "then"),
    [
        ([], {"cash": 100_00, "cashless": 80_00, "internet": 50_00, "cash_count": 5, "internet_count": 10}),
        ([withdrawal(30_00)], {"cash": 70_00, "cashless": 80_00, "cash_count": 4, "cashless_count": 15}),
        ([online(20_00)], {"cashless": 60_00, "internet": 30_00, "cashless_count": 14, "internet_count": 9}),
        ([authorization(60_00)], {"cashless": 20_00, "internet": 20_00}),  # never more than is left in cashless
    ],
)
def test_what_remains_today(requests: list[Authorization], then: dict[str, int]) -> None:
    """A person who asks is told what may still be paid today (wire.md, `remaining_today`)."""
    start = account(SGB, MANY, card(limits=limits(cash=100_00, cashless=80_00, internet=50_00)))
    story = Story(SGB, start)
    story.approve(*requests)
    remaining = remaining_today(story.card, SGB, story.now)
    assert {name: remaining[name] for name in then} == then


def test_counts_are_not_told_where_there_are_none() -> None:
    """Where the regulation sets no count, none is told (S §23, W §10)."""
    remaining = remaining_today(card(), BPS, NOON)
    assert [remaining[name] for name in ("cash_count", "cashless_count", "internet_count")] == [None] * 3
