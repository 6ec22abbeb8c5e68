"""The holds of an account, as JSON until somebody looks into one.

An account may have hundreds, and a payment needs no more of them than what they come to and when the first is due: neither
reading nor writing the document makes an object of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from authsvc.model.holds import Hold
from authsvc.model.names import CardId, HoldId, Minor, UnixMs

NEVER = UnixMs(2**63 - 1)
PART = 16
"""Holds of a part. To copy all the JSON for each payment costs more than all the rules, from 100 holds on."""


class _Brief(Struct, frozen=True, gc=False):
    """What is read of every hold."""

    card: CardId
    amount: Minor
    expires: UnixMs


_encode = msgspec.json.Encoder().encode
_holds = msgspec.json.Decoder(tuple[Hold, ...]).decode
_briefs = msgspec.json.Decoder(tuple[_Brief, ...]).decode


class HoldList:
    """A sequence of `Hold`, oldest first, that never changes. `size`: bytes of `content`.

    Looking into one raises msgspec.DecodeError when the content, read from a damaged document, is none of holds.
    """

    def __init__(
        self,
        parts: tuple[bytes, ...],
        size: int,
        count: int,
        amounts: dict[CardId, int],
        first_due: int,
        alone: int = 0,
    ) -> None:
        """`parts`: the content in pieces, to be read with commas between them; `amounts`: by card; `first_due`: when the first
        of them expires; `alone`: parts at the end with one hold each."""
        self._parts = parts
        self._alone = alone
        self.size = size
        self._count = count
        self._amounts = amounts
        self._first_due = first_due

    def __len__(self) -> int:
        return self._count

    def __bool__(self) -> bool:
        return self._count > 0

    def __iter__(self) -> Iterator[Hold]:
        return iter(self.all())

    def __reversed__(self) -> Iterator[Hold]:
        return reversed(self.all())

    def __getitem__(self, place: int) -> Hold:
        return self.all()[place]

    def __eq__(self, other: object) -> bool:
        """As what they are: one program may write a field that another leaves out."""
        if isinstance(other, HoldList):
            return self.content == other.content or self.all() == other.all()
        return self.all() == other

    def __hash__(self) -> int:
        return hash(self.content)

    def __repr__(self) -> str:
        return f"HoldList{self.all()!r}"

    @property
    def content(self) -> bytes:
        """Their JSON, with commas between them."""
        return b",".join(self._parts)

    def all(self) -> tuple[Hold, ...]:
        """Each of them as an object. 1.5 µs a hold; not kept, as they take three times the memory."""
        return _holds(b"[" + self.content + b"]")

    def total(self, now: UnixMs) -> Minor:
        """Sum of those that are open as of `now`, grosze."""
        if now < self._first_due:
            return Minor(sum(self._amounts.values()))
        return Minor(sum([hold.amount for hold in self.all() if hold.expires > now]))

    def of_card(self, card: CardId, now: UnixMs) -> Minor:
        """Sum of those of one card that are open as of `now`, grosze."""
        if now < self._first_due:
            return Minor(self._amounts.get(card, 0))
        return Minor(sum([hold.amount for hold in self.all() if hold.card == card and hold.expires > now]))

    def open(self, now: UnixMs) -> int:
        """How many are open as of `now`."""
        return self._count if now < self._first_due else sum([hold.expires > now for hold in self.all()])

    def due(self, now: UnixMs) -> list[Hold]:
        """Those whose time is over."""
        return [] if now < self._first_due else [hold for hold in self.all() if hold.expires <= now]

    def having(self, text: str) -> Iterator[Hold]:
        """Newest first: all that have it as one of their values, and some of their neighbours."""
        wanted = _encode(text)
        for part in reversed(self._parts):
            if wanted in part:
                yield from reversed(_holds(b"[" + part + b"]"))

    def by_id(self, hold: HoldId) -> Hold | None:
        """The hold of that name."""
        return next((one for one in self.having(hold) if one.id == hold), None)

    def with_one(self, hold: Hold) -> HoldList:
        """And one more, behind the others. Budget: 2 µs, however many there are."""
        parts, alone = self._parts, self._alone
        if alone == PART:
            parts, alone = (*parts[:-PART], b",".join(parts[-PART:])), 0
        amounts = {**self._amounts, hold.card: self._amounts.get(hold.card, 0) + hold.amount}
        first_due = min(self._first_due, hold.expires)
        encoded = _encode(hold)
        size = self.size + len(encoded) + (self._count > 0)
        return HoldList((*parts, encoded), size, self._count + 1, amounts, first_due, alone + 1)

    def with_changed(self, hold: Hold) -> HoldList:
        """With this one in the place of that of the same name, which has the same card and expiry."""
        return self._with_other(hold.id, hold)

    def without(self, hold: HoldId) -> HoldList:
        """Without the one of that name."""
        return self._with_other(hold, None)

    def _with_other(self, name: HoldId, other: Hold | None) -> HoldList:
        """Only the part in which it is, is written anew."""
        wanted = _encode(name)
        for place, part in enumerate(self._parts):
            if wanted not in part:
                continue
            holds = _holds(b"[" + part + b"]")
            gone = next((one for one in holds if one.id == name), None)
            if gone is None:
                continue
            kept = [one if one.id != name else other for one in holds if one.id != name or other is not None]
            parts = (*self._parts[:place], *((_encode(kept)[1:-1],) if kept else ()), *self._parts[place + 1 :])
            return self._with_parts(parts, gone, other)
        return self

    def _with_parts(self, parts: tuple[bytes, ...], gone: Hold, other: Hold | None) -> HoldList:
        if not parts:
            return NO_HOLDS
        if other is None and gone.expires == self._first_due:
            return _summed(parts, _briefs(b"[" + b",".join(parts) + b"]"))
        amount = self._amounts[gone.card] - gone.amount + (other.amount if other is not None else 0)
        amounts = {**self._amounts, gone.card: amount}
        return HoldList(parts, _size(parts), self._count - (other is None), amounts, self._first_due)


NO_HOLDS = HoldList((), 0, 0, {}, NEVER)


def holds_of(holds: Iterable[Hold]) -> HoldList:
    """As they stand."""
    kept = tuple(holds)
    parts = tuple([_encode(kept[at : at + PART])[1:-1] for at in range(0, len(kept), PART)])
    return _summed(parts, kept) if kept else NO_HOLDS


def read_holds(content: bytes) -> HoldList:
    """From JSON, with commas between them. Raises msgspec.DecodeError when what is summed up cannot be read."""
    briefs = _briefs(b"[" + content + b"]")
    return _summed((content,), briefs) if briefs else NO_HOLDS


def _summed(parts: tuple[bytes, ...], holds: tuple[Hold, ...] | tuple[_Brief, ...]) -> HoldList:
    amounts: dict[CardId, int] = {}
    first_due: int = NEVER
    for hold in holds:
        amounts[hold.card] = amounts.get(hold.card, 0) + hold.amount
        first_due = min(first_due, hold.expires)
    return HoldList(parts, _size(parts), len(holds), amounts, first_due)


def _size(parts: tuple[bytes, ...]) -> int:
    return sum([len(part) for part in parts]) + len(parts) - 1
