"""Wallets, renewed and replaced plastic, blocks and limits, over TCP: what the holder meets at the terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from e2e_bank import BINS, PREPAID_BIN, Bank, Plastic, luhn_number


def wallet(card: Plastic, product: str, **more: object) -> tuple[Plastic, str]:
    """The card's device number, as a phone shows it to a terminal, and its path in the control API."""
    pan = luhn_number(BINS.get(product, PREPAID_BIN))
    made = card.bank.api.post(f"/v1/cards/{card.card}/virtual-cards", {"pan": pan, **more})
    phone = Plastic(card.bank, card.account, card.card, pan, made["expiry"])
    return phone, f"/v1/cards/{card.card}/virtual-cards/{made['virtual_card']}"


@pytest.mark.parametrize(
    ("product", "expired_cvm"), [("credit-business", "70"), ("prepaid-bps", "65"), ("prepaid-sgb", "65")]
)
def test_a_wallet_pays(bank: Bank, product: str, expired_cvm: str) -> None:
    """S §15.1.4, P zał.2: no PIN at any amount, as the device has authenticated; the card's limit and money pay."""
    card = bank.issue(product)
    phone, _ = wallet(card, product, expiry="2806")
    assert phone.tap(900_00) == "00"
    assert phone.tap(50_00, f55="9F3403010002") == "00"
    assert (card.held, card.view()["used_today"]["cashless"]) == (950_00, 950_00)
    assert phone.tap(150_00, f55="9F34031F0002") in (expired_cvm, "1A", "65")  # no CVM: as the plastic's antenna
    assert phone.tap(1_00, f14="2812") == "54"
    assert card.tap() in ("1A", "65")  # the plastic still waits for its first contact use
    assert phone.draw_cash(f22="071") == "00"  # the PIN is the card's
    assert phone.draw_cash(f22="071", pin="9999") == "55"
    assert card.view()["pin_tries_left"] == 2
    assert phone.reverse(phone.message()) == "25"


def test_a_wallets_number_suspended_resumed_deleted(bank: Bank) -> None:
    """Only that number stops; a blocked card stops all of them."""
    card = bank.issue("prepaid-sgb")
    phone, path = wallet(card, "prepaid-sgb")
    bank.api.post(f"{path}/suspend")
    assert (phone.tap(), phone.reason()) == ("62", "TEMPORARILY_BLOCKED")
    assert card.pay() == "00"
    bank.api.post(f"{path}/resume")
    assert phone.tap() == "00"
    assert phone.reverse(phone.sent) == "00"
    card.change("POST", "block", {"kind": "temporary", "by": "holder"})
    assert phone.tap() == "62"
    card.change("POST", "unblock")
    bank.api.ask("DELETE", path)
    assert (phone.tap(), phone.reason()) == ("62", "PERMANENTLY_BLOCKED")
    assert bank.api.ask("POST", f"{path}/resume").status_code == 409
    assert bank.api.ask("POST", f"{path}/suspend", role="auditor").status_code == 403
    paths = bank.api.ask("GET", "/schema", role=None).json()["paths"]
    assert {
        "/v1/cards/{card}/renew",
        "/v1/cards/{card}/replace",
        "/v1/cards/{card}/duplicate",
        "/v1/cards/{card}/virtual-cards",
    } <= set(paths)


@pytest.mark.parametrize("inquiry", [False, True])
def test_renewed_plastic(bank: Bank, inquiry: bool) -> None:
    """S §32.5, §32.7: same number and PIN; inactive until activated, or any ATM operation with the right PIN."""
    card = bank.issue("credit-business")
    renewed = Plastic(bank, card.account, card.card, card.pan, "3112")
    answer = card.change("POST", "renew", {"expiry": "3112"})
    assert (answer.status_code, answer.json()["renewal"]["status"]) == (200, "inactive")
    assert (renewed.pay_with_pin(), card.pay_with_pin()) == ("78", "00")
    assert renewed.draw_cash(pin="4321") == "55"
    assert renewed.pay(0, f3="310000", f18="6011", pin="1234") == "00" if inquiry else renewed.draw_cash() == "00"
    assert (renewed.pay_with_pin(), card.pay_with_pin()) == ("00", "54")
    assert card.view()["expiry"] == "3112"


@pytest.mark.parametrize(
    ("product", "pin"), [("credit-business", None), ("prepaid-sgb", None), ("prepaid-sgb", "4321")]
)
def test_a_duplicate_of_a_damaged_card(bank: Bank, product: str, pin: str | None) -> None:
    """S §2.12, §10, P §7.6: the same number pays again; at S with another date and once activated, at P at once, with the
    PIN that was chosen. Who says "lost" is refused, and the card goes on."""
    card = bank.issue(product)
    assert (card.pay_with_pin(), card.tap()) == ("00", "00")
    assert card.change("POST", "duplicate", {"cause": "lost"}).status_code == 409
    assert card.change("POST", "duplicate", {"cause": "damaged"}, role="portal").status_code == 403
    assert card.pay() == "00"
    body = {"cause": "damaged"} if pin is None else {"cause": "damaged", "pin": pin}
    made = card.change("POST", "duplicate", body).json()
    duplicate = Plastic(bank, card.account, card.card, card.pan, made["expiry"])
    if product == "credit-business":
        assert (card.pay(), duplicate.draw_cash(), duplicate.reason()) == ("54", "78", "CARD_INACTIVE")
        card.change("POST", "activate")
    assert duplicate.tap() in ("1A", "65")  # the new plastic's first use is by contact
    assert duplicate.pay_with_pin(pin=pin or "1234") == "00"
    assert duplicate.tap() == "00"
    if pin:
        assert duplicate.pay_with_pin(pin="1234") == "55"
    assert duplicate.held == 50_00


@pytest.mark.parametrize("product", ["credit-business", "prepaid-bps", "prepaid-sgb"])
def test_a_replaced_card(bank: Bank, product: str) -> None:
    """S §20.1.6, §22; P §7.3: another number; the old one refuses with 62."""
    card = bank.issue(product)
    pan = luhn_number(BINS.get(product, PREPAID_BIN))
    made = bank.api.post(f"/v1/cards/{card.card}/replace", {"pin": "4321", "pan": pan})
    assert (card.pay(), card.reason()) == ("62", "REPLACED")
    new = Plastic(bank, card.account, made["card"], pan, bank.api.get(f"/v1/cards/{made['card']}")["expiry"])
    bank.api.post(f"/v1/cards/{new.card}/activate")
    assert (new.pay_with_pin(pin="1234"), new.pay_with_pin(pin="4321")) == ("55", "00")


@pytest.mark.parametrize(
    ("product", "closed"), [("credit-business", "46"), ("prepaid-bps", "62"), ("prepaid-sgb", "62")]
)
@pytest.mark.parametrize("status", ["closed", "holder_deceased", "capacity_lost"])
def test_an_account_that_is_over(bank: Bank, product: str, closed: str, status: str) -> None:
    """S §20.1.3, §20.1.7-8; W §15.1; P §36.6: no card of it works."""
    card = bank.issue(product)
    phone, _ = wallet(card, product)
    assert (
        bank.api.ask("POST", f"/v1/accounts/{card.account}/status", {"status": status}, role="hotline").status_code
        == 403
    )
    assert bank.api.post(f"/v1/accounts/{card.account}/status", {"status": status})["status"] == status
    assert (card.pay(), phone.tap(), card.draw_cash()) == (closed, closed, closed)


def test_limits_that_begin_tomorrow(bank: Bank) -> None:
    """W §10.4; S §23.3: until its moment the old limit holds; zero switches off."""
    card = bank.issue("prepaid-bps")
    answer: Any = card.change("PUT", "limits", {"cashless": 0, "effective_at": "2026-06-16T10:00:00Z"})
    assert [row["effective_at"] for row in answer.json()["pending_limits"]] == ["2026-06-16T10:00:00Z"]
    assert card.pay() == "00"
    bank.set_clock(datetime(2026, 6, 16, 9, 59, 59, tzinfo=UTC))
    assert card.pay() == "00"
    bank.set_clock(datetime(2026, 6, 16, 10, 0, tzinfo=UTC))
    assert (card.pay(), card.reason()) == ("57", "CHANNEL_OFF")


def test_a_portal_does_not_lift_the_banks_block(bank: Bank) -> None:
    """S §21.8, W §17.3: with both standing, the holder's word ends only the holder's own."""
    card = bank.issue("prepaid-bps")
    for by in ("holder", "bank"):
        card.change("POST", "block", {"kind": "temporary", "by": by})
    assert card.change("POST", "unblock", role="portal").status_code == 200
    assert card.pay() == "62"
    answer = card.change("POST", "unblock", role="portal")
    assert (answer.status_code, "§17.3-5" in answer.json()["paragraph"]) == (409, True)
    assert card.change("POST", "unblock", role="branch").status_code == 200
    assert card.pay() == "00"
