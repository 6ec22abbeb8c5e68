"""What a link's guards cost a message. Not measured: sockets, TLS records."""

from __future__ import annotations

import warnings
from typing import Any

import psec

from authsvc.rate import Rate
from authsvc.security.keys import load_keys
from authsvc.security.mac import RetailMac
from bench.conftest import PerCall
from bench.world import ASCII, KEY_FILE, world

MANY = 1_000_000


def test_mac(benchmark: Any) -> None:
    """The retail MAC over an 0100 of 20 fields. Budget: 20 µs"""
    benchmark.extra_info["beside"] = ("test_mac_by_psec", 2)
    mac = RetailMac(load_keys(KEY_FILE).mac)
    assert len(benchmark(mac.over, world().payload)) == 8


def test_mac_by_psec(benchmark: Any) -> None:
    """The same by the library, which makes its ciphers anew. Budget: 60 µs"""
    key = load_keys(KEY_FILE).mac.reveal()
    with warnings.catch_warnings(action="ignore"):
        found = benchmark(psec.mac.generate_retail_mac, key[:8], key[8:], world().payload, 1)
    assert found == RetailMac(load_keys(KEY_FILE).mac).over(world().payload)


def test_mac_found_and_checked(benchmark: Any) -> None:
    """From bytes to a right MAC. Budget: 25 µs"""
    mac = RetailMac(load_keys(KEY_FILE).mac)
    sent = ASCII.mac_field.with_mac(world().payload, mac.over)

    def check() -> bool:
        parts = ASCII.mac_field.split(sent)
        return parts is not None and mac.is_right(*parts)

    assert benchmark(check)


def test_rate(per_call: PerCall) -> None:
    """Whether a link may send one more. Budget: 0.5 µs"""
    rate = Rate(per_second=MANY, burst=MANY)
    now = iter(range(10 * MANY))

    def ask() -> None:
        for _ in range(100):
            rate.wait(next(now))

    per_call(ask, 100)
