"""Products, response codes, rates and chart read anew while the engine runs: all of them or none.

A decision takes its product once, at its start, so one swap of a reference between two turns of the event loop is the
whole change: no message is decided by half of the old files and half of the new. See docs/decisions/0024-reload.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Final

import msgspec

from authsvc.errors import AuthsvcError, ConfigError
from authsvc.logs import get_logger
from authsvc.metrics import Metrics
from authsvc.model import PLN, Actor
from authsvc.products import Product, Products

log = get_logger(__name__)

LASTING: Final = ("bin", "currency", "funds", "scheme")
"""What living accounts and cards of a product were made of; a file that changes one is another product."""
DIGITS = 16


class ProductsInForce(Mapping[str, Product]):
    """The products by id, as of now; everybody who decides or shows holds this one and sees a reload at once."""

    def __init__(self, products: Products) -> None:
        self.current: Products = products

    def __getitem__(self, product: str) -> Product:
        return self.current[product]

    def __iter__(self) -> Iterator[str]:
        return iter(self.current)

    def __len__(self) -> int:
        return len(self.current)


Record = Callable[[str, str, Actor | None], Awaitable[None]]
"""Make a version and its content durable, and who asked for it. Raises LedgerDownError, StaleAccountError, LateError."""


class Reloader:
    """`load`: reads and checks the files, in a thread; raises ConfigError. `record`: told of each version before it is used."""

    def __init__(
        self, products: ProductsInForce, load: Callable[[], Products], metrics: Metrics, record: Record | None = None
    ) -> None:
        self._products = products
        self._load = load
        self._metrics = metrics
        self._record = record
        self._one_at_a_time = asyncio.Lock()
        self._take(products.current)

    async def record_start(self) -> None:
        """The files that the engine was started with. Raises what `record` raises."""
        if self._record is not None:
            await self._record(content_hash(self._products.current), content(self._products.current), None)

    async def reload(self, actor: Actor | None = None) -> str:
        """Put the files on disk in force; "", or what is wrong with them, and then nothing has changed. `actor`: who asked."""
        async with self._one_at_a_time:
            try:
                fresh = await asyncio.to_thread(self._load)
                check_succession(self._products.current, fresh)
                if self._record is not None:
                    await self._record(content_hash(fresh), content(fresh), actor)
            except AuthsvcError as error:
                self._metrics.gauges.reload_refused()
                log.error("reload refused, the products read before stay in force", problem=str(error))
                return str(error)
            log.info("products reloaded", version=self._take(fresh), count=len(fresh) - 1)
            return ""

    @property
    def version(self) -> str:
        """Of what is in force."""
        return content_hash(self._products.current)

    def _take(self, products: Products) -> str:
        self._products.current = products
        version = content_hash(products)
        self._metrics.know_products(*labels_of(products))
        self._metrics.gauges.products(version, time.time())
        return version


def check_succession(before: Products, after: Products) -> None:
    """Whether `after` may follow while accounts of `before` live. Raises ConfigError naming product and key."""
    for name, product in before.items():
        if name not in after:
            raise ConfigError(f"product {name}: its file is missing; a product with accounts cannot go")
        for key in LASTING:
            if getattr(product, key) != getattr(after[name], key):
                raise ConfigError(f"product {name}: {key} differs; a living product keeps it")


def content_hash(products: Products) -> str:
    """What the files say, comments and layout apart: the first digits of a SHA-256 over everything parsed from them."""
    return hashlib.sha256(content(products).encode()).hexdigest()[:DIGITS]


def content(products: Products) -> str:
    """Everything parsed from the files, as JSON; `replay.versions` reads it back."""
    return msgspec.json.encode(products, order="deterministic").decode()


def labels_of(products: Products) -> tuple[dict[str, str], dict[str, str]]:
    """For the metrics: the BIN of each product, the letters of each currency by its number."""
    currencies = {PLN: "PLN"}
    for product in products.values():
        currencies |= {number: known.name for number, known in product.rates.currencies.items() if known.name}
    return {name: product.bin for name, product in products.items() if name != "none"}, currencies
