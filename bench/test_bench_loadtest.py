"""The load tester itself: what it costs must not look like the engine's."""

from __future__ import annotations

from typing import Any

from bench.world import ASCII, CARD, KEY_FILE, world
from loadtest import accounts, fast, mix
from loadtest.__main__ import DEMO_MIX
from loadtest.fast import AnswerReader
from loadtest.messages import zone_key
from loadtest.traffic import Clock, Templates, Traffic, payers_of


def test_load_next_message(benchmark: Any) -> None:
    """Draw kind, card, amount and merchant, and fill the frame; given back as unanswered. Budget: 8 µs"""
    made_of, zone = mix.load(DEMO_MIX), zone_key(KEY_FILE)
    payers = payers_of([CARD] * 100, zone, accounts.fresh(made_of.accounts, [CARD] * 100))
    traffic = Traffic(made_of, payers, Clock(0), 1, Templates(fast.ASCII, zone), "basic")

    def one() -> bytes:
        sent = traffic.next()
        traffic.unanswered(sent)
        return sent.frame

    assert benchmark(one)


def test_load_read_answer(benchmark: Any) -> None:
    """Cut an answer of a shape seen before, and find MTI, STAN, DE38 and DE39. Budget: 4 µs"""
    payload, reader = ASCII.encode(world().answer), AnswerReader(fast.ASCII)
    reader.whole(payload)
    assert benchmark(reader.guess, payload).code == b"00"
