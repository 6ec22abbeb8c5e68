"""Billing periods of a credit card (S §2.31, §28.2) and the lines of a statement."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from authsvc.model import Day, Decision, Foreign, Minor, Posted, PostingId, PostingKind, PostingReduced, UnixMs
from authsvc.model.values import Value
from authsvc.rules.business_days import is_business_day, moment_of, next_day

FIRST_DAY, LAST_DAY = 8, 7


class Period(Value, frozen=True, gc=False):
    """From the first moment of `first` to the last of `last`, Warsaw days. `closes`: the day it is closed on."""

    first: Day
    last: Day
    closes: Day

    @property
    def since(self) -> UnixMs:
        return moment_of(self.first)

    @property
    def until(self) -> UnixMs:
        """The first moment after it."""
        return moment_of(next_day(self.last))


def period(month: str) -> Period:
    """The billing period that ends on the 7th of `month` (YYYY-MM). One that ends on a Saturday or a free day is closed on the
    next business day (S §28.2); what it holds is still what its own days hold."""
    last = date.fromisoformat(f"{month}-{LAST_DAY:02}")
    first = (last.replace(day=1) - timedelta(days=1)).replace(day=FIRST_DAY)
    closes = last
    while not is_business_day(closes):
        closes += timedelta(days=1)
    return Period(Day(first.isoformat()), Day(last.isoformat()), Day(closes.isoformat()))


class Line(Value, frozen=True, gc=False):
    """One movement. `amount`: grosze, above zero for the holder, below zero from them; `balance`: after it; `reversal`: it
    takes an earlier one back, whole or in part; `foreign`: how a foreign amount came to PLN."""

    at: UnixMs
    decision: str
    posting: PostingId
    kind: PostingKind
    card: str
    amount: Minor
    balance: Minor
    reversal: bool
    rrn: str
    merchant: str
    authorization_code: str
    reference: str
    foreign: Foreign | None


def lines(decision: Decision) -> Iterator[Line]:
    """What one decision moved, in order."""
    for change in decision.changes:
        if isinstance(change, Posted | PostingReduced):
            one, backwards = change.posting, isinstance(change, PostingReduced)
            amount = change.returned if isinstance(change, PostingReduced) else -one.amount
            yield Line(
                decision.at, decision.id, one.id, one.kind, one.card, Minor(amount), change.balance, backwards,
                one.origin.rrn, one.origin.merchant, one.authorization_code, one.reference, one.foreign,
            )  # fmt: skip
