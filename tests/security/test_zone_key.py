"""A key that a peer may change: the new one at once, the old one for a while, both after a restart and in every worker."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.errors import ConfigError
from authsvc.security.exchange import CODES, Exchange
from authsvc.security.key_block import KINDS, MAC, ZONE_PIN, Kek, Kind, wrapped
from authsvc.security.mac import RetailMac, ZoneMac
from authsvc.security.secret import Secret
from authsvc.security.zone_key import Tools, ZoneKey, ZoneKeyFile

FIRST, SECOND, THIRD, FOURTH = (
    bytes.fromhex(half + "2020202020202020") for half in ("04" * 8, "07" * 8, "08" * 8, "0B" * 8)
)
SEAL, KEK = Secret(bytes(32)), Kek(Secret(bytes(range(32))), "A")
OVERLAP = 60.0


class World:
    """A folder of changed keys and a clock; each `zone_key` is what one worker, or the next start, has."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "keys"
        self.now = 1_000_000.0

    def zone_key(self, name: str = "mac_keys.bank", first: bytes = FIRST, seal: Secret = SEAL) -> ZoneKey:
        return ZoneKey(Secret(first), ZoneKeyFile(self.folder, name, seal), OVERLAP, lambda: self.now)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def take(zone_key: ZoneKey, key: bytes, kind: Kind = MAC, kek: Kek = KEK) -> str:
    exchange = Exchange(KEK, None, zone_key)
    return asyncio.run(exchange.take(wrapped(key, kind, "T", kek)))[0]


def takes(macs: ZoneMac, key: bytes) -> bool:
    """Whether a message under that key is taken as authentic."""
    return macs.that_made(RetailMac(Secret(key)).over(b"message"), b"message") is not None


def test_a_new_key_is_in_use_from_the_next_message(world: World) -> None:
    """And the one before stays good for `overlap`, for messages under way; no longer, and no key before that."""
    key = world.zone_key()
    macs = ZoneMac(Tools(key, RetailMac))
    assert [takes(macs, each) for each in (FIRST, SECOND)] == [True, False]
    assert take(key, SECOND) == "taken"
    assert [takes(macs, each) for each in (FIRST, SECOND)] == [True, True]
    assert macs.current.is_right(b"x", RetailMac(Secret(SECOND)).over(b"x"))
    world.now += OVERLAP - 1
    assert takes(macs, FIRST)
    assert take(key, THIRD) == "taken"
    assert [takes(macs, each) for each in (FIRST, SECOND, THIRD)] == [False, True, True]
    world.now += OVERLAP
    assert [takes(macs, each) for each in (FIRST, SECOND, THIRD)] == [False, False, True]


def test_a_restart_has_it(world: World) -> None:
    """The new one, the one before with what is left of its time, and what was used."""
    take(world.zone_key(), SECOND)
    world.now += OVERLAP / 2
    again = world.zone_key()
    macs = ZoneMac(Tools(again, RetailMac))
    assert [takes(macs, each) for each in (FIRST, SECOND)] == [True, True]
    world.now += OVERLAP / 2
    assert [takes(macs, each) for each in (FIRST, SECOND)] == [False, True]
    assert take(again, FIRST) == "used_before"


def test_another_worker_hears_of_it(world: World) -> None:
    """With the first message that its own key does not fit; and within a second even without one."""
    one, other = world.zone_key(), world.zone_key()
    macs = ZoneMac(Tools(other, RetailMac))
    assert takes(macs, FIRST)
    take(one, SECOND)
    assert takes(macs, SECOND)
    take(one, THIRD)
    world.now += 1
    assert macs.current.is_right(b"x", RetailMac(Secret(THIRD)).over(b"x"))
    assert take(other, THIRD) == "repeated"
    assert take(other, SECOND) == "used_before"


@pytest.mark.parametrize(("key", "kind", "kek", "then", "code"), [
    (SECOND, MAC, KEK, "taken", "00"),
    (FIRST, MAC, KEK, "repeated", "00"),                                         # the repeat of a key change
    (SECOND, MAC, Kek(Secret(bytes(32)), "A"), "not_ours", "96"),
    (SECOND, MAC, Kek(Secret(FIRST), "T"), "malformed", "30"),                   # a version B block under an AES key
    (SECOND, ZONE_PIN, KEK, "wrong_usage", "96"),                                # this link has no PIN key of its own
    (SECOND, KINDS["issuer_master"], KEK, "wrong_usage", "96"),
    (bytes.fromhex("20" * 16), MAC, KEK, "wrong_key", "96"),                     # single DES in disguise
])  # fmt: skip
def test_what_becomes_of_a_key(world: World, key: bytes, kind: Kind, kek: Kek, then: str, code: str) -> None:
    """One outcome each, with its DE39; a refused one changes nothing and leaves no file."""
    zone_key = world.zone_key()
    assert take(zone_key, key, kind, kek) == then
    assert CODES[then] == code  # type: ignore[index]
    assert zone_key.is_current(Secret(SECOND if then == "taken" else FIRST))
    assert world.folder.exists() == (then == "taken")


def test_each_key_goes_where_its_block_says(world: World) -> None:
    """A PIN key is no MAC key: two keys of one link, changed one after the other."""
    pin, mac = world.zone_key("zone_pin_keys.bank"), world.zone_key("mac_keys.bank")
    exchange = Exchange(KEK, pin, mac)
    assert asyncio.run(exchange.take(wrapped(SECOND, ZONE_PIN, "T", KEK)))[0] == "taken"
    assert asyncio.run(exchange.take(wrapped(THIRD, MAC, "T", KEK)))[0] == "taken"
    assert (pin.is_current(Secret(SECOND)), mac.is_current(Secret(THIRD))) == (True, True)


def test_an_old_key_never_comes_back(world: World) -> None:
    """Whoever plays an old key change to us again does not get a key that may be known by now into use."""
    key = world.zone_key()
    assert [take(key, each) for each in (SECOND, THIRD, FIRST, SECOND)] == [
        "taken",
        "taken",
        "used_before",
        "used_before",
    ]


def test_it_is_never_in_clear(world: World) -> None:
    """Neither as bytes nor as hexadecimal; the file is for its owner only and opens under its own name alone."""
    take(world.zone_key(), SECOND)
    path = world.folder / "mac_keys.bank"
    sealed = path.read_bytes()
    for key in (FIRST, SECOND):
        assert key not in sealed
        assert key.hex().encode() not in sealed.lower()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.rename(world.folder / "mac_keys.other")
    with pytest.raises(ConfigError, match=r"mac_keys\.other: does not open"):
        world.zone_key("mac_keys.other")


@given(place=st.integers(0, 200), byte=st.integers(1, 255))
def test_a_damaged_file_stops_the_start(tmp_path_factory: pytest.TempPathFactory, place: int, byte: int) -> None:
    """It names the file; nobody guesses which key would be right."""
    world = World(tmp_path_factory.mktemp("zone"))
    take(world.zone_key(), SECOND)
    path = world.folder / "mac_keys.bank"
    sealed = bytearray(path.read_bytes())
    sealed[place % len(sealed)] ^= byte
    path.write_bytes(sealed)
    with pytest.raises(ConfigError, match=r"mac_keys\.bank: does not open"):
        world.zone_key()


def test_a_file_that_is_damaged_meanwhile(world: World) -> None:
    """The worker that runs goes on with the key it has."""
    key = world.zone_key()
    take(key, SECOND)
    (world.folder / "mac_keys.bank").write_bytes(b"damaged")
    macs = ZoneMac(Tools(key, RetailMac))
    world.now += 2
    assert [takes(macs, each) for each in (SECOND, THIRD)] == [True, False]


def test_a_new_key_in_the_key_file_counts(world: World) -> None:
    """What the operator has put there since is newer than what was changed before; the keys of before stay out."""
    take(world.zone_key(), SECOND)
    key = world.zone_key(first=THIRD)
    assert key.is_current(Secret(THIRD))
    assert [take(key, each) for each in (SECOND, FOURTH)] == ["used_before", "taken"]
    assert world.zone_key(first=THIRD).is_current(Secret(FOURTH))


def test_what_cannot_be_stored_is_not_taken(world: World) -> None:
    """Else a restart would have another key than the peer."""
    key = world.zone_key()
    world.folder.write_text("a file where the folder would be")
    assert take(key, SECOND) == "not_stored"
    assert key.is_current(Secret(FIRST))
