"""The retail MAC against psec, which nobody here wrote, and against its own parts."""

from __future__ import annotations

import warnings

import psec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.security.keys import Secret
from authsvc.security.mac import RetailMac

KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")


def by_psec(key: bytes, data: bytes) -> bytes:
    with warnings.catch_warnings(action="ignore"):  # TDES is what the standard says, and what cryptography dislikes
        return bytes(psec.mac.generate_retail_mac(key[:8], key[8:], data, 1))


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=400))
def test_every_mac_is_psecs(key: bytes, data: bytes) -> None:
    """Any key, any message, the empty one and whole blocks included."""
    assert RetailMac(Secret(key)).over(data) == by_psec(key, data)


@pytest.mark.parametrize(("mac", "right"), [
    (by_psec(KEY, b"message"), True), (by_psec(KEY, b"message")[:4], False), (b"", False), (bytes(8), False),
    (by_psec(KEY, b"message\x01"), False), (by_psec(KEY[8:] + KEY[:8], b"message"), False),
])  # fmt: skip
def test_which_mac_is_right(mac: bytes, right: bool) -> None:
    """All eight bytes of it, over this message, under this key."""
    assert RetailMac(Secret(KEY)).is_right(b"message", mac) is right


def test_messages_do_not_mix() -> None:
    """One object for all messages of a key: what it was asked before changes nothing."""
    mac = RetailMac(Secret(KEY))
    first = mac.over(b"one message")
    mac.over(b"another message, of another length")
    assert mac.over(b"one message") == first
