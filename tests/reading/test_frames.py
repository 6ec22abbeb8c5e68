"""Messages out of what was given, each answer with its request, in words and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from captures import Sent, capture, opened
from codec_messages import ASCII, PAN, purchase

from authsvc.codec.dialects import DIALECTS, Fields
from authsvc.codec.framing import frame
from authsvc.codec.pan import PanDisplay
from authsvc.reading.conversations import SourceError
from authsvc.reading.frames import Told, read
from authsvc.reading.shown import as_json, as_text
from authsvc.reading.spoken import every_framing

CAPTURES = Path(__file__).parents[1] / "data" / "captures"


def told(data: bytes, pan: PanDisplay = PanDisplay.MASKED) -> Told:
    return read(data, list(DIALECTS), every_framing(), pan)


def answer(request: Fields, **changes: str) -> bytes:
    echoed = {name: request[name] for name in ("2", "3", "4", "7", "11", "37", "41", "42", "49")}
    return frame(ASCII.encode({"t": "0110", **echoed, "39": "00", **changes}))


def asked(stan: str) -> tuple[Fields, bytes]:
    fields = purchase(f11=stan)
    return fields, frame(ASCII.encode(fields))


def pairs(found: Told) -> list[tuple[int, int, int]]:
    return [(each.number, each.answers, each.answered_by) for each in found.frames]


def test_answers_out_of_order_find_their_requests() -> None:
    """By STAN and what else both say; the time between is that of the last bytes."""
    (one, first), (two, second) = asked("000001"), asked("000002")
    found = told(
        capture(
            opened(), opened(0.1, back=True), Sent(1, 0, first + second[:50]), Sent(1.25, len(first) + 50, second[50:]),
            Sent(1.5, 0, answer(two), back=True), Sent(3, len(answer(two)), answer(one), back=True),
        )
    )  # fmt: skip
    assert pairs(found) == [(1, 0, 4), (2, 0, 3), (3, 2, 0), (4, 1, 0)]
    assert [each.seconds for each in found.frames] == [2.0, 0.25, 0.25, 2.0]
    assert found.notes == ("guessed for 10.0.0.1:40000 and 10.0.0.2:8583: dialect iso87-ascii, framing 2b",)


@pytest.mark.parametrize(
    "changes", [{"11": "000009"}, {"7": "0615100001"}, {"41": "TERM0009"}, {"t": "0410"}, {"37": "000000000009"}]
)
def test_what_answers_something_else_is_no_answer(changes: Fields) -> None:
    """Another STAN, time, terminal, kind or RRN."""
    fields, request = asked("000001")
    found = told(
        capture(opened(), Sent(1, 0, request), Sent(2, 0, answer({**fields, **changes}, **changes), back=True))
    )
    assert pairs(found) == [(1, 0, 0), (2, 0, 0)]


def test_an_answer_does_not_come_from_the_one_who_asked() -> None:
    """Nor before the request, nor on another link, and only once."""
    fields, request = asked("000001")
    same_way = capture(opened(), Sent(1, 0, request), Sent(2, len(request), answer(fields)))
    assert pairs(told(same_way)) == [(1, 0, 0), (2, 0, 0)]
    before = capture(opened(), Sent(1, 0, answer(fields), back=True), Sent(2, 0, request))
    assert pairs(told(before)) == [(1, 0, 0), (2, 0, 0)]
    elsewhere = capture(opened(), Sent(1, 0, request), Sent(2, 0, answer(fields), back=True, port=40_001))
    assert pairs(told(elsewhere)) == [(1, 0, 0), (2, 0, 0)]
    twice = answer(fields) * 2
    assert pairs(told(capture(opened(), Sent(1, 0, request), Sent(2, 0, twice, back=True)))) == [
        (1, 0, 2), (2, 1, 0), (3, 0, 0),
    ]  # fmt: skip


def test_a_link_that_is_not_iso_8583_is_left_out() -> None:
    """And nothing of it is shown: it may be anything."""
    _, request = asked("000001")
    found = told(capture(Sent(1, 0, request), Sent(1, 0, b"GET /v1/cards/" + PAN.encode() + b"\r\n" * 40, port=40_001)))
    assert len(found.frames) == 1
    assert "10.0.0.1:40001 and 10.0.0.2:8583 is left out: it is no ISO 8583 that we know" in found.notes
    assert PAN not in as_text(found)


def test_plain_lines() -> None:
    """With a direction and times, or without, framed or not: as a capture."""
    fields, request = asked("000001")
    lines = f"2026-11-21T10:00:00Z > {request.hex()}\n2026-11-21T10:00:00.004Z < {answer(fields).hex()}\n"
    found = told(lines.encode())
    assert pairs(found) == [(1, 0, 2), (2, 1, 0)]
    assert "#2  2026-11-21T10:00:00.004000Z  issuer > acquirer  112 bytes  answers #1 after 4.000 ms" in as_text(found)
    bare = f"- > {request[2:].hex()}\n- < {answer(fields)[2:].hex()}\n"
    assert pairs(told(bare.encode())) == [(1, 0, 2), (2, 1, 0)]
    assert told(bare.encode()).notes == ("guessed: dialect iso87-ascii, framing none",)


def test_a_frame_that_cannot_be_read() -> None:
    """The frames before it are shown, and why it ends there."""
    _, request = asked("000001")
    found = told(request + b"\xff\xffgarbage")
    assert [each.is_whole for each in found.frames] == [True, False]
    assert (
        as_text(found).splitlines()[-1]
        == "broken frame: the frame cannot be read: 65535 bytes, above the maximum of 9999"
    )


@pytest.mark.parametrize("data", [b"", b"hello", b"\0\0", b"4111111111111111", b"# nothing\n"])
def test_nothing_to_describe(data: bytes) -> None:
    with pytest.raises(SourceError, match="message: no message of any dialect begins here"):
        told(data)


def test_a_capture_of_three_links() -> None:
    """tshark's, of our own engine: segments of 60 bytes, two frames in one segment, a broken message, two dialects."""
    found = told((CAPTURES / "engine.pcap").read_bytes())
    assert pairs(found) == [
        (1, 0, 2), (2, 1, 0), (3, 0, 4), (4, 3, 0), (5, 0, 6), (6, 5, 0),
        (7, 0, 8), (8, 7, 0), (9, 0, 11), (10, 0, 12), (11, 9, 0), (12, 10, 0),
    ]  # fmt: skip
    assert [each.number for each in found.frames if not each.is_whole] == [7]
    assert {each.spoken.dialect for each in found.frames} == {"iso87-ascii", "moov87-wide"}
    text = as_text(found)
    assert "DE55.95          Terminal verification results              0080008000" in text
    assert "broken at DE43 (byte 141 of 179): is cut short: 38 of 40" in text


def test_a_capture_with_a_tpdu() -> None:
    """pcapng, packed digits; the five bytes in front are counted, not shown as a message."""
    found = told((CAPTURES / "engine.pcapng").read_bytes())
    assert [(each.spoken.words, each.header) for each in found.frames] == [
        ("dialect iso87-bcd, framing 2b tpdu", 7)
    ] * 4
    assert pairs(found) == [(1, 0, 2), (2, 1, 0), (3, 0, 4), (4, 3, 0)]


@pytest.mark.parametrize("name", ["engine.pcap", "engine.pcapng"])
def test_json_says_what_the_text_says(name: str) -> None:
    """Every field, value and meaning; and no secret either."""
    found = told((CAPTURES / name).read_bytes())
    document, text = json.loads(as_json(found)), as_text(found)
    assert document["notes"] == list(found.notes)
    assert [frame["number"] for frame in document["frames"]] == [each.number for each in found.frames]
    for one in document["frames"]:
        assert all(row["value"] in text and row["meaning"] in text for row in one["rows"])
        assert one["broken"] is None or one["broken"]["problem"] in text
    first = document["frames"][0]
    assert first["rows"][0] == {
        "field": "MTI", "name": "Message Type", "value": first["rows"][0]["value"], "offset": 0,
        "meaning": first["rows"][0]["meaning"], "length": 4 if name.endswith("pcap") else 2,
    }  # fmt: skip
    assert (first["answered_by"], first["guessed"], first["problem"]) == (2, True, None)


def test_in_clear_the_card_number_alone() -> None:
    """`--clear`: DE2 whole; the PIN block beside it stays hidden."""
    payload = ASCII.encode(purchase(f52="CAFEBABECAFEBABE"))
    text = as_text(told(payload, PanDisplay.CLEAR))
    assert PAN in text
    assert "CAFEBABE" not in text
    assert PAN not in as_text(told(payload))
