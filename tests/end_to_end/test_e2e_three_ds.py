"""Internet payments with 3-D Secure, over TCP and HTTP (S §15.2, §18; W §9; P §4.6-7)."""

from __future__ import annotations

import base64

import pytest
from e2e_bank import Bank, Plastic

SHOP = "SHOP00000000042"


def authenticate(
    card: Plastic, amount: int = 300_00, outcome: str = "succeeded", merchant: str = SHOP
) -> dict[str, object]:
    body = {"amount": amount, "currency": "985", "merchant_id": merchant, "outcome": outcome}
    answer = card.change("POST", "three-ds", body)
    assert answer.status_code == 200, answer.text
    view: dict[str, object] = answer.json()
    return view


def pay(card: Plastic, cavv: object, amount: int = 300_00, **changes: str) -> str:
    return card.order(amount, **{"f48": f"42032124328{cavv}", **changes})


@pytest.mark.parametrize(("product", "wanted", "eci"), [("credit-business", "1A", "05"), ("prepaid-sgb", "65", "02")])
def test_a_proof_from_the_bank_to_the_shop(bank: Bank, product: str, wanted: str, eci: str) -> None:
    """Given out, used once, and no more; forged and of another card refused."""
    card, other = bank.issue(product), bank.issue(product)
    given = authenticate(card)
    assert (given["eci"], given["locked"], len(str(given["cavv"]))) == (eci, False, 28)
    assert len(base64.b64decode(str(given["cavv"]))) == 20
    forged = base64.b64encode(bytes(20)).decode()
    assert [pay(card, forged), pay(other, given["cavv"]), pay(card, given["cavv"], f42="SHOP00000000043")] == [
        wanted
    ] * 3
    assert [pay(card, given["cavv"]), pay(card, given["cavv"], 1)] == ["00", wanted]
    assert card.reason() == "SCA_REQUIRED"


def test_locked_and_unlocked(bank: Bank) -> None:
    """Three failures lock, the hotline opens (S §15.2, W §9.8); trusted merchants go on (W §9.5)."""
    card = bank.issue("prepaid-bps")
    assert [authenticate(card, outcome="failed")["locked"] for _ in range(3)] == [False, False, True]
    assert authenticate(card)["cavv"] is None
    assert card.view()["three_ds"] == {"locked": True, "failures": 3}
    assert card.order(300_00) == "57"
    assert card.reason() == "THREE_DS_LOCKED"
    assert card.change("PUT", f"trusted-merchants/{SHOP}").json()["trusted_merchants"] == [SHOP]
    assert card.order(300_00) == "00"
    assert card.change("DELETE", f"trusted-merchants/{SHOP}").json()["trusted_merchants"] == []
    assert card.change("POST", "unlock-3ds").json()["three_ds"] == {"locked": False, "failures": 0}
    assert pay(card, authenticate(card)["cavv"]) == "00"
