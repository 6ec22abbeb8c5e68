"""Transfers out of the card account (S §2.37, §2.52c, §14; W §2, §10.1.1)."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    BPS,
    CREDIT,
    MINOR_SGB,
    NOON,
    SGB,
    Story,
    account,
    card,
    ids,
    limits,
    reason,
    warsaw,
    withdrawal,
)

from authsvc.model import AccountId, AccountStatus, By, CardId, CardStatus, Minor, PostingKind, Reason, Transfer
from authsvc.products import Product

IBAN = "PL61109010140000071219812874"
TAX_OFFICE = "PL32101000712223147244000000"
SOCIAL_SECURITY = "PL42600000020260123456789012"
GERMAN = "DE89370400440532013000"
FEE = 5_00


def transfer(amount: int = 100_00, iban: str = IBAN, **but: Any) -> Transfer:
    return Transfer(AccountId("account"), CardId("card"), Minor(amount), iban, "rent", **but)


@pytest.mark.parametrize("product", [CREDIT, BPS], ids=ids)
def test_it_is_cash_and_costs_its_fee(product: Product) -> None:
    """S §2.52c, §14.2, §14.5, W §2, §14.1: into the cash limit goes the amount, off the account the fee too."""
    story = Story(product)
    before = story.account.balance
    story.approve(transfer())
    assert (story.used, story.counts) == ((100_00, 0, 0), (1, 0, 0))
    assert story.account.balance == before - 100_00 - FEE
    assert [(change.posting.kind, change.posting.amount) for change in story.posted] == [
        (PostingKind.TRANSFER, 100_00),
        (PostingKind.FEE, FEE),
    ]
    assert story.card.debt == (100_00 + FEE if product is CREDIT else 0)


@pytest.mark.parametrize("product", [SGB, MINOR_SGB], ids=ids)
def test_p_has_none(product: Product) -> None:
    """P §9.2 lists cash and cashless transactions by card."""
    assert reason(Story(product).send(transfer())) is Reason.CHANNEL_OFF


@pytest.mark.parametrize("iban", [TAX_OFFICE, SOCIAL_SECURITY, GERMAN])
@pytest.mark.parametrize("product", [CREDIT, BPS], ids=ids)
def test_where_none_may_go(product: Product, iban: str) -> None:
    """S §2.37, §14.1: a domestic account, and neither taxes nor social security."""
    decision = Story(product).send(transfer(iban=iban))
    assert reason(decision) is Reason.NOT_ALLOWED
    assert "§2" in decision.trace[-1].paragraph


@pytest.mark.parametrize("product", [CREDIT, BPS], ids=ids)
@pytest.mark.parametrize(
    ("funds", "cash", "used", "amount", "then"),
    [
        (105_00, 1_000_00, 0, 100_00, None),
        (104_99, 1_000_00, 0, 100_00, "funds"),  # S §14.6: within the funds less the fee
        (1_000_00, 100_00, 0, 100_00, None),
        (1_000_00, 99_99, 0, 100_00, Reason.CASH_LIMIT),
        (1_000_00, 300_00, 250_00, 50_01, Reason.CASH_LIMIT),  # W §10.1.1: cash is cash
        (1_000_00, 300_00, 250_00, 50_00, None),
        (1_000_00, 0, 0, 1, Reason.CHANNEL_OFF),  # S §23.2, W §10.2
    ],
)
def test_limits_and_funds_bind_it(
    product: Product, funds: int, cash: int, used: int, amount: int, then: Reason | str | None
) -> None:
    """Cash to the day's limit, and with its fee to the funds (S §14.6, §23.2; W §10.1.1, §10.2)."""
    story = Story(product, account(product, funds, card(limits=limits(cash=cash))))
    if used:
        story.approve(withdrawal(used))
    expected = then
    if then == "funds":
        expected = Reason.CREDIT_LIMIT if product is CREDIT else Reason.INSUFFICIENT_FUNDS
    assert reason(story.send(transfer(amount))) is expected


@pytest.mark.parametrize(
    ("start", "but", "then"),
    [
        ({"status": CardStatus.LOST}, {}, Reason.LOST),
        ({"status": CardStatus.TEMPORARILY_BLOCKED, "blocked_by": By.HOLDER, "blocked_at": NOON}, {},
         Reason.TEMPORARILY_BLOCKED),
        ({"status": CardStatus.INACTIVE}, {}, Reason.CARD_INACTIVE),
        ({"expiry": "2605"}, {}, Reason.EXPIRED),
        ({}, {"status": AccountStatus.CLOSED}, Reason.ACCOUNT_CLOSED),
        ({}, {"status": AccountStatus.HOLDER_DECEASED}, Reason.HOLDER_DECEASED),
    ],
)  # fmt: skip
def test_who_lost_the_right_to_the_card_transfers_nothing(
    start: dict[str, Any], but: dict[str, Any], then: Reason
) -> None:
    """S §20, W §15.1."""
    assert reason(Story(CREDIT, account(CREDIT, 1_000_00, card(**start), **but)).send(transfer())) is then


def test_a_repeat_moves_nothing() -> None:
    """The same Idempotency-Key: the first decision again."""
    story = Story(BPS)
    order = transfer(idempotency="key", fingerprint="content")
    assert story.send(order) is story.send(order)
    assert len(story.posted) == 2


def test_the_limit_is_another_day_s_tomorrow() -> None:
    """W §10.1: a day's limit."""
    story = Story(BPS, account(BPS, 1_000_00, card(limits=limits(cash=100_00))))
    story.approve(transfer(100_00))
    assert reason(story.send(transfer(1))) is Reason.CASH_LIMIT
    assert reason(story.send(transfer(1), warsaw("2026-06-16 00:00"))) is None
