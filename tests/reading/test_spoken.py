"""Which dialect in which framing: real messages of every dialect in every framing, guessed."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from authsvc.codec.dialects import DIALECTS
from authsvc.codec.framing import Framing, frame
from authsvc.reading.conversations import Conversation, Flow, Piece
from authsvc.reading.spoken import Spoken, every_framing, framing_words, spoken_in

WIRE = Path(__file__).parents[1] / "data" / "wire"
TPDU = bytes.fromhex("6000011234")
MESSAGES = {
    path.stem: (file["dialect"], bytes.fromhex(file["hex"]))
    for path in WIRE.glob("*.toml")
    if "error" not in (file := tomllib.loads(path.read_text()))
}


def framed(payload: bytes, framing: Framing) -> bytes:
    tpdu = TPDU if framing.tpdu else b""
    return frame(payload, framing, tpdu) if framing.width else tpdu + payload


def guess(data: bytes) -> Spoken | None:
    return spoken_in(Conversation((Flow((Piece(data),)),), whole=True), list(DIALECTS), every_framing())


@pytest.mark.parametrize("framing", every_framing(), ids=framing_words)
def test_a_message_of_every_dialect_is_found_in_every_framing(framing: Framing) -> None:
    """Made by other software, and whole: dialect and framing are those it was put in."""
    then = {
        name: (dialect, framing_words(framing))
        for name, (dialect, payload) in MESSAGES.items()
        if not framing.width or len(payload) + len(TPDU) <= framing.largest
    }
    found = {name: guess(framed(MESSAGES[name][1], framing)) for name in then}
    assert {name: (each.dialect, framing_words(each.framing)) for name, each in found.items() if each} == then


@pytest.mark.parametrize("name", ["moov-0100-pin", "iso8583sim-0100-chip", "iso8583sim-ebcdic-0400"])
@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_message_cut_short_is_still_found(name: str, cut: int) -> None:
    """With its header or without: most of it is in fields that are right."""
    dialect, payload = MESSAGES[name]
    for data, words in ((payload[:-cut], "none"), (frame(payload)[:-cut], "2b")):
        found = guess(data)
        assert found is not None
        assert (found.dialect, framing_words(found.framing)) == (dialect, words)
        assert found.score < 1


@pytest.mark.parametrize("data", [b"", b"\0\0", b"GET / HTTP/1.1\r\n\r\n", b"hello", b"4111111111111111"])
def test_what_is_no_message(data: bytes) -> None:
    assert guess(data) is None


def test_what_was_named_is_taken() -> None:
    """A name and its flags: that framing and no other; without a name, each of 34."""
    assert every_framing("2b", ["tpdu"]) == [Framing(2, tpdu=True)]
    assert every_framing("4a") == [Framing(4, ascii=True)]
    assert every_framing("none") == [Framing(0)]
    assert len(every_framing()) == 34
