"""Keyed draws: even, repeatable, unforeseeable without the key."""

from __future__ import annotations

from pathlib import Path

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from authsvc.security.draws import Draws
from authsvc.security.keys import Secret, load_keys

KEYS = load_keys(Path(__file__).parents[2] / "config" / "keys" / "demo.toml")
DRAWS = Draws(KEYS)


@given(st.lists(st.text(), max_size=6))
def test_the_same_message_draws_the_same_number_below_one(identity: list[str]) -> None:
    """A repeat and a replay draw what the message drew (rulebook section 2, random PIN request)."""
    draw = DRAWS.draw(*identity)
    assert 0 <= draw < 1
    assert Draws(KEYS).draw(*identity) == draw


def test_where_a_part_ends_matters() -> None:
    """Two messages whose parts only run together the same way are two messages."""
    assert DRAWS.draw("c1", "23") != DRAWS.draw("c12", "3")


def test_another_key_draws_another_number() -> None:
    other = Draws(msgspec.structs.replace(KEYS, decision=Secret(bytes(32))))
    assert other.draw("c1", "0615100000", "000001") != DRAWS.draw("c1", "0615100000", "000001")


def test_draws_are_even() -> None:
    """Of 10 000 messages a share of one in ten draws below 0.1, give or take (fixed key, so always the same answer)."""
    below = sum(DRAWS.draw("c1", f"{stan:06d}") < 0.1 for stan in range(10_000))
    assert 900 < below < 1100
