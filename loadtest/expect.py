"""What each answer should be: a little model of one card's limits and funds, made from the rulebook and nothing else.

It shares no line with the engine: it knows four products, the kinds of message that the generator sends, and the order of
the rules (rulebook section 2) as far as those can meet them. A card has at most one message under way, so what it must
be answered is known. After an answer that was wrong, or none at all, nobody knows whether the engine or only the answer
went wrong: then both states are kept, and an answer that fits either is right.

Amounts in grosze; days as ordinals of the Warsaw calendar.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any, NamedTuple

from loadtest.messages import Kind

APPROVED = b"00"
UNLIMITED = 1 << 60
TRIES = 3
MOST_HOLDS = 500
"""Open holds of one account; the next one is refused (docs/rulebook-notes.md)."""
MOST_STATES = 4
"""Kept of one card; beyond it the card is no longer checked."""
NOT_DECIDED = frozenset({b"91", b"96"})
"""DE39 of a host that could not decide: nothing happened."""


class Rules(NamedTuple):
    """Of a product (rulebook sections 1, 3 and 5): counts a day, what the third wrong PIN does, and DE39 of each refusal."""

    counts: tuple[int, int, int] = (UNLIMITED, UNLIMITED, UNLIMITED)
    captures: bool = False
    third_pin: bytes = b"75"
    pin_required: bytes = b"65"
    contact_first: bytes = b"65"
    sca_required: bytes = b"65"
    count_limit: bytes = b"61"
    off: bytes = b"57"
    suspected: bytes = b"63"
    unlocks_without_pin_limit: int = 100_00
    contactless_total: int = 200_00
    low_value: int = 120_00
    low_value_sum: int = 400_00
    low_value_count: int = 5


VISA = Rules(pin_required=b"70", contact_first=b"1A", sca_required=b"1A", count_limit=b"65", suspected=b"59")
PRODUCTS: Mapping[str, Rules] = {
    "credit-business": VISA,
    "prepaid-bps": Rules(),
    "prepaid-sgb": Rules(counts=(5, 15, 10), captures=True, third_pin=b"04"),
    "prepaid-sgb-minor": Rules(counts=(5, 15, 10), captures=True, third_pin=b"04"),
}
"""The Mastercard codes are the usual ones."""


class State:
    """One card and its account, which has no other. `room`: what can still be paid; `limits`: cash, cashless, internet a day;
    `used`, `times`: the same three today; `tapped`: contactless without PIN since the last SCA; `low_sum`, `low_count`:
    low-value exemptions since then; `scas`: how many SCAs there were; `gone`:
    captured."""

    __slots__ = (
        "blocked_on", "day", "failures", "gone", "holds", "limits", "low_count", "low_sum", "room", "rules", "scas",
        "tapped", "times", "unlocked", "used",
    )  # fmt: skip

    def __init__(self, rules: Rules, room: int, limits: tuple[int, int, int]) -> None:
        self.rules = rules
        self.room = room
        self.limits = limits
        self.day = 0
        self.used, self.times = [0, 0, 0], [0, 0, 0]
        self.tapped = self.low_sum = self.low_count = self.failures = self.blocked_on = self.scas = self.holds = 0
        self.unlocked = self.gone = False

    def copy(self) -> State:
        made = copy(self)
        made.used, made.times = [*self.used], [*self.times]
        return made

    def same(self, other: State) -> bool:
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)


_CHANGED_BY_ANSWER = ("failures", "blocked_on", "tapped", "low_sum", "low_count", "scas", "gone")


class Counted(NamedTuple):
    """What an approval counted, for its reversal: where (0 cash, 1 cashless, 2 internet), when, and after how many SCAs."""

    bucket: int
    day: int
    tapped: bool
    low_value: bool
    scas: int


CASH, CASHLESS, INTERNET = 0, 1, 2
BUCKETS = {Kind.ATM: CASH, Kind.WEB: INTERNET}
WITH_PIN = frozenset({Kind.CHIP_PIN, Kind.ATM, Kind.WRONG_PIN})


def from_views(rules: Rules, account: Mapping[str, Any], card: Mapping[str, Any], today: int) -> State | None:
    """The state as the control API tells it (wire.md section 4): GET of the account and of the card. None: a card that is
    blocked or not active yet; nothing is known of what its messages will be answered."""
    limits = card["limits"]
    state = State(rules, account["available"], (limits["cash"], limits["cashless"], limits["internet"]))
    used, left, state.day = card["used_today"], card["pin_tries_left"], today
    state.used = [used["cash"], used["cashless"], used["internet"]]
    state.times = [used[f"{name}_count"] or 0 for name in ("cash", "cashless", "internet")]
    state.tapped, state.unlocked = card["contactless"]["since_sca"], card["contactless"]["unlocked"]
    state.low_sum, state.low_count = card["low_value"]["sum"], card["low_value"]["count"]
    state.failures, state.holds = TRIES - left, len(account["holds"])
    state.blocked_on = today if left == 0 else 0
    state.gone = card["status"] == "captured"
    return state if card["status"] in ("active", "captured") else None


def answer(state: State, kind: Kind, amount: int, today: int) -> bytes:
    """DE39 that the rules come to, in their order; and in `state` what they change whatever the answer is."""
    if state.day != today:
        state.day, state.used, state.times = today, [0, 0, 0], [0, 0, 0]
    if kind is Kind.ADVICE:
        return APPROVED
    if state.gone:
        return state.rules.third_pin
    if state.blocked_on and (kind not in WITH_PIN or state.blocked_on == today):
        return b"75"
    if kind is Kind.WRONG_PIN:
        return _wrong_pin(state, today)
    if kind in WITH_PIN:
        _authenticated(state)
    return (
        _off(state, kind) or _without_sca(state, kind, amount) or _limits(state, kind, amount) or _funds(state, amount)
    )


def _wrong_pin(state: State, today: int) -> bytes:
    """Rows 6 and 7: the third blocks for the day, or captures; after a block of an earlier day three begin anew."""
    state.failures = 1 if state.failures >= TRIES else state.failures + 1
    if state.failures < TRIES:
        return b"55"
    state.blocked_on, state.gone = today, state.rules.captures
    return state.rules.third_pin


def _authenticated(state: State) -> None:
    """A right PIN is an SCA, also when a later rule refuses; it clears both totals (`sca_resets` is "both")."""
    state.failures = state.blocked_on = state.tapped = state.low_sum = state.low_count = 0
    state.scas += 1


def _off(state: State, kind: Kind) -> bytes:
    """Row 8: a limit of zero switches that kind off, and internet is inside cashless."""
    bucket = BUCKETS.get(kind, CASHLESS)
    is_off = state.limits[bucket] == 0 or (bucket == INTERNET and state.limits[CASHLESS] == 0)
    return state.rules.off if is_off else b""


def _without_sca(state: State, kind: Kind, amount: int) -> bytes:
    """Rows 10 and 11."""
    rules = state.rules
    if kind is Kind.CONTACTLESS:
        if not state.unlocked:
            return rules.contact_first
        above = amount > rules.unlocks_without_pin_limit or state.tapped + amount > rules.contactless_total
        return rules.pin_required if above else b""
    if kind is Kind.WEB:
        covered = state.low_sum <= rules.low_value_sum or state.low_count <= rules.low_value_count
        return b"" if amount <= rules.low_value and covered else rules.sca_required
    return b""


def _limits(state: State, kind: Kind, amount: int) -> bytes:
    """Row 12: amounts first, then counts."""
    bucket = BUCKETS.get(kind, CASHLESS)
    first = CASHLESS if bucket == INTERNET else bucket  # internet is inside cashless
    used, limits, times, counts = state.used, state.limits, state.times, state.rules.counts
    if used[first] + amount > limits[first] or used[bucket] + amount > limits[bucket]:
        return b"61"
    return state.rules.count_limit if times[first] >= counts[first] or times[bucket] >= counts[bucket] else b""


def _funds(state: State, amount: int) -> bytes:
    """Row 13, and the cap of open holds."""
    if amount > state.room:
        return b"51"
    return state.rules.suspected if state.holds >= MOST_HOLDS else APPROVED


def count(state: State, kind: Kind, amount: int) -> Counted:
    """Row 14: what an approval counts, and what it holds."""
    bucket, tapped, low_value = BUCKETS.get(kind, CASHLESS), kind is Kind.CONTACTLESS, kind is Kind.WEB
    first = CASHLESS if low_value else bucket
    state.used[first] += amount
    state.times[first] += 1
    if low_value:
        state.used[INTERNET] += amount
        state.times[INTERNET] += 1
    state.room -= amount
    state.holds += 1
    if kind in WITH_PIN:
        state.unlocked = True
    if tapped:
        state.tapped += amount
    if low_value:
        state.low_sum, state.low_count = state.low_sum + amount, state.low_count + 1
    return Counted(bucket, state.day, tapped, low_value, state.scas)


def give_back(state: State, counted: Counted, amount: int, today: int) -> None:
    """A full reversal: the hold; the limits of the original's day, if that is today; SCA counters if no SCA happened since."""
    state.room += amount
    state.holds -= 1
    if counted.day == today == state.day:
        for each in (CASHLESS, INTERNET) if counted.bucket == INTERNET else (counted.bucket,):
            state.used[each] = max(0, state.used[each] - amount)
            state.times[each] = max(0, state.times[each] - 1)
    if counted.scas == state.scas and counted.tapped:
        state.tapped = max(0, state.tapped - amount)
    if counted.scas == state.scas and counted.low_value:
        state.low_sum, state.low_count = max(0, state.low_sum - amount), max(0, state.low_count - 1)


class Book:
    """What may be true of one card. `states`: usually one; none: nothing is known of it any more."""

    __slots__ = ("states",)

    def __init__(self, state: State | None) -> None:
        self.states = [] if state is None else [state]

    def pay(self, kind: Kind, amount: int, code: bytes, today: int) -> tuple[bool | None, Counted | None, list[bytes]]:
        """Take an answer to a payment: whether it was right (None: nobody knows), what it counted, and what was expected."""
        if len(self.states) == 1 and code not in NOT_DECIDED:
            state = self.states[0]
            before = state.copy() if code != APPROVED else None  # looked at only where the answer may be wrong
            spare = (
                state.failures, state.blocked_on, state.tapped, state.low_sum, state.low_count, state.scas, state.gone
            )  # fmt: skip
            expected = answer(state, kind, amount, today)
            if expected == code:
                return True, count(state, kind, amount) if code == APPROVED else None, [expected]
            if before is None:  # undo what `answer` changed: it was approved by the host, and should not have been
                before = state.copy()
                for name, value in zip(_CHANGED_BY_ANSWER, spare, strict=True):
                    setattr(before, name, value)
            return self._doubt(before, state, kind, amount, code, expected)
        return self._among(kind, amount, code, today)

    def _doubt(
        self, before: State, after: State, kind: Kind, amount: int, code: bytes, expected: bytes
    ) -> tuple[bool, Counted | None, list[bytes]]:
        """A wrong answer: either the host did what it should and said something else, or it did what it said."""
        if expected == APPROVED:
            count(after, kind, amount)
        counted = None
        if code == APPROVED:
            counted = count(before, kind, amount)
        self._keep([after, before])
        return False, counted, [expected]

    def _among(
        self, kind: Kind, amount: int, code: bytes, today: int
    ) -> tuple[bool | None, Counted | None, list[bytes]]:
        """Of several possible states: those that would answer this stay."""
        if code in NOT_DECIDED or not self.states:
            return None, None, []
        tried = [(answer(each, kind, amount, today), each) for each in self.states]
        right = [each for expected, each in tried if expected == code]
        counted = [count(each, kind, amount) for each in right] if code == APPROVED else []
        for expected, each in tried:
            if not right and expected == APPROVED:
                count(each, kind, amount)
        self._keep(right or self.states)
        return bool(right), counted[0] if counted else None, sorted({expected for expected, _ in tried})

    def reverse(self, counted: Counted, amount: int, today: int, done: bool) -> None:
        """`done`: it was answered 00; otherwise it may have happened or not."""
        self._maybe(lambda state: give_back(state, counted, amount, today), done)

    def present(self, done: bool) -> None:
        """A claim of all of a hold: as much is owed as was held, so only the number of holds changes."""
        self._maybe(_one_hold_less, done)

    def unanswered(self, kind: Kind, amount: int, today: int) -> None:
        """No answer came to a payment: it was decided, or never arrived."""
        untouched = [state.copy() for state in self.states]
        for state in self.states:
            if answer(state, kind, amount, today) == APPROVED:
                count(state, kind, amount)
        self._keep(self.states + untouched)

    def lose(self) -> None:
        """Two messages of the card are under way at once: nobody can say any more which was first."""
        self.states = []

    def _maybe(self, happens: Callable[[State], None], done: bool) -> None:
        untouched = [] if done else [state.copy() for state in self.states]
        for state in self.states:
            happens(state)
        if untouched:
            self._keep(self.states + untouched)

    def _keep(self, states: list[State]) -> None:
        kept: list[State] = []
        for state in states:
            if not any(state.same(other) for other in kept):
                kept.append(state)
        self.states = kept if len(kept) <= MOST_STATES else []


def _one_hold_less(state: State) -> None:
    state.holds -= 1
