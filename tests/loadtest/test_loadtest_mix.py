"""The mix file: what is read, and which key a wrong one is refused with."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest import mix
from loadtest.__main__ import DEMO_MIX
from loadtest.messages import Kind
from loadtest.mix import MixError
from loadtest.traffic import PAYMENTS

GOOD = """
[accounts]
product = "prepaid-sgb"
pin = "1234"
load = 1_000
limits = { cash = 1, cashless = 1, internet = 1 }

[chip_pin]
share = 3
least = 100
most = 200
mcc = ["5411"]
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mix.toml"
    path.write_text(text)
    return path


def test_the_demo_mix_has_every_kind() -> None:
    """What `make load` sends by default."""
    made = mix.load(DEMO_MIX)
    assert set(made.purchases()) == PAYMENTS
    assert made.reversal.share > 0
    assert made.repeat.share > 0


def test_a_kind_that_is_left_out_is_not_sent(tmp_path: Path) -> None:
    """Shares are of those that are there."""
    made = mix.load(written(tmp_path, GOOD))
    assert set(made.purchases()) == {Kind.CHIP_PIN}
    assert (made.reversal.share, made.repeat.share) == (0, 0)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("share = 3", "share = -1", "chip_pin.share"),
        ("share = 3", 'share = "3"', "chip_pin.share"),
        ("share = 3", "share = 3\nshares = 3", "chip_pin.shares"),
        ("share = 3", "", "chip_pin.share"),
        ("share = 3", "share = 0", "chip_pin.share"),
        ("least = 100", "least = 201", "chip_pin.least"),
        ("least = 100", "least = 0", "chip_pin.least"),
        ('mcc = ["5411"]', 'mcc = ["54"]', "chip_pin.mcc"),
        ('mcc = ["5411"]', "mcc = []", "chip_pin.mcc"),
        ('pin = "1234"', "pin = 1234", "accounts.pin"),
        ("cash = 1,", "", "accounts.limits.cash"),
        ("[accounts]", "[acounts]", "acounts"),
        ("[accounts]", "colour = 1\n[accounts]", "colour"),
    ],
)
def test_a_wrong_mix_is_refused_with_its_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    """The message begins with file and dotted key."""
    path = written(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(MixError, match=rf"^\S+mix\.toml: {key}(\[[.0-9]+\])?: "):
        mix.load(path)


@pytest.mark.parametrize("text", ["[accounts", "\xff"])
def test_what_is_no_toml_is_refused_with_its_file(tmp_path: Path, text: str) -> None:
    """So is a file that is not there."""
    path = tmp_path / "mix.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(MixError, match=r"mix\.toml: "):
        mix.load(path)
    with pytest.raises(MixError, match=r"none\.toml: No such file"):
        mix.load(tmp_path / "none.toml")
