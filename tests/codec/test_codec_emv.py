"""DE55 as BER-TLV, and the CVV on a stripe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec import emv
from authsvc.codec.track import StripeCvv, stripe_cvv
from authsvc.errors import PeerError

TAGS = st.sampled_from(["84", "9F10", "9F7C", "DF8101", "C0", "5F50"])


@given(st.dictionaries(TAGS, st.binary(max_size=127)))
def test_what_is_built_is_parsed(values: dict[str, bytes]) -> None:
    """Unknown tags are kept."""
    assert emv.parse(emv.build(values)) == values


@given(st.binary(max_size=80))
def test_any_bytes_are_parsed_or_refused_by_name(data: bytes) -> None:
    fields = set()
    try:
        emv.parse(data.hex())
    except PeerError as error:
        fields.add(error.field)
    assert fields <= {"DE55"}


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("", {}),
        ("0000820218000000", {"82": b"\x18\x00"}),  # padding
        ("84810155", {"84": b"U"}),
        ("8482000155", {"84": b"U"}),
        ("e0028400", {"E0": b"\x84\x00"}),  # constructed ones stay whole
    ],
)
def test_the_forms_of_a_length(text: str, then: dict[str, bytes]) -> None:
    assert emv.parse(text) == then


@pytest.mark.parametrize(
    "text",
    ["9F", "82", "9F26", "8202", "820218", "8483000001AA", "8480", "8481", "9F8181810100", "82021800" * 2, "9F020100"],
)
def test_what_is_no_tlv_is_refused(text: str) -> None:
    with pytest.raises(PeerError, match="DE55"):
        emv.parse(text)


@pytest.mark.parametrize(
    ("results", "then"),
    [("410302", True), ("440302", True), ("440301", False), ("420302", False), ("1F0302", False), ("1E0300", False)],
)
def test_the_chip_verified_the_pin(results: str, then: bool) -> None:
    """EMV 4.3 Book 3 annex C3: 42 is online PIN, 1E signature, 1F none; 02 is successful."""
    assert emv.has_offline_pin(emv.parse(f"9F3403{results}")) is then


PAN = "4111111111111111"


@pytest.mark.parametrize(
    ("fields", "then"),
    [
        ({"35": f"{PAN}=2812201112341230000"}, StripeCvv("2812", "201", "123")),
        ({"35": f"{PAN}D2812201112341230000"}, StripeCvv("2812", "201", "123")),
        ({"35": f"{PAN}=28122010000000000000"}, None),
        ({"35": f"{PAN}=2812"}, None),
        ({"35": f"{PAN}=="}, None),
        ({"45": f"B{PAN}^KOWALSKA/ANNA^28122011123400123000000"}, StripeCvv("2812", "201", "123")),
        ({"45": f"B{PAN}^KOWALSKA/ANNA^2812201"}, None),
        ({}, None),
    ],
)
def test_the_cvv_on_a_stripe(fields: dict[str, str], then: StripeCvv | None) -> None:
    assert stripe_cvv(fields) == then
    assert "123" not in repr(stripe_cvv(fields))
