"""The compiled codec: never another answer than the reference's, never a set of functions without bound."""

from __future__ import annotations

import pytest
from codec_messages import purchase
from codec_oracle import Oracle
from codec_strategies import CHANGES, changed, messages, used
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.compiled import AFTER_SIGHTS, Compiled, Programs
from authsvc.codec.layout import Layout, load_layouts
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
