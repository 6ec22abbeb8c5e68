"""A second opinion: limits and funds told again, in a few lines that know nothing of the rules, and played against them.

The model keeps a list of what was paid and looks at it afresh each time; nothing is added up on the way.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from given import (
    BPS,
    CREDIT,
    HOUR,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    limits,
    online,
    reason,
    reversal,
    withdrawal,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from authsvc.model import AccountId, Authorization, CardId, Load, Minor, SetLimits, UnixMs
from authsvc.rules import views

ZONE = ZoneInfo("Europe/Warsaw")
GENEROUS = {"one_payment": 10**12, "sum_previous": 10**12, "count_previous": 10**9}
"""Low-value figures that let every remote payment pass: SCA is not what is told again here."""
KINDS = {"cash": withdrawal, "cashless": authorization, "internet": online}
COUNTED = {"cash": ("cash",), "cashless": ("cashless", "internet"), "internet": ("internet",)}
"""Which payments each day limit counts."""
AMOUNTS = st.sampled_from([1, 10_00, 33_33, 100_00, 250_00])
LIMITS = st.sampled_from([0, 50_00, 100_00, 400_00, 5_000_00])


def wall(now: int) -> datetime:
    return datetime.fromtimestamp(now / 1000, ZONE)


class Paid:
    """One approved payment."""

    def __init__(self, request: Authorization, kind: str, now: int) -> None:
        self.request, self.kind, self.amount, self.is_counted = request, kind, request.amount, True
        self.day = wall(now).date()
        naive = wall(now).replace(tzinfo=None) + timedelta(days=7)
        self.over = naive.replace(tzinfo=ZONE).timestamp() * 1000

    def held(self, now: int) -> int:
        return self.amount if now < self.over else 0


class MoneyMachine(RuleBasedStateMachine):
    """Payments, reversals, loads, limits and time, on one card of each kind of product."""

    @initialize(product=st.sampled_from([BPS, SGB, CREDIT]), funds=st.sampled_from([0, 200_00, 800_00]))
    def open(self, product: object, funds: int) -> None:
        assert product in (BPS, SGB, CREDIT)
        easy = replace(product, low_value=replace(product.low_value, **GENEROUS))
        one = card(limits=limits(400_00, 400_00, 100_00), individual_limit=Minor(500_00))
        self.story = Story(easy, account(easy, funds, one))
        self.is_credit, self.funds = product is CREDIT, funds
        self.limit = {"cash": 400_00, "cashless": 400_00, "internet": 100_00}
        self.most = {"cash": 5, "cashless": 15, "internet": 10} if product is SGB else {}
        self.paid: list[Paid] = []
        self.now: int = NOON

    def used(self, limit: str) -> list[Paid]:
        today = wall(self.now).date()
        return [one for one in self.paid if one.day == today and one.kind in COUNTED[limit]]

    def expected(self, kind: str, amount: int) -> str | None:
        checked = ["cashless", "internet"] if kind == "internet" else [kind]
        if any(self.limit[name] == 0 for name in checked):
            return "CHANNEL_OFF"
        for name in checked:
            if sum(one.amount for one in self.used(name)) + amount > self.limit[name]:
                return f"{name}_limit".upper()
        for name in checked:
            if sum(one.is_counted for one in self.used(name)) + 1 > self.most.get(name, 10**9):
                return f"{name}_count".upper()
        return self.missing_money(amount)

    def missing_money(self, amount: int) -> str | None:
        held = sum(one.held(self.now) for one in self.paid)
        if self.is_credit and 500_00 - held < self.funds - held:
            return "INDIVIDUAL_LIMIT" if amount > 500_00 - held else None
        refusal = "CREDIT_LIMIT" if self.is_credit else "INSUFFICIENT_FUNDS"
        return refusal if amount > self.funds - held else None

    @rule(kind=st.sampled_from(list(KINDS)), amount=AMOUNTS)
    def pay(self, kind: str, amount: int) -> None:
        request = KINDS[kind](amount)
        expected = self.expected(kind, amount)
        assert reason(self.story.send(request, at=UnixMs(self.now))) == expected
        if expected is None:
            self.paid.append(Paid(request, kind, self.now))

    @precondition(lambda self: self.paid)
    @rule(index=st.integers(0, 99), share=st.sampled_from([0, 0, 0.3, 1]), mti=st.sampled_from(["0400", "0420"]))
    def reverse(self, index: int, share: float, mti: str) -> None:
        one = self.paid[index % len(self.paid)]
        becomes = int(one.amount * share)
        undo = reversal(one.request, becomes or None, mti)
        assert reason(self.story.send(undo, at=UnixMs(self.now))) is None
        if one.held(self.now):
            one.amount, one.is_counted = Minor(becomes), becomes > 0

    @rule(amount=AMOUNTS)
    def load(self, amount: int) -> None:
        self.story.send(Load(AccountId("account"), Minor(amount), "transfer"), at=UnixMs(self.now))
        self.funds += amount

    @rule(name=st.sampled_from(list(KINDS)), amount=LIMITS)
    def set_limit(self, name: str, amount: int) -> None:
        command = SetLimits(AccountId("account"), CardId("card"), **{name: Minor(amount)})
        assert reason(self.story.send(command, at=UnixMs(self.now))) is None
        self.limit[name] = amount

    @rule(
        time=st.sampled_from([1, HOUR, 11 * HOUR, 12 * HOUR, 24 * HOUR, 6 * 24 * HOUR, 7 * 24 * HOUR, 130 * 24 * HOUR])
    )
    def wait(self, time: int) -> None:
        self.now += time

    @invariant()
    def the_views_agree(self) -> None:
        if not hasattr(self, "story"):
            return
        now, start = UnixMs(self.now), self.story.account
        used = views.used_today(start.cards[CardId("card")], now)
        assert views.held(start, now) == sum(one.held(self.now) for one in self.paid)
        for name in KINDS:
            assert getattr(used, name) == sum(one.amount for one in self.used(name))
            assert getattr(used, f"{name}_count") == sum(one.is_counted for one in self.used(name))


TestMoney = MoneyMachine.TestCase
TestMoney.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
