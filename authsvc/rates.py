"""Exchange-rate tables as dated data: each bank's own, and the reference rates of the European Central Bank.

A rate is an integer in millionths: zloty for one unit of a currency in a bank's table, units of a currency for one euro
in the reference table. No floats anywhere. A wrong file stops the start and names the key.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from authsvc.errors import ConfigError
from authsvc.model import Day, UnixMs

EUR = "978"
MILLION = 1_000_000
WARSAW = ZoneInfo("Europe/Warsaw")
RateName = Literal["notes_sell", "transfer_sell", "transfer_buy"]
_NUMBER = re.compile(r"([0-9]{1,6})\.([0-9]{1,6})")
_Code = Annotated[str, Meta(pattern=r"^\d{3}$")]
_Decimal = Annotated[str, Meta(pattern=r"^[0-9]{1,6}\.[0-9]{1,6}$")]


class Currency(Struct, frozen=True, forbid_unknown_fields=True):
    """`decimals`: digits of its smallest unit; `area`: of a country of the EU, of the rest of the EEA, or neither."""

    name: str = ""
    decimals: Annotated[int, Meta(ge=0, le=4)] = 2
    area: Literal["EU", "EEA", ""] = ""


class BankTable(Struct, frozen=True):
    """`valid_from`: in force from then until the next table; `day`: Warsaw day of that; `rates`: currency, name, millionths."""

    valid_from: UnixMs
    day: Day
    rates: dict[str, dict[str, int]]


class ReferenceTable(Struct, frozen=True):
    """`per_euro`: millionths of a currency for one euro, as published on `day`."""

    day: Day
    per_euro: dict[str, int]


class Rates(Struct, frozen=True):
    """Tables in the order of time, of one bank and of the ECB."""

    bank: tuple[BankTable, ...] = ()
    ecb: tuple[ReferenceTable, ...] = ()
    currencies: dict[str, Currency] = {}

    def decimals(self, currency: str) -> int:
        known = self.currencies.get(currency)
        return 2 if known is None else known.decimals

    def area(self, currency: str) -> str:
        """ "EU", "EEA" or ""."""
        known = self.currencies.get(currency)
        return "" if known is None else known.area

    def table_before(self, moment: UnixMs) -> BankTable | None:
        """The bank's last table that came into force before `moment`; None when there was none yet."""
        return _last_before(self.bank, [table.valid_from for table in self.bank], moment)

    def reference(self, day: Day) -> ReferenceTable | None:
        """The newest reference table of `day` or before it."""
        return _last_before(self.ecb, [table.day for table in self.ecb], Day(f"{day}~"))


T = TypeVar("T")
K = TypeVar("K", int, str)


def _last_before(tables: Sequence[T], keys: Sequence[K], bound: K) -> T | None:
    place = bisect_left(keys, bound)
    return tables[place - 1] if place else None


def millionths(text: str) -> int:
    """ "4.35" -> 4_350_000. The text has at most six decimals."""
    found = _NUMBER.fullmatch(text)
    assert found is not None  # the file's type has checked it
    return int(found[1]) * MILLION + int(found[2].ljust(6, "0"))


class _BankRow(Struct, frozen=True, forbid_unknown_fields=True):
    notes_sell: _Decimal
    transfer_sell: _Decimal
    transfer_buy: _Decimal


class _BankEntry(Struct, frozen=True, forbid_unknown_fields=True):
    valid_from: datetime
    rates: dict[_Code, _BankRow]


class _BankFile(Struct, frozen=True, forbid_unknown_fields=True):
    table: tuple[_BankEntry, ...]


class _ReferenceEntry(Struct, frozen=True, forbid_unknown_fields=True):
    date: date
    rates: dict[_Code, _Decimal]


class _ReferenceFile(Struct, frozen=True, forbid_unknown_fields=True):
    table: tuple[_ReferenceEntry, ...]


class _CurrencyFile(Struct, frozen=True, forbid_unknown_fields=True):
    currencies: dict[_Code, Currency]


def load_rates(directory: Path, bank: str) -> Rates:
    """The tables of `bank` (`BANK.toml`), of the ECB and of currencies in `directory`. Raises ConfigError."""
    bank_file = directory / f"{bank}.toml"
    tables = sorted(map(_bank_table, _decode(bank_file, _BankFile).table), key=lambda table: table.valid_from)
    _no_twins(bank_file, [table.valid_from for table in tables])
    ecb_file = directory / "ecb.toml"
    entries = sorted(_decode(ecb_file, _ReferenceFile).table, key=lambda entry: entry.date)
    _no_twins(ecb_file, [entry.date.toordinal() for entry in entries])
    ecb = tuple(
        ReferenceTable(Day(entry.date.isoformat()), {code: millionths(rate) for code, rate in entry.rates.items()})
        for entry in entries
    )
    return Rates(tuple(tables), ecb, _decode(directory / "currencies.toml", _CurrencyFile).currencies)


def _bank_table(entry: _BankEntry) -> BankTable:
    local = entry.valid_from if entry.valid_from.tzinfo else entry.valid_from.replace(tzinfo=WARSAW)
    rates = {
        code: {name: millionths(getattr(row, name)) for name in row.__struct_fields__}
        for code, row in entry.rates.items()
    }
    day = Day(local.astimezone(WARSAW).date().isoformat())
    return BankTable(UnixMs(int(local.timestamp()) * 1000), day, rates)


def _no_twins(path: Path, moments: Sequence[int]) -> None:
    if not moments:
        raise ConfigError(f"{path}: table is missing")
    if len(set(moments)) < len(moments):
        raise ConfigError(f"{path}: two tables hold from the same moment")


def _decode(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
