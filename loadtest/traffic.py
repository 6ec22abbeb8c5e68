"""What is sent next, drawn from a mix, as frames ready for the wire; and what became of it.

Reversals name a payment approved shortly before, repeats a message answered shortly before; while there is none, a
payment is sent instead. Everything random comes from one seed.
"""

from __future__ import annotations

import math
import time
from bisect import bisect
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import accumulate
from random import Random
from typing import Protocol

from loadtest.fast import Reading, Template
from loadtest.messages import ACQUIRER, Card, Kind, Terminal, moments
from loadtest.mix import Mix, Purchases

CHANGING = ("4", "7", "11", "12", "13", "18", "37")
CHANGING_IN_REVERSAL = (*CHANGING, "90")
REMEMBERED = 2_000
"""Payments that may still be reversed, messages that may still be repeated."""
DRAWN = 4_096
"""Amounts drawn beforehand for each kind."""
OPENING_AMOUNT = b"000000000100"
NOT_DECIDED = frozenset({b"91", b"96"})
"""DE39 of an engine that could not decide: nothing is stored, so a repeat may well get another answer."""


class Sent:
    """One message under way. `intended`: when it was due, by `time.perf_counter`; `answer`: what a repeat must get."""

    __slots__ = ("amount", "answer", "frame", "intended", "kind", "mcc", "rrn", "sent", "stan", "wallet")

    def __init__(self, kind: Kind, wallet: Wallet, frame: bytes, stan: bytes) -> None:
        self.kind = kind
        self.wallet = wallet
        self.frame = frame
        self.stan = stan
        self.amount = self.mcc = self.rrn = self.sent = b""
        self.intended = 0.0
        self.answer: Reading | None = None


class Source(Protocol):
    """Where the generator gets its messages from."""

    def next(self) -> Sent | None:
        """The next message; None: there are no more."""
        ...

    def answered(self, sent: Sent, answer: Reading) -> bool:
        """Take note of an answer; False when it is not the one it had to be."""
        ...


class Wallet:
    """One card with its templates, each made when it is first needed."""

    def __init__(self, card: Card, terminal: Terminal) -> None:
        self._card = card
        self._terminal = terminal
        self._templates: dict[Kind, Template] = {}

    def template(self, kind: Kind) -> Template:
        found = self._templates.get(kind)
        if found is None:
            found = self._templates[kind] = self._make(kind)
        return found

    def _make(self, kind: Kind) -> Template:
        now = datetime.now(UTC)
        if kind is not Kind.REVERSAL:
            return Template(self._terminal.pay(kind, self._card, 1, now), CHANGING)
        payment = self._terminal.pay(Kind.CHIP_PIN, self._card, 1, now)
        return Template(self._terminal.reverse(payment, now), CHANGING_IN_REVERSAL)


class Numbers:
    """STAN and RRN of the next message, and the time as DE7, DE12, DE13, looked up once a second."""

    def __init__(self, first: int) -> None:
        self._number = first
        self._second = -1
        self._moments = (b"", b"", b"")

    def next(self) -> tuple[bytes, bytes]:
        self._number += 1
        return b"%06d" % (self._number % 1_000_000), b"%012d" % (self._number % 10**12)

    def moments(self) -> tuple[bytes, bytes, bytes]:
        second = int(time.time())
        if second != self._second:
            self._second = second
            sent, clock, day = (text.encode() for text in moments(datetime.fromtimestamp(second, UTC)))
            self._moments = (sent, clock, day)
        return self._moments


def payment(kind: Kind, wallet: Wallet, amount: bytes, mcc: bytes, numbers: Numbers) -> Sent:
    stan, rrn = numbers.next()
    sent_at, clock, day = numbers.moments()
    sent = Sent(kind, wallet, wallet.template(kind).fill(amount, sent_at, stan, clock, day, mcc, rrn), stan)
    sent.amount, sent.mcc, sent.rrn, sent.sent = amount, mcc, rrn, sent_at
    return sent


class Opening:
    """One small payment with chip and PIN by each card: what contactless waits for, and every card has been seen."""

    def __init__(self, wallets: Sequence[Wallet], numbers: Numbers) -> None:
        self._wallets = iter(wallets)
        self._numbers = numbers

    def next(self) -> Sent | None:
        wallet = next(self._wallets, None)
        return None if wallet is None else payment(Kind.CHIP_PIN, wallet, OPENING_AMOUNT, b"5411", self._numbers)

    def answered(self, sent: Sent, answer: Reading) -> bool:  # noqa: ARG002 - any answer will do
        return True


class Traffic:
    """Endless traffic of a mix over `wallets`, each card as likely as any other. A `Source`."""

    def __init__(self, mix: Mix, wallets: Sequence[Wallet], numbers: Numbers, seed: int) -> None:
        self._random = Random(seed)
        self._wallets = wallets
        self._numbers = numbers
        self._drawn = {kind: self._draw(part) for kind, part in mix.purchases().items()}
        shares = {kind: part.share for kind, part in mix.purchases().items()}
        self._payments = _chooser(shares, self._random)
        self._kinds = _chooser(
            {**shares, Kind.REVERSAL: mix.reversal.share, Kind.REPEAT: mix.repeat.share}, self._random
        )
        self._reversible: deque[Sent] = deque(maxlen=REMEMBERED)
        self._repeatable: deque[Sent] = deque(maxlen=REMEMBERED)

    def next(self) -> Sent:
        kind = self._kinds()
        if kind is Kind.REVERSAL and self._reversible:
            return self._reversal(self._reversible.popleft())
        if kind is Kind.REPEAT and self._repeatable:
            return _repeat(self._repeatable.popleft())
        if kind not in self._drawn:
            kind = self._payments()
        uniform = self._random.random
        amount, mcc = self._drawn[kind][int(uniform() * DRAWN)]
        return payment(kind, self._wallets[int(uniform() * len(self._wallets))], amount, mcc, self._numbers)

    def answered(self, sent: Sent, answer: Reading) -> bool:
        if sent.kind is Kind.REPEAT:
            return sent.answer == answer
        if answer.code == b"00" and sent.kind is not Kind.REVERSAL:
            self._reversible.append(sent)
        if answer.code in NOT_DECIDED:
            return True
        sent.answer = answer
        self._repeatable.append(sent)
        return True

    def _reversal(self, original: Sent) -> Sent:
        stan, _ = self._numbers.next()
        sent_at, clock, day = self._numbers.moments()
        named = b"0100%b%b%b%b" % (original.stan, original.sent, ACQUIRER.encode(), b"0" * 11)
        frame = original.wallet.template(Kind.REVERSAL).fill(
            original.amount, sent_at, stan, clock, day, original.mcc, original.rrn, named
        )
        return Sent(Kind.REVERSAL, original.wallet, frame, stan)

    def _draw(self, part: Purchases) -> list[tuple[bytes, bytes]]:
        """Amounts as DE4 and merchants as DE18."""
        low, high = math.log(part.least), math.log(part.most)
        amounts = (min(part.most, round(math.exp(self._random.uniform(low, high)))) for _ in range(DRAWN))
        return [(b"%012d" % max(part.least, amount), self._random.choice(part.mcc).encode()) for amount in amounts]


def _repeat(earlier: Sent) -> Sent:
    """The same bytes but for the MTI's last digit."""
    sent = Sent(Kind.REPEAT, earlier.wallet, earlier.frame[:5] + b"1" + earlier.frame[6:], earlier.stan)
    sent.answer = earlier.answer
    return sent


def _chooser(shares: dict[Kind, float], random: Random) -> Callable[[], Kind]:
    """Draws a kind as often as its share says."""
    kinds, sums = list(shares), list(accumulate(shares.values()))
    total, last = sums[-1], len(kinds) - 1
    return lambda: kinds[min(last, bisect(sums, random.random() * total))]
