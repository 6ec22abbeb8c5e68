"""A clearing file as CSV or as JSON Lines: the columns, or members, are the fields of the API's body."""

from __future__ import annotations

import csv
import io

import msgspec

from authsvc.clearing.records import Line, Record, Wrong, checked, from_texts, wrong
from authsvc.control.bodies import PresentmentBody
from authsvc.errors import PeerError

FIELDS = {field.name: field.required for field in msgspec.structs.fields(PresentmentBody)}
"""Those that a presentment may have, and whether it must."""


def read_csv(content: bytes) -> list[Record]:
    """A header line with the names of the fields, then a line each; an empty cell is an absent field.

    Raises PeerError when it is not UTF-8, is no CSV, or has not the columns that every presentment needs.
    """
    rows = csv.reader(io.StringIO(_text(content), newline=""), strict=True)
    try:
        header = next(rows, [])
        _check(header)
        return [_row(rows.line_num, header, row) for row in rows if any(row)]
    except csv.Error as error:
        raise PeerError(f"line {rows.line_num}", f"is no CSV: {error}") from error


def _check(header: list[str]) -> None:
    for name, required in FIELDS.items():
        if header.count(name) > 1:
            raise PeerError("line 1", f"the header has column {name} twice")
        if required and name not in header:
            raise PeerError("line 1", f"the header has no column {name}")


def _row(number: int, header: list[str], row: list[str]) -> Line | Wrong:
    if len(row) != len(header):
        return Wrong(number, "", f"{len(row)} cells under {len(header)} columns")
    return from_texts(number, {name: cell for name, cell in zip(header, row, strict=True) if cell})


def read_jsonl(content: bytes) -> list[Record]:
    """An object on each line; empty lines are nothing. Raises PeerError when it is not UTF-8."""
    lines = enumerate(_text(content).split("\n"), 1)
    return [_object(number, text) for number, text in lines if text.strip()]


def _object(number: int, text: str) -> Line | Wrong:
    try:
        return checked(number, msgspec.json.decode(text, type=PresentmentBody))
    except msgspec.ValidationError as error:
        return wrong(number, error)
    except msgspec.DecodeError:
        return Wrong(number, "", "is no JSON")


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PeerError(f"byte {error.start}", "is no UTF-8") from None
