"""The wire of the load tester: frames in any pieces, answers that are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.wire import Cutter, WireError, decode, encode, frame


@given(st.lists(st.binary(min_size=1, max_size=300)), st.data())
def test_any_cut_of_the_stream_gives_the_same_payloads(payloads: list[bytes], data: st.DataObject) -> None:
    """However the network cuts it, the payloads come out whole and in order; keep-alives are left out."""
    stream, cutter, got = b"".join(frame(each) + frame(b"") for each in payloads), Cutter(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        got += cutter.cut(stream[:cut])
        stream = stream[cut:]
    assert got == payloads


def test_what_is_no_message_names_the_field_and_not_its_value() -> None:
    """A garbled answer is an error that says where."""
    good = encode({"t": "0110", "2": "4180390000000017", "39": "00"})
    with pytest.raises(WireError, match=r"^field 39 cannot be read at byte 38$") as caught:
        decode(good[:-1])
    assert "4180390000000017" not in str(caught.value)
