"""Bytes to meaning and back. Not measured: sockets, tasks."""

from __future__ import annotations

from typing import Any

from authsvc.codec.answers import to_answer
from authsvc.codec.framing import FrameReader, frame
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


def test_decode(benchmark: Any) -> None:
    """An 0100 with 20 fields, each checked. Budget: 40 µs (pyiso8583 alone: 26)."""
    assert benchmark(ASCII.decode, world().payload) == world().fields


def test_translate(benchmark: Any) -> None:
    """Fields to a request, its PIN block opened and turned into a PVV. Budget: 12 µs (6 without the PIN)."""
    given = world()
    assert benchmark(to_request, given.fields, REF, given.hsm).offered_pvv == given.offered_pvv


def test_answer(benchmark: Any) -> None:
    """A decision to the fields of its answer. Budget: 4 µs"""
    given = world()
    assert benchmark(to_answer, given.fields, given.decision.answer) == given.answer


def test_encode(benchmark: Any) -> None:
    """The answer to bytes. Budget: 30 µs"""
    assert ASCII.decode(benchmark(ASCII.encode, world().answer))["39"] == "00"
