"""What a clearing file comes to: presentments to post, and what cannot be posted, each with its place in the file."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import msgspec
from msgspec import Struct

from authsvc.control.bodies import PresentmentBody, explain


class Line(Struct, frozen=True):
    """A presentment. `number`: of its line, or of its record in an IPM file, from 1."""

    number: int
    body: PresentmentBody


class Wrong(Struct, frozen=True):
    """A line that cannot be read. `field`: of the API's body, or as DE4 or PDS0025, "" for all of the line. Never its value:
    what stands in the wrong place may be a card number."""

    number: int
    field: str
    problem: str


class Left(Struct, frozen=True):
    """A sound record that is no first presentment: `what` it is, and whether it is `money` that a person has to see to."""

    number: int
    what: str
    money: bool


Record = Line | Wrong | Left


class ClearingFile(Struct, frozen=True):
    """All of a file, in its order. `digest`: SHA-256 of its bytes, hexadecimal; `form`: as "csv", "IPM cp500, 1014-blocked"."""

    digest: str
    form: str
    records: tuple[Record, ...]

    @property
    def lines(self) -> list[Line]:
        return [record for record in self.records if isinstance(record, Line)]

    @property
    def wrong(self) -> list[Wrong]:
        return [record for record in self.records if isinstance(record, Wrong)]

    @property
    def left(self) -> list[Left]:
        return [record for record in self.records if isinstance(record, Left)]

    def reference(self, line: Line) -> str:
        """What makes a second posting of the line a repeat: the file's own `reference`, else the file's content and the line's
        place in it, so that two equal lines are two presentments and the same file again is none."""
        return line.body.reference or f"{self.digest[:32]}:{line.number}"


def from_texts(number: int, fields: dict[str, str], names: Mapping[str, str] = MappingProxyType({})) -> Line | Wrong:
    """The fields as the API's body, texts taken for the numbers they spell; `names`: what the file calls them."""
    try:
        return checked(number, msgspec.convert(fields, PresentmentBody, strict=False), names)
    except msgspec.ValidationError as error:
        return wrong(number, error, names)


def checked(number: int, body: PresentmentBody, names: Mapping[str, str] = MappingProxyType({})) -> Line | Wrong:
    """What the API would say of it, said before anything is sent."""
    if (flaw := body.flaw) is None:
        return Line(number, body)
    return Wrong(number, names.get(flaw[0], flaw[0]), flaw[1])


def wrong(number: int, error: msgspec.ValidationError, names: Mapping[str, str] = MappingProxyType({})) -> Wrong:
    """msgspec's error without the values that it quotes."""
    field, problem = explain(str(error))
    return Wrong(number, names.get(field, field), problem)
