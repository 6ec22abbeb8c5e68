"""The decisions that open an account, as bytes: made by the rules once for all accounts of one shape, then filled in.

Nothing is decided here. A mould is what `decide` and `evolve` made of an account whose names stand out; whoever fills it in
puts other names in their places. The first account of each shape is also decided by itself, and the two must be the same
bytes; where they are not, every account of that shape is decided by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

import msgspec
from msgspec import Struct

from authsvc.errors import AuthsvcError
from authsvc.importing.accounts import NewAccount
from authsvc.ledger.bulk import NewAccountRows, Row, vault_row
from authsvc.ledger.entries import entries_of
from authsvc.ledger.journal import ZERO_HASH, VaultEntry, chain, columns
from authsvc.model import (
    Account,
    AccountId,
    ActivateCard,
    Approved,
    CardId,
    CardStatus,
    Command,
    Decision,
    IssueCard,
    Load,
    Minor,
    OpenAccount,
    UnixMs,
)
from authsvc.products import Product
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve

REFERENCE = "import"
_encode = msgspec.json.Encoder().encode


class ImportRefusedError(AuthsvcError):
    """The rules do not allow such an account; the message has its key, the command and the reason."""


class Named(Struct, frozen=True):
    """What an account and its cards are called. `cards`: as the vault keeps them, in the order of the account's cards; `pvvs`:
    of their PINs; `expiries`: YYMM."""

    account: AccountId
    cards: tuple[VaultEntry, ...]
    pvvs: tuple[str, ...]
    expiries: tuple[str, ...]


def decisions(new: NewAccount, named: Named, product: Product, now: UnixMs) -> Iterator[tuple[Decision, Account]]:
    """By the rules: opened, loaded, cards issued and activated; each decision, and the account after it.

    Raises ImportRefusedError.
    """
    account = Account(id=named.account)
    for command in _opening(new, named):
        account = yield from _decided(command, account, product, now, new.key)
    for place, asked in enumerate(new.cards):
        entry = named.cards[place]
        issue = IssueCard(
            named.account, entry.card, entry.last4, named.expiries[place], named.pvvs[place], _minor(asked.individual_limit),
            _minor(asked.cash), _minor(asked.cashless), _minor(asked.internet),
        )  # fmt: skip
        account = yield from _decided(issue, account, product, now, new.key)
        if asked.active and account.cards[entry.card].status is CardStatus.INACTIVE:
            account = yield from _decided(ActivateCard(named.account, entry.card), account, product, now, new.key)


def _opening(new: NewAccount, named: Named) -> Iterator[Command]:
    yield OpenAccount(named.account, new.product, _minor(new.credit_limit), new.holder)
    if new.load:
        yield Load(named.account, Minor(new.load), REFERENCE)


def _decided(
    command: Command, account: Account, product: Product, now: UnixMs, key: str
) -> Generator[tuple[Decision, Account], None, Account]:
    decision = decide(command, account, product, now)
    if not isinstance(decision.outcome, Approved):
        raise ImportRefusedError(f"account {key!r}: {type(command).__name__} refused: {decision.outcome.reason}")
    after = evolve(account, decision)
    yield decision, after
    return after


def rows_by_rules(new: NewAccount, named: Named, product: Product, now: UnixMs) -> NewAccountRows:
    """What the ledger keeps of this account, decided by itself."""
    journal: list[Row] = []
    entries: list[Row] = []
    previous, after = ZERO_HASH, Account(id=named.account)
    for decision, after in decisions(new, named, product, now):  # noqa: B007 - the last one is the head
        encoded = _encode(decision)
        previous = chain(previous, encoded)
        found = columns(decision)
        journal.append((found.account, found.seq, found.at, found.kind, found.key, found.rrn, found.stan, encoded.decode(),
                        previous))  # fmt: skip
        entries += [
            (
                one.account,
                one.seq,
                one.leg,
                one.at,
                one.posting,
                one.kind.value,
                one.card,
                one.debit,
                one.credit,
                one.amount,
            )
            for one in entries_of(decision)
        ]
    head: Row = (named.account, len(journal), previous, _encode(after).decode())
    return NewAccountRows(named.account, head, journal, entries, [vault_row(entry) for entry in named.cards])


def _minor(amount: int | None) -> Minor | None:
    return None if amount is None else Minor(amount)


# ---------------------------------------------------------------------- moulds

_LOAD = 777_000_777_001
"""An amount that nothing else in a decision is."""


class _Filled(NamedTuple):
    """Bytes with places to fill, and which of the values goes into each."""

    words: bytes
    pick: Callable[[Sequence[bytes]], tuple[bytes, ...]]

    def fill(self, values: Sequence[bytes]) -> bytes:
        return self.words % self.pick(values)


class Mould:
    """Of one shape; see the module."""

    def __init__(self, new: NewAccount, product: Product, now: UnixMs) -> None:
        """Raises ImportRefusedError."""
        cards = range(len(new.cards))
        account = AccountId("acc-<account>")
        named = Named(
            account,
            tuple(VaultEntry(b"", account, CardId(f"card-<card{place}>"), f"<last{place}>", b"") for place in cards),
            tuple(f"<pvv{place}>" for place in cards),
            tuple(f"<expiry{place}>" for place in cards),
        )
        stand_in = msgspec.structs.replace(new, holder="<holder>" if new.holder else "", load=_LOAD if new.load else 0)
        made = rows_by_rules(stand_in, named, product, now)
        self._places = _values(stand_in, named)
        self._journal = [(row[2], row[3], self._filled(str(row[7]).encode())) for row in made.journal]
        self._state = self._filled(str(made.head[3]).encode())
        self._entries = made.entries

    def _filled(self, text: bytes) -> _Filled:
        wanted = re.compile(b"|".join(re.escape(place) for place in self._places if place))
        order = [self._places.index(found) for found in wanted.findall(text)]
        words = wanted.sub(b"%b", text.replace(b"%", b"%%"))
        pick = itemgetter(*order) if len(order) > 1 else lambda values: tuple(values[place] for place in order)
        return _Filled(words, pick)

    def rows(self, new: NewAccount, named: Named) -> NewAccountRows:
        """What the ledger keeps of this account."""
        values = _values(new, named)
        account, previous = named.account, ZERO_HASH
        journal: list[Row] = []
        for seq, (at, kind, filled) in enumerate(self._journal, start=1):
            encoded = filled.fill(values)
            previous = chain(previous, encoded)
            journal.append((account, seq, at, kind, 0, "", "", encoded.decode(), previous))
        head: Row = (account, len(journal), previous, self._state.fill(values).decode())
        entries = [self._entry(row, new, account) for row in self._entries]
        return NewAccountRows(account, head, journal, entries, [vault_row(entry) for entry in named.cards])

    def _entry(self, row: Row, new: NewAccount, account: AccountId) -> Row:
        _, seq, leg, at, posting, kind, card, debit, credit, amount = row
        posted = str(posting).replace("acc-<account>", account)
        return account, seq, leg, at, posted, kind, card, debit, credit, new.load if amount == _LOAD else amount


def _values(new: NewAccount, named: Named) -> list[bytes]:
    """What differs between accounts of one shape, as it stands in JSON; only a holder's name may need escaping."""
    holder = _encode(new.holder)[1:-1] if new.holder else b""
    values = [named.account.encode(), holder, b"%d" % new.load if new.load else b""]
    for entry, pvv, expiry in zip(named.cards, named.pvvs, named.expiries, strict=True):
        values += [entry.card.encode(), entry.last4.encode(), pvv.encode(), expiry.encode()]
    return values
