"""What is sent next, drawn from a mix, as frames ready for the wire; and what became of it.

Presentments and reversals name a payment approved shortly before, repeats a message answered shortly before; while there is
none, a payment is sent instead. A card has one message under way at most, so that its answer can be known beforehand (module
`expect`). Everything random comes from one seed.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from typing import Literal, Protocol

from loadtest.expect import APPROVED, NOT_DECIDED, Book, Counted
from loadtest.fast import Reading, Template, Wire
from loadtest.messages import ACQUIRER, WARSAW, Card, Kind, Terminal, moments, pin_blocks
from loadtest.mix import Mix, Purchases

Expect = Literal["model", "basic", "none"]
"""How much of an answer is checked: all that the model knows; MTI, echoes and repeats; nothing."""
REMEMBERED = 2_000
"""Payments that may still be presented or reversed, messages that may still be repeated."""
DRAWN = 4_096
"""Amounts, and cards, drawn at a time."""
TRIES = 64
"""Cards drawn for one message until one is found that has none under way."""
BEFORE_PIN = ("2", "4", "7", "11", "12", "13", "14", "18", "37")
FOLLOWING = {Kind.REVERSAL: ("2", "4", "7", "11", "12", "13", "14", "18", "37", "90"),
             Kind.PRESENTMENT: ("2", "4", "7", "11", "12", "13", "14", "18", "37", "38", "90")}  # fmt: skip
PAYMENTS = frozenset({Kind.CHIP_PIN, Kind.CONTACTLESS, Kind.ATM, Kind.WEB, Kind.WRONG_PIN, Kind.ADVICE})
ORIGINAL = {Kind.ADVICE: b"0120"}


class Payer:
    """One card as load uses it. `block`, `wrong_block`: DE52 of its PIN and of another; `book`: what may be true of it."""

    __slots__ = ("block", "book", "busy", "expiry", "last4", "pan", "wrong_block")

    def __init__(self, card: Card, block: bytes, wrong_block: bytes, book: Book) -> None:
        self.pan, self.expiry, self.last4 = card.pan.encode(), card.expiry.encode(), card.pan[-4:]
        self.block, self.wrong_block = block, wrong_block
        self.book = book
        self.busy = False


def payers_of(cards: Sequence[Card], zone: bytes, books: Sequence[Book] | None = None) -> list[Payer]:
    """The cards as the traffic uses them; without `books` nothing is known of them."""
    right = pin_blocks(zone, [(card.pin, card.pan) for card in cards])
    # One digit too many: of those with four, one in 10 000 has the PVV of the right one, and is right for who checks that.
    wrong = pin_blocks(zone, [(f"{card.pin}0", card.pan) for card in cards])
    known = books if books is not None else [Book(None) for _ in cards]
    return [Payer(*each) for each in zip(cards, right, wrong, known, strict=True)]


class Sent:
    """One message under way. `intended`: when it was due, by `time.perf_counter`; `answer`: what a repeat must get;
    `original`: what it refers to; `counted`: what its approval counted."""

    __slots__ = (
        "amount", "answer", "code", "counted", "frame", "intended", "kind", "mcc", "mti", "original", "payer", "rrn", "sent",
        "stan", "template",
    )  # fmt: skip

    def __init__(self, kind: Kind, payer: Payer, template: Template, frame: bytes, stan: bytes, mti: bytes) -> None:
        self.kind = kind
        self.payer = payer
        self.template = template
        self.frame = frame
        self.stan = stan
        self.mti = mti
        self.amount = self.mcc = self.rrn = self.sent = self.code = b""
        self.intended = 0.0
        self.answer: Reading | None = None
        self.original: Sent | None = None
        self.counted: Counted | None = None


class Verdict:
    """What an answer was: right; unchecked, because nobody can know; or wrong, with the codes that were expected."""

    __slots__ = ("expected", "what")

    def __init__(self, what: str, expected: str = "") -> None:
        self.what = what
        self.expected = expected


RIGHT, UNCHECKED = Verdict("right"), Verdict("unchecked")


class Source(Protocol):
    """Where the generator gets its messages from."""

    def next(self) -> Sent | None:
        """The next message; None: there are no more."""
        ...

    def answered(self, sent: Sent, answer: Reading) -> Verdict:
        """Take note of an answer."""
        ...

    def unanswered(self, sent: Sent) -> None:
        """No answer will come to it any more."""
        ...


class Clock:
    """STAN and RRN of the next message, and the time as DE7, DE12, DE13 and a day, looked up once a second."""

    def __init__(self, first: int) -> None:
        self._number = first
        self._second = -1
        self._moments = (b"", b"", b"")
        self.today = 0

    def next(self) -> tuple[bytes, bytes]:
        self._number += 1
        return b"%06d" % (self._number % 1_000_000), b"%012d" % (self._number % 10**12)

    def moments(self) -> tuple[bytes, bytes, bytes]:
        second = int(time.time())
        if second != self._second:
            self._second = second
            now = datetime.fromtimestamp(second, UTC)
            sent, clock, day = (text.encode() for text in moments(now))
            self._moments = (sent, clock, day)
            self.today = warsaw_day(now)
        return self._moments


def warsaw_day(now: datetime) -> int:
    """Ordinal of the calendar day that limits count in."""
    return now.astimezone(WARSAW).toordinal()


class Templates:
    """One for each kind and length of PAN, made when first needed."""

    def __init__(self, wire: Wire, zone: bytes) -> None:
        self._wire = wire
        self._terminal = Terminal(zone, 1)
        self._made: dict[tuple[Kind, int], Template] = {}

    def of(self, kind: Kind, payer: Payer) -> Template:
        found = self._made.get((kind, len(payer.pan)))
        if found is None:
            found = self._made[kind, len(payer.pan)] = self._make(kind, len(payer.pan))
        return found

    def _make(self, kind: Kind, digits: int) -> Template:
        card, now = Card("4" + "0" * (digits - 1), "4912", "1234"), datetime.now(UTC)
        if kind in PAYMENTS:
            fields = self._terminal.pay(kind, card, 1, now)
            return Template(fields, (*BEFORE_PIN, "52") if "52" in fields else BEFORE_PIN, self._wire)
        paid = self._terminal.pay(Kind.CHIP_PIN, card, 1, now)
        reversing = kind is Kind.REVERSAL
        made = self._terminal.reverse(paid, now) if reversing else self._terminal.present(paid, "123456", now)
        return Template(made, FOLLOWING[kind], self._wire)


class Traffic:
    """Endless traffic of a mix over `payers`. A `Source`."""

    def __init__(
        self, mix: Mix, payers: Sequence[Payer], clock: Clock, seed: int, templates: Templates, expect: Expect = "model"
    ) -> None:
        self._random = Random(seed)
        self._payers = payers
        self._clock = clock
        self._templates = templates
        self._expect = expect
        self._drawn = {kind: _amounts(part, self._random) for kind, part in mix.purchases().items()}
        shares = {kind: part.share for kind, part in mix.purchases().items()}
        self._payments = _chooser(shares, self._random)
        after = {Kind.REVERSAL: mix.reversal, Kind.REPEAT: mix.repeat, Kind.PRESENTMENT: mix.presentment}
        self._kinds = _chooser({**shares, **{kind: part.share for kind, part in after.items()}}, self._random)
        self._cards = _popularity(len(payers), mix.zipf, self._random)
        self._approved: deque[Sent] = deque(maxlen=REMEMBERED)
        self._repeatable: deque[Sent] = deque(maxlen=REMEMBERED)

    def next(self) -> Sent:
        kind = next(self._kinds)
        if kind not in PAYMENTS:
            earlier = _first_free(self._repeatable if kind is Kind.REPEAT else self._approved)
            if earlier is not None:
                earlier.payer.busy = True
                return self._repeat(earlier) if kind is Kind.REPEAT else self._following(kind, earlier)
            kind = next(self._payments)
        return self._payment(kind)

    def _payment(self, kind: Kind) -> Sent:
        payer = self._free_payer()
        if kind is Kind.CONTACTLESS and payer.book.states and not payer.book.states[0].unlocked:
            kind = Kind.CHIP_PIN  # "insert your card"
        drawn = self._drawn.get(kind) or self._drawn[Kind.CONTACTLESS]
        amount, mcc = drawn[int(self._random.random() * DRAWN)]
        stan, rrn = self._clock.next()
        sent_at, clock, day = self._clock.moments()
        template = self._templates.of(kind, payer)
        values: tuple[bytes, ...] = (payer.pan, amount, sent_at, stan, clock, day, payer.expiry, mcc, rrn)
        if kind in _PIN:
            values = (*values, payer.wrong_block if kind is Kind.WRONG_PIN else payer.block)
        sent = Sent(kind, payer, template, template.fill(*values), stan, ORIGINAL.get(kind, b"0100"))
        sent.amount, sent.mcc, sent.rrn, sent.sent = amount, mcc, rrn, sent_at
        payer.busy = True
        return sent

    def _free_payer(self) -> Payer:
        """One with nothing under way; where none is found, one of whose answers nothing is known from then on."""
        for _ in range(TRIES):
            payer = self._payers[next(self._cards)]
            if not payer.busy:
                return payer
        payer = self._payers[int(self._random.random() * len(self._payers))]
        if payer.busy:
            payer.book.lose()
        return payer

    def _following(self, kind: Kind, original: Sent) -> Sent:
        """A reversal or presentment. It keeps the RRN: one payment."""
        stan, _ = self._clock.next()
        sent_at, clock, day = self._clock.moments()
        named = b"%b%b%b%b%b" % (original.mti, original.stan, original.sent, ACQUIRER.encode(), b"0" * 11)
        payer, template = original.payer, self._templates.of(kind, original.payer)
        values: tuple[bytes, ...] = (
            payer.pan,
            original.amount,
            sent_at,
            stan,
            clock,
            day,
            payer.expiry,
            original.mcc,
            original.rrn,
        )
        values = (*values, original.code, named) if kind is Kind.PRESENTMENT else (*values, named)
        mti = b"0220" if kind is Kind.PRESENTMENT else b"0400"
        sent = Sent(kind, payer, template, template.fill(*values), stan, mti)
        sent.amount, sent.rrn, sent.original = original.amount, original.rrn, original
        return sent

    def _repeat(self, earlier: Sent) -> Sent:
        """The same bytes but for the MTI's last digit."""
        frame, mti = earlier.template.repeated(earlier.frame), earlier.mti[:3] + b"1"
        sent = Sent(Kind.REPEAT, earlier.payer, earlier.template, frame, earlier.stan, mti)
        sent.answer, sent.amount, sent.rrn = earlier.answer, earlier.amount, earlier.rrn
        return sent

    # ------------------------------------------------------------------ what became of it

    def answered(self, sent: Sent, answer: Reading) -> Verdict:
        sent.payer.busy = False
        if self._expect == "none":
            return UNCHECKED
        verdict = self._judged(sent, answer)
        if verdict.what == "wrong" or answer.code in NOT_DECIDED or sent.kind is Kind.REPEAT:
            return verdict  # of a wrong one nobody knows what happened: nothing later may refer to it
        if answer.code == APPROVED and sent.kind in PAYMENTS and sent.kind is not Kind.ADVICE:
            sent.code = answer.authorization
            self._approved.append(sent)
        sent.answer = answer
        self._repeatable.append(sent)
        return verdict

    def _judged(self, sent: Sent, answer: Reading) -> Verdict:
        if answer.mti != RESPONSES[sent.mti]:
            self.unanswered(sent)
            return Verdict("wrong", f"MTI {RESPONSES[sent.mti].decode()}")
        if answer.rrn != sent.rrn or answer.amount != sent.amount:
            self.unanswered(sent)
            return Verdict("wrong", "DE4 and DE37 as sent")
        if sent.kind is Kind.REPEAT:
            assert sent.answer is not None
            return RIGHT if answer == sent.answer else Verdict("wrong", f"{sent.answer.code.decode()}, as before")
        if self._expect == "basic":
            return RIGHT
        return self._by_the_book(sent, answer.code)

    def _by_the_book(self, sent: Sent, code: bytes) -> Verdict:
        book, amount, today = sent.payer.book, int(sent.amount), self._clock.today
        if sent.kind in PAYMENTS:
            right, sent.counted, expected = book.pay(sent.kind, amount, code, today)
            if right is None:
                return UNCHECKED
            return RIGHT if right else Verdict("wrong", b" or ".join(expected).decode())
        if code in NOT_DECIDED:
            return UNCHECKED
        self._follow(sent, code == APPROVED)
        return RIGHT if code == APPROVED else Verdict("wrong", "00")

    def _follow(self, sent: Sent, done: bool) -> None:
        original, book = sent.original, sent.payer.book
        assert original is not None
        if sent.kind is Kind.PRESENTMENT:
            book.present(done)
        elif original.counted is not None:
            book.reverse(original.counted, int(original.amount), self._clock.today, done)

    def unanswered(self, sent: Sent) -> None:
        sent.payer.busy = False
        if self._expect != "model" or sent.kind is Kind.REPEAT:
            return
        if sent.kind in PAYMENTS:
            sent.payer.book.unanswered(sent.kind, int(sent.amount), self._clock.today)
        else:
            self._follow(sent, False)


RESPONSES = {
    b"%b%d" % (mti, last): mti[:2] + b"%d0" % (int(mti[2:]) + 1)
    for mti in (b"010", b"012", b"022", b"040")
    for last in (0, 1)
}
"""MTI of the answer: the function is one further, and there is no repeat of an answer."""
_PIN = frozenset({Kind.CHIP_PIN, Kind.ATM, Kind.WRONG_PIN})


def _first_free(earlier: deque[Sent]) -> Sent | None:
    """The oldest whose card has nothing under way, of the first few."""
    for _ in range(min(8, len(earlier))):
        if not earlier[0].payer.busy:
            return earlier.popleft()
        earlier.rotate(-1)
    return None


def _amounts(part: Purchases, random: Random) -> list[tuple[bytes, bytes]]:
    """Amounts as DE4, small ones more often, and merchants as DE18, the first named most often (Zipf's law)."""
    low, high = math.log(part.least), math.log(part.most)
    amounts = (min(part.most, round(math.exp(random.triangular(low, high)))) for _ in range(DRAWN))
    merchants = random.choices(part.mcc, [1 / rank for rank in range(1, len(part.mcc) + 1)], k=DRAWN)
    return [(b"%012d" % max(part.least, amount), mcc.encode()) for amount, mcc in zip(amounts, merchants, strict=True)]


def _popularity(cards: int, zipf: float, random: Random) -> Iterator[int]:
    """Card numbers without end: the one of rank r as often as r to the power of -zipf; 0: each as often as any other."""
    ranks = range(cards)
    sums = list(accumulate((rank + 1) ** -zipf for rank in ranks)) if zipf else None
    while True:
        if sums is None:
            yield from [int(random.random() * cards) for _ in range(DRAWN)]
        else:
            yield from random.choices(ranks, cum_weights=sums, k=DRAWN)


def _chooser(shares: Mapping[Kind, float], random: Random) -> Iterator[Kind]:
    """Kinds without end, each as often as its share says."""
    kinds, sums = list(shares), list(accumulate(shares.values()))
    while True:
        yield from random.choices(kinds, cum_weights=sums, k=DRAWN)
