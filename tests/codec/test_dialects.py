"""Dialects: bytes to fields and back, and nothing a peer can send does anything but name a field."""

from __future__ import annotations

import string

import iso8583
import pytest
from codec_messages import ASCII, PAN, purchase, reversal
from hypothesis import given
from hypothesis import strategies as st
from iso8583.specs import default, default_ascii

from authsvc.codec.content import CONTENT, DIGITS, TEXT
from authsvc.codec.dialects import DIALECTS, Dialect, Fields, MessageError
from authsvc.errors import PeerError

PRINTABLE = "".join(map(chr, range(0x20, 0x7F)))
CANARY = "4929123412341233"

GIVEN = {
    "2": st.text(string.digits, min_size=12, max_size=19),
    "7": st.just("0229235959"),
    "12": st.just("235959"),
    "13": st.sampled_from(["0101", "0229", "1231"]),
    "14": st.sampled_from(["0001", "9912"]),
    "35": st.just("4111111111111111=28122010000000000000"),
    "39": st.text(string.digits + string.ascii_uppercase, min_size=2, max_size=2),
    **dict.fromkeys(("52", "64", "128"), st.text("0123456789ABCDEF", min_size=16, max_size=16)),
    "55": st.binary(max_size=255).map(lambda chip: chip.hex().upper()),
    "95": st.just("000000000100" + "0" * 30),
}
NEVER = {"65", "93", "96"}


def value_of(field: str) -> st.SearchStrategy[str]:
    """Any value that field may hold, at any length it may have (long texts are kept short: nothing depends on them)."""
    if field in GIVEN:
        return GIVEN[field]
    row = ASCII.spec[field]
    longest = row["max_len"]
    shortest = longest if row["len_type"] == 0 else int(CONTENT[field] is DIGITS)
    letters = string.digits if CONTENT[field] is DIGITS else PRINTABLE
    return st.text(letters, min_size=shortest, max_size=longest if row["len_type"] == 0 else min(longest, 30))


ELEMENTS = [field for field in map(str, range(2, 129)) if field not in NEVER]
MESSAGES = st.builds(
    lambda mti, elements: {"t": mti, **{field: elements[field] for field in ELEMENTS if field in elements}},
    st.sampled_from(["0100", "0110", "0400", "0421", "0800"]),
    st.lists(st.sampled_from(ELEMENTS), unique=True, max_size=25).flatmap(
        lambda chosen: st.fixed_dictionaries({field: value_of(field) for field in chosen})
    ),
)


@given(MESSAGES)
def test_decode_undoes_encode(message: Fields) -> None:
    """Every message we can say, we understand."""
    assert ASCII.decode(ASCII.encode(message)) == message


@given(MESSAGES)
def test_stock_pyiso8583_understands_us_and_we_understand_it(message: Fields) -> None:
    """A client on pyiso8583's own default_ascii needs nothing of ours."""
    payload = ASCII.encode(message)
    assert payload == bytes(iso8583.encode(dict(message), default_ascii)[0])
    decoded = iso8583.decode(payload, default_ascii)[0]
    assert {field: value for field, value in decoded.items() if field not in ("p", "1")} == message


def refusal_of(payload: bytes) -> MessageError | None:
    """What `decode` says of it; any other exception fails the test."""
    try:
        ASCII.decode(payload)
    except MessageError as error:
        return error
    return None


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_peer_error(payload: bytes) -> None:
    """Garbage is refused, whatever it is."""
    refusal_of(payload)


BITMAPS = st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))


@given(st.sampled_from([b"0100", b"0400", b"0800", b"1200"]), BITMAPS, st.text(string.digits + " =D+-_x", max_size=300))
def test_no_bitmap_raises_anything_but_a_peer_error(mti: bytes, bitmaps: tuple[int, int], rest: str) -> None:
    """Nor do fields that are announced and do not come, or come and were not announced."""
    refusal_of(mti + b"%016X%016X" % bitmaps + rest.encode())


@given(st.integers(0, 400), st.integers(0, 255))
def test_no_single_wrong_byte_raises_anything_but_a_peer_error(position: int, byte: int) -> None:
    """A good message with one byte changed is still a message, or a peer error."""
    payload = bytearray(ASCII.encode(purchase(f48="9203123", f52="0123456789ABCDEF")))
    payload[position % len(payload)] = byte
    refusal_of(bytes(payload))


@given(MESSAGES, st.sampled_from(ELEMENTS), st.integers(0, 30), st.sampled_from([b"", b"\x00", b"\xff", b"\n"]))
def test_no_error_repeats_what_a_field_holds(message: Fields, field: str, cut: int, poison: bytes) -> None:
    """A card number in any field, in a message broken anywhere, is in no error text, nor chained to it."""
    row = ASCII.spec[field]
    secret = CANARY.ljust(row["max_len"], "0")[: row["max_len"]] if row["len_type"] == 0 else CANARY[: row["max_len"]]
    payload = bytes(iso8583.encode({**message, field: secret}, default_ascii)[0])
    error = refusal_of(payload[: len(payload) - cut] + poison)
    if error is not None and len(secret) > 4:
        assert secret not in f"{error!s} {error!r} {error.field} {error.problem}"
        assert error.__cause__ is None
        assert error.__context__ is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("2", "41111111111"), ("2", "4111111111111x11"), ("2", ""), ("3", "00000x"), ("4", "00000000 100"),
        ("4", "-00000000100"), ("7", "1301000000"), ("7", "0230000000"), ("7", "0431000000"), ("7", "0615240000"),
        ("7", "0615106000"), ("7", "0615100060"), ("11", "00000A"), ("12", "240000"), ("12", "12:000"), ("13", "0000"),
        ("13", "0631"), ("14", "2813"), ("14", "2800"), ("18", "54 1"), ("19", "PL "), ("22", "05A"), ("25", "0x"),
        ("32", "12345a"), ("32", ""), ("35", "4111111111111111"), ("35", "=2812"), ("35", "4111111111111111=28 2"),
        ("37", "00000000000\n"), ("41", "TERM\x00001"), ("42", "MERCHANT\x7f000001"), ("49", "PLN"),
        ("52", "0123456789ABCDEG"), ("55", "9F02"[:3]), ("55", "9F0G"), ("70", "30x"), ("90", "0100x" + "0" * 37),
        ("95", "00000000010x" + "0" * 30), ("93", "00000"), ("96", "0" * 16),
    ],
)  # fmt: skip
def test_wrong_content_is_refused_by_the_name_of_its_field(field: str, value: str) -> None:
    """The answer can be given, because everything else that was well formed is there."""
    message = {**purchase(), field: value}
    error = refusal_of(bytes(iso8583.encode(dict(message), default_ascii)[0]))
    assert error is not None
    assert (error.field, error.problem, error.position) == (f"DE{field}", CONTENT[field].rule, -1)
    assert error.fields == {name: held for name, held in message.items() if name != field}


def test_the_first_wrong_field_is_named_and_no_wrong_one_is_handed_on() -> None:
    """Two wrong fields make one refusal, and neither is echoed."""
    error = refusal_of(bytes(iso8583.encode(purchase(f4="x" * 12, f49="PLN"), default_ascii)[0]))
    assert error is not None
    assert error.field == "DE4"
    assert error.fields == purchase(f4=None, f49=None)


GOOD = ASCII.encode(purchase())


@pytest.mark.parametrize(
    ("payload", "field", "problem", "position"),
    [
        (b"", "MTI", "is cut short", 0),
        (b"01", "MTI", "is cut short", 0),
        (b"0100", "bitmap", "is cut short", 4),
        (b"0100" + b"0" * 15, "bitmap", "is cut short", 4),
        (b"01008" + b"0" * 20, "bitmap", "is cut short", 20),
        (b"0100" + b"x" * 16, "bitmap", "is not hexadecimal digits", 4),
        (b"01004000 00000000000", "bitmap", "is not hexadecimal digits", 4),
        (b"0100" + b"0x00000000000000", "bitmap", "is not hexadecimal digits", 4),
        (b"01008000000000000000" + b"  00000000000000", "bitmap", "is not hexadecimal digits", 20),
        (b"0100800000000000000080000000000000000000000000000000", "DE65", "is not used in this dialect", 20),
        (b"01004000000000000000", "DE2", "is cut short", 20),
        (b"010040000000000000001x", "DE2", "its length is not digits", 20),
        (b"01004000000000000000-1", "DE2", "its length is not digits", 22),
        (b"0100400000000000000020" + b"4" * 20, "DE2", "is longer than 19", 20),
        (b"0100400000000000000016411111111111", "DE2", "is cut short: 12 of 16", 22),
        (b"01002000000000000000\xff00000", "DE3", "holds bytes that are no characters of this dialect", 20),
        (GOOD + b"!", "DE49", "the message goes on after its last field", len(GOOD)),
        (GOOD[:-1], "DE49", "is cut short: 2 of 3", len(GOOD) - 3),
        (b"x100" + GOOD[4:], "MTI", "is no message type of ISO 8583:1987", -1),
        (b"1100" + GOOD[4:], "MTI", "is no message type of ISO 8583:1987", -1),
        (b"01000000000100000000+6123456", "DE32", "its length is not digits", -1),
    ],
)  # fmt: skip
def test_a_broken_message_says_where_it_breaks(payload: bytes, field: str, problem: str, position: int) -> None:
    """Field, problem and byte: enough for the peer's engineer to find it."""
    error = refusal_of(payload)
    assert error is not None
    assert (error.field, error.problem.split(": ")[0], error.position) == (field, problem.split(": ")[0], position)
    assert problem in error.problem


def test_a_broken_message_hands_on_what_came_before() -> None:
    """An answer needs the STAN; a message cut short after it still has it."""
    error = refusal_of(GOOD[:-1])
    assert error is not None
    assert error.fields == purchase(f49=None)
    error = refusal_of(GOOD + b"!")
    assert error is not None
    assert error.fields == purchase()


@pytest.mark.parametrize(
    ("field", "value", "on_the_wire"),
    [("41", "T1", "T1      "), ("42", "M", "M" + " " * 14), ("37", "7", "7           "), ("4", "100", "000000000100")],
)
def test_a_short_fixed_field_is_filled_up(field: str, value: str, on_the_wire: str) -> None:
    """Blanks after text, zeros before digits; so nobody above pads."""
    assert ASCII.decode(ASCII.encode(purchase(**{f"f{field}": value})))[field] == on_the_wire


@pytest.mark.parametrize(
    "message", [{"t": "0110", "39": "000"}, {"t": "0110", "54": "0" * 121}, {"t": "0110", "44": "x" * 26}]
)
def test_what_does_not_fit_is_our_own_mistake(message: Fields) -> None:
    """It is named, without its value, and it is no PeerError."""
    with pytest.raises(ValueError, match=r"^DE\d+ does not fit dialect iso87-ascii$") as caught:
        ASCII.encode(message)
    assert not isinstance(caught.value, PeerError)
    assert caught.value.__context__ is None


def test_the_dialect_is_what_the_contract_says() -> None:
    """Bitmaps of 16 upper-case hexadecimal characters; 52, 64, 128 of 16; 44, 54, 55 no longer than the page says."""
    assert set(DIALECTS) == {"iso87-ascii"}
    assert ASCII.encode(reversal())[4:36] == b"F23C648108E080000000004000000000"
    lengths = {field: ASCII.spec[field]["max_len"] for field in ("44", "52", "54", "55", "64", "128")}
    assert lengths == {"44": 25, "52": 16, "54": 120, "55": 510, "64": 16, "128": 16}
    assert set(CONTENT) == {"t", *map(str, range(2, 129))}
    assert CONTENT["43"] is TEXT


@pytest.mark.parametrize("field", ["11", "37", "41"])
@given(data=st.data())
def test_what_a_peer_finds_its_request_by_comes_back_byte_for_byte(field: str, data: st.DataObject) -> None:
    """Leading zeros, blanks before and after: nothing is tidied."""
    value = data.draw(value_of(field))
    assert ASCII.decode(ASCII.encode({"t": "0110", field: value}))[field] == value


BINARY = Dialect("binary", {**default, "t": {**default["t"], "data_enc": "b"}})


@given(MESSAGES)
def test_a_dialect_of_binary_bitmaps_is_nothing_but_another_specification(message: Fields) -> None:
    """pyiso8583's binary specification gives the same fields; only the bytes differ."""
    assert BINARY.decode(BINARY.encode(message)) == message


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b"\x01\x00\x80" + b"\0" * 7 + b"\x80" + b"\0" * 7, "DE65"),
        (b"\x01\x00\x80" + b"\0" * 7, "bitmap"),
        (b"\x01", "MTI"),
        (b"\x11\x00" + b"\0" * 8, "MTI"),
    ],
)
def test_a_binary_dialect_refuses_in_the_same_words(payload: bytes, field: str) -> None:
    """By the name of the field."""
    with pytest.raises(MessageError) as caught:
        BINARY.decode(payload)
    assert caught.value.field == field


def test_begins_at_tells_a_message_from_its_header() -> None:
    """For dumps that people paste: an MTI of this dialect stands there, or not."""
    assert ASCII.begins_at(GOOD, 0)
    assert ASCII.begins_at(b"\x00\xaa" + GOOD, 2)
    assert not ASCII.begins_at(b"\x00\xaa" + GOOD, 0)
    assert not ASCII.begins_at(b"010", 0)
    assert PAN.encode() in GOOD
