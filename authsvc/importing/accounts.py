"""The accounts that are asked for: read from a file a line at a time, or generated. Money in grosze."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from authsvc.codec.pan import luhn_ok, with_check_digit
from authsvc.errors import ConfigError
from authsvc.model import Minor

PAN_DIGITS = 16
MOST = 999_999_999_999
"""Grosze; DE4 has no more digits."""
_Money = Annotated[int, Meta(ge=0, le=MOST)]
_Text = Annotated[str, Meta(max_length=60)]


class ImportFileError(ConfigError):
    """A line is wrong; the message names file, line and field."""


class NewCard(Struct, frozen=True, forbid_unknown_fields=True):
    """A card to be issued. `pan` "": one is made in the product's BIN; `expiry` "": the product's term from now, YYMM;
    limits None: the product's; `active`: ready to be used."""

    pin: Annotated[str, Meta(pattern=r"^[0-9]{4}$")]
    pan: Annotated[str, Meta(pattern=r"^([0-9]{12,19})?$")] = ""
    expiry: Annotated[str, Meta(pattern=r"^([0-9]{2}(0[1-9]|1[0-2]))?$")] = ""
    individual_limit: _Money | None = None
    cash: _Money | None = None
    cashless: _Money | None = None
    internet: _Money | None = None
    active: bool = True


class NewAccount(Struct, frozen=True, forbid_unknown_fields=True):
    """An account to be opened, with its cards. `key`: names it in its set, once; `load`: paid in."""

    key: Annotated[str, Meta(min_length=1, max_length=60)]
    product: str
    credit_limit: _Money | None = None
    load: _Money = 0
    holder: _Text = ""
    cards: Annotated[tuple[NewCard, ...], Meta(max_length=100)] = ()

    @property
    def shape(self) -> tuple[object, ...]:
        """What two accounts share when their decisions differ in names, expiries and the amount paid in alone."""
        cards = tuple((one.individual_limit, one.cash, one.cashless, one.internet, one.active) for one in self.cards)
        return self.product, self.credit_limit, bool(self.load), bool(self.holder), cards


def read(path: Path) -> Iterator[NewAccount]:
    """CSV with a header where the name ends in .csv, else a JSON object a line. Raises ImportFileError."""
    try:
        with path.open(encoding="utf-8", newline="") as opened:
            yield from _csv(path, opened) if path.suffix == ".csv" else _json_lines(path, opened)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ImportFileError(f"{path}: {error}") from error


def _json_lines(path: Path, lines: Iterable[str]) -> Iterator[NewAccount]:
    decode = msgspec.json.Decoder(NewAccount).decode
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                account = decode(line)
            except msgspec.DecodeError as error:
                problem = _without_values(error)
            else:
                yield _checked(path, number, account)
                continue
            raise ImportFileError(f"{path}: line {number}: {problem}")


def _without_values(error: msgspec.DecodeError) -> str:
    """msgspec's words name the field and its type, and never the value; a line that is no JSON is told without its text."""
    return str(error) if isinstance(error, msgspec.ValidationError) else "is not a JSON object"


_OF_ACCOUNT = ("key", "product", "credit_limit", "load", "holder")
_OF_CARD = ("pin", "pan", "expiry", "individual_limit", "cash", "cashless", "internet", "active")


def _csv(path: Path, lines: Iterable[str]) -> Iterator[NewAccount]:
    """A card a row; rows with the same key, one behind the other, are cards of one account."""
    rows = csv.DictReader(lines)
    unknown = set(rows.fieldnames or ()) - {*_OF_ACCOUNT, *_OF_CARD}
    if unknown or not {"key", "product"} <= set(rows.fieldnames or ()):
        raise ImportFileError(
            f"{path}: line 1: columns are {', '.join((*_OF_ACCOUNT, *_OF_CARD))}, not {sorted(unknown)}"
        )
    waiting: NewAccount | None = None
    for row in rows:
        account = _row(path, rows.line_num, row)
        if waiting is not None and waiting.key == account.key:
            waiting = msgspec.structs.replace(waiting, cards=(*waiting.cards, *account.cards))
            continue
        if waiting is not None:
            yield waiting
        waiting = account
    if waiting is not None:
        yield waiting


def _row(path: Path, line: int, row: dict[str, str]) -> NewAccount:
    given = {name: value for name, value in row.items() if name is not None and value}
    made: dict[str, object] = {name: value for name, value in given.items() if name in _OF_ACCOUNT}
    if "pin" in given:
        made["cards"] = [{name: value for name, value in given.items() if name in _OF_CARD}]
    try:
        account = msgspec.convert(made, NewAccount, strict=False)
    except msgspec.ValidationError as error:
        raise ImportFileError(f"{path}: line {line}: {error}") from None
    return _checked(path, line, account)


def _checked(path: Path, line: int, account: NewAccount) -> NewAccount:
    for card in account.cards:
        if card.pan and not luhn_ok(card.pan):
            raise ImportFileError(f"{path}: line {line}: pan: the last digit is not its check digit")
    return account


class Template(Struct, frozen=True):
    """What every account of a generated set is like."""

    product: str
    pin: str = "1234"
    expiry: str = ""
    load: int = 0
    credit_limit: int | None = None
    cash: int | None = None
    cashless: int | None = None
    internet: int | None = None


def generated(like: Template, count: int) -> Iterator[NewAccount]:
    """`count` accounts, each with one active card. Raises ConfigError."""
    if not re.fullmatch(r"[0-9]{4}", like.pin):
        raise ConfigError("--pin: a PIN is four digits")
    card = NewCard(
        like.pin, expiry=like.expiry, cash=like.cash, cashless=like.cashless, internet=like.internet
    )  # fmt: skip
    for number in range(count):
        yield NewAccount(f"{number:09}", like.product, like.credit_limit, Minor(like.load), cards=(card,))


def pan_of(bin_: str, number: int) -> str:
    """The PAN with this number in the BIN, which has room for 10 to the power of 15 less its digits."""
    digits = PAN_DIGITS - 1 - len(bin_)
    return with_check_digit(f"{bin_}{number % 10**digits:0{digits}}")
