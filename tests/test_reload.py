"""What may follow what, and what a version of the product files is."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from authsvc.errors import ConfigError, LedgerDownError
from authsvc.metrics import Metrics
from authsvc.model import Actor
from authsvc.products import Product, Products, load_products
from authsvc.reload import ProductsInForce, Reloader, check_succession, content_hash, labels_of

CONFIG = Path(__file__).parents[1] / "config"
BEFORE = load_products(CONFIG / "products", CONFIG / "response_codes", CONFIG / "rates")
BPS = BEFORE["prepaid-bps"]


def with_bps(**changes: object) -> dict[str, Product]:
    return {**BEFORE, "prepaid-bps": replace(BPS, **changes)}


@pytest.mark.parametrize(
    ("after", "then"),
    [
        (with_bps(deposit_at_atm=False), ""),
        ({**BEFORE, "new": replace(BPS, id="new", bin="557531")}, ""),
        ({name: product for name, product in BEFORE.items() if name != "prepaid-bps"}, "its file is missing"),
        (with_bps(bin="557531"), "bin differs"),
        (with_bps(currency="978"), "currency differs"),
        (with_bps(funds="credit"), "funds differs"),
        (with_bps(scheme="visa"), "scheme differs"),
    ],
)
def test_what_may_follow(after: Products, then: str) -> None:
    """Rules may change and products may come; what living accounts were made of stays."""
    if not then:
        check_succession(BEFORE, after)
        return
    with pytest.raises(ConfigError, match=f"product prepaid-bps: {then}"):
        check_succession(BEFORE, after)


def test_a_version_is_what_the_files_say() -> None:
    """The same files give the same hash, one grosz gives another."""
    again = load_products(CONFIG / "products", CONFIG / "response_codes", CONFIG / "rates")
    dearer = with_bps(transfer=replace(BPS.transfer, fee=BPS.transfer.fee + 1))
    assert content_hash(again) == content_hash(BEFORE) != content_hash(dearer)


def test_labels() -> None:
    """BINs of the products that issue cards, letters of the currencies that the bank has tables for."""
    bins, currencies = labels_of(BEFORE)
    assert bins == {name: product.bin for name, product in BEFORE.items() if name != "none"}
    assert (currencies["985"], currencies["978"]) == ("PLN", "EUR")


async def test_all_or_none() -> None:
    """Whoever holds the products sees the new ones at once; a refused reload leaves the old ones, and says so."""
    offered: list[Products | ConfigError] = [with_bps(bin="557531"), ConfigError("x.toml: y"), with_bps(name="Other")]

    def load() -> Products:
        if isinstance(next_one := offered.pop(0), ConfigError):
            raise next_one
        return next_one

    registry = CollectorRegistry()
    in_force = ProductsInForce(BEFORE)
    reloader = Reloader(in_force, load, Metrics(registry, products=BEFORE))
    done = await asyncio.gather(*(reloader.reload() for _ in range(2)))
    assert [problem.partition(":")[0] for problem in done] == ["product prepaid-bps", "x.toml"]
    assert in_force.current is BEFORE
    assert registry.get_sample_value("authsvc_reload_ok") == 0
    assert registry.get_sample_value("authsvc_products_info", {"hash": content_hash(BEFORE)}) == 1
    assert await reloader.reload() == ""
    assert in_force["prepaid-bps"].name == "Other"
    assert registry.get_sample_value("authsvc_reload_ok") == 1
    assert registry.get_sample_value("authsvc_products_info", {"hash": content_hash(BEFORE)}) is None


async def test_a_version_is_in_the_journal_before_it_is_in_force() -> None:
    """With its whole content, which is read back as it was; where it cannot be remembered, nothing changes."""
    recorded: list[tuple[str, str]] = []
    in_force = ProductsInForce(BEFORE)

    async def record(version: str, said: str, _actor: Actor | None) -> None:
        assert in_force.current is BEFORE
        recorded.append((version, said))
        if len(recorded) == 2:
            raise LedgerDownError("away")

    other = with_bps(name="Other")
    reloader = Reloader(in_force, lambda: other, Metrics(CollectorRegistry(), products=BEFORE), record)
    await reloader.record_start()
    assert await reloader.reload() == "away"
    assert in_force.current is BEFORE
    assert await reloader.reload() == ""
    assert in_force.current is other
    assert [version for version, _ in recorded] == [content_hash(BEFORE), content_hash(other), content_hash(other)]
    assert [msgspec.json.decode(said, type=dict[str, Product]) for _, said in recorded] == [BEFORE, other, other]
