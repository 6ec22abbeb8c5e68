"""Network management: sign-on, sign-off, echo."""

from __future__ import annotations

import pytest

from authsvc.codec.network import answer_network, is_key_change, is_network_management, key_block_of
from authsvc.errors import PeerError

HELLO = {"t": "0800", "7": "0615100000", "11": "000001"}


@pytest.mark.parametrize(
    ("code", "before", "answered", "after"),
    [
        ("001", False, "00", True),
        ("001", True, "00", True),
        ("002", True, "00", False),
        ("002", False, "00", False),
        ("301", True, "00", True),
        ("301", False, "00", False),
        ("161", True, "12", True),
        ("999", False, "12", False),
    ],
)
def test_network_management(code: str, before: bool, answered: str, after: bool) -> None:
    """001 signs on, 002 signs off, 301 changes nothing, and what we do not do we say."""
    answer, signed_on = answer_network({**HELLO, "70": code}, before)
    assert answer == {"t": "0810", "7": "0615100000", "11": "000001", "39": answered, "70": code}
    assert signed_on is after


@pytest.mark.parametrize(
    ("fields", "field"), [(HELLO, "DE70"), ({**HELLO, "t": "0810", "70": "301"}, "MTI"), ({"t": "0100"}, "MTI")]
)
def test_what_is_no_network_management_request(fields: dict[str, str], field: str) -> None:
    """Without its code there is nothing to do; a response is not answered."""
    with pytest.raises(PeerError) as caught:
        answer_network(fields, signed_on=True)
    assert caught.value.field == field


def test_which_messages_are_for_the_link() -> None:
    """0800 and 0820 with their repeats."""
    assert [mti for mti in ("0100", "0800", "0801", "0810", "0820", "0821") if is_network_management(mti)] == [
        "0800", "0801", "0820", "0821",
    ]  # fmt: skip


@pytest.mark.parametrize(("code", "then"), [("161", True), ("301", False), ("", False)])
def test_a_key_change(code: str, then: bool) -> None:
    """0800 with DE70 161: the new key stands in DE110, and the answer has the code of what became of it."""
    fields = {**HELLO, "70": code, "110": "D0112…"}
    assert is_key_change(fields) is then
    if then:
        assert key_block_of(fields) == "D0112…"
        assert answer_network(fields, True, "96")[0]["39"] == "96"


def test_a_key_change_without_a_key() -> None:
    with pytest.raises(PeerError) as caught:
        key_block_of({**HELLO, "70": "161"})
    assert caught.value.field == "DE110"
