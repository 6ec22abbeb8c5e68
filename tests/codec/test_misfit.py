"""A value told without the value: kinds of characters, never themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.misfit import shape


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("", "nothing"),
        ("4111 Ab-ż", '"9999 Aa??"'),
        ("4" * 40, '"' + "9" * 24 + '…" (40 characters)'),
    ],
)
def test_shape(text: str, then: str) -> None:
    assert shape(text) == then


@given(st.text(min_size=1))
def test_no_two_texts_of_the_same_kinds_can_be_told_apart(text: str) -> None:
    """Whatever is in it, the shape is made of four signs and blanks."""
    assert set(shape(text).split("…")[0].strip('"')) <= set("9Aa? ")
