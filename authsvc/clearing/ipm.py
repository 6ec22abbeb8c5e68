"""A Mastercard IPM clearing file: variable records, plain or 1014-blocked, in ASCII or EBCDIC; read by `cardutil`.

Which fields mean what is public knowledge, not the scheme's manual: docs/clearing.md has the table and its sources.
"""

from __future__ import annotations

import io
import logging
from copy import deepcopy
from typing import Any

from cardutil import CardutilError, iso8583
from cardutil.config import config
from cardutil.mciipm import MciIpmDataError, VbsReader, unblock_1014

from authsvc.clearing.records import Left, Record, Wrong, from_texts
from authsvc.errors import PeerError

logging.getLogger("cardutil").setLevel(logging.CRITICAL)  # its debug lines are whole records, with card numbers

BLOCK = 1014
FIRST_PRESENTMENT = ("1240", "200")
KINDS = {
    "00": "purchase",
    "09": "purchase",
    "01": "cash",
    "12": "cash",
    "18": "quasi_cash",
    "20": "refund",
    "28": "deposit",
}
"""DE3, first two digits. 09, with cashback: the file's amount is posted whole."""
MORE_TO_COME = "1403"
"""DE25 of a partial amount that is not the last (1404 is)."""
ADMINISTRATIVE = "1644"
TITLES = {"1240": "presentment", "1442": "chargeback", "1740": "fee collection", ADMINISTRATIVE: "administrative"}
NAMES = {
    "pan_or_card": "DE2", "amount": "DE4", "billing_amount": "DE6", "mcc": "DE26", "rrn": "DE37", "kind": "DE3",
    "authorization_code": "DE38", "merchant_id": "DE42", "currency": "DE49", "billing_currency": "DE51",
}  # fmt: skip


def _as_text() -> dict[str, Any]:
    """cardutil's table of fields without its conversions: dates and numbers stay as they came, so that a field nobody needs
    cannot make a record unreadable. Only private data is taken apart."""
    fields: dict[str, Any] = deepcopy(config["bit_config"])
    for number, field in fields.items():
        field.pop("field_python_type", None)
        if number not in ("48", "62", "123", "124", "125"):
            field.pop("field_processor", None)
    return fields


FIELDS = _as_text()


def is_ipm(content: bytes) -> bool:
    """Whether it begins with the length of a record and its MTI."""
    return 20 <= int.from_bytes(content[:4], "big") <= 6000 and _encoding(content[4:8]) is not None


def _encoding(mti: bytes) -> str | None:
    if len(mti) == 4 and all(0xF0 <= digit <= 0xF9 for digit in mti):
        return "cp500"
    return "latin_1" if len(mti) == 4 and mti.isdigit() else None


def read(content: bytes) -> tuple[str, list[Record]]:
    """The file's form, and its records. Raises PeerError when it is broken: a record is cut short, or the end is missing."""
    encoding = _encoding(content[4:8])
    if encoding is None:
        raise PeerError("record 1", "does not begin with a message type in ASCII or EBCDIC: this is no IPM file")
    blocked = _is_blocked(content)
    records = [_record(number, raw, encoding) for number, raw in enumerate(_records(content, blocked), 1)]
    return f"IPM {encoding}{', 1014-blocked' if blocked else ''}", records


def _is_blocked(content: bytes) -> bool:
    """Every block ends with two fill bytes. cardutil's own guess (0.7.3) is wrong for files above two blocks."""
    ends = (content[at - 2 : at] == b"\x40\x40" for at in range(BLOCK, len(content) + 1, BLOCK))
    return bool(content) and len(content) % BLOCK == 0 and all(ends)


def _records(content: bytes, blocked: bool) -> list[bytes]:
    plain = io.BytesIO(content)
    if blocked:
        plain = io.BytesIO()
        unblock_1014(io.BytesIO(content), plain)
    reader = VbsReader(plain)
    try:
        records = list(reader)
    except MciIpmDataError as error:
        place = f"record {error.record_number}"
    else:
        end = sum(len(record) + 4 for record in records)
        if plain.getvalue()[end : end + 4] == bytes(4):
            return records
        place = f"record {len(records) + 1}"
    # Raised out here: cardutil's error carries the record, and nothing of it is chained to ours.
    raise PeerError(place, "the file is cut short here, or no IPM file")


def _record(number: int, raw: bytes, encoding: str) -> Record:
    try:
        fields: dict[str, str] = iso8583.loads(raw, encoding=encoding, iso_config=FIELDS)
    except CardutilError as error:
        return Wrong(number, "", str(error))  # its words name fields and lengths, never what is in them
    except ValueError:
        return Wrong(number, "", "a private data subelement has no length")
    mti, function = fields["MTI"], fields.get("DE24", "")
    if (mti, function) != FIRST_PRESENTMENT:
        return Left(number, f"{mti}/{function or '-'} {TITLES.get(mti, 'unknown')}", mti != ADMINISTRATIVE)
    if fields.get("DE3", "")[:2] not in KINDS:
        return Wrong(number, "DE3", "no transaction type that is posted")
    return from_texts(number, _body(fields), NAMES)


def _body(fields: dict[str, str]) -> dict[str, str]:
    """The API's body, as texts. What must be there and is absent is left out, so that it is named as missing."""
    get = fields.get
    entry = get("DE22", "").ljust(12)
    body = {
        "scheme": "mastercard", "rrn": get("DE37", "").strip(), "authorization_code": get("DE38", "").strip(),
        "merchant_id": get("DE42", "").strip(), "kind": KINDS[fields["DE3"][:2]],
        "final": _said(get("DE25") != MORE_TO_COME), "internet": _said(entry[4] == "5" or entry[6] == "S"),
        "reversal": _said(get("PDS0025", "").startswith("R")),
    }  # fmt: skip
    if "DE4" in fields:
        body["amount"] = _number(fields["DE4"])
    if get("DE6", "").strip("0"):
        body |= {"billing_amount": _number(fields["DE6"]), "billing_currency": get("DE51", "")}
    needed = {"pan_or_card": "DE2", "currency": "DE49", "mcc": "DE26"}
    return body | {name: fields[field].strip() for name, field in needed.items() if field in fields}


def _number(digits: str) -> str:
    """Without the zeros in front, which no other number is written with."""
    return digits.lstrip("0") or "0"


def _said(is_so: bool) -> str:
    return "true" if is_so else "false"
