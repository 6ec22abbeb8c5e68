"""Files for the import, and what an import needs."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path
from typing import Any, NoReturn

from engine_parts import KEYS, NOON, PRODUCTS

from authsvc.codec.pan import with_check_digit
from authsvc.importing.opening import Opener
from authsvc.importing.reading import Problem, read
from authsvc.importing.run import Imported, run
from authsvc.ledger.bulk import BulkLedger
from authsvc.ledger.sqlite_bulk import SqliteBulk
from authsvc.model import Actor
from authsvc.security.hsm import SoftHsm
from authsvc.security.mint import Mint
from authsvc.security.vault import Vault

Fields = dict[str, Any]
CREDIT = "credit-business"
TELLER = Actor("import.anna", "operator")


def opener(*, pins: bool = True) -> Opener:
    return Opener(PRODUCTS, Mint(KEYS, SoftHsm(KEYS), Vault(KEYS, _never, _never)), lambda: NOON, TELLER, pins=pins)


async def _never(_: object) -> NoReturn:
    raise AssertionError


def card(number: int = 1, product: str = "prepaid-bps", **fields: object) -> Fields:
    bin_ = PRODUCTS[product].bin
    pan = with_check_digit(f"{bin_}{number:0{15 - len(bin_)}}")
    return {"pan": pan, "expiry": "4912", "pin": "1234", **fields}


def line(number: int = 1, product: str = "prepaid-bps", **fields: object) -> Fields:
    """An account with one card."""
    return {"product": product, "cards": [card(number, product)], **fields}


def text(*lines: object) -> bytes:
    return b"".join(each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n" for each in lines)


def into(
    ledger: BulkLedger, file: bytes, *, is_csv: bool = False, pins: bool = True, order: int = 100
) -> tuple[Imported, list[Problem]]:
    told: list[Problem] = []
    try:
        wanted = read(BytesIO(file), is_csv=is_csv)
        return run(wanted, opener(pins=pins), ledger, told.append, lambda _: None, order), told
    finally:
        ledger.close()


def taken(folder: Path, *lines: object, pins: bool = True, order: int = 100) -> tuple[Imported, list[Problem]]:
    """JSONL into the embedded ledger of `folder`."""
    return into(SqliteBulk(folder / "ledger.sqlite"), text(*lines), pins=pins, order=order)
