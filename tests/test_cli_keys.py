"""`authsvc keys`: what it prints is what the engine reads."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from authsvc.cli import main
from authsvc.security.key_block import KEK, KINDS, NAMED, Kek, unwrapped
from authsvc.security.keys import Secret, load_keys

DEMO = Path(__file__).parents[1] / "config/keys/demo.toml"
SETTINGS = Path(__file__).parents[1] / "config/demo.toml"
MASTER_HEX = bytes(range(32)).hex()
MASTER = Kek(Secret(bytes(range(32))), "A")
KEY = "C4C4C4C4C4C4C4C42020202020202020"


def run(*words: str, stdin: str = "", master: str | None = MASTER_HEX) -> Result:
    return CliRunner().invoke(main, ("keys", *words), input=stdin, env={"AUTHSVC_MASTER_KEY": master})


def line(done: Result) -> tuple[str, str]:
    assert done.exit_code == 0, done.output
    name, _, value = done.stdout.strip().partition(" = ")
    return name, value.strip('"')


@pytest.mark.parametrize("name", ["mac", "zone_pin", "mac_keys.bank", "zone_pin_keys.bank", "keks.bank"])
def test_a_key_from_stdin(name: str) -> None:
    """A line of the key file; the key itself is in nothing that is printed, its check value is."""
    done = run("wrap", name, stdin=f"{KEY}\n")
    said, block = line(done)
    kind = {**KINDS, **NAMED}[name.partition(".")[0]]
    assert said == name
    assert unwrapped(block, MASTER, kind)[2].reveal() == bytes.fromhex(KEY)
    assert KEY not in done.output.upper()


def test_the_check_value() -> None:
    """The well-known one of a well-known key: what two people compare by telephone."""
    key = "0123456789ABCDEFFEDCBA9876543210"
    assert "mac: check value 08D7B4" in run("wrap", "mac", stdin=key).stderr
    told = json.loads(run("wrap", "mac", "--json", stdin=key).stdout)
    assert (told["name"], told["check_value"]) == ("mac", "08D7B4")


@pytest.mark.parametrize(("words", "bytes_"), [
    (("mac_keys.bank",), 16), (("keks.bank",), 16), (("keks.bank", "--aes"), 32), (("vault_hash",), 32),
])  # fmt: skip
def test_a_new_key(words: tuple[str, ...], bytes_: int) -> None:
    """A fresh one each time, of the longest length there is."""
    blocks = [line(run("wrap", *words, "--generate"))[1] for _ in range(2)]
    kind = {**KINDS, **NAMED}[words[0].partition(".")[0]]
    found = [unwrapped(block, MASTER, kind)[2].reveal() for block in blocks]
    assert found[0] != found[1]
    assert [len(key) for key in found] == [bytes_] * 2


def test_a_whole_file(tmp_path: Path) -> None:
    """The same keys, without `demo` and with no key in clear; tables too. Done twice it is still the same."""
    clear = tmp_path / "clear.toml"
    clear.write_text(f'{DEMO.read_text()}\n[mac_keys]\nbank = "{KEY}"\n[keks]\nbank = "{KEY * 2}"\n')
    done = run("wrap-file", str(clear))
    assert done.exit_code == 0, done.output
    sealed = tmp_path / "sealed.toml"
    sealed.write_text(done.stdout)
    assert not any(
        str(value) in done.stdout for name, value in tomllib.loads(DEMO.read_text()).items() if name in KINDS
    )
    before, after = load_keys(clear), load_keys(sealed, MASTER)
    assert all(getattr(after, name).reveal() == getattr(before, name).reveal() for name in KINDS)
    assert after.mac_keys["bank"].reveal() == bytes.fromhex(KEY)
    assert after.keks["bank"].algorithm == "A"
    sealed.write_text(run("wrap-file", str(sealed)).stdout)
    assert load_keys(sealed, MASTER).mac.reveal() == before.mac.reveal()


def test_a_block_for_a_peer(tmp_path: Path) -> None:
    """Under the link's own KEK, as it goes into DE110."""
    keys, settings = tmp_path / "keys.toml", tmp_path / "settings.toml"
    keys.write_text(f'{DEMO.read_text()}\n[keks]\nbank = "{KEY * 2}"\n')
    settings.write_text(SETTINGS.read_text().replace("config/keys/demo.toml", str(keys)))
    done = run("wrap", "mac", "--under", "bank", "--config", str(settings), stdin=KEY, master=None)
    block = done.stdout.strip()
    assert unwrapped(block, Kek(Secret(bytes.fromhex(KEY * 2)), "A"), KINDS["mac"])[2].reveal() == bytes.fromhex(KEY)
    other = run("wrap", "mac", "--under", "nobody", "--config", str(settings), stdin=KEY)
    assert (other.exit_code, "no keks.nobody" in other.output) == (2, True)


@pytest.mark.parametrize(("words", "stdin", "master", "code", "problem"), [
    (("wrap", "mac"), KEY, None, 2, "AUTHSVC_MASTER_KEY is not set"),
    (("wrap", "mac"), KEY, "00", 2, "AUTHSVC_MASTER_KEY must be 64 hexadecimal digits"),
    (("wrap", "colour"), KEY, MASTER_HEX, 2, "'colour' is no key"),
    (("wrap", "colour.red"), KEY, MASTER_HEX, 2, "'colour.red' is no key"),
    (("wrap", "mac", "--aes"), KEY, MASTER_HEX, 2, "--aes: mac is no AES key"),
    (("wrap", "mac", "--under", "bank"), KEY, MASTER_HEX, 2, "--under needs --config"),
    (("wrap", "mac"), "zz", MASTER_HEX, 1, "the key must be hexadecimal"),
    (("wrap", "mac"), KEY[:-2] + "21", MASTER_HEX, 1, "mac must have odd parity"),
    (("wrap", "mac"), KEY * 2, MASTER_HEX, 1, "mac must be 16 bytes long, it has 32"),
])  # fmt: skip
def test_what_is_refused(words: tuple[str, ...], stdin: str, master: str | None, code: int, problem: str) -> None:
    done = run(*words, stdin=stdin, master=master)
    assert done.exit_code == code
    assert problem in done.output
    assert KEY[:12] not in done.output.upper()


def test_kinds_have_names_of_their_own() -> None:
    """No table of names is also a key."""
    assert not KINDS.keys() & NAMED.keys()
    assert KEK.usage == "K1"
