"""Messages in ASCII as tables for the decoder in C. That it takes and says the same as the reference stands in `test_compiled`,
which goes through it where it is compiled; here: when it is asked, and that it holds what it is given."""

from __future__ import annotations

import gc
import sys
from typing import Any

import pytest
from codec_messages import purchase

from authsvc import native
from authsvc.codec import tables
from authsvc.codec.compiled import Compiled
from authsvc.codec.layout import load_layouts
from authsvc.codec.reference import Reference

LAYOUTS = load_layouts()
PLAIN = {"iso87-ascii", "iso87-ascii-binary", "moov87-wide"}
compiled_alone = pytest.mark.skipif(tables.cut is None, reason="nothing is compiled here")
ANY = 1
FIELD = ("2", 2, 12, 19, 4, False, False, None, None)


def programs(name: str, **changes: str | None) -> tuple[Any, Any, bytes, dict[str, str]]:
    """Decoder and encoder of one message, and the message."""
    compiled, message = Compiled(LAYOUTS[name], after=1), purchase(**changes)
    payload = Reference(LAYOUTS[name]).encode(message)
    fields = Reference(LAYOUTS[name]).decode(payload)
    compiled.decoded(payload)
    compiled.encoded(fields)
    (decoder,), (encoder,) = compiled._decoders.values(), compiled._encoders.values()
    return decoder, encoder, payload, fields


@pytest.mark.parametrize("pin_block", [None, "0123456789ABCDEF"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_plain_messages_are_for_the_tables(name: str, pin_block: str | None) -> None:
    """Characters and bytes; packed digits, EBCDIC and bytes in twice the digits (moov's DE52) are generated in Python."""
    decoder, encoder, payload, fields = programs(name, f52=pin_block)
    in_c = [type(each).__name__ == "builtin_function_or_method" for each in (decoder, encoder)]
    plain = name in PLAIN and not (name == "moov87-wide" and pin_block)
    assert in_c == [plain and tables.cut is not None] * 2
    assert (decoder(payload), encoder(fields)) == (fields, payload)


def test_it_is_there_wherever_the_rest_is_compiled() -> None:
    """Else all that follows would be left out, and nobody told."""
    assert (tables.cut is not None) is native.in_use()


@compiled_alone
@pytest.mark.parametrize("name", sorted(PLAIN))
def test_a_message_cut_short_anywhere_is_handed_back(name: str) -> None:
    """Every length from none to one byte too few, and one too many; nothing behind the payload is looked at."""
    decoder, _, payload, _ = programs(name)
    assert [decoder(payload[:length]) for length in range(len(payload))] == [None] * len(payload)
    assert decoder(payload + b"0") is None


@compiled_alone
@pytest.mark.parametrize("value", [None, 12, b"4111111111111111", "", "1" * 11, "1" * 20, "é" * 16, "\u0141" * 16])
def test_a_value_that_cannot_be_said_is_handed_back(value: object) -> None:
    """None stands for no such field."""
    _, encoder, _, fields = programs("iso87-ascii")
    odd = {**fields, "37": value} if value is not None else {key: text for key, text in fields.items() if key != "37"}
    assert encoder(odd) is None
    assert encoder([*fields]) is None


@compiled_alone
@pytest.mark.parametrize("odd", [b"abc", "text", None, 3])
def test_only_bytes_are_decoded(odd: object) -> None:
    decoder, _, _, _ = programs("iso87-ascii")
    if isinstance(odd, bytes):
        assert decoder(odd) is None
    else:
        with pytest.raises(TypeError, match="a payload is bytes"):
            decoder(odd)


@compiled_alone
@pytest.mark.parametrize(
    ("field", "error"),
    [
        ((*FIELD[:1], 4, *FIELD[2:]), "no row"),
        ((*FIELD[:1], -1, *FIELD[2:]), "no row"),
        ((*FIELD[:2], -1, *FIELD[3:]), "no row"),
        ((*FIELD[:2], 20, 19, *FIELD[4:]), "no row"),
        ((*FIELD[:3], 1000, *FIELD[4:]), "no row"),
        ((*FIELD[:7], ["4"], None), "no row"),
        (FIELD[:8], "9 arguments"),
        ((2, *FIELD[1:]), "must be str"),
    ],
)
def test_a_table_that_is_none_is_refused(field: Any, error: str) -> None:
    """After rows that are right, which are let go of."""
    assert tables.cut is not None
    with pytest.raises((ValueError, TypeError), match=error):
        tables.cut.decoder({"t": "0100", "2": ""}, 20, (FIELD, field))
    with pytest.raises((ValueError, TypeError), match=error):
        tables.cut.encoder(b"", (FIELD, field))


def one_row(row: Any) -> Any:
    """The decoder of nothing but one field, from the first byte on."""
    assert tables.cut is not None
    return tables.cut.decoder({"t": "0100", "2": ""}, 0, (row,))


@compiled_alone
@pytest.mark.parametrize("place", [0, 1])
def test_a_length_is_digits(place: int) -> None:
    """Every byte that could be a tenth or a one, before as many characters as it would come to."""
    decoder = one_row(("2", 2, 0, 999, ANY, False, False, None, None))
    for byte in range(256):
        length = (byte - ord("0")) * 10 ** (1 - place)
        prefix = bytes([byte, ord("0")]) if place == 0 else bytes([ord("0"), byte])
        taken = {"t": "0100", "2": "x" * length} if chr(byte) in "0123456789" else None
        assert decoder(prefix + b"x" * max(0, length)) == taken


@compiled_alone
@pytest.mark.parametrize(("prefix", "shortest"), [(2, 0), (0, 12)])
def test_nothing_behind_the_payload_is_taken(prefix: int, shortest: int) -> None:
    """Not even to be checked."""
    seen: list[str] = []
    decoder = one_row(("2", prefix, shortest, 12, ANY, False, False, None, seen.append))
    payload = (b"12" if prefix else b"") + b"4" * 12
    assert [decoder(payload[:length]) for length in range(len(payload))] == [None] * len(payload)
    assert not seen
    assert decoder(payload) is None  # `append` says nothing: it is not good
    assert seen == ["4" * 12]


@compiled_alone
@pytest.mark.parametrize(
    ("kind", "right"),
    [
        (ANY, {chr(byte) for byte in range(128)}),
        (2, {chr(byte) for byte in range(128) if chr(byte).isprintable()}),
        (4, set("0123456789")),
        (8, {chr(byte) for byte in range(128) if chr(byte).isalnum()} | {" "}),
        (16, set("0123456789abcdefABCDEF")),
    ],
)
def test_what_a_character_may_be(kind: int, right: set[str]) -> None:
    """Each byte in the middle of others that are good."""
    decoder = one_row(("2", 0, 3, 3, kind, False, False, None, None))
    taken = {chr(byte) for byte in range(256) if decoder(b"1" + bytes([byte]) + b"2") is not None}
    assert taken == right


@compiled_alone
def test_hexadecimal_digits_come_in_pairs() -> None:
    """Where they stand as characters; and bytes are said as such digits, any byte."""
    pairs = one_row(("2", 1, 0, 9, 16, False, True, None, None))
    assert [pairs(b"3ABC"), pairs(b"4ABCD"), pairs(b"0")] == [None, {"t": "0100", "2": "ABCD"}, {"t": "0100", "2": ""}]
    packed = one_row(("2", 0, 256, 256, 16, True, False, None, None))
    assert packed(bytes(range(256))) == {"t": "0100", "2": bytes(range(256)).hex().upper()}


@compiled_alone
def test_a_table_has_no_more_rows_than_a_message() -> None:
    assert tables.cut is not None
    tables.cut.decoder({}, 0, (FIELD,) * 128)
    with pytest.raises(ValueError, match="more rows"):
        tables.cut.decoder({}, 0, (FIELD,) * 129)
    with pytest.raises(ValueError, match="no place"):
        tables.cut.decoder({}, -1, (FIELD,))


@compiled_alone
def test_an_error_of_a_check_comes_out() -> None:
    """And nothing is taken."""
    assert tables.cut is not None

    def fails(_value: str) -> bool:
        raise LookupError("of the check")

    decoder = tables.cut.decoder({"t": "0100", "2": ""}, 0, ((*FIELD[:8], fails),))
    with pytest.raises(LookupError, match="of the check"):
        decoder(b"124111111111111")
    known = tables.cut.decoder({"t": "0100", "2": ""}, 0, ((*FIELD[:7], {"411111111111"}, fails),))
    assert known(b"12411111111111") == {"t": "0100", "2": "411111111111"}
    alone = tables.cut.decoder({"t": "0100", "2": ""}, 0, ((*FIELD[:7], {"411111111111"}, None),))
    assert [alone(b"12411111111111"), alone(b"12411111111112")] == [{"t": "0100", "2": "411111111111"}, None]


@compiled_alone
@pytest.mark.parametrize("name", sorted(PLAIN))
def test_nothing_is_kept_of_what_went_through(name: str) -> None:
    """Good and bad, thousands of each; programs that are forgotten as well."""
    decoder, encoder, payload, fields = programs(name)

    def story() -> None:
        for place in range(len(payload)):
            decoder(payload)
            decoder(payload[:place])
            decoder(payload[:place] + b"\xff" + payload[place + 1 :])
            encoder(fields)
            encoder({**fields, "37": "too long for it"})
        programs(name)

    for _ in range(3):
        story()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(20):
        story()
    gc.collect()
    assert sys.getallocatedblocks() - before < 200  # of some 100 000 that were made
