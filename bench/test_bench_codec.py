"""Bytes to meaning and back. Not measured: sockets, tasks."""

from __future__ import annotations

from typing import Any

import iso8583
import pytest
from iso8583.specs import default_ascii

from authsvc.codec.answers import to_answer
from authsvc.codec.compiled import AFTER_SIGHTS, Compiled
from authsvc.codec.dialects import DIALECTS
from authsvc.codec.framing import FrameReader, frame
from authsvc.codec.layout import load_layouts
from authsvc.codec.translate import to_request
from bench.conftest import PerCall
from bench.world import ASCII, REF, world

FRAMES = 50


def test_framing_in(per_call: PerCall) -> None:
    """Cut a stream that brings 50 frames at once. Budget: 0.5 µs a frame."""
    stream = frame(world().payload) * FRAMES
    reader = FrameReader()
    assert len(reader.receive_data(stream)) == FRAMES
    per_call(lambda: reader.receive_data(stream), FRAMES)


def test_framing_out(benchmark: Any) -> None:
    """Put one answer into its frame. Budget: 0.5 µs"""
    payload = ASCII.encode(world().answer)
    assert benchmark(frame, payload)[2:] == payload


def warm() -> None:
    """Until the codec has compiled what these messages need."""
    for _ in range(AFTER_SIGHTS + 1):
        ASCII.encode(world().answer)
        ASCII.decode(world().payload)


def test_decode(benchmark: Any) -> None:
    """An 0100 with 20 fields, each checked. Budget: 2 µs"""
    warm()
    benchmark.extra_info["beside"] = ("test_decode_by_pyiso8583", 7)
    assert benchmark(ASCII.decode, world().payload) == world().fields


def test_decode_by_pyiso8583(benchmark: Any) -> None:
    """The same message cut by the library alone, unchecked. Budget: 40 µs"""
    assert benchmark(iso8583.decode, world().payload, default_ascii)[0]["11"] == world().fields["11"]


def test_decode_and_encode(benchmark: Any) -> None:
    """A message in and its answer out. Budget: 4 µs"""
    warm()
    benchmark.extra_info["beside"] = ("test_decode_and_encode_by_pyiso8583", 6)
    payload, answer = world().payload, world().answer
    assert benchmark(lambda: (ASCII.decode(payload), ASCII.encode(answer)))[0] == world().fields


def test_decode_and_encode_by_pyiso8583(benchmark: Any) -> None:
    """The same two by the library alone. Budget: 75 µs"""
    payload, answer = world().payload, world().answer

    def both() -> tuple[Any, Any]:
        return iso8583.decode(payload, default_ascii), iso8583.encode(dict(answer), default_ascii)

    assert bytes(benchmark(both)[1][0]) == ASCII.encode(answer)


@pytest.mark.parametrize("name", [name for name in DIALECTS if name != ASCII.name])
def test_decode_in(benchmark: Any, name: str) -> None:
    """The same message in another dialect. Budget: 7 µs"""
    dialect = DIALECTS[name]
    payload = dialect.encode(world().fields)
    for _ in range(AFTER_SIGHTS + 1):
        dialect.decode(payload)
    assert benchmark(dialect.decode, payload) == world().fields


def test_compile(benchmark: Any) -> None:
    """A decoder and an encoder for a set of fields that was seen often. Budget: 1000 µs"""
    layout, payload, answer = load_layouts()[ASCII.name], world().payload, world().answer

    def both() -> Compiled:
        compiled = Compiled(layout, after=1)
        compiled.decoded(payload)
        compiled.encoded(answer)
        return compiled

    assert benchmark(both).decode(payload) == world().fields


def test_translate(benchmark: Any) -> None:
    """Fields to a request, its PIN block opened and turned into a PVV. Budget: 12 µs (6 without the PIN)."""
    given = world()
    assert benchmark(to_request, given.fields, REF, given.hsm).offered_pvv == given.offered_pvv


def test_answer(benchmark: Any) -> None:
    """A decision to the fields of its answer. Budget: 4 µs"""
    given = world()
    assert benchmark(to_answer, given.fields, given.decision.answer) == given.answer


def test_encode(benchmark: Any) -> None:
    """The answer to bytes. Budget: 1.5 µs"""
    warm()
    assert ASCII.decode(benchmark(ASCII.encode, world().answer))["39"] == "00"
