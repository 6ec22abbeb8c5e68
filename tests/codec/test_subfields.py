"""DE48: sub-elements in any order, unknown ones kept."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec import subfields
from authsvc.codec.misfit import MisfitError

TAGS = st.text(string.digits, min_size=2, max_size=2).filter(lambda tag: tag not in subfields.LONGEST)
VALUES = st.text(string.printable, max_size=99)


@given(st.dictionaries(TAGS, VALUES, max_size=9))
def test_parse_undoes_build(elements: dict[str, str]) -> None:
    """Any sub-elements, known or not, in any order."""
    assert list(subfields.parse(subfields.build(elements)).items()) == list(elements.items())


@pytest.mark.parametrize(
    ("text", "elements"),
    [("", {}), ("9203123", {"92": "123"}), ("42032109203123", {"42": "210", "92": "123"}), ("7700", {"77": ""})],
)
def test_parse(text: str, elements: dict[str, str]) -> None:
    """Tag, length, value, again and again."""
    assert subfields.parse(text) == elements


@pytest.mark.parametrize(
    ("text", "offset", "expected", "found"),
    [
        ("9", 0, "a tag and a length of two digits each", '"9"'),
        ("9203123x", 7, "a tag and a length of two digits each", '"a"'),
        ("9x03123", 0, "a tag and a length of two digits each", '"9a99"'),
        ("92-1123", 0, "a tag and a length of two digits each", '"99?9"'),
        ("920312", 4, "3 characters", "2"),
        ("42164111111111111111", 4, "at most 7 characters", "16"),
        ("770063164111111111111111", 8, "at most 15 characters", "16"),
        ("92031239203123", 7, "a tag that was not there yet", "one that was"),
    ],
)
def test_what_is_no_list_of_sub_elements_is_refused(text: str, offset: int, expected: str, found: str) -> None:
    """Place, what should be there, and of what kind the found is; the value is not said: it may be a CVV2."""
    with pytest.raises(MisfitError) as caught:
        subfields.parse(text)
    error = caught.value
    assert (error.field, error.offset, error.expected, error.found) == ("DE48", offset, expected, found)
    assert error.problem == f"at character {offset}: expected {expected}, found {found}"
