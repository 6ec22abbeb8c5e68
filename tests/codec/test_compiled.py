"""The compiled codec: never another answer than the reference's, never a set of functions without bound."""

from __future__ import annotations

from pathlib import Path

import pytest
from codec_messages import purchase
from codec_oracle import Oracle
from codec_strategies import CHANGES, changed, messages, one_of_each_kind, right_value, used
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.compiled import AFTER_SIGHTS, Compiled, Programs
from authsvc.codec.layout import SPECS, Layout, load_layouts
from authsvc.codec.reference import Fields, Reference

LAYOUTS = load_layouts()
ORACLES = {name: Oracle(layout) for name, layout in LAYOUTS.items()}
every_dialect = pytest.mark.parametrize("name", LAYOUTS)


@every_dialect
@given(data=st.data())
def test_it_takes_every_good_message(name: str, data: st.DataObject) -> None:
    """The same fields in the same order, and the same bytes back."""
    message = data.draw(messages(LAYOUTS[name]))
    oracle = ORACLES[name]
    assert oracle.check(oracle.reference.encode(message)) == message


@every_dialect
@given(data=st.data())
def test_it_takes_nothing_that_the_reference_refuses(name: str, data: st.DataObject) -> None:
    """A message with some bytes changed or gone is refused by both, or means the same to both."""
    payload = ORACLES[name].reference.encode(data.draw(messages(LAYOUTS[name])))
    ORACLES[name].check(changed(payload, data.draw(CHANGES), data.draw(st.integers(0, 3))))


TELLING = (0x00, 0x0F, 0x19, 0x20, 0x2F, 0x30, 0x39, 0x3A, 0x41, 0x7F, 0x99, 0xA0, 0xB2, 0xDA, 0xF0, 0xFA, 0xFF)
"""Bytes beside the borders of what characters and digits may be, in ASCII, packed and EBCDIC."""


@every_dialect
def test_it_refuses_every_wrong_byte_of_every_kind_of_field(name: str) -> None:
    """One field of each kind, alone and before another, each of its bytes replaced by each that could be taken wrongly."""
    layout, oracle = LAYOUTS[name], ORACLES[name]
    for field in one_of_each_kind(layout):
        for other in ("43", "90") if int(field) < 43 else ("90",):
            message = {"t": "0100", field: right_value(layout, field), other: right_value(layout, other)}
            try:
                payload = oracle.reference.encode(message)
            except ValueError:
                continue  # a field this dialect has not
            oracle.check(payload)
            head = layout.bitmap_at + {"bytes": 16, "hex": 32, "wide-hex": 32}[layout.bitmap]
            for position in range(head, min(len(payload), head + 24)):
                for byte in TELLING:
                    oracle.check(changed(payload, [(position, byte)]))


@every_dialect
@pytest.mark.parametrize("digits", [0, 1, 2, 11, 12, 19])
def test_it_refuses_variable_fields_of_no_length_or_too_short_a_one(name: str, digits: int) -> None:
    """A PAN has twelve digits at least, a number one."""
    oracle = ORACLES[name]
    for field, longest in (("2", 19), ("32", 11), ("48", 99), ("35", 19)):
        for follower in ({}, {"43": "x" * 40}, {"37": "1" * 12}, {"3": "123456", "4": "1" * 12}):
            message = {"t": "0100", field: "1" * min(digits, longest), **follower}
            oracle.check(oracle.reference.encode(dict(sorted(message.items(), key=lambda item: int(item[0], 36)))))


def test_two_odd_numbers_of_digits_do_not_make_an_even_one(tmp_path: Path) -> None:
    """A new dialect is a new file: here one with two byte fields side by side, and fillers in front."""
    for path in SPECS.glob("*.toml"):
        (tmp_path / path.name).write_text(path.read_text())
    row = '[elements]\n54 = "b..9"\n'
    text = (SPECS / "iso87-bcd.toml").read_text().replace('filler = "behind"', 'filler = "before"')
    (tmp_path / "ours.toml").write_text(text + row)
    layout = load_layouts(tmp_path)["ours"]
    oracle = Oracle(layout)
    oracle.check_encode({"t": "0110", "54": "ABC", "55": "DEF"}, complete=False)
    assert oracle.compiled.encode({"t": "0110", "54": "ABC", "55": "DEF"}) is None
    message = {"t": "0100", "2": "4111111111111", "35": "4111111111111=2812", "54": "ABCD", "55": "9F02"}
    payload = oracle.reference.encode(message)
    assert payload[10:18].hex() == "1304111111111111"
    assert oracle.check(payload) == message
    for position in range(len(payload)):
        for byte in TELLING:
            oracle.check(changed(payload, [(position, byte)]))


@every_dialect
@given(data=st.data())
def test_it_says_nothing_that_the_reference_would_not(name: str, data: st.DataObject) -> None:
    """Any text in any field, too long, too short, of any letters."""
    message = data.draw(messages(LAYOUTS[name]))
    field = data.draw(st.sampled_from([*message, "65", "127"]))
    odd = data.draw(st.text("0123456789ABCDEF =D²é\u0141\n", max_size=50))
    ORACLES[name].check_encode({**message, field: odd}, complete=False)


@every_dialect
@pytest.mark.parametrize("odd", ["", "1", "AB", "0123456789ABCDEFG", "=", "é" * 8, " " * 16])
def test_no_field_is_said_wrongly(name: str, odd: str) -> None:
    """Each field of the dialect, one by one, with values it may not have."""
    for field in used(LAYOUTS[name]):
        ORACLES[name].check_encode({"t": "0110", "39": "00", field: odd}, complete=False)


def test_fields_are_said_in_their_order_whatever_order_they_are_given_in() -> None:
    """The dictionary of an answer is made in another order than the wire's."""
    message = purchase()
    turned = dict(reversed(message.items()))
    compiled = Compiled(LAYOUTS["iso87-ascii"], after=1)
    compiled.encoded(turned)
    assert compiled.encode(turned) == Reference(LAYOUTS["iso87-ascii"]).encode(message)


@pytest.mark.parametrize("fields", [{"39": "00"}, {}, {"t": "0110", "x": "1"}, {"t": "0110", "129": "1"}])
def test_what_is_no_message_has_no_program(fields: Fields) -> None:
    """No MTI, an unknown field: the reference names it."""
    compiled = Compiled(LAYOUTS["iso87-ascii"], after=1)
    compiled.encoded(fields)
    assert compiled.encode(fields) is None


@every_dialect
def test_a_message_may_have_no_field(name: str) -> None:
    """An MTI and an empty bitmap: found by the fuzzer."""
    ORACLES[name].check(ORACLES[name].reference.encode({"t": "0800"}))


@pytest.mark.parametrize("payload", [b"", b"01", b"0100", b"01007"])
def test_what_has_no_bitmap_has_no_program(payload: bytes) -> None:
    """Too short to look anything up."""
    assert Compiled(LAYOUTS["iso87-ascii"]).decode(payload) is None


def payload_of(layout: Layout, **changes: str | None) -> bytes:
    return Reference(layout).encode(purchase(**changes))


def test_a_set_of_fields_is_compiled_when_it_was_seen_often() -> None:
    """Not before: a peer that invents bitmaps must not make us compile for each."""
    compiled, payload = Compiled(LAYOUTS["iso87-ascii"]), payload_of(LAYOUTS["iso87-ascii"])
    for _ in range(AFTER_SIGHTS - 1):
        compiled.decoded(payload)
        assert compiled.decode(payload) is None
    compiled.decoded(payload)
    assert compiled.decode(payload) == purchase()


def test_programs_and_what_is_counted_for_them_are_bounded() -> None:
    """The oldest makes room, and a flood of sets that come once is forgotten."""
    programs: Programs[int, int] = Programs(lambda key: key, after=2, most=3)
    for key in (1, 1, 2, 2, 3, 3, 4, 4):
        programs.saw(key)
    assert list(programs) == [2, 3, 4]
    for key in range(5, 20_000):
        programs.saw(key)
    assert list(programs) == [2, 3, 4]
    programs.saw(19_999)
    assert list(programs) == [3, 4, 19_999]
