"""The chart of accounts: a movement for each kind of posting, and entries that come from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from authsvc.chart import CARDHOLDER, CHART_FILE, load_chart
from authsvc.errors import ConfigError
from authsvc.model import CREDITED, Leg, PostingKind

CHART = load_chart(CHART_FILE)


@pytest.mark.parametrize("kind", PostingKind)
def test_every_kind_moves_money_to_or_from_the_cardholder(kind: PostingKind) -> None:
    """Of what is taken the cardholder is the debit side, of what is given the credit side; backwards they are swapped."""
    sign = -1 if kind in CREDITED else 1
    (forward,) = CHART.legs(kind, sign * 10_00)
    (backward,) = CHART.legs(kind, sign * -10_00)
    assert (forward.credit if kind in CREDITED else forward.debit) == CARDHOLDER
    assert (backward.debit, backward.credit, backward.amount) == (forward.credit, forward.debit, 10_00)


def test_the_markup_is_an_entry_of_its_own() -> None:
    """S §27.3: what the scheme gets, and what the bank adds."""
    assert CHART.legs(PostingKind.PURCHASE, 103_00, 3_00) == (
        Leg("cardholder", "scheme_settlement", 100_00),
        Leg("cardholder", "currency_markup", 3_00),
    )
    assert CHART.legs(PostingKind.PURCHASE, -103_00, -3_00) == (
        Leg("scheme_settlement", "cardholder", 100_00),
        Leg("currency_markup", "cardholder", 3_00),
    )


def test_nothing_makes_no_entry() -> None:
    assert CHART.legs(PostingKind.PURCHASE, 0) == ()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('fee = { debit = "cardholder", credit = "fees" }', "", "movements.fee is missing"),
        (
            'fee = { debit = "cardholder", credit = "fees" }',
            'fee = { debit = "cardholder", credit = "fee" }',
            "accounts.fee",
        ),
        (
            'fee = { debit = "cardholder", credit = "fees" }',
            'fee = { debit = "costs", credit = "fees" }',
            "movements.fee",
        ),
        ("[movements]", '[movements]\ntip = { debit = "cardholder", credit = "fees" }', "movements.tip"),
        ("[movements]", "[movement]", "movement"),
    ],
)
def test_a_wrong_chart_stops_the_start(tmp_path: Path, old: str, new: str, named: str) -> None:
    """By the name of the key."""
    path = tmp_path / "chart.toml"
    path.write_text(CHART_FILE.read_text("utf-8").replace(old, new), "utf-8")
    with pytest.raises(ConfigError, match=named):
        load_chart(path)


def test_no_chart_at_all(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"chart\.toml"):
        load_chart(tmp_path / "chart.toml")
