"""Exchange-rate tables: what the demo's say, and that a wrong file stops the start and names the key."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from authsvc.errors import ConfigError
from authsvc.model import Day, UnixMs
from authsvc.rates import Rates, load_rates, millionths

RATES = Path(__file__).parents[1] / "config/rates"


@pytest.mark.parametrize("bank", ["bps", "sgb"])
def test_the_demo_values_of_the_rulebook(bank: str) -> None:
    """Rulebook section 5: 4.3500 / 4.3200 / 4.2100."""
    table = load_rates(RATES, bank).table_before(UnixMs(1_781_500_000_000))
    assert table is not None
    assert table.rates == {"978": {"notes_sell": 4_350_000, "transfer_sell": 4_320_000, "transfer_buy": 4_210_000}}


def test_a_day_without_a_table_takes_the_last_one_before(tmp_path: Path) -> None:
    shutil.copytree(RATES, tmp_path, dirs_exist_ok=True)
    ecb = tmp_path / "ecb.toml"
    ecb.write_text(ecb.read_text() + '\n[[table]]\ndate = 2026-06-12\n[table.rates]\n985 = "4.3000"\n')
    rates = load_rates(tmp_path, "bps")
    found = [rates.reference(Day(day)) for day in ("2019-12-31", "2026-06-11", "2026-06-12", "2026-06-14")]
    assert [table and table.per_euro["985"] for table in found] == [None, 4_250_000, 4_300_000, 4_300_000]


def test_a_table_holds_from_its_moment_on() -> None:
    rates = load_rates(RATES, "bps")
    start = rates.bank[0].valid_from
    assert rates.table_before(start) is None
    assert rates.table_before(UnixMs(start + 1)) is rates.bank[0]


@pytest.mark.parametrize(("text", "then"), [("4.35", 4_350_000), ("0.000001", 1), ("400.0", 400_000_000)])
def test_a_rate_is_an_integer_in_millionths(text: str, then: int) -> None:
    assert millionths(text) == then


def test_what_nobody_knows_has_two_decimals_and_no_area() -> None:
    assert (Rates().decimals("840"), Rates().area("840")) == (2, "")
    assert load_rates(RATES, "bps").decimals("392") == 0


@pytest.mark.parametrize(
    ("file", "old", "new", "then"),
    [
        ("bps.toml", '"4.3500"', '"4,35"', "notes_sell"),
        ("bps.toml", '"4.3500"', "4.35", "notes_sell"),
        ("bps.toml", "transfer_buy", "transfer_bye", "transfer_b"),
        ("bps.toml", "valid_from = 2020-01-01T08:00:00", 'valid_from = "today"', "valid_from"),
        ("ecb.toml", "date = 2020-01-01", "", "date"),
        ("currencies.toml", 'area = "EEA"', 'area = "UK"', "area"),
    ],
)
def test_a_wrong_table_stops_the_start(file: str, old: str, new: str, then: str, tmp_path: Path) -> None:
    shutil.copytree(RATES, tmp_path, dirs_exist_ok=True)
    path = tmp_path / file
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(ConfigError, match=f"{re.escape(str(path))}.*{then}"):
        load_rates(tmp_path, "bps")


def test_a_bank_without_tables_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"other\.toml"):
        load_rates(RATES, "other")


def test_two_tables_of_one_moment_stop_the_start(tmp_path: Path) -> None:
    shutil.copytree(RATES, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "sgb.toml"
    text = path.read_text()
    path.write_text(text + text[text.index("[[table]]") :])
    with pytest.raises(ConfigError, match="two tables"):
        load_rates(tmp_path, "sgb")
