"""explain: a decision as a person would tell it."""

from __future__ import annotations

import pytest
from given import (
    SGB,
    Story,
    account,
    authorization,
    contactless,
    reversal,
    warsaw,
    withdrawal,
    wrong_pin,
)

from authsvc.model import AccountId, Load, Minor
from authsvc.products import STEPS
from authsvc.rules.explain import TITLES, explain, money
from authsvc.rules.explain import warsaw as clock


def test_every_step_has_a_title() -> None:
    """Whatever step a decision is made of, there are words for it."""
    assert set(TITLES) == set(STEPS)


@pytest.mark.parametrize(
    ("minor", "then"),
    [
        (0, "0.00 PLN"),
        (5, "0.05 PLN"),
        (1234567, "12 345.67 PLN"),
        (-100, "-1.00 PLN"),
        (123456789012, "1 234 567 890.12 PLN"),
    ],
)
def test_money(minor: int, then: str) -> None:
    """Money is told in zloty with two decimals."""
    assert money(minor) == then


@pytest.mark.parametrize(
    ("at", "then"),
    [("2026-06-15 12:00", "2026-06-15 12:00:00 CEST"), ("2026-12-31 23:59:59", "2026-12-31 23:59:59 CET")],
)
def test_a_moment(at: str, then: str) -> None:
    """Times are told as a Warsaw wall clock shows them."""
    assert clock(warsaw(at)) == then


def test_an_approval() -> None:
    """What was asked, each rule with its paragraph, the answer, the hold and its end."""
    text = explain(Story(SGB).send(contactless(12_34)))
    assert "0100 purchase of 12.34 PLN by contactless chip, MCC 5411" in text
    assert "  + Contactless total since SCA" in text
    assert "[P §10.5]" in text
    assert "=> APPROVED, DE39 00, code " in text
    assert "hold account-2 of 12.34 PLN until 2026-06-22 12:00:00 CEST" in text


def test_a_refusal() -> None:
    """The rule that refused is marked, with what it looked at and its paragraph."""
    text = explain(Story(SGB, account(SGB, 5_00)).send(authorization(12_34)))
    assert "x Funds" in text
    assert "REFUSED         available 5.00 PLN, amount 12.34 PLN, missing 7.34 PLN" in text
    assert "=> REFUSED INSUFFICIENT_FUNDS, DE39 51 by rule 'funds', P §9.1.2, §10.1, §10.10" in text


def test_counts_are_no_money() -> None:
    """A count is told as a number, an amount in zloty."""
    text = explain(Story(SGB).send(withdrawal(10_00)))
    assert "Cash count today                                  used 0, limit 5" in text
    assert "used 0.00 PLN, amount 10.00 PLN, limit 100 000.00 PLN" in text


def test_the_rest() -> None:
    """Reversals, captures, expiries and commands have their words too."""
    story, paid = Story(SGB), authorization(80_00)
    story.send(paid)
    assert "hold account-2 reduced to 30.00 PLN" in explain(story.send(reversal(paid, becomes=30_00)))
    assert f"0400 reversal of {paid.origin.stan}" in explain(story.send(reversal(paid)))
    early = authorization()
    assert "reversal remembered for its original" in explain(story.send(reversal(early)))
    assert "reversed at 2026-06-15 12:00:00 CEST" in explain(story.send(early))
    story.send(authorization(1_00))
    load = story.send(Load(AccountId("account"), Minor(5_00), "transfer"), at=warsaw("2026-06-30 12:00"))
    assert "command Load" in explain(load)
    assert "balance 100 005.00 PLN" in explain(load)
    assert "expired, 2026-06-22 12:00:00 CEST" in explain(load)
    assert "captured" in [explain(story.send(wrong_pin())) for _ in range(3)][-1]
