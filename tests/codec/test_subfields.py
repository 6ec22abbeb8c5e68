"""DE48: sub-elements in any order, unknown ones kept."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec import subfields
from authsvc.errors import PeerError

TAGS = st.text(string.digits, min_size=2, max_size=2)
VALUES = st.text(string.printable, max_size=99)


@given(st.dictionaries(TAGS, VALUES, max_size=9))
def test_parse_undoes_build(elements: dict[str, str]) -> None:
    """Any sub-elements, known or not, in any order."""
    assert subfields.parse(subfields.build(elements)) == elements


@pytest.mark.parametrize(
    ("text", "elements"),
    [("", {}), ("9203123", {"92": "123"}), ("42032109203123", {"42": "210", "92": "123"}), ("7700", {"77": ""})],
)
def test_parse(text: str, elements: dict[str, str]) -> None:
    """Tag, length, value, again and again."""
    assert subfields.parse(text) == elements


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("9", "no tag and length of two digits each at character 0"),
        ("9203123x", "no tag and length of two digits each at character 7"),
        ("9x03123", "no tag and length of two digits each at character 0"),
        ("92-1123", "no tag and length of two digits each at character 0"),
        ("920312", "the sub-element at character 0 is cut short"),
        ("92031239203123", "the sub-element at character 7 is there twice"),
    ],
)
def test_what_is_no_list_of_sub_elements_is_refused(text: str, problem: str) -> None:
    """The place is said, the value is not: it may be a CVV2."""
    with pytest.raises(PeerError) as caught:
        subfields.parse(text)
    assert (caught.value.field, caught.value.problem) == ("DE48", problem)
