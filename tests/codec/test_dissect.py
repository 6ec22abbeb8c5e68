"""A message cut for people: the same fields as everywhere else, and the place of each."""

from __future__ import annotations

import pytest
from codec_strategies import CHANGES, changed, messages
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.dialects import DIALECTS, Dialect, MessageError

ALL = pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))


@ALL
@given(st.data())
def test_a_good_message(dialect: Dialect, data: st.DataObject) -> None:
    """Every field that `decode` finds, all of them sound, their places one behind the other over all bytes."""
    fields = data.draw(messages(dialect.layout))
    payload = dialect.encode(fields)
    found = dialect.dissect(payload)
    assert found.error is None
    assert {name: value for name, value in found.values.items() if name != "bitmap"} == dialect.decode(payload)
    assert found.sound == fields.keys()
    places = [found.spans[name] for name in found.values]
    assert [first for first, _, _ in places] == [0, *(last for _, _, last in places[:-1])]
    assert places[-1][2] == len(payload)
    assert all(first <= start <= last for first, start, last in places)


@ALL
@given(st.data())
def test_a_message_with_bytes_changed_or_gone(dialect: Dialect, data: st.DataObject) -> None:
    """The error is the one that `decode` raises, and what it says is sound has its place."""
    payload = dialect.encode(data.draw(messages(dialect.layout)))
    payload = changed(payload, data.draw(CHANGES), data.draw(st.integers(0, len(payload) - 1)))
    found = dialect.dissect(payload)
    try:
        fields, error = dialect.decode(payload), None
    except MessageError as raised:
        fields, error = raised.fields, raised
    assert (str(found.error), found.sound) == (str(error), fields.keys())
    assert found.values.keys() - {"bitmap"} >= fields.keys()
    assert found.values.keys() == found.spans.keys()
