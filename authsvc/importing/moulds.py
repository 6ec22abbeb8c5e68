"""One decision for all accounts of one shape: made by the rules once, with marks where names and amounts go, and filled with
those of each account. Deciding costs 60 µs and more, filling 5.

Nothing the rules decide here depends on a name, and on an amount only whether it is there: opening amounts are added up and
compared with nothing. So each amount is marked by a power of two, and every sum of them that stands in the decision tells of
which it is made. A mould is proved when it is made: what it fills with other names and amounts is to the byte what the rules
decide on them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from authsvc.importing.reading import FieldError, LimitsWanted
from authsvc.ledger.bulk import EntryRow
from authsvc.ledger.entries import entries_of
from authsvc.model import (
    Account,
    AccountId,
    Actor,
    Approved,
    Audit,
    CardId,
    Decision,
    ImportAccount,
    ImportedCard,
    IssueCard,
    Load,
    Minor,
    OpenAccount,
    OpeningDebt,
    PostingKind,
    UnixMs,
)
from authsvc.model.decisions import Fact
from authsvc.model.documents import document_of
from authsvc.products import Product
from authsvc.rules.charge import TAKEN_OVER
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve

UNIT = 10**13
"""Above every other number of a decision: its time in milliseconds has 13 digits."""
BEFORE_CARDS, OF_A_CARD = 2, 4
"""Texts of an account that are of no card, and of each card."""
MOST_AMOUNTS = 18
"""Sums of so many powers of two fit into 64 bits with their sign. Accounts with more are decided one by one."""

_encode = msgspec.json.Encoder().encode


class CardNames(NamedTuple):
    id: str
    last4: str
    expiry: str
    pvv: str


class CardShape(NamedTuple):
    individual_limit: int | None
    limits: LimitsWanted
    active: bool
    debts: tuple[PostingKind, ...]


class Shape(NamedTuple):
    """What decides how the decision on an account looks. `held`: it has a holder; `funded`: it has a balance."""

    product: str
    held: bool
    funded: bool
    credit_limit: int | None
    cards: tuple[CardShape, ...]

    @property
    def amounts(self) -> int:
        return self.funded + sum(len(card.debts) for card in self.cards)


class Names(NamedTuple):
    """What differs from account to account, as texts."""

    account: str
    holder: str
    cards: Sequence[CardNames]


class Made(NamedTuple):
    """Decision and account as they are written, and the entries."""

    decision: bytes
    state: bytes
    entries: list[EntryRow]


class Order(Struct, frozen=True):
    """What all accounts have in common: the moment, and who takes them over."""

    now: UnixMs
    actor: Actor


def decided(
    shape: Shape, names: Names, amounts: Sequence[int], product: Product, order: Order
) -> tuple[Decision, Account]:
    """By the rules. `amounts`: the balance, if there is one, and the debts in their order. Raises FieldError."""
    command = _command(shape, names, amounts)
    unborn = Account(id=command.account)
    decision = decide(command, unborn, product, order.now)
    if not isinstance(decision.outcome, Approved):
        refused = decision.outcome
        raise FieldError(refused.rule, f"refused by the rules: {refused.reason.value} ({refused.paragraph})")
    after = evolve(unborn, decision)
    facts: dict[str, Fact] = {
        "product": after.product,
        "credit_limit": after.credit_limit,
        "balance": after.balance,
        "cards": len(after.cards),
    }
    return msgspec.structs.replace(decision, audit=Audit(order.actor, {}, facts)), after


def made(shape: Shape, names: Names, amounts: Sequence[int], product: Product, order: Order) -> Made:
    """Without a mould."""
    decision, after = decided(shape, names, amounts, product, order)
    return Made(_encode(decision), document_of(after), list(_entries(decision)))


class Mould:
    """Raises FieldError when the rules refuse the shape."""

    def __init__(self, shape: Shape, product: Product, order: Order) -> None:
        marks = Names("@slot0@", "@slot1@" if shape.held else "", [_card_marks(n) for n in range(len(shape.cards))])
        bits = [UNIT << number for number in range(shape.amounts)]
        found = made(shape, marks, bits, product, order)
        texts = BEFORE_CARDS + OF_A_CARD * len(shape.cards)
        self._sums = sorted({int(number) // UNIT for number in _AMOUNT.findall(found.decision + found.state)})
        places = {b"%d" % (bits * UNIT): texts + place for place, bits in enumerate(self._sums)}
        self._decision = _stencil(found.decision, places)
        self._state = _stencil(found.state, places)
        self._entries = found.entries
        self._prove(shape, product, order)

    def fill(self, names: Names, amounts: Sequence[int]) -> Made:
        slots = [names.account.encode(), _encode(names.holder)[1:-1] if names.holder else b""]
        for card in names.cards:
            slots += map(str.encode, card)
        sums = {bits: _sum(bits, amounts) for bits in self._sums}
        slots += [b"%d" % amount for amount in sums.values()]
        (decision, decisions), (state, states) = self._decision, self._state
        entries = [self._entry(entry, names, sums) for entry in self._entries] if self._entries else []
        return Made(decision % decisions(slots), state % states(slots), entries)

    def _entry(self, entry: EntryRow, names: Names, sums: dict[int, int]) -> EntryRow:
        account, leg, at, posting, kind, card, debit, credit, amount = entry
        owner = names.cards[(int(card[5:-1]) - BEFORE_CARDS) // OF_A_CARD].id if card else ""
        return (
            names.account, leg, at, posting.replace(account, names.account), kind, owner, debit, credit, sums[amount // UNIT]
        )  # fmt: skip

    def _prove(self, shape: Shape, product: Product, order: Order) -> None:
        cards = [CardNames(f"card-{n}", f"{n:04}", f"{n:02}12", f"{9 - n % 10}{n:03}") for n in range(len(shape.cards))]
        names = Names("acc-proof", 'Zażółć "%s" @' if shape.held else "", cards)
        amounts = [10**9 + 7 * 3**number for number in range(shape.amounts)]
        assert self.fill(names, amounts) == made(shape, names, amounts, product, order)


_MARK = re.compile(rb"@slot([0-9]+)@|(?<![0-9])([1-9][0-9]{13,})(?![0-9])")
_AMOUNT = re.compile(rb"(?<![0-9])([1-9][0-9]{13,})(?![0-9])")


def _stencil(text: bytes, amounts: dict[bytes, int]) -> tuple[bytes, Callable[[Sequence[bytes]], Any]]:
    """With "%b" for each mark, and what picks its values of all slots."""
    places = [int(name) if name else amounts[amount] for name, amount in _MARK.findall(text)]
    return _MARK.sub(b"%b", text.replace(b"%", b"%%")), itemgetter(*places)


def _sum(bits: int, amounts: Sequence[int]) -> int:
    return sum(amount for number, amount in enumerate(amounts) if bits >> number & 1)


def _card_marks(number: int) -> CardNames:
    first = BEFORE_CARDS + OF_A_CARD * number
    return CardNames(*(f"@slot{place}@" for place in range(first, first + OF_A_CARD)))


def _command(shape: Shape, names: Names, amounts: Sequence[int]) -> ImportAccount:
    account, rest = AccountId(names.account), iter(amounts)
    load = Load(account, Minor(next(rest)), TAKEN_OVER) if shape.funded else None
    first, *others = (_card(account, card, one) for card, one in zip(shape.cards, names.cards, strict=True))
    debts = [
        OpeningDebt(CardId(name), kind.value, Minor(next(rest)))
        for (name, *_), card in zip(names.cards, shape.cards, strict=True)
        for kind in card.debts
    ]
    opening = OpenAccount(account, shape.product, _minor(shape.credit_limit), names.holder)
    return ImportAccount(
        account, opening, first.card, load, first.active, others=tuple(others), debts=tuple(debts)
    )  # fmt: skip


def _card(account: AccountId, shape: CardShape, names: CardNames) -> ImportedCard:
    limits = (_minor(shape.limits.cash), _minor(shape.limits.cashless), _minor(shape.limits.internet))
    issue = IssueCard(
        account, CardId(names.id), names.last4, names.expiry, names.pvv, _minor(shape.individual_limit), *limits
    )
    return ImportedCard(issue, shape.active)


def _entries(decision: Decision) -> Iterator[EntryRow]:
    for one in entries_of(decision):
        yield (
            one.account, one.leg, one.at, one.posting, one.kind.value, one.card, one.debit, one.credit, one.amount
        )  # fmt: skip


def _minor(amount: int | None) -> Minor | None:
    return None if amount is None else Minor(amount)
