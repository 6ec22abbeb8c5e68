"""The key file: what is read, what stops the start, and that no key byte ever shows."""

from __future__ import annotations

import copy
import json
import pickle
import traceback
from pathlib import Path

import msgspec
import pytest

from authsvc.errors import ConfigError
from authsvc.security.key_block import KEK as KEK_KIND
from authsvc.security.key_block import KINDS, Kek, wrapped
from authsvc.security.keys import DES_KEYS, LONG_KEYS, Keys, Secret, load_keys, master_key

DEMO = Path(__file__).parents[2] / "config" / "keys" / "demo.toml"
CANARY = "C4C4C4C4C4C4C4C42020202020202020"  # a double-length key of odd parity that no file of ours holds


def key_file(folder: Path, changes: dict[str, str | None]) -> Path:
    """The demo file with some lines replaced (a TOML value) or left out (None)."""
    values: dict[str, str] = {}
    for line in DEMO.read_text("utf-8").splitlines():
        name, equals, rest = line.partition(" = ")
        if equals and not line.startswith("#"):
            values[name] = rest.split("#")[0].strip()
    merged = {**values, **changes}
    path = folder / "keys.toml"
    path.write_text("\n".join(f"{name} = {value}" for name, value in merged.items() if value is not None), "utf-8")
    return path


def test_the_demo_file_holds_the_keys_of_the_contract() -> None:
    """The demo keys are those that wire.md section 3 promises to simulators."""
    keys = load_keys(DEMO)
    common = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
    assert [keys.zone_pin.reveal(), keys.pvv.reveal(), keys.cvv.reveal(), keys.mac.reveal()] == [common] * 4
    assert keys.zone_pin_aes is not None
    assert keys.zone_pin_aes.reveal() == common
    assert keys.issuer_master.reveal() == bytes.fromhex("2315208C9110AD402315208C9110AD40")
    assert (keys.pvv_index, keys.cvv2_expiry) == ("1", "YYMM")
    assert len({keys.vault_hash.reveal(), keys.vault_seal.reveal(), keys.decision.reveal()}) == 3


@pytest.mark.parametrize("name", [*DES_KEYS, *LONG_KEYS, "pvv_index", "cvv2_expiry"])
def test_an_absent_key_stops_the_start_and_is_named(name: str, tmp_path: Path) -> None:
    """Every key of the file is needed; the one that is not there is named."""
    with pytest.raises(ConfigError, match=rf"keys\.toml: {name} is missing"):
        load_keys(key_file(tmp_path, {name: None}))


@pytest.mark.parametrize(
    ("name", "value", "then"),
    [
        ("zone_pin", f'"{CANARY[:16]}"', "zone_pin must be 16 bytes long, it has 8"),
        ("mac", f'"{CANARY}{CANARY}"', "mac must be 16 bytes long, it has 32"),
        ("pvv", f'"{CANARY[:-2]}21"', "pvv must have odd parity in every byte"),
        ("cvv", f'"{CANARY[:-2]}XY"', "cvv must be hexadecimal"),
        ("cvv", f'"{CANARY[:-1]}"', "cvv must be hexadecimal"),
        ("issuer_master", "12345678", "issuer_master must be a string"),
        ("zone_pin_aes", f'"{CANARY[:16]}"', "zone_pin_aes must be 16 or 24 or 32 bytes long, it has 8"),
        ("vault_hash", f'"{CANARY}"', "vault_hash must be 32 bytes long, it has 16"),
        ("vault_seal", f'["{CANARY}"]', "vault_seal must be a string"),
        ("decision", '""', "decision must be 32 bytes long, it has 0"),
        ("pvv_index", '"12"', "pvv_index must be one of 0, 1"),
        ("cvv2_expiry", '"MMYYYY"', "cvv2_expiry must be one of YYMM, MMYY"),
        ("zone_pn", f'"{CANARY}"', "zone_pn is no key of a key file"),
        ("mac", f'"{CANARY}', "not a TOML file in UTF-8"),
        ("mac", f"{CANARY}", "not a TOML file in UTF-8"),
    ],
)
def test_a_wrong_key_stops_the_start_without_its_value(name: str, value: str, then: str, tmp_path: Path) -> None:
    """A wrong file is refused with the name of the key; neither message nor traceback holds a part of its value."""
    with pytest.raises(ConfigError) as caught:
        load_keys(key_file(tmp_path, {name: value}))
    assert then in str(caught.value)
    shown = "".join(traceback.format_exception(caught.value))
    assert CANARY[:12] not in shown.replace(str(tmp_path), "")


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load_keys(tmp_path / "none.toml")


def test_no_way_of_showing_the_keys_shows_a_key(tmp_path: Path) -> None:
    """repr, str, format, a containing structure: all say only that there are keys."""
    keys = load_keys(key_file(tmp_path, dict.fromkeys(DES_KEYS, f'"{CANARY}"')))
    secret = keys.zone_pin
    shown = f"{keys} {keys!r} {secret} {secret!r} {[keys]} {msgspec.structs.asdict(keys)} {vars(Keys).keys()}"
    assert CANARY.lower() not in shown.lower()
    assert repr(bytes.fromhex(CANARY))[2:-1] not in shown


@pytest.mark.parametrize("send", [pickle.dumps, copy.copy, copy.deepcopy, msgspec.json.encode, json.dumps])
@pytest.mark.parametrize("which", ["keys", "secret"])
def test_no_way_of_sending_the_keys_takes_them(which: str, send: object) -> None:
    """Pickling, copying a secret and encoding are refused, without a key in the refusal."""
    assert callable(send)
    secret = Secret(bytes.fromhex(CANARY))
    demo = load_keys(DEMO)
    if which == "keys" and send is copy.copy:
        assert repr(send(demo)) == "<keys>"  # a shallow copy shares the secrets and copies none
        return
    with pytest.raises(TypeError) as caught:
        send(demo if which == "keys" else secret)
    assert CANARY not in str(caught.value).upper()
    assert "0123456789ABCDEF" not in str(caught.value).upper()


# --------------------------------------------------------------------------------------------------------- key blocks

MASTER = Kek(Secret(bytes(range(32))), "A")


def blocks() -> dict[str, str | None]:
    """Every key of the demo file as a key block under `MASTER`."""
    keys = load_keys(DEMO)
    found: dict[str, str | None] = {"demo": None}
    for name, kind in KINDS.items():
        secret = getattr(keys, name)
        found[name] = f'"{wrapped(secret.reveal(), kind, next(iter(kind.lengths)), MASTER)}"'
    return found


def test_a_file_of_key_blocks_is_the_same_keys(tmp_path: Path) -> None:
    """Under the master key of the environment; without `demo`, and no key in clear in it."""
    path = key_file(tmp_path, blocks())
    assert "0123456789ABCDEF" not in path.read_text("utf-8")
    keys, demo = load_keys(path, MASTER), load_keys(DEMO)
    for name in KINDS:
        assert getattr(keys, name).reveal() == getattr(demo, name).reveal()


@pytest.mark.parametrize(("changes", "master", "then"), [
    ({"demo": None}, MASTER, "zone_pin is in clear; make it a key block (authsvc keys wrap-file), or say demo = true"),
    ({"demo": "false"}, MASTER, "zone_pin is in clear"),
    ({"demo": '"yes"'}, MASTER, "demo must be true or false"),
    (blocks(), None, "zone_pin is a key block, and there is no AUTHSVC_MASTER_KEY to open it with"),
    (blocks(), Kek(Secret(bytes(32)), "A"), "zone_pin was made under another key"),
    ({**blocks(), "mac": blocks()["zone_pin"]}, MASTER, "mac holds a key for P0 T B, not for M3"),
    ({**blocks(), "mac": str(blocks()["mac"])[:-3] + '0"'}, MASTER, "mac must be hexadecimal or a key block"),
    ({"mac_keys": '"00"'}, MASTER, "mac_keys must be a table"),
    ({"mac_keys.bank": '"00"'}, MASTER, "mac_keys.bank must be 16 bytes long, it has 1"),
    ({'mac_keys."a/b"': f'"{CANARY}"'}, MASTER, "mac_keys: a name is small letters"),
    ({"keks.bank": f'"{CANARY[:-2]}21"'}, MASTER, "keks.bank must have odd parity"),
    ({"keks.bank": f'"{CANARY[:30]}"'}, MASTER, "keks.bank must be 16 or 24 or 32 bytes long"),
])  # fmt: skip
def test_a_key_that_is_not_protected_or_not_ours(
    changes: dict[str, str | None], master: Kek | None, then: str, tmp_path: Path
) -> None:
    """It stops the start and is named, without a part of its value."""
    with pytest.raises(ConfigError) as caught:
        load_keys(key_file(tmp_path, changes), master)
    assert then in str(caught.value)
    assert CANARY[:12] not in "".join(traceback.format_exception(caught.value))


def test_keys_that_a_listener_names(tmp_path: Path) -> None:
    """In tables of their own; of a key that protects others its algorithm is known: by its block, else by its length."""
    text = key_file(tmp_path, {}).read_text("utf-8")
    block = wrapped(bytes(16), KEK_KIND, "A", MASTER)
    path = tmp_path / "named.toml"
    path.write_text(
        f'{text}\n[mac_keys]\nbank = "{CANARY}"\n[zone_pin_keys]\nbank-2 = "{CANARY}"\n'
        f'[keks]\ndes = "{CANARY}"\naes = "{CANARY * 2}"\naes-128 = "{block}"\n'
    )
    keys = load_keys(path, MASTER)
    assert keys.mac_keys["bank"].reveal() == keys.zone_pin_keys["bank-2"].reveal() == bytes.fromhex(CANARY)
    assert {name: kek.algorithm for name, kek in keys.keks.items()} == {"des": "T", "aes": "A", "aes-128": "A"}


@pytest.mark.parametrize("text", ["00", "zz" * 32, "00" * 33, CANARY])
def test_a_master_key_that_is_none(text: str) -> None:
    """32 bytes of AES in hexadecimal, or the start stops; without one there is none."""
    with pytest.raises(ConfigError, match="AUTHSVC_MASTER_KEY must be 64 hexadecimal digits") as caught:
        master_key({"AUTHSVC_MASTER_KEY": text})
    assert text not in str(caught.value)
    assert master_key({}) is None
    assert master_key({"AUTHSVC_MASTER_KEY": "00" * 32}) is not None
