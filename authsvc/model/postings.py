"""Money that has moved for good, and the newest postings of an account: JSON until somebody looks into one, as its holds are. A
reversal does; a payment needs no more of them than how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec
from msgspec import Struct

from authsvc.model.holds import Bucket, Foreign, ScaUse
from authsvc.model.messages import Origin
from authsvc.model.names import CardId, Day, HoldId, Minor, PostingId, UnixMs


class PostingKind(StrEnum):
    """What money moved for. The chart of accounts has a movement for each."""

    PURCHASE = "purchase"
    CASH = "cash"
    CASHBACK = "cashback"
    QUASI_CASH = "quasi_cash"
    REFUND = "refund"
    DEPOSIT = "deposit"
    LOAD = "load"
    TRANSFER = "transfer"
    FEE = "fee"
    COMMISSION = "commission"
    INTEREST = "interest"
    OVERDUE_INTEREST = "overdue_interest"
    REMINDER_COST = "reminder_cost"
    COURT_COST = "court_cost"
    WRITE_OFF = "write_off"


CREDITED = frozenset({PostingKind.REFUND, PostingKind.DEPOSIT, PostingKind.LOAD, PostingKind.WRITE_OFF})
"""Kinds that give the holder money: their amounts are negative."""


class Leg(Struct, frozen=True, gc=False, array_like=True):
    """One entry of the general ledger: `amount` grosze, above zero, come to `debit` and leave `credit`."""

    debit: str
    credit: str
    amount: Minor


class Posting(Struct, frozen=True, gc=False, omit_defaults=True):
    """Money taken from the account for good (or given to it: a negative `amount`), grosze; `amount`: what is left of it after
    reversals. `day`, `bucket`, `cash`, `with_cash`, `sca_use`, `scas`: what it counted into itself, NONE where its
    authorization had counted; `hold`: the hold that it came from; `origin`: the message."""

    id: PostingId
    card: CardId
    kind: PostingKind
    amount: Minor
    at: UnixMs
    origin: Origin
    authorization_code: str = ""
    day: Day = Day("")
    bucket: Bucket = Bucket.NONE
    cash: Minor = Minor(0)
    with_cash: bool = False
    sca_use: ScaUse = ScaUse.NONE
    scas: int = 0
    hold: HoldId = HoldId("")
    foreign: Foreign | None = None
    reference: str = ""  # of a transfer: where it went


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Posting).decode


class Postings:
    """A sequence of `Posting`, oldest first, that never changes. `size`: bytes of their JSON.

    Looking into one raises msgspec.DecodeError when the JSON, read from a damaged document, is of none.
    """

    def __init__(self, parts: tuple[bytes, ...], size: int) -> None:
        """`parts`: the JSON of each; `size`: bytes of all."""
        self._parts = parts
        self.size = size

    def __len__(self) -> int:
        return len(self._parts)

    def __bool__(self) -> bool:
        return len(self._parts) > 0

    def __iter__(self) -> Iterator[Posting]:
        return iter([_decode(part) for part in self._parts])

    def __reversed__(self) -> Iterator[Posting]:
        return iter([_decode(part) for part in reversed(self._parts)])

    def __getitem__(self, place: int) -> Posting:
        return _decode(self._parts[place])

    def __eq__(self, other: object) -> bool:
        """As what they are: one program may write a field that another leaves out."""
        if isinstance(other, Postings) and self._parts == other._parts:
            return True
        return isinstance(other, Postings | tuple) and list(self) == list(other)

    def __hash__(self) -> int:
        return hash(self._parts)

    def __repr__(self) -> str:
        return f"Postings{tuple(self)!r}"

    @property
    def content(self) -> bytes:
        """Their JSON, with commas between them."""
        return b",".join(self._parts)

    def after(self, forget: int, posting: Posting) -> Postings:
        """Without the first `forget`, and `posting` behind the others. Budget: 1 µs."""
        kept, encoded = self._parts, _encode(posting)
        size = self.size + len(encoded)
        if forget:
            size -= _size(kept[:forget])
            kept = kept[forget:]
        return Postings((*kept, encoded), size)

    def with_changed(self, posting: Posting) -> Postings:
        """Without the one of that name, and this one behind the others."""
        others = [part for part in self._parts if not _has(part, posting.id) or _decode(part).id != posting.id]
        return read_postings((*others, _encode(posting)))

    def having(self, text: str) -> Iterator[Posting]:
        """Newest first: all that have it as one of their values."""
        return (_decode(part) for part in reversed(self._parts) if _has(part, text))


def _size(parts: tuple[bytes, ...]) -> int:
    return sum([len(part) for part in parts])


def _has(part: bytes, text: str) -> bool:
    return _encode(text) in part


NO_POSTINGS = Postings((), 0)


def postings_of(postings: Iterable[Posting]) -> Postings:
    """As they stand."""
    return read_postings([_encode(posting) for posting in postings])


def read_postings(parts: Iterable[bytes]) -> Postings:
    """From the JSON of each, as somebody wrote it."""
    kept = tuple(parts)
    return Postings(kept, _size(kept)) if kept else NO_POSTINGS
