"""Fields in fields, each part a row: DE35, 48, 54, 55, 90, 95. What may not be seen is told by its length.

A part that is not made as it should be is a row too: where it stands, what was expected and what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from msgspec import Struct

from authsvc.codec import amounts, chip_words, emv, meanings, originals, subfields, track
from authsvc.codec.misfit import MisfitError
from authsvc.codec.pan import PanDisplay

Fields = Mapping[str, str]
HIDDEN_SUBELEMENTS = frozenset({"43", "92"})


class InnerRow(Struct, frozen=True):
    """`part`: behind the number of the field, as ".92"; `offset`, `length`: in characters of the field's value."""

    part: str
    name: str
    value: str
    meaning: str = ""
    offset: int = -1
    length: int = 0


def inner_rows(field: str, value: str, fields: Fields, pan: PanDisplay) -> Iterator[InnerRow]:
    """The parts of `value`, none for a field that has none. Never raises."""
    rows = _ROWS.get(field)
    if rows is None:
        return
    try:
        yield from rows(value, fields, pan)
    except MisfitError as error:
        two = 2 if error.unit == "byte" else 1
        yield InnerRow("", "", f"expected {error.expected}, found {error.found}", "broken", error.offset * two)


def _hidden(value: str) -> str:
    return f"*** ({len(value)} characters)"


def _track_2(value: str, _fields: Fields, pan: PanDisplay) -> Iterator[InnerRow]:
    number, rest = track.split(value)
    yield InnerRow(".PAN", "Card number on the track", pan.shown(number), "", 0, len(number))
    parts = track.parse(value)
    place = len(value) - len(rest)
    if parts.expiry:
        yield InnerRow(".expiry", "Expiry", parts.expiry, meanings.year_month(parts.expiry), place, 4)
    place += 4 if parts.expiry else 1
    if parts.service_code:
        yield InnerRow(".service", "Service code", parts.service_code, _service(parts.service_code), place, 3)
    size = len(parts.discretionary)
    yield InnerRow(".own", "Issuer's own", _hidden(parts.discretionary), "", len(value) - size, size)


def _service(code: str) -> str:
    words = [table.get(digit, f"unknown {digit}") for table, digit in zip(meanings.SERVICE_CODES, code, strict=True)]
    return ", ".join(words)


def _private(value: str, _fields: Fields, pan: PanDisplay) -> Iterator[InnerRow]:
    place = 0
    for tag, element in subfields.parse(value).items():
        shown = _hidden(element) if tag in HIDDEN_SUBELEMENTS else pan.text(element)
        meaning = _PRIVATE_MEANINGS.get(tag, {}).get(element, "")
        yield InnerRow(f".{tag}", meanings.SUBELEMENTS.get(tag, ""), shown, meaning, place, 4 + len(element))
        place += 4 + len(element)


_PRIVATE_MEANINGS = {"22": meanings.EXEMPTIONS, "42": meanings.LEVELS, "61": {"1": "yes"}, "87": meanings.CVV2_RESULTS}


def _amounts(value: str, _fields: Fields, _pan: PanDisplay) -> Iterator[InnerRow]:
    for number, each in enumerate(amounts.parse(value)):
        words = meanings.AMOUNT_TYPES.get(each.amount_type, f"amount type {each.amount_type}")
        account = meanings.ACCOUNTS.get(each.account_type, f"account type {each.account_type}")
        shown = meanings.amount(f"{each.minor:012d}", each.currency) or f"{each.minor} of currency {each.currency}"
        sign = "-" if each.debit and each.amount_type != amounts.CASHBACK else ""
        offset = number * amounts.GROUP
        yield InnerRow(f".{number + 1}", words.capitalize(), sign + shown, account, offset, amounts.GROUP)


def _chip(value: str, _fields: Fields, pan: PanDisplay) -> Iterator[InnerRow]:
    values: dict[str, bytes] = {}
    rows: list[tuple[str, bytes, int]] = []
    misfit: MisfitError | None = None
    try:
        for tag, inner, offset in emv.objects(value):
            values[tag] = inner
            rows.append((tag, inner, offset))
    except MisfitError as error:
        misfit = error  # what was right before it is shown first
    for tag, inner, offset in rows:
        name = chip_words.NAMES.get(tag, "")
        length = len(tag) + 2 * len(inner) + 2
        yield InnerRow(
            f".{tag}", name, _chip_value(tag, inner, pan), _chip_meaning(tag, inner, values), 2 * offset, length
        )
    if misfit is not None:
        raise misfit


def _chip_value(tag: str, value: bytes, pan: PanDisplay) -> str:
    digits = value.hex().upper()
    if tag == chip_words.PAN:
        return pan.shown(digits.rstrip("F"))
    if tag not in chip_words.NAMES or tag in chip_words.HIDDEN:
        return f"*** ({len(value)} bytes)"
    return digits


def _chip_meaning(tag: str, value: bytes, values: Mapping[str, bytes]) -> str:
    digits = value.hex()
    match tag:
        case "9F02" | "9F03":
            return meanings.amount(digits, values.get("5F2A", b"").hex()[1:])
        case "5F2A":
            return meanings.currency(digits[1:])
        case "9F1A" | "5F28":
            return meanings.country(digits[1:])
        case "9A":
            return f"20{digits[:2]}-{digits[2:4]}-{digits[4:]}" if digits.isdigit() else ""
        case "9C":
            return meanings.PROCESSING.get(digits, "")
        case "50" | "9F12" | "8A":
            return value.decode("latin-1") if value.isascii() and value.decode("ascii").isprintable() else ""
        case _:
            size, told = chip_words.MEANINGS.get(tag, (-1, str))
            return told(value) if len(value) == size else ""


def _original(value: str, _fields: Fields, _pan: PanDisplay) -> Iterator[InnerRow]:
    parts = originals.parse_original(value)
    named = (
        (".mti", "Original message type", parts.mti),
        (".stan", "Original STAN", parts.stan),
        (".sent", "Original date and time", parts.sent),
        (".acquirer", "Original acquirer", parts.acquirer),
        (".forwarder", "Original forwarder", parts.forwarder),
    )
    place = 0
    for part, name, shown in named:
        meaning = "" if shown.strip("0") else "not known to the sender"
        yield InnerRow(part, name, shown, meaning, place, len(shown))
        place += len(shown)


def _replacement(value: str, fields: Fields, pan: PanDisplay) -> Iterator[InnerRow]:
    parts = originals.parse_replacement(value)
    digits = f"{parts.amount:012d}"
    yield InnerRow(".amount", "Amount it becomes", digits, meanings.amount(digits, fields.get("49", "")), 0, 12)
    place = 12
    for part, name, shown in (
        (".settled", "In settlement currency", parts.settlement),
        (".fee", "Fee", parts.fee),
        (".settled_fee", "Fee in settlement currency", parts.settlement_fee),
    ):
        yield InnerRow(part, name, pan.text(shown), "", place, len(shown))
        place += len(shown)


_ROWS: dict[str, Callable[[str, Fields, PanDisplay], Iterator[InnerRow]]] = {
    "35": _track_2,
    "48": _private,
    "54": _amounts,
    "55": _chip,
    "90": _original,
    "95": _replacement,
}
