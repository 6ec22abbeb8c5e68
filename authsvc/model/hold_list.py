"""The holds of an account, as JSON until somebody looks into one.

An account may have hundreds, and a payment needs no more of them than what they come to and when the first is due: neither
reading nor writing the document makes an object of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from authsvc.model.holds import Hold
from authsvc.model.names import CardId, HoldId, Minor, UnixMs
from authsvc.model.numbers import NO_NUMBERS, Numbers, numbers_of
from authsvc.model.values import ListedValue, Value

NEVER = UnixMs(2**63 - 1)
PART = 16
"""Holds of a part. To copy all the JSON for each payment costs more than all the rules, from 100 holds on."""
PART_BYTES = 4096
"""Of a part that was read, at least: about as many holds."""


_BEGIN = b'{"id":'
_START, _NEXT = b'{"id":"', b',{"id":"'
"""Of a hold, and of one that follows another."""


class _Brief(Value, frozen=True, gc=False):
    """What is read of every hold."""

    card: CardId
    amount: Minor
    expires: UnixMs


class _Told(ListedValue, frozen=True, gc=False, array_like=True):
    """What holds come to: by card, and when each expires."""

    amounts: dict[CardId, int]
    dues: list[int]


_encode = msgspec.json.Encoder().encode
_told = msgspec.json.Decoder(_Told).decode
_hold = msgspec.json.Decoder(Hold).decode
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
        amounts: dict[CardId, int],
        dues: Numbers,
        first_due: int,
        alone: int = 0,
    ) -> None:
        """`parts`: the content in pieces, to be read with commas between them; `amounts`: by card; `dues`: when each expires,
        `first_due` the first of them; `alone`: parts at the end with one hold each."""
        self._parts = parts
        self._alone = alone
        self.size = size
        self._amounts = amounts
        self._dues = dues
        self._first_due = first_due

    def __len__(self) -> int:
        return len(self._dues)

    def __bool__(self) -> bool:
        return len(self._dues) > 0

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

    @property
    def told(self) -> bytes:
        """What they come to, for `read_holds`; b"" when there is none. Budget: 3 µs for 50."""
        return _encode(_Told(self._amounts, list(self._dues))) if self._parts else b""

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
        return len(self._dues) if now < self._first_due else sum([hold.expires > now for hold in self.all()])

    def due(self, now: UnixMs) -> list[Hold]:
        """Those whose time is over."""
        return [] if now < self._first_due else [hold for hold in self.all() if hold.expires <= now]

    def having(self, text: str) -> Iterator[Hold]:
        """Newest first: all that have it as one of their values, and maybe some of their neighbours. Budget: 3 us each."""
        wanted = _encode(text)
        for part in reversed(self._parts):
            if wanted in part:
                yield from _having(part, wanted)

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
        size = self.size + len(encoded) + bool(self._parts)
        return HoldList((*parts, encoded), size, amounts, self._dues.after(0, hold.expires), first_due, alone + 1)

    def with_changed(self, hold: Hold) -> HoldList:
        """With this one in the place of that of the same name, which has the same card and expiry."""
        return self._with_other(hold.id, hold)

    def without(self, hold: HoldId) -> HoldList:
        """Without the one of that name."""
        return self._with_other(hold, None)

    def _with_other(self, name: HoldId, other: Hold | None) -> HoldList:
        """Only its own JSON is read, and only the part in which it is, is put together anew."""
        wanted = _BEGIN + _encode(name)
        for place, part in enumerate(self._parts):
            at = part.find(wanted)
            if at < 0:
                continue
            found = _around(part, at + len(_BEGIN))
            if found is None:
                break
            gone, start, end = found
            around = (part[: max(0, start - 1)], _encode(other) if other is not None else b"", part[end + 1 :])
            kept = b",".join([piece for piece in around if piece])
            parts = (*self._parts[:place], *((kept,) if kept else ()), *self._parts[place + 1 :])
            alone = self._alone - (not kept and place >= len(self._parts) - self._alone)
            return self._with_parts(parts, alone, gone, other)
        return self._with_other_of_all(name, other)

    def _with_other_of_all(self, name: HoldId, other: Hold | None) -> HoldList:
        """Where another program has written them, with other bytes between the same values; or there is none of that name."""
        holds = self.all()
        if all(hold.id != name for hold in holds):
            return self
        kept = [one if one.id != name else other for one in holds]
        return holds_of([one for one in kept if one is not None])

    def _with_parts(self, parts: tuple[bytes, ...], alone: int, gone: Hold, other: Hold | None) -> HoldList:
        if not parts:
            return NO_HOLDS
        amount = self._amounts[gone.card] - gone.amount + (other.amount if other is not None else 0)
        amounts = {**self._amounts, gone.card: amount}
        dues, first_due = self._dues, self._first_due
        if other is None:
            dues = dues.without(gone.expires)
            first_due = first_due if gone.expires > first_due else dues.least()
        return HoldList(parts, _size(parts), amounts, dues, first_due, alone)


def _having(part: bytes, wanted: bytes) -> Sequence[Hold]:
    """Those of a part in which `wanted` stands, newest first; all of them where another program has written one."""
    holds: list[Hold] = []
    at = part.rfind(wanted)
    while at >= 0:
        found = _around(part, at)
        if found is None:
            return _holds(b"[" + part + b"]")[::-1]
        holds.append(found[0])
        at = part.rfind(wanted, 0, found[1])
    return holds


def _around(part: bytes, at: int) -> tuple[Hold, int, int] | None:
    """The hold that has a value at `at`, and from where to where it goes; None when something there is not as we write it.
    Nothing else in a hold begins like one: within a text quotes are escaped, and no other part of it begins with an `id`."""
    start, end = part.rfind(_START, 0, at + 1), part.find(_NEXT, at)
    if start < 0:
        return None
    if end < 0:
        end = len(part)
    try:
        return _hold(part[start:end]), start, end
    except msgspec.DecodeError:
        return None


NO_HOLDS = HoldList((), 0, {}, NO_NUMBERS, NEVER)


def holds_of(holds: Iterable[Hold]) -> HoldList:
    """As they stand."""
    kept = tuple(holds)
    parts = tuple([_encode(kept[at : at + PART])[1:-1] for at in range(0, len(kept), PART)])
    return _summed(parts, kept) if kept else NO_HOLDS


def read_holds(content: bytes, told: bytes = b"") -> HoldList:
    """From JSON, with commas between them. Raises msgspec.DecodeError when what is summed up cannot be read. `told`: what they
    come to, from whoever wrote both; else each is looked at. Budget: 0.1 µs a hold; 0.5 when nothing is told."""
    if not told:
        briefs = _briefs(b"[" + content + b"]")
        return _summed(_cut(content), briefs) if briefs else NO_HOLDS
    sums = _told(told)
    dues = numbers_of(sums.dues)
    return HoldList(_cut(content), len(content), sums.amounts, dues, dues.least())


def _cut(content: bytes) -> tuple[bytes, ...]:
    """In parts, between two holds. What another program has written otherwise stays whole."""
    parts, start = [], 0
    end = content.find(_NEXT, PART_BYTES)
    while end >= 0:
        parts.append(content[start:end])
        start = end + 1
        end = content.find(_NEXT, start + PART_BYTES)
    return (*parts, content[start:])


def _summed(parts: tuple[bytes, ...], holds: tuple[Hold, ...] | tuple[_Brief, ...]) -> HoldList:
    amounts: dict[CardId, int] = {}
    for hold in holds:
        amounts[hold.card] = amounts.get(hold.card, 0) + hold.amount
    dues = numbers_of([hold.expires for hold in holds])
    return HoldList(parts, _size(parts), amounts, dues, dues.least())


def _size(parts: tuple[bytes, ...]) -> int:
    return sum([len(part) for part in parts]) + len(parts) - 1
