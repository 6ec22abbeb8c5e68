"""Accounts in bulk: 20 000 a second are 50 µs each, of two processes side by side."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from authsvc.importing.accounts import Template, generated
from authsvc.importing.run import Maker
from authsvc.ledger.sqlite_bulk import SqliteBulk
from authsvc.products import load_products
from authsvc.security.hsm import SoftHsm
from authsvc.security.keys import load_keys
from authsvc.security.mint import Mint
from authsvc.security.vault import Vault
from bench.conftest import PerCall
from bench.world import KEY_FILE, NOON, ROOT

AT_A_TIME = 500
LIKE = Template("credit-business", credit_limit=100_000)


async def nothing(_: object) -> None: ...


def maker(name: str) -> Maker:
    keys = load_keys(KEY_FILE)
    products = load_products(ROOT / "config/products", ROOT / "config/response_codes")
    return Maker(products, Mint(keys, SoftHsm(keys), Vault(keys, nothing, nothing)), NOON, name)


def test_import_make(per_call: PerCall) -> None:
    """Ids, PAN, PVV, seal, three decisions with their hashes and the head, of one account. Budget: 45 µs an account"""
    made, asked = maker("bench"), list(generated(LIKE, AT_A_TIME))
    per_call(lambda: made.made(asked, 0), AT_A_TIME)


def test_import_write(per_call: PerCall, tmp_path: Path) -> None:
    """The same into SQLite, in one transaction, durable, with one commit for each 500. Budget: 60 µs an account"""
    ledger, sets = SqliteBulk(tmp_path / "ledger.sqlite"), count()
    asked = list(generated(LIKE, AT_A_TIME))
    per_call(ledger.write, AT_A_TIME, lambda: maker(f"set {next(sets)}").made(asked, AT_A_TIME * next(sets))[0])
    ledger.close()
