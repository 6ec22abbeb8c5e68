"""An import, chunk by chunk: each is all on the disk or not at all, so whoever begins again skips what is there.

What an account and its cards are called follows from the name of the set and the account's key (`security.mint`), and a PAN
that is not given from the name and the card's place in the set. So a second run finds the accounts of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple, Protocol

from authsvc.errors import ConfigError
from authsvc.importing.accounts import NewAccount, NewCard, pan_of
from authsvc.importing.mould import Mould, Named, rows_by_rules
from authsvc.ledger.bulk import BulkLedger, BulkTakenError, NewAccountRows
from authsvc.ledger.journal import VaultEntry
from authsvc.model import AccountId, CardId, UnixMs
from authsvc.products import Product, Products
from authsvc.rules.calendar import day_of, is_past_expiry

MOST_SHAPES = 1_000
"""Moulds kept; a file in which every account has a shape of its own must not fill the memory."""


class Mint(Protocol):
    """Of `security.mint.Mint`."""

    def account_id(self, idempotency: str) -> AccountId: ...
    def card_id(self, account: AccountId, idempotency: str) -> CardId: ...
    def card_secrets(self, pan: str, pin: str, card: CardId) -> tuple[str, bytes, bytes]: ...


class MadeCard(NamedTuple):
    """For whoever wants to use it. The one place where a PAN leaves again, and only when it is asked for."""

    pan: str
    expiry: str
    pin: str
    account: AccountId
    card: CardId

    def __repr__(self) -> str:
        return f"MadeCard(··{self.pan[-4:]})"


class Progress(NamedTuple):
    """Accounts so far: written now, and found from an earlier run."""

    written: int = 0
    found: int = 0


class _Asked(NamedTuple):
    new: NewAccount
    account: AccountId
    pans: tuple[str, ...]


class Import:
    """One import. `name`: of the set; `on_card`: told of every card, also of one that was there."""

    def __init__(
        self, products: Products, mint: Mint, ledger: BulkLedger, now: UnixMs, name: str,
        on_card: Callable[[MadeCard], None] | None = None,
    ) -> None:  # fmt: skip
        self._products = products
        self._mint = mint
        self._ledger = ledger
        self._now = now
        self._today = day_of(now)
        self._name = name
        self._on_card = on_card
        self._number = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
        self._moulds: dict[tuple[object, ...], Mould | None] = {}

    def run(self, accounts: Iterable[NewAccount]) -> Iterator[Progress]:
        """Progress after each chunk. Raises ConfigError for what is asked wrongly, ImportRefusedError for what the rules
        do not allow, BulkTakenError; all before it stays written."""
        asked, done = iter(accounts), Progress()
        while chunk := [self._asked(new) for new in islice(asked, self._ledger.most_accounts)]:
            names = [one.account for one in chunk]
            if len(set(names)) < len(names):
                raise ConfigError(f"a key comes twice among the accounts up to {chunk[-1].new.key!r}")
            present = self._ledger.present(names)
            rows = [self._rows(one) for one in chunk if one.account not in present]
            self._write(rows, chunk)
            if self._on_card is not None:
                self._tell(chunk, self._on_card)
            done = Progress(done.written + len(rows), done.found + len(present))
            yield done

    def _write(self, rows: list[NewAccountRows], chunk: list[_Asked]) -> None:
        try:
            self._ledger.write(rows)
        except BulkTakenError as error:
            keys = f"{chunk[0].new.key!r} to {chunk[-1].new.key!r}"
            raise BulkTakenError(f"accounts {keys}: {error}; nothing of them was written") from error

    def _asked(self, new: NewAccount) -> _Asked:
        product = self._product(new)
        pans = tuple(self._pan(card, product) for card in new.cards)
        return _Asked(new, self._mint.account_id(f"import\x1f{self._name}\x1f{new.key}"), pans)

    def _product(self, new: NewAccount) -> Product:
        product = self._products.get(new.product)
        if product is None:
            raise ConfigError(f"account {new.key!r}: product: there is no product {new.product!r}")
        for card in new.cards:
            if card.expiry and is_past_expiry(card.expiry, self._today):
                raise ConfigError(f"account {new.key!r}: expiry: is in the past")
            if card.individual_limit is not None and product.funds != "credit":
                raise ConfigError(f"account {new.key!r}: individual_limit: only cards of a credit product have one")
        return product

    def _pan(self, card: NewCard, product: Product) -> str:
        self._number += 1
        return card.pan or pan_of(product.bin, self._number)

    def _expiry(self, card: NewCard, product: Product) -> str:
        return card.expiry or f"{(int(self._today[2:4]) + product.card_years) % 100:02}{self._today[5:7]}"

    def _rows(self, asked: _Asked) -> NewAccountRows:
        new, product = asked.new, self._products[asked.new.product]
        named = self._named(asked, product)
        if new.shape not in self._moulds:
            self._moulds[new.shape] = self._mould(new, named, product)
        mould = self._moulds[new.shape]
        return rows_by_rules(new, named, product, self._now) if mould is None else mould.rows(new, named)

    def _mould(self, new: NewAccount, named: Named, product: Product) -> Mould | None:
        """Raises ImportRefusedError. None: this shape cannot be moulded."""
        if len(self._moulds) >= MOST_SHAPES:
            self._moulds.clear()
        mould = Mould(new, product, self._now)
        by_rules = rows_by_rules(new, named, product, self._now)
        return mould if mould.rows(new, named) == by_rules else None

    def _named(self, asked: _Asked, product: Product) -> Named:
        entries, pvvs = [], []
        for place, (card, pan) in enumerate(zip(asked.new.cards, asked.pans, strict=True)):
            name = self._mint.card_id(asked.account, str(place))
            pvv, pan_hash, sealed = self._mint.card_secrets(pan, card.pin, name)
            entries.append(VaultEntry(pan_hash, asked.account, name, pan[-4:], sealed))
            pvvs.append(pvv)
        expiries = tuple(self._expiry(card, product) for card in asked.new.cards)
        return Named(asked.account, tuple(entries), tuple(pvvs), expiries)

    def _tell(self, chunk: list[_Asked], on_card: Callable[[MadeCard], None]) -> None:
        for one in chunk:
            for place, (card, pan) in enumerate(zip(one.new.cards, one.pans, strict=True)):
                expiry = self._expiry(card, self._products[one.new.product])
                on_card(MadeCard(pan, expiry, card.pin, one.account, self._mint.card_id(one.account, str(place))))
