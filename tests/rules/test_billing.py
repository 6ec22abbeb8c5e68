"""Billing periods (S §2.31, §28.2) and the lines of a statement."""

from __future__ import annotations

import pytest
from given import CREDIT, NOON, Story, financial, reversal, warsaw, with_pin

from authsvc.model import AccountId, Load, Minor
from authsvc.rules.billing import lines, period


@pytest.mark.parametrize(
    ("month", "first", "last", "closes"),
    [
        ("2026-07", "2026-06-08", "2026-07-07", "2026-07-07"),  # a Tuesday
        ("2026-11", "2026-10-08", "2026-11-07", "2026-11-09"),  # a Saturday: closed on Monday
        ("2026-06", "2026-05-08", "2026-06-07", "2026-06-08"),  # a Sunday
        ("2027-01", "2026-12-08", "2027-01-07", "2027-01-07"),  # over New Year
    ],
)
def test_a_period_runs_from_the_8th_to_the_7th(month: str, first: str, last: str, closes: str) -> None:
    """S §2.31; one that ends on a free day is closed on the next business day (S §28.2)."""
    made = period(month)
    assert (made.first, made.last, made.closes) == (first, last, closes)


def test_it_begins_and_ends_at_midnight_in_warsaw() -> None:
    """S §2.31: "to the end of the 7th"; the clocks changed in between."""
    made = period("2026-11")
    assert (made.since, made.until) == (warsaw("2026-10-08 00:00"), warsaw("2026-11-08 00:00"))


def test_each_movement_is_a_line() -> None:
    """Both amounts and the rate, what went which way, and the balance after it (S §28.4.3)."""
    story = Story(CREDIT)
    abroad = financial(10_00, currency="978")
    story.approve(with_pin(5_00), abroad, reversal(abroad), Load(AccountId("account"), Minor(20_00), "repayment"))
    shown = [line for decision in story.journal for line in lines(decision)]
    paid = story.posted[0].posting
    assert [(line.kind.value, line.amount, line.balance, line.reversal) for line in shown] == [
        ("purchase", -paid.amount, -paid.amount, False), ("purchase", paid.amount, 0, True), ("load", 20_00, 20_00, False),
    ]  # fmt: skip
    assert shown[0].foreign is not None
    assert (shown[0].foreign.amount, shown[0].foreign.currency, shown[0].at) == (10_00, "978", NOON)
    assert (shown[0].rrn, shown[2].reference) == (abroad.origin.rrn, "repayment")
