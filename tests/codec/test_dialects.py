"""Dialects: bytes to fields and back, and nothing a peer can send does anything but name a field."""

from __future__ import annotations

import string

import iso8583
import pytest
from codec_messages import ASCII, PAN, purchase, reversal
from codec_strategies import CHANGES, changed, messages, used, value_of
from hypothesis import given
from hypothesis import strategies as st
from iso8583.specs import default_ascii

from authsvc.codec.content import CONTENT, TEXT
from authsvc.codec.dialects import DIALECTS, Dialect, Fields, MessageError
from authsvc.codec.layout import load_layouts
from authsvc.errors import PeerError

CANARY = "4929123412341233"
LAYOUTS = load_layouts()
ELEMENTS = used(LAYOUTS["iso87-ascii"])
MESSAGES = messages(LAYOUTS["iso87-ascii"])
every_dialect = pytest.mark.parametrize("name", DIALECTS)


@every_dialect
@given(data=st.data())
def test_decode_undoes_encode(name: str, data: st.DataObject) -> None:
    """Every message we can say, we understand, in every dialect with the same fields."""
    message = data.draw(messages(LAYOUTS[name]))
    assert DIALECTS[name].decode(DIALECTS[name].encode(message)) == message


@given(MESSAGES)
def test_stock_pyiso8583_understands_us_and_we_understand_it(message: Fields) -> None:
    """A client on pyiso8583's own default_ascii needs nothing of ours."""
    payload = ASCII.encode(message)
    assert payload == bytes(iso8583.encode(dict(message), default_ascii)[0])
    decoded = iso8583.decode(payload, default_ascii)[0]
    assert {field: value for field, value in decoded.items() if field not in ("p", "1")} == message


def refusal_of(payload: bytes, dialect: Dialect = ASCII) -> MessageError | None:
    """What `decode` says of it; any other exception fails the test."""
    try:
        dialect.decode(payload)
    except MessageError as error:
        return error
    return None


@every_dialect
@given(payload=st.binary(max_size=400))
def test_no_bytes_raise_anything_but_a_peer_error(name: str, payload: bytes) -> None:
    """Garbage is refused, whatever it is."""
    refusal_of(payload, DIALECTS[name])


@every_dialect
@given(data=st.data())
def test_no_change_of_bytes_raises_anything_but_a_peer_error(name: str, data: st.DataObject) -> None:
    """A good message with some bytes changed or gone is still a message, or a peer error that names a field."""
    payload = DIALECTS[name].encode(data.draw(messages(LAYOUTS[name])))
    refusal_of(changed(payload, data.draw(CHANGES), data.draw(st.integers(0, 3))), DIALECTS[name])


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
    assert sorted(DIALECTS) == ["iso87-ascii", "iso87-ascii-binary", "iso87-bcd", "iso87-ebcdic", "moov87-wide"]
    assert ASCII.encode(reversal())[4:36] == b"F23C648108E080000000004000000000"
    lengths = {field: ASCII.spec[field]["max_len"] for field in ("44", "52", "54", "55", "64", "128")}
    assert lengths == {"44": 25, "52": 16, "54": 120, "55": 510, "64": 16, "128": 16}
    assert set(CONTENT) == {"t", *map(str, range(2, 129))}
    assert CONTENT["43"] is TEXT


@pytest.mark.parametrize("field", ["11", "37", "41"])
@given(data=st.data())
def test_what_a_peer_finds_its_request_by_comes_back_byte_for_byte(field: str, data: st.DataObject) -> None:
    """Leading zeros, blanks before and after: nothing is tidied."""
    value = data.draw(value_of(LAYOUTS["iso87-ascii"], field))
    assert ASCII.decode(ASCII.encode({"t": "0110", field: value}))[field] == value


def wire(name: str, message: Fields) -> bytes:
    """The bytes after MTI and bitmap."""
    layout = LAYOUTS[name]
    return DIALECTS[name].encode(message)[layout.bitmap_at + {"bytes": 8, "hex": 16, "wide-hex": 32}[layout.bitmap] :]


@pytest.mark.parametrize(
    ("name", "message", "on_the_wire"),
    [
        ("iso87-bcd", {"2": "4111111111111111"}, "16 4111111111111111"),
        ("iso87-bcd", {"2": "4111111111111111113"}, "19 41111111111111111130"),  # a filler behind
        ("iso87-bcd", {"22": "051"}, "0051"),  # a fixed one: a zero in front
        ("iso87-bcd", {"32": "00123456"}, "08 00123456"),
        ("iso87-bcd", {"35": "4111111111111111=2812"}, "21 4111111111111111D28120"),
        ("iso87-bcd", {"28": "C00000100"}, "43 00000100"),
        ("iso87-bcd", {"49": "985"}, "393835"),
        ("iso87-bcd", {"48": "2202"}, "0004 32323032"),
        ("iso87-bcd", {"55": "9F0201"}, "0003 9F0201"),
        ("iso87-bcd", {"52": "0123456789ABCDEF"}, "0123456789ABCDEF"),
        ("iso87-ascii-binary", {"55": "9F0201"}, "303033 9F0201"),
        ("iso87-ascii-binary", {"52": "0123456789ABCDEF"}, "0123456789ABCDEF"),
        ("iso87-ascii-binary", {"22": "051"}, "303531"),
        ("iso87-ebcdic", {"22": "051"}, "F0F5F1"),
        ("iso87-ebcdic", {"2": "4111111111111111"}, "F1F6 F4F1F1F1F1F1F1F1F1F1F1F1F1F1F1F1"),
        ("iso87-ebcdic", {"41": "TERM0001"}, "E3C5D9D4F0F0F0F1"),
        ("iso87-ebcdic", {"55": "9F0201"}, "F0F0F3 9F0201"),
        ("moov87-wide", {"52": "0123456789ABCDEF"}, b"30313233343536373839414243444546".hex()),
        ("moov87-wide", {"52": "00112233445566778899AABBCCDDEEFF"}, b"00112233445566778899AABBCCDDEEFF".hex()),
        ("moov87-wide", {"55": "9F0201"}, b"0069F0201".hex()),
    ],
)  # fmt: skip
def test_how_a_field_stands_on_the_wire(name: str, message: Fields, on_the_wire: str) -> None:
    """wire.md section 2, and each dialect's own file; and it reads back as what it was."""
    said = {"t": "0100", **message}
    assert wire(name, said).hex() == on_the_wire.replace(" ", "").lower()
    assert DIALECTS[name].decode(DIALECTS[name].encode(said)) == said


@pytest.mark.parametrize("filler", ["0", "F"])
def test_a_filler_behind_packed_digits_is_0_or_f(filler: str) -> None:
    """Terminals have either; in two fields of one message they need not be the same."""
    body = f"19 4111111111111111113{filler} 03 1230 21 4111111111111111D2812{filler}".replace(" ", "")
    fields = DIALECTS["iso87-bcd"].decode(bytes.fromhex("0100 4000000120000000" + body))
    assert fields == {"t": "0100", "2": "4111111111111111113", "32": "123", "35": "4111111111111111=2812"}


@pytest.mark.parametrize(
    ("name", "payload", "field", "problem"),
    [
        ("iso87-bcd", "0100 4000000000000000 19 41111111111111111131", "DE2", "has a wrong filler beside its digits"),
        ("iso87-bcd", "0100 4000000000000000 1E 4111111111111111", "DE2", "its length is not digits"),
        ("iso87-bcd", "0100 4000000000000000 16 411111111111111A", "DE2", "is not 12 to 19 digits"),
        ("iso87-bcd", "0100 0000040000000000 1051", "DE22", "has a wrong filler beside its digits"),
        ("iso87-bcd", "0100 0100000000000000 0000001A", "DE8", "is not digits alone"),
        ("iso87-bcd", "0100 0000001000000000 43 0000010A", "DE28", "is not a sign and digits"),
        ("iso87-bcd", "0100 0000001000000000 FF 00000100", "DE28", "holds bytes that are no characters"),
        ("iso87-bcd", "01", "MTI", "is cut short"),
        ("iso87-bcd", "1100 4000000000000000 16 4111111111111111", "MTI", "is no message type"),
        ("iso87-bcd", "0100 8000000000000000", "bitmap", "is cut short"),
        ("iso87-bcd", "0100 8000000000000000 8000000000000000", "DE65", "is not used in this dialect"),
        ("iso87-ascii-binary", "30313030 8000000000000000 8000000000000000", "DE65", "is not used in this dialect"),
        ("iso87-ascii-binary", "30313030 0000000000800000 54E9524D30303031", "DE41", "holds bytes that are no char"),
        ("iso87-ebcdic", "F0F1F0F0 0000000000800000 E3C5D9D4F0F0F051", "DE41", "holds bytes that are no characters"),
        ("iso87-ebcdic", "F0F1F0F0 4000000000000000 F1EA", "DE2", "its length is not digits"),
        ("moov87-wide", b"0100" .hex() + b"C".hex() + b"0" .hex() * 31, "bitmap", "its first bit is not clear"),
        ("moov87-wide", (b"0100" + b"4" + b"0" * 30).hex(), "bitmap", "is cut short"),
        ("moov87-wide", (b"0100" + b"0" * 15 + b"x" + b"0" * 16).hex(), "bitmap", "is not hexadecimal digits"),
        ("moov87-wide", (b"0800" + b"0" * 17 + b"4" + b"0" * 14 + b"301").hex(), "DE70", "is not used in this"),
        ("moov87-wide", (b"0100" + b"0" * 12 + b"1" + b"0" * 19 + b"G" * 32).hex(), "DE52", "is not hexadecimal"),
    ],
)  # fmt: skip
def test_each_dialect_refuses_by_the_name_of_the_field(name: str, payload: str, field: str, problem: str) -> None:
    """What only that dialect can get wrong."""
    error = refusal_of(bytes.fromhex(payload), DIALECTS[name])
    assert error is not None
    assert error.field == field
    assert error.problem.startswith(problem)


def test_a_moov_peer_may_leave_64_bits_of_the_bitmap_empty() -> None:
    """One bitmap of 32 characters, its first bit clear, whether there is a field above 64 or not."""
    assert (
        DIALECTS["moov87-wide"].encode({"t": "0110", "39": "00"}) == b"0110" + b"0000000002000000" + b"0" * 16 + b"00"
    )
    assert DIALECTS["moov87-wide"].encode({"t": "0400", "90": "1" * 42})[4:36] == b"0" * 22 + b"40" + b"0" * 8
    with pytest.raises(ValueError, match=r"^DE70 does not fit dialect moov87-wide$"):
        DIALECTS["moov87-wide"].encode({"t": "0810", "70": "301"})


def test_begins_at_tells_a_message_from_its_header() -> None:
    """For dumps that people paste: an MTI of this dialect stands there, or not."""
    assert ASCII.begins_at(GOOD, 0)
    assert ASCII.begins_at(b"\x00\xaa" + GOOD, 2)
    assert not ASCII.begins_at(b"\x00\xaa" + GOOD, 0)
    assert not ASCII.begins_at(b"010", 0)
    assert PAN.encode() in GOOD
