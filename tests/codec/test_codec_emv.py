"""DE55 as BER-TLV."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec import emv
from authsvc.codec.misfit import MisfitError

TAGS = st.sampled_from(["84", "9F10", "9F7C", "DF8101", "C0", "5F50"])


@given(st.dictionaries(TAGS, st.binary(max_size=127) | st.binary(min_size=128, max_size=300)))
def test_what_is_built_is_parsed(values: dict[str, bytes]) -> None:
    """Unknown tags are kept, in their order; lengths in each of their three forms."""
    assert list(emv.parse(emv.build(values)).items()) == list(values.items())


@given(st.binary(max_size=80))
def test_any_bytes_are_parsed_or_refused_by_name(data: bytes) -> None:
    fields = set()
    try:
        emv.parse(data.hex())
    except MisfitError as error:
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
    ("text", "offset", "expected", "found"),
    [
        ("9F", 0, "a tag of at most three bytes", "no end of it"),
        ("9F8181810100", 0, "a tag of at most three bytes", "no end of it"),
        ("82", 1, "a length", "nothing"),
        ("9F26", 2, "a length", "nothing"),
        ("8202", 2, "2 bytes of tag 82", "0"),
        ("820218", 2, "2 bytes of tag 82", "1"),
        ("8480", 1, "a length of one byte, or 81 and one, or 82 and two", "another form"),
        ("8481", 1, "a length of one byte, or 81 and one, or 82 and two", "another form"),
        ("8483000001AA", 1, "a length of one byte, or 81 and one, or 82 and two", "another form"),
        ("8202180082021800", 4, "a tag that was not there yet", "82 again"),
        ("9F020100", 3, "6 bytes of tag 9F02", "1"),
    ],
)
def test_what_is_no_tlv_is_refused(text: str, offset: int, expected: str, found: str) -> None:
    """The byte, what should be there, and what is, without any of the value."""
    with pytest.raises(MisfitError) as caught:
        emv.parse(text)
    assert (caught.value.offset, caught.value.expected, caught.value.found) == (offset, expected, found)
    assert str(caught.value) == f"DE55: at byte {offset}: expected {expected}, found {found}"


def test_objects_are_told_where_they_stand() -> None:
    """Padding between them is skipped and counted; what is right comes before the error."""
    found = emv.objects("00820218000095050000")
    assert [next(found)] == [("82", b"\x18\x00", 1)]
    with pytest.raises(MisfitError, match="at byte 8: expected 5 bytes of tag 95, found 2"):
        next(found)


@pytest.mark.parametrize(
    ("results", "then"),
    [("410302", True), ("440302", True), ("440301", False), ("420302", False), ("1F0302", False), ("1E0300", False)],
)
def test_the_chip_verified_the_pin(results: str, then: bool) -> None:
    """EMV 4.3 Book 3 annex C3: 42 is online PIN, 1E signature, 1F none; 02 is successful."""
    assert emv.has_offline_pin(emv.parse(f"9F3403{results}")) is then
