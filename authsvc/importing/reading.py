"""What is to be taken over: the lines of a file. Money in grosze.

JSONL: an account a line, its cards in `cards`. CSV: a card a line under the same names, `cash`, `cashless`, `internet` for
the limits, `debt_KIND` for a debt of that kind; lines that follow each other with the same `account` are cards of one account,
which is described in the first. Read line by line, so a file may be larger than memory. No problem ever quotes a value of a
line: it may be a PAN or a PIN.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from io import TextIOWrapper
from itertools import groupby
from typing import Annotated, BinaryIO, NamedTuple, TypeVar

import msgspec
from msgspec import Meta, Struct

from authsvc.codec.pan import without_pans
from authsvc.model import PostingKind

LONGEST = 1_000_000
"""Bytes of a line: a hundred cards take some 30 kB."""
DEBT = "debt_"
OF_AN_ACCOUNT = ("product", "holder", "balance", "credit_limit")
OF_A_CARD = ("pan", "expiry", "pvv", "pin", "individual_limit", "active")
OF_LIMITS = ("cash", "cashless", "internet")
GROUP = "account"
T = TypeVar("T")

Grosze = Annotated[int, Meta(ge=0, le=999_999_999_999)]
Owed = Annotated[int, Meta(ge=1, le=999_999_999_999)]


class Problem(NamedTuple):
    """A line that was not taken, by its number from 1. `field`: what is wrong in it, "" the line itself; `why`: no value."""

    line: int
    field: str
    why: str


class FieldError(ValueError):
    """`field` and `why` as in `Problem`."""

    def __init__(self, field: str, why: str) -> None:
        super().__init__(f"{field}: {why}" if field else why)
        self.field = field
        self.why = why


class LimitsWanted(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Day limits; None takes the product's."""

    cash: Grosze | None = None
    cashless: Grosze | None = None
    internet: Grosze | None = None


PRODUCTS_OWN = LimitsWanted()


class CardWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`expiry`: YYMM; `pvv`: PIN verification value under our key, or `pin` in clear: of test sets alone; `individual_limit`:
    None is what the account's credit limit leaves; `active`: False for a card that its holder has yet to activate; `debts`:
    what it owes, by kind, credit products only."""

    pan: Annotated[str, Meta(pattern=r"^[0-9]{12,19}$(?!\n)")]
    expiry: Annotated[str, Meta(pattern=r"^[0-9]{2}(0[1-9]|1[0-2])$(?!\n)")]
    pvv: Annotated[str, Meta(pattern=r"^([0-9]{4})?$(?!\n)")] = ""
    pin: Annotated[str, Meta(pattern=r"^([0-9]{4})?$(?!\n)")] = ""
    limits: LimitsWanted = PRODUCTS_OWN
    individual_limit: Grosze | None = None
    active: bool = True
    debts: dict[PostingKind, Owed] = {}

    def __repr__(self) -> str:
        return f"CardWanted(···{self.pan[-4:]})"


class AccountWanted(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`balance`: the holder's own money; `credit_limit`: of a credit product."""

    product: str
    cards: Annotated[tuple[CardWanted, ...], Meta(min_length=1, max_length=100)]
    holder: Annotated[str, Meta(max_length=140)] = ""
    balance: Grosze = 0
    credit_limit: Grosze | None = None


class Wanted(NamedTuple):
    """`line`: where it begins, 1 the first; `account`: or what is wrong with the line."""

    line: int
    account: AccountWanted | FieldError


def read_jsonl(file: BinaryIO) -> Iterator[Wanted]:
    """Blank lines are none."""
    decode = msgspec.json.Decoder(AccountWanted).decode
    for number, line in enumerate(_lines(file), start=1):
        try:
            if line.strip():
                yield Wanted(number, decode(_short(line)))
        except msgspec.DecodeError as error:
            yield Wanted(number, field_error(error))
        except FieldError as error:
            yield Wanted(number, error)


def read_csv(file: BinaryIO) -> Iterator[Wanted]:
    """The first line names the columns. Raises FieldError when it names one that there is not."""
    text = TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    rows = csv.reader(text, strict=True)
    header = next(rows, [])
    known = {GROUP, *OF_AN_ACCOUNT, *OF_A_CARD, *OF_LIMITS, *(DEBT + kind.value for kind in PostingKind)}
    for number, name in enumerate(header, start=1):
        if name not in known or name in header[: number - 1]:
            raise FieldError(f"column {number}", "there is no such column, or it is there twice")
    for _, group in groupby(_numbered(rows, header), key=lambda row: row.fields.get(GROUP) or row.line):
        together = list(group)
        try:
            yield Wanted(together[0].line, _account_of(together))
        except _AtLineError as error:
            yield Wanted(error.line, error.why)


class _Row(NamedTuple):
    """Of a CSV file: its fields that are not empty, or what is wrong with it."""

    line: int
    fields: Mapping[str, str]
    wrong: FieldError | None = None


class _AtLineError(Exception):
    def __init__(self, line: int, why: FieldError) -> None:
        super().__init__(str(why))
        self.line = line
        self.why = why


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """No more than `LONGEST` bytes and a little of each."""
    while line := file.readline(LONGEST + 1):
        yield line
        while len(line) > LONGEST and not line.endswith(b"\n"):
            line = file.readline(LONGEST + 1)


def _short(line: bytes) -> bytes:
    if len(line) > LONGEST:
        raise FieldError("", f"is longer than {LONGEST} bytes")
    return line


def _numbered(rows: Iterator[list[str]], header: list[str]) -> Iterator[_Row]:
    before = 1
    while True:
        line, before = before + 1, before + 1
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error:
            yield _Row(line, {}, FieldError("", "is no CSV"))
        else:
            if values:
                yield _row(line, header, values)
        before = max(before, rows.line_num)  # type: ignore[attr-defined]


def _row(line: int, header: list[str], values: list[str]) -> _Row:
    if len(values) != len(header):
        return _Row(line, {}, FieldError("", f"has {len(values)} values for {len(header)} columns"))
    try:
        "".join(values).encode()
    except UnicodeEncodeError:
        return _Row(line, {}, FieldError("", "is not UTF-8"))
    return _Row(line, {name: value for name, value in zip(header, values, strict=True) if value})


def _account_of(rows: list[_Row]) -> AccountWanted:
    """Raises _AtLineError. Lines after the first may leave the account out, or must say the same."""
    first = {name: value for name, value in rows[0].fields.items() if name in OF_AN_ACCOUNT}
    cards = [_card_of(row) for row in rows]
    for row in rows[1:]:
        for name in OF_AN_ACCOUNT:
            if row.fields.get(name, first.get(name)) != first.get(name):
                raise _AtLineError(row.line, FieldError(name, "is not as in the account's first line"))
    return _converted(rows[0].line, {**first, "cards": cards}, AccountWanted)


def _card_of(row: _Row) -> dict[str, object]:
    if row.wrong is not None:
        raise _AtLineError(row.line, row.wrong)
    fields = row.fields
    card: dict[str, object] = {name: fields[name] for name in OF_A_CARD if name in fields}
    limits = {name: fields[name] for name in OF_LIMITS if name in fields}
    debts = {name.removeprefix(DEBT): amount for name, amount in fields.items() if name.startswith(DEBT)}
    card |= {"limits": limits} if limits else {}
    card |= {"debts": {kind: amount for kind, amount in debts.items() if amount.strip("0")}} if debts else {}
    _converted(row.line, card, CardWanted)
    return card


def _converted(line: int, fields: dict[str, object], kind: type[T]) -> T:
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _AtLineError(line, field_error(error)) from None


_AT = re.compile(r"^(?P<problem>.*?)(?: - at `(?P<at>[^`]*)`(?: in `(?P<within>[^`]*)`)?)?$", re.DOTALL)
_FIELD = re.compile(r"(?:unknown|required) field `(?P<field>[^`]*)`")
_QUOTED = re.compile(r" '[^']*'")


def field_error(error: msgspec.DecodeError) -> FieldError:
    """msgspec's words, the field by itself, and no value."""
    if not isinstance(error, msgspec.ValidationError):
        return FieldError("", "is no JSON object")
    found = _AT.match(str(error))
    assert found is not None  # every part of the pattern is optional
    named = _FIELD.search(found["problem"])
    places = (found["within"] or found["at"] or "").removeprefix("$").removeprefix("."), named["field"] if named else ""
    return FieldError(without_pans(".".join(filter(None, places))), _QUOTED.sub("", without_pans(found["problem"])))


def read(file: BinaryIO, *, is_csv: bool) -> Iterable[Wanted]:
    """The accounts of a file. Raises FieldError as `read_csv` does."""
    return read_csv(file) if is_csv else read_jsonl(file)
