"""The fast way of encoding and reading is the same as pyiso8583's."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtest.fast import AnswerReader, Template
from loadtest.wire import WireError, encode, frame

ANSWER = {
    "2": "4180390000000017", "3": "000000", "4": "000000012345", "7": "0615100000", "11": "004711", "12": "120000",
    "13": "0615", "32": "00000123456", "37": "000000004711", "38": "123456", "39": "00", "41": "LOADTST1",
    "42": "MERCHANT0000001", "48": "8701M", "49": "985", "54": "0002985C000000087655", "90": "0" * 42,
}  # fmt: skip
VARIABLE = ("2", "32", "48", "54")


@given(st.sets(st.sampled_from(sorted(ANSWER))), st.integers(1, 11))
def test_an_answer_of_any_shape_is_read_as_pyiso8583_would(fields: set[str], length: int) -> None:
    """Whatever fields an answer has, and however long the variable ones are: STAN, DE38 and DE39 are found."""
    answer = {"t": "0110", **{field: ANSWER[field] for field in fields}}
    answer |= {"32": ANSWER["32"][:length]} if "32" in fields else {}
    reading = AnswerReader().whole(encode(answer))
    assert reading == (b"0110", *(answer.get(field, "").encode() for field in ("11", "4", "37", "38", "39")))


@given(st.binary(max_size=200))
def test_garbage_is_a_wire_error_or_a_message_without_fields(payload: bytes) -> None:
    """Nothing a host sends makes the reader fail in any other way."""
    with suppress(WireError):
        AnswerReader().whole(payload)


@given(st.data())
def test_an_answer_cut_short_or_too_long_is_a_wire_error(data: st.DataObject) -> None:
    """A message that is not whole, or goes on after its end, is garbled."""
    whole = encode({"t": "0110", **ANSWER})
    reader = AnswerReader()
    with pytest.raises(WireError):
        reader.whole(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(WireError):
        reader.whole(whole + data.draw(st.binary(min_size=1, max_size=40)))


@given(st.integers(0, 999_999), st.integers(0, 999_999_999_999))
def test_a_filled_template_is_the_encoded_message(stan: int, amount: int) -> None:
    """Patching gives the same bytes as encoding anew, whatever stands around the patched fields."""
    fields = {**ANSWER, "t": "0100", "48": "9203100%d%%"}
    template = Template(fields, ("4", "11"))
    filled = template.fill(b"%012d" % amount, b"%06d" % stan)
    assert filled == frame(encode({**fields, "4": f"{amount:012}", "11": f"{stan:06}"}))
