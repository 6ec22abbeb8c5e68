"""The load tester itself: what it costs must not look like the engine's."""

from __future__ import annotations

from typing import Any

from bench.world import ASCII, CARD, KEY_FILE, world
from loadtest import accounts, mix
from loadtest.__main__ import DEMO_MIX
from loadtest.expect import APPROVED, PRODUCTS, State, answer, count
from loadtest.fast import ASCII as WIRE
from loadtest.fast import AnswerReader
from loadtest.messages import Kind, zone_key
from loadtest.timeline import Tally
from loadtest.traffic import Clock, Templates, Traffic, payers_of

MIX, ZONE = mix.load(DEMO_MIX), zone_key(KEY_FILE)


def test_load_next_message(benchmark: Any) -> None:
    """Draw kind, card, amount and merchant, and fill the frame. Budget: 5 µs"""
    payers = payers_of([CARD] * 64, ZONE, accounts.fresh(MIX.accounts, [CARD] * 64))
    traffic = Traffic(MIX, payers, Clock(0), 1, Templates(WIRE, ZONE))

    def next_one() -> bytes:
        sent = traffic.next()
        sent.payer.busy = False
        return sent.frame

    assert benchmark(next_one)


def test_load_read_answer(benchmark: Any) -> None:
    """Find STAN, DE4, DE37, DE38 and DE39 in an answer of a known shape. Budget: 3 µs"""
    payload, reader = ASCII.encode(world().answer), AnswerReader()
    reader.whole(payload)
    assert benchmark(reader.guess, payload).code == b"00"


def test_load_model(benchmark: Any) -> None:
    """What the answer to a contactless payment should be, and what it counts. Budget: 4 µs"""
    state = State(PRODUCTS["credit-business"], 1 << 50, (1 << 50,) * 3)
    state.unlocked = True

    def judge() -> bytes:
        state.tapped = state.holds = 0
        code = answer(state, Kind.CONTACTLESS, 100, 1)
        count(state, Kind.CONTACTLESS, 100)
        return code

    assert benchmark(judge) == APPROVED


def test_load_record(benchmark: Any) -> None:
    """One latency into its second. Budget: 2 µs"""
    benchmark(Tally().record, 12_345)
