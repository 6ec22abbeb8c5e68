"""TR-31 key blocks: what is made is read again, by us and by psec alone; anything else has a cause, and shows nothing."""

from __future__ import annotations

import traceback
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psec import tr31

from authsvc.security.key_block import KEK, KINDS, MAC, ZONE_PIN, BlockError, Kek, Kind, is_block, unwrapped, wrapped
from authsvc.security.secret import Secret

MASTER = Kek(Secret(bytes(range(32))), "A")
DES_KEK = Kek(Secret(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")), "T")
KEY = bytes.fromhex("C4C4C4C4C4C4C4C42020202020202020")
EVERY = [*KINDS.values(), KEK]


def key_of(kind: Kind, algorithm: str) -> bytes:
    return (KEY * 2)[: max(kind.lengths[algorithm])]


def by_psec(under: Kek, header: str, key: bytes = KEY) -> str:
    with warnings.catch_warnings(action="ignore"):
        return str(tr31.KeyBlock(under.key.reveal(), header).wrap(key))


@pytest.mark.parametrize("under", [MASTER, DES_KEK], ids=["D", "B"])
@pytest.mark.parametrize("kind", EVERY, ids=lambda kind: kind.usage)
def test_what_is_wrapped_is_unwrapped(kind: Kind, under: Kek) -> None:
    """Every kind of key, under AES and under DES; its use stands in its block."""
    for algorithm in kind.lengths:
        block = wrapped(key_of(kind, algorithm), kind, algorithm, under)
        found, its_algorithm, key = unwrapped(block, under, kind)
        assert (found, its_algorithm, key.reveal()) == (kind, algorithm, key_of(kind, algorithm))
        assert is_block(block)
        assert block[5:7] == kind.usage


def test_a_block_of_the_standard() -> None:
    """One that psec's documentation prints, made by others than us: a PIN key under a version B block."""
    block = "B0096P0TE00N0000A800A7D1A4C0C1BE762177E1CC59D84844EB67C9F6432B2CA34187AE2E0385EBEE2231697BC5DAE8"
    under = Kek(Secret(b"FFFFFFFFEEEEEEEE"), "T")
    with pytest.raises(BlockError, match="holds a key for P0 T E, not for P0"):  # encrypts only: we have to decrypt
        unwrapped(block, under, ZONE_PIN)
    encrypts = Kind("P0", {"T": (16,)}, "E")
    with pytest.raises(BlockError, match="odd parity"):  # it opened: CCCCCCCCDDDDDDDD in ASCII is no DES key
        unwrapped(block, under, encrypts)


@pytest.mark.parametrize(("block", "cause"), [
    ("", "malformed"), (KEY.hex(), "malformed"), ("D0112P0TB00N0000", "malformed"), ("D" + "0" * 111, "malformed"),
    (wrapped(KEY, MAC, "T", MASTER)[:-1] + "G", "malformed"),
    pytest.param(wrapped(KEY, MAC, "T", DES_KEK), "malformed", id="of another kind of KEK"),
    (wrapped(KEY, MAC, "T", Kek(Secret(bytes(32)), "A")), "not_ours"),
    (wrapped(KEY, MAC, "T", MASTER).replace("M3", "P0"), "not_ours"),        # a MAC key that says it is a PIN key
    (wrapped(KEY, KINDS["pvv"], "T", MASTER), "wrong_usage"), (wrapped(KEY, KEK, "T", MASTER), "wrong_usage"),
    (by_psec(MASTER, "D0000P0AB00N0000"), "wrong_usage"),                    # AES where a DES key is needed
    (by_psec(MASTER, "D0000P0TE00N0000"), "wrong_usage"),                    # may encrypt only
    (by_psec(MASTER, "D0000P0TB00N0000", KEY[:8]), "wrong_key"),             # single DES
    (by_psec(MASTER, "D0000P0TB00N0000", KEY + KEY[:8]), "wrong_key"),
    (by_psec(MASTER, "D0000P0TB00N0000", bytes(16)), "wrong_key"),           # no parity
])  # fmt: skip
def test_what_is_no_such_key(block: str, cause: str) -> None:
    """The cause is told apart; no part of the block or the key is told at all, in the traceback neither."""
    with pytest.raises(BlockError) as caught:
        unwrapped(block, MASTER, MAC, ZONE_PIN)
    assert caught.value.cause == cause
    shown = "".join(traceback.format_exception(caught.value)).upper()
    assert KEY.hex().upper()[:12] not in shown
    assert not block[16:] or block[16:28] not in shown


@given(st.data())
def test_a_changed_block_never_opens(data: st.DataObject) -> None:
    """Whatever is changed in it, header or key."""
    block = data.draw(st.sampled_from([wrapped(KEY, MAC, "T", MASTER), wrapped(KEY, ZONE_PIN, "T", MASTER)]))
    place = data.draw(st.integers(0, len(block) - 1))
    character = data.draw(st.characters(max_codepoint=0x2FF))
    changed = block[:place] + character + block[place + 1 :]
    if changed.upper() != block:
        with pytest.raises(BlockError):
            unwrapped(changed, MASTER, MAC, ZONE_PIN)


@given(st.text(max_size=200), st.sampled_from("ABCDE"))
def test_any_text_is_a_block_or_an_error_of_ours(text: str, version: str) -> None:
    """Whatever a peer sends with the right length in it: BlockError and nothing else."""
    block = f"{version}{len(text) + 5:04d}{text}"
    for under in (MASTER, DES_KEK):
        with pytest.raises(BlockError):
            unwrapped(block, under, MAC)
