"""An import, chunk by chunk: each is all on the disk or not at all, so whoever begins again skips what is there.

What an account and its cards are called follows from the name of the set and the account's key (`security.mint`), and a PAN
that is not given from the name and the card's place in the set. So a second run finds the accounts of the first.
"""

from __future__ import annotations

import marshal
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from hashlib import blake2b
from itertools import islice
from typing import NamedTuple, Protocol

import msgspec

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


AHEAD = 3
"""Chunks made, or being made, while one is written."""


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


class Maker:
    """Makes the rows of accounts. `name`: of the set; `now`: when all of it happens."""

    def __init__(self, products: Products, mint: Mint, now: UnixMs, name: str) -> None:
        self._products = products
        self._mint = mint
        self._now = now
        self._today = day_of(now)
        self._name = name
        self._first = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
        self._moulds: dict[tuple[object, ...], Mould | None] = {}

    def made(self, accounts: Sequence[NewAccount], before: int) -> tuple[list[NewAccountRows], list[MadeCard]]:
        """Rows and cards; `before`: how many cards of the set come before these.

        Raises ConfigError for what is asked wrongly, ImportRefusedError for what the rules do not allow.
        """
        rows: list[NewAccountRows] = []
        cards: list[MadeCard] = []
        for new in accounts:
            product = self._product(new)
            of_this = self._cards(new, product, before + len(cards))
            cards += of_this
            rows.append(self._rows(new, product, of_this))
        return rows, cards

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

    def account_id(self, new: NewAccount) -> AccountId:
        return self._mint.account_id(f"import\x1f{self._name}\x1f{new.key}")

    def _cards(self, new: NewAccount, product: Product, before: int) -> list[MadeCard]:
        account = self.account_id(new)
        return [
            MadeCard(
                card.pan or pan_of(product.bin, self._first + before + place), self._expiry(card, product), card.pin, account,
                self._mint.card_id(account, str(place)),
            )
            for place, card in enumerate(new.cards)
        ]  # fmt: skip

    def _expiry(self, card: NewCard, product: Product) -> str:
        return card.expiry or f"{(int(self._today[2:4]) + product.card_years) % 100:02}{self._today[5:7]}"

    def _rows(self, new: NewAccount, product: Product, cards: Sequence[MadeCard]) -> NewAccountRows:
        named, shape = self._named(new, cards), new.shape
        if shape not in self._moulds:
            self._moulds[shape] = self._mould(new, named, product)
        mould = self._moulds[shape]
        return rows_by_rules(new, named, product, self._now) if mould is None else mould.rows(new, named)

    def _mould(self, new: NewAccount, named: Named, product: Product) -> Mould | None:
        """Raises ImportRefusedError. None: this shape cannot be moulded."""
        if len(self._moulds) >= MOST_SHAPES:
            self._moulds.clear()
        mould = Mould(new, product, self._now)
        by_rules = rows_by_rules(new, named, product, self._now)
        return mould if mould.rows(new, named) == by_rules else None

    def _named(self, new: NewAccount, cards: Sequence[MadeCard]) -> Named:
        entries, pvvs = [], []
        for card in cards:
            pvv, pan_hash, sealed = self._mint.card_secrets(card.pan, card.pin, card.card)
            entries.append(VaultEntry(pan_hash, card.account, card.card, card.pan[-4:], sealed))
            pvvs.append(pvv)
        account = cards[0].account if cards else self.account_id(new)
        return Named(account, tuple(entries), tuple(pvvs), tuple(card.expiry for card in cards))


Packed = bytes
Make = Callable[[bytes, int], Packed]
"""`packed` of a maker of the other process: accounts as MessagePack, how many cards came before → rows and cards."""


def packed(maker: Maker, accounts: bytes, before: int) -> Packed:
    """What `Maker.made` makes, for another process of this very program; marshal copies such tuples for next to nothing."""
    rows, cards = maker.made(msgspec.msgpack.decode(accounts, type=list[NewAccount]), before)
    plain = [(one.account, one.head, one.journal, one.entries, one.vault) for one in rows]
    return marshal.dumps((plain, [tuple(card) for card in cards]))


class _Chunk(NamedTuple):
    """`keys`: of its first and last account."""

    keys: tuple[str, str]
    made: Future[Packed]


class Import:
    """One import: chunks are made ahead by `executor`, which runs `make`, and written here. `on_card`: told of every card, also
    of one that was there."""

    def __init__(
        self, ledger: BulkLedger, executor: Executor, make: Make, on_card: Callable[[MadeCard], None] | None = None
    ) -> None:
        self._ledger = ledger
        self._executor = executor
        self._make = make
        self._on_card = on_card
        self._cards = 0

    def run(self, accounts: Iterable[NewAccount]) -> Iterator[Progress]:
        """Progress after each chunk. Raises what `Maker.made` raises, and BulkTakenError; all before it stays written."""
        asked, done = iter(accounts), Progress()
        ahead: deque[_Chunk] = deque()
        while True:
            while len(ahead) < AHEAD and (chunk := list(islice(asked, self._ledger.most_accounts))):
                ahead.append(self._begun(chunk))
            if not ahead:
                return
            done = self._written(ahead.popleft(), done)
            yield done

    def _begun(self, chunk: list[NewAccount]) -> _Chunk:
        data, before = msgspec.msgpack.encode(chunk), self._cards
        self._cards += sum(len(new.cards) for new in chunk)
        return _Chunk((chunk[0].key, chunk[-1].key), self._executor.submit(self._make, data, before))

    def _written(self, chunk: _Chunk, done: Progress) -> Progress:
        plain, cards = marshal.loads(chunk.made.result())
        names = [row[0] for row in plain]
        where = f"accounts {chunk.keys[0]!r} to {chunk.keys[1]!r}"
        if len(set(names)) < len(names):
            raise ConfigError(f"{where}: a key comes twice")
        present = self._ledger.present(names)
        rows = [NewAccountRows(*row) for row in plain if row[0] not in present]
        try:
            self._ledger.write(rows)
        except BulkTakenError as error:
            raise BulkTakenError(f"{where}: {error}") from error
        for card in cards if self._on_card is not None else ():
            assert self._on_card is not None
            self._on_card(MadeCard(*card))
        return Progress(done.written + len(rows), done.found + len(present))
