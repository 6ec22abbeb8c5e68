"""A second opinion: holds, limits and funds told again, by a little model that knows nothing of the rules, and played
against them (rulebook sections 1, 2 "Bookkeeping" and 4).

The model keeps what was paid, part by part, and looks at it afresh each time; nothing is added up on the way but the balance.
A longer game: `MONEY_GAMES=2000 .venv/bin/pytest tests/rules/test_money_model.py`.
"""

from __future__ import annotations

import os
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from given import (
    ATM,
    BPS,
    CREDIT,
    HOUR,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    cashback,
    increment,
    limits,
    online,
    origin,
    presentment,
    reason,
    reversal,
    withdrawal,
)
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec.structs import replace

from authsvc.model import (
    AccountId,
    Approved,
    Authorization,
    CardId,
    Charge,
    Entry,
    Kind,
    Load,
    Minor,
    Pin,
    SetLimits,
    Transfer,
    UnixMs,
)
from authsvc.rules import views

ZONE = ZoneInfo("Europe/Warsaw")
GENEROUS = {"one_payment": 10**12, "sum_previous": 10**12, "count_previous": 10**9}
"""Low-value figures that let every remote payment pass: SCA is not what is told again here."""
KINDS: dict[str, Any] = {"cash": withdrawal, "cashless": authorization, "internet": online}
COUNTED = {"cash": ("cash",), "cashless": ("cashless", "internet"), "internet": ("internet",)}
"""Which payments each day limit counts."""
AMOUNTS = st.sampled_from([1, 10_00, 33_33, 100_00, 250_00])
LIMITS = st.sampled_from([0, 50_00, 100_00, 400_00, 5_000_00])
INDIVIDUAL, FEE = 500_00, 5_00
IBAN = "PL61109010140000071219812874"


def wall(now: int) -> datetime:
    return datetime.fromtimestamp(now / 1000, ZONE)


class Part:
    """Money of one kind that counted on one day. `left`: what the hold still has of it, `counted`: what the limits have."""

    def __init__(self, kind: str, day: date, amount: int) -> None:
        self.kind, self.day, self.left, self.counted = kind, day, amount, amount


class Paid:
    """One payment that was approved. Its parts: goods, then the cash of a cashback, then increments: the order that they were
    added in, and the reverse of the order that they go back in. `counts`: (kind, day) of each transaction counted."""

    def __init__(self, request: Authorization, parts: list[Part], now: int, *, posted: bool = False) -> None:
        self.request, self.parts, self.now = request, parts, now
        self.counts = [(part.kind, part.day) for part in parts]
        self.is_open, self.posted = not posted, sum(part.left for part in parts) if posted else None
        naive = wall(now).replace(tzinfo=None) + timedelta(days=7)
        self.over = naive.replace(tzinfo=ZONE).timestamp() * 1000
        self.was_reversed = False

    def is_alive(self, now: int) -> bool:
        return self.is_open and now < self.over

    def held(self, now: int) -> int:
        return sum(part.left for part in self.parts) if self.is_alive(now) else 0

    def take(self, amount: int, *, restores: bool) -> None:
        """`amount` less on the hold, the newest part first."""
        for part in reversed(self.parts):
            some = min(amount, part.left)
            part.left -= some
            amount -= some
            if restores:
                part.counted -= some


class MoneyMachine(RuleBasedStateMachine):
    """Everything of section 4 that moves money, on one card of each kind of product."""

    @initialize(product=st.sampled_from([BPS, SGB, CREDIT]), funds=st.sampled_from([0, 200_00, 800_00]))
    def open(self, product: object, funds: int) -> None:
        assert product in (BPS, SGB, CREDIT)
        easy = replace(product, low_value=replace(product.low_value, **GENEROUS))
        one = card(limits=limits(400_00, 400_00, 100_00), individual_limit=Minor(INDIVIDUAL))
        self.story = Story(easy, account(easy, funds, one))
        self.product, self.is_credit = product, product is CREDIT
        self.balance, self.line = (0, funds) if self.is_credit else (funds, 0)
        self.limit = {"cash": 400_00, "cashless": 400_00, "internet": 100_00}
        self.most = {"cash": 5, "cashless": 15, "internet": 10} if product is SGB else {}
        self.paid: list[Paid] = []
        self.loose: list[tuple[str, date, int]] = []
        """What counted and is no payment of the list: transfers, claims without authorization."""
        self.now: int = NOON

    # ------------------------------------------------------------------------------------------- what is there

    @property
    def today(self) -> date:
        return wall(self.now).date()

    def amount_used(self, limit: str) -> int:
        parts = [(part.kind, part.day, part.counted) for one in self.paid for part in one.parts]
        return sum(amount for kind, day, amount in parts + self.loose if day == self.today and kind in COUNTED[limit])

    def count_used(self, limit: str) -> int:
        counts = [one for paid in self.paid for one in paid.counts] + [(kind, day) for kind, day, _ in self.loose]
        return sum(day == self.today and kind in COUNTED[limit] for kind, day in counts)

    @property
    def held(self) -> int:
        return sum(one.held(self.now) for one in self.paid)

    @property
    def room(self) -> tuple[str, int]:
        """What is there to spend, and the reason when it is not enough."""
        everything = self.line + self.balance - self.held
        if not self.is_credit:
            return "INSUFFICIENT_FUNDS", everything
        own = INDIVIDUAL - max(0, -self.balance) - self.held
        return ("INDIVIDUAL_LIMIT", own) if own < everything else ("CREDIT_LIMIT", everything)

    def expected(self, wanted: dict[str, int], *, counts: bool = True) -> str | None:
        """Why a payment of these amounts, by kind, is refused; rules 8 and 12, then funds."""
        names = [name for kind in wanted for name in (("cashless", "internet") if kind == "internet" else (kind,))]
        of = {name: wanted.get(name, wanted.get("internet", 0)) for name in names}
        if any(self.limit[name] == 0 for name in names):
            return "CHANNEL_OFF"
        for name in names:
            if self.amount_used(name) + of[name] > self.limit[name]:
                return f"{name}_limit".upper()
        for name in names if counts else []:
            if self.count_used(name) + 1 > self.most.get(name, 10**9):
                return f"{name}_count".upper()
        why, room = self.room
        return why if sum(wanted.values()) > room else None

    def send(self, request: Any) -> str | None:
        return reason(self.story.send(request, at=UnixMs(self.now)))

    def parts(self, wanted: dict[str, int]) -> list[Part]:
        return [Part(kind, self.today, amount) for kind, amount in wanted.items()]

    # --------------------------------------------------------------------------------------------- what happens

    @rule(kind=st.sampled_from(list(KINDS)), amount=AMOUNTS, mti=st.sampled_from(["0100", "0100", "0200"]))
    def pay(self, kind: str, amount: int, mti: str) -> None:
        """An 0100 holds, an 0200 posts at once; both use amount and count."""
        request = KINDS[kind](amount, origin=origin(mti))
        expected = self.expected({kind: amount})
        assert self.send(request) == expected
        if expected is None:
            posted = mti == "0200"
            self.balance -= amount if posted else 0
            self.paid.append(Paid(request, self.parts({kind: amount}), self.now, posted=posted))

    @rule(kind=st.sampled_from(["cashless", "internet"]), amount=AMOUNTS)
    def pay_what_there_is(self, kind: str, amount: int) -> None:
        """Partial approval: rule 13 alone gives a part."""
        request = KINDS[kind](amount, takes_part=True)
        expected, (_, room) = self.expected({kind: amount}), self.room
        if expected in ("INSUFFICIENT_FUNDS", "CREDIT_LIMIT", "INDIVIDUAL_LIMIT") and room > 0:
            amount, expected = room, None
        assert self.send(request) == expected
        if expected is None:
            outcome = self.story.journal[-1].outcome
            assert isinstance(outcome, Approved)
            assert outcome.amount == amount
            self.paid.append(Paid(request, self.parts({kind: amount}), self.now))

    @precondition(lambda self: self.product is BPS)
    @rule(amount=AMOUNTS, cash=st.sampled_from([1, 5_00, 30_00]))
    def pay_with_cashback(self, amount: int, cash: int) -> None:
        """W §8.7: the goods are cashless, the cash is cash."""
        request = cashback(amount + cash, cash)
        wanted = {"cashless": amount, "cash": cash}
        expected = self.expected(wanted)
        assert self.send(request) == expected
        if expected is None:
            self.paid.append(Paid(request, self.parts(wanted), self.now))

    @rule(kind=st.sampled_from(list(KINDS)), amount=AMOUNTS)
    def be_told(self, kind: str, amount: int) -> None:
        """An advice is held and counted whatever is there."""
        request = KINDS[kind](amount, origin=origin("0120"))
        assert self.send(request) is None
        self.paid.append(Paid(request, self.parts({kind: amount}), self.now))

    @precondition(lambda self: self.paid)
    @rule(index=st.integers(0, 99), amount=AMOUNTS)
    def add_to(self, index: int, amount: int) -> None:
        """An increment: the amount counts, the count does not; without an open hold there is nothing to add to."""
        one = self.paid[index % len(self.paid)]
        expected = self.expected({one.parts[0].kind: amount}, counts=False)
        if not one.is_alive(self.now):
            expected = "ORIGINAL_NOT_FOUND"
        if len(one.parts) > 10:
            return
        assert self.send(increment(one.request, amount)) == expected
        if expected is None:
            one.parts.append(Part(one.parts[0].kind, self.today, amount))

    @precondition(lambda self: self.paid)
    @rule(index=st.integers(0, 99), share=st.sampled_from([0, 0, 0.3, 1]), mti=st.sampled_from(["0400", "0420"]))
    def reverse(self, index: int, share: float, mti: str) -> None:
        """Of an open hold, or of an 0200: what goes back is free again, in the limits of its own day."""
        one = self.paid[index % len(self.paid)]
        standing = one.held(self.now) if one.posted is None else one.posted
        becomes = int(standing * share)
        undo = reversal(one.request, becomes or None, mti)
        assert self.send(undo) is None
        if one.posted is not None:
            self.balance += one.posted - becomes
            one.posted = becomes
        if standing:
            one.take(standing - becomes, restores=True)
            if not becomes:
                one.counts, one.is_open, one.was_reversed = [], False, one.is_open or one.was_reversed

    @precondition(lambda self: any(one.posted is None for one in self.paid))
    @rule(index=st.integers(0, 99), more=st.sampled_from([-5_00, 0, 0, 0, 7_00]), final=st.booleans())
    def claim(self, index: int, more: int, final: bool) -> None:
        """A presentment of a payment: posted, whatever has become of its hold; counted only when the limits had it back."""
        open_ = [one for one in self.paid if one.posted is None]
        one = open_[index % len(open_)]
        amount = max(1, one.request.amount + more)
        kind = one.parts[0].kind
        request = replace(presentment(one.request, amount), **self.told(kind), final=final)
        assert self.send(request) is None
        self.balance -= amount
        if one.is_alive(self.now):
            one.take(min(amount, one.held(self.now)), restores=False)
            one.is_open = not final and one.held(self.now) > 0
        elif one.was_reversed:
            self.loose.append((kind, self.today, amount))

    def told(self, kind: str) -> dict[str, Any]:
        """How a claim says what kind of payment it is of."""
        if kind == "cash":
            return {"kind": Kind.CASH, "mcc": ATM}
        return {"entry": Entry.ECOMMERCE, "condition": "59"} if kind == "internet" else {}

    @rule(kind=st.sampled_from(list(KINDS)), amount=AMOUNTS)
    def claim_without_authorization(self, kind: str, amount: int) -> None:
        """It counts as used, and may overdraw."""
        assert self.send(replace(presentment(None, amount), **self.told(kind))) is None
        self.balance -= amount
        self.loose.append((kind, self.today, amount))

    @rule(amount=AMOUNTS)
    def refund(self, amount: int) -> None:
        """Nothing by its authorization, the money by its presentment."""
        asked = authorization(amount, kind=Kind.REFUND)
        assert self.send(asked) is None
        assert self.send(presentment(asked, amount, kind=Kind.REFUND)) is None
        self.balance += amount

    @precondition(lambda self: self.product is BPS)
    @rule(amount=AMOUNTS)
    def deposit(self, amount: int) -> None:
        """W §11.3: at a machine, posted at once."""
        paid_in = authorization(amount, kind=Kind.DEPOSIT, mcc=ATM, pin=Pin.RIGHT, origin=origin("0200"))
        assert self.send(paid_in) is None
        self.balance += amount

    @precondition(lambda self: self.product is not SGB)
    @rule(amount=AMOUNTS)
    def transfer(self, amount: int) -> None:
        """S §14, W §2: cash, and its fee beside it."""
        order = Transfer(AccountId("account"), CardId("card"), Minor(amount), IBAN, "rent")
        expected = self.expected({"cash": amount})
        if expected in (None, "INSUFFICIENT_FUNDS", "CREDIT_LIMIT", "INDIVIDUAL_LIMIT"):
            short = "CREDIT_LIMIT" if self.is_credit else "INSUFFICIENT_FUNDS"
            expected = short if amount + FEE > self.room[1] else None
        assert self.send(order) == expected
        if expected is None:
            self.balance -= amount + FEE
            self.loose.append(("cash", self.today, amount))

    @rule(amount=AMOUNTS)
    def load(self, amount: int) -> None:
        assert self.send(Load(AccountId("account"), Minor(amount), "transfer")) is None
        self.balance += amount

    @rule(amount=AMOUNTS)
    def charge(self, amount: int) -> None:
        """S §30.3, W §21.3: into the red."""
        assert self.send(Charge(AccountId("account"), "fee", Minor(amount), "tariff")) is None
        self.balance -= amount

    @rule(name=st.sampled_from(list(KINDS)), amount=LIMITS)
    def set_limit(self, name: str, amount: int) -> None:
        command = SetLimits(AccountId("account"), CardId("card"), **{name: Minor(amount)})
        assert self.send(command) is None
        self.limit[name] = amount

    @rule(
        time=st.sampled_from([1, HOUR, 11 * HOUR, 12 * HOUR, 24 * HOUR, 6 * 24 * HOUR, 7 * 24 * HOUR, 130 * 24 * HOUR])
    )
    def wait(self, time: int) -> None:
        self.now += time

    # ------------------------------------------------------------------------------------------ what must agree

    @invariant()
    def the_views_agree(self) -> None:
        if not hasattr(self, "story"):
            return
        now, start = UnixMs(self.now), self.story.account
        one = start.cards[CardId("card")]
        used = views.used_today(one, now)
        assert (views.held(start, now), start.balance) == (self.held, self.balance)
        assert views.card_available(start, one, self.product, now) == self.room[1]
        assert one.debt == sum(start.owed.values()) == (max(0, -self.balance) if self.is_credit else 0)
        for name in KINDS:
            assert getattr(used, name) == self.amount_used(name), name
            assert getattr(used, f"{name}_count") == self.count_used(name), name


TestMoney = MoneyMachine.TestCase
TestMoney.settings = settings(max_examples=int(os.environ.get("MONEY_GAMES", "80")), stateful_step_count=40)
