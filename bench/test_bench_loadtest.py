"""The load tester itself: what it costs must not look like the engine's."""

from __future__ import annotations

from typing import Any

from bench.world import ASCII, CARD, KEY_FILE, world
from loadtest import mix
from loadtest.__main__ import DEMO_MIX, wallets_of
from loadtest.fast import AnswerReader
from loadtest.messages import zone_key
from loadtest.traffic import Numbers, Traffic


def test_load_next_message(benchmark: Any) -> None:
    """Draw kind, card, amount and merchant, and fill the frame. Budget: 5 µs"""
    traffic = Traffic(mix.load(DEMO_MIX), wallets_of([CARD], zone_key(KEY_FILE)), Numbers(0), seed=1)
    assert benchmark(traffic.next).frame


def test_load_read_answer(benchmark: Any) -> None:
    """Cut an answer and find STAN, DE38 and DE39. Budget: 4 µs"""
    payload = ASCII.encode(world().answer)
    assert benchmark(AnswerReader().read, payload).code == b"00"
