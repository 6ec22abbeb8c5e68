"""The bytes beside a break: what was read as it is, secrets as stars, what was not read by kind."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.around import around
from authsvc.codec.dialects import DIALECTS

SPANS = {"t": (0, 0, 4), "2": (4, 6, 10)}


@pytest.mark.parametrize(
    ("dialect", "payload", "offset", "then"),
    [
        ("iso87-ascii", b"010004411141x-", 10, ("0100******", "99a?")),
        ("iso87-ebcdic", "010004411141x-".encode("cp500"), 10, ("F0 F1 F0 F0 ** ** ** ** ** **", "A9 A9 A9 99")),
        ("moov87-wide", b"0100044111ab\x00\xff", 10, ("0100******", "aa??")),
        ("iso87-bcd", bytes.fromhex("0100723c648108e04111cafe"), 10, ("01 00 72 3C ** ** ** ** ** **", "AA AA")),
    ],
)
def test_around(dialect: str, payload: bytes, offset: int, then: tuple[str, str]) -> None:
    """Characters where the dialect has characters, hexadecimal where its bitmap is bytes."""
    before, after = around(payload, offset, SPANS, {"2"}, DIALECTS[dialect].layout)
    assert (before, after) == then


@given(st.binary(min_size=1, max_size=60), st.sampled_from(list(DIALECTS)))
def test_nothing_unread_is_ever_shown(payload: bytes, dialect: str) -> None:
    """Whatever it is: four signs and blanks."""
    before, after = around(payload, len(payload) // 2, {}, (), DIALECTS[dialect].layout)
    assert set(before + after) <= set("9Aa? ")
