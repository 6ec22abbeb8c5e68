"""The proof: 28 characters that nobody else can make."""

from __future__ import annotations

from base64 import b64decode, b64encode
from pathlib import Path

import pytest

from authsvc.security.cavv import SoftCavv
from authsvc.security.keys import load_keys

CAVV = SoftCavv(load_keys(Path(__file__).parents[2] / "config/keys/demo.toml"))
NUMBER = 1_800_000_000 << 16 | 4711


def test_a_proof_is_bound() -> None:
    """To its card and merchant, and every bit of it counts (S §18.2, W §9.2)."""
    proof = CAVV.cavv(NUMBER, "card", "SHOP", 999_999_999_999, "985")
    assert len(proof) == 28
    assert CAVV.opened_cavv(proof, "card", "SHOP") == NUMBER
    assert CAVV.opened_cavv(proof, "other", "SHOP") == CAVV.opened_cavv(proof, "card", "SHOP2") == 0
    raw = b64decode(proof)
    for bit in range(160):
        wrong = (int.from_bytes(raw, "big") ^ 1 << bit).to_bytes(20, "big")
        assert CAVV.opened_cavv(b64encode(wrong).decode(), "card", "SHOP") == 0


@pytest.mark.parametrize("odd", ["", "A", "é" * 28, "A" * 28, "A" * 27 + "=", "AAAA" * 9, "!" * 28])
def test_what_is_no_proof(odd: str) -> None:
    """Anything odd is a wrong proof, never an error."""
    assert CAVV.opened_cavv(odd, "card", "SHOP") == 0
