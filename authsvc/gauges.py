"""What Prometheus may read of how things stand: asked at the scrape, so that it costs a message nothing."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge, ProcessCollector

NAN = float("nan")


class OpenHolds(NamedTuple):
    """All open holds. `number`: how many; `amount`: grosze; `oldest`, `first_due`: Unix ms, when the oldest was placed and
    when the first ends, None without any; `expiring`: how many end within `EXPIRING_MS`."""

    number: int = 0
    amount: int = 0
    oldest: int | None = None
    first_due: int | None = None
    expiring: int = 0


class Held(NamedTuple):
    """Of the open holds of a product. `number`: how many; `amount`: grosze."""

    number: int = 0
    amount: int = 0


EXPIRING_MS = 24 * 3_600_000


class Gauges:
    """One per process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        ProcessCollector(namespace="authsvc", registry=registry)
        self._make_holds(registry)
        self._make_saturation(registry)
        self._make_clock(registry)
        self._make_files(registry)

    def _make_holds(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            made = Gauge(f"authsvc_{name}", text, registry=registry)
            made.set(NAN)
            return made

        self._holds = gauge("holds_open", "Holds that have not ended.")
        self._held = gauge("holds_open_grosze", "What they set aside, grosze.")
        self._oldest = gauge("holds_oldest_seconds", "Age of the oldest open hold.")
        self._expiring = gauge("holds_expiring", "Open holds that end within 24 hours.")
        self._product_holds, self._product_held = (
            Gauge(f"authsvc_product_{name}", text, ("product",), registry=registry)
            for name, text in (
                ("holds_open", "Open holds of a product."),
                ("holds_open_grosze", "What they set aside."),
            )
        )
        self._overdue = gauge(
            "holds_overdue_seconds", "How long the first hold that should have ended waits for its end."
        )

    def _make_saturation(self, registry: CollectorRegistry) -> None:
        self._limit = Gauge("authsvc_in_flight_limit", "Messages under way at which links wait.", registry=registry)
        self._lag = Gauge("authsvc_loop_lag_seconds", "How late the event loop was, last time.", registry=registry)
        self._signed_on = Gauge(
            "authsvc_links_signed_on",
            "Open links that authorizations are taken from.",
            ("listener",),
            registry=registry,
        )

    def _make_clock(self, registry: CollectorRegistry) -> None:
        self._clock = Gauge("authsvc_clock_seconds", "The engine's time, Unix seconds.", registry=registry)
        self._ahead = Gauge(
            "authsvc_clock_ahead_seconds",
            "How far the engine's clock ran ahead of the monotonic one since the start; a step is a jump.",
            registry=registry,
        )
        self._sweep_every = Gauge("authsvc_sweep_interval_seconds", "Seconds between two sweeps.", registry=registry)
        self._swept_at = Gauge("authsvc_sweep_done_seconds", "Unix time of the last whole sweep.", registry=registry)

    def _make_files(self, registry: CollectorRegistry) -> None:
        self._free = Gauge("authsvc_disk_free_bytes", "Free in the file system of data_dir.", registry=registry)
        self._size = Gauge("authsvc_disk_size_bytes", "Size of the file system of data_dir.", registry=registry)
        self._ledger = Gauge("authsvc_ledger_bytes", "Size of the ledger and its log on disk.", registry=registry)
        self._reloaded = Gauge("authsvc_reload_ok", "1 when the last reload was taken.", registry=registry)
        self._loaded_at = Gauge("authsvc_products_loaded_seconds", "Unix time they were read.", registry=registry)
        self._products = Gauge(
            "authsvc_products_info", "The product files in force, by the hash of their content; always 1.", ("hash",),
            registry=registry,
        )  # fmt: skip

    def holds(self, found: OpenHolds | None, now: int) -> None:
        """`now`: Unix ms. None: they cannot be read, and then no number is told."""
        if found is None:
            for gauge in (self._holds, self._held, self._oldest, self._expiring, self._overdue):
                gauge.set(NAN)
            return
        self._holds.set(found.number)
        self._held.set(found.amount)
        self._expiring.set(found.expiring)
        self._oldest.set(0 if found.oldest is None else max(0, now - found.oldest) / 1000)
        self._overdue.set(0 if found.first_due is None else max(0, now - found.first_due) / 1000)

    def held(self, found: Mapping[str, Held] | None) -> None:
        """By product. None: it cannot be read, and then there is no such series."""
        self._product_holds.clear()
        self._product_held.clear()
        for product, held in (found or {}).items():
            self._product_holds.labels(product).set(held.number)
            self._product_held.labels(product).set(held.amount)

    def watch_clock(self, now: Callable[[], int], monotonic: Callable[[], float]) -> None:
        """`now`: Unix ms; `monotonic`: seconds from anywhere. Both are read now and at each scrape."""
        start, began = now(), monotonic()
        self._clock.set_function(lambda: now() / 1000)
        self._ahead.set_function(lambda: (now() - start) / 1000 - (monotonic() - began))

    def watch_files(self, folder: Path, names: Iterable[str]) -> None:
        """`folder`: the data directory; `names`: of the ledger's files in it."""
        files = [folder / name for name in names]
        self._free.set_function(lambda: _space(folder)[0])
        self._size.set_function(lambda: _space(folder)[1])
        self._ledger.set_function(lambda: sum(file.stat().st_size for file in files if file.exists()))

    def watch_signed_on(self, listener: str, read: Callable[[], int]) -> None:
        """`read`: how many links of the listener are signed on."""
        self._signed_on.labels(listener).set_function(read)

    def in_flight_limit(self, limit: int) -> None:
        self._limit.set(limit)

    def loop_lag(self, seconds: float) -> None:
        self._lag.set(seconds)

    def swept(self, at: float, every: float) -> None:
        """A whole sweep was done `at` Unix seconds; one is due every so many seconds, 0: never."""
        self._swept_at.set(at)
        self._sweep_every.set(every)

    def products(self, digest: str, at: float) -> None:
        """These product files are in force since `at`, Unix seconds."""
        self._products.clear()
        self._products.labels(digest).set(1)
        self._loaded_at.set(at)
        self._reloaded.set(1)

    def reload_refused(self) -> None:
        """The files on disk are wrong; the ones read before stay in force."""
        self._reloaded.set(0)


def _space(folder: Path) -> tuple[int, int]:
    """Free for us, and whole, in bytes."""
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
