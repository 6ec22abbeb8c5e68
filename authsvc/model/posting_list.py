"""The newest postings of an account, as JSON until somebody looks into one, as its holds are. A reversal does; a payment
needs no more of them than how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from authsvc.model.postings import Posting

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
