"""Issuing cards, from outside: what may be asked for, what comes back, and that no PAN ever does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from authsvc.control.issuing import expiry_after
from authsvc.ledger.journal import PanTakenError
from authsvc.model import UnixMs

Api = Callable[..., Awaitable[Any]]
PAN = "5575290000000001"


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"pan": PAN}, 201, None),
        ({"pan": "5575290000000002"}, 400, "pan"),
        ({"expiry": "2606"}, 201, None),
        ({"expiry": "2605"}, 400, "expiry"),
        ({"expiry": "2512"}, 400, "expiry"),
        ({"individual_limit": 1}, 400, "individual_limit"),
        ({"limits": {"cash": 0, "internet": 5_000_00}}, 201, None),
        ({"limits": {"cash": 5_000_01}}, 409, None),
    ],
)
async def test_what_a_card_may_be_made_of(api: Api, body: dict[str, Any], status: int, field: str | None) -> None:
    """A PAN needs its check digit, an expiry is this month or later, limits keep below the product's ceiling."""
    account = await api.account("prepaid-bps")
    answer = await api("POST", f"/v1/accounts/{account}/cards", {"pin": "1234", **body})
    assert (answer.status, answer.body.get("field")) == (status, field)


@pytest.mark.parametrize("product", ["credit-business", "prepaid-bps", "prepaid-sgb", "prepaid-sgb-minor"])
@pytest.mark.parametrize(
    ("pin", "status"), [({}, 400), ({"pin": ""}, 400), ({"pin": "123"}, 400), ({"pin": "1234"}, 201)]
)
async def test_no_card_without_a_pin(api: Api, product: str, pin: dict[str, str], status: int) -> None:
    """Each new card has a PIN of its own, and comes with it (S §12.1, W §13.1, P §6.1)."""
    account = await api.account(product, **({"credit_limit": 1_00} if product == "credit-business" else {}))
    answer = await api("POST", f"/v1/accounts/{account}/cards", pin)
    assert (answer.status, answer.body.get("field")) == (status, "pin" if status == 400 else None)


async def test_a_card_with_a_given_pan(api: Api) -> None:
    """The answer names the card and shows the PAN masked; the card is inactive until activated (W §6.6)."""
    account = await api.account("prepaid-bps")
    answer = await api("POST", f"/v1/accounts/{account}/cards", {"pan": PAN, "pin": "1234", "expiry": "2812"})
    card = answer.body["card"]
    assert answer.body == {"card": card, "pan_masked": "557529******0001", "status": "inactive"}
    view = (await api("GET", f"/v1/cards/{card}")).body
    assert (view["last4"], view["expiry"], view["account"]) == ("0001", "2812", account)


async def test_a_card_with_a_generated_pan(api: Api) -> None:
    """Without a PAN one is drawn in the product's BIN; without an expiry the product's term counts."""
    account = await api.account("credit-business", credit_limit=100_00)
    answer = await api("POST", f"/v1/accounts/{account}/cards", {"pin": "1234", "individual_limit": 60_00})
    view = (await api("GET", f"/v1/cards/{answer.body['card']}")).body
    assert answer.body["pan_masked"] == f"418039******{view['last4']}"
    assert view["expiry"][2:] == "06"


async def test_a_taken_pan_is_a_conflict(api: Api) -> None:
    """Two cards cannot have one PAN: 409 names the field."""
    await api.card(await api.account("prepaid-bps"), pan=PAN)
    answer = await api("POST", f"/v1/accounts/{await api.account()}/cards", {"pin": "1234", "pan": PAN})
    assert (answer.status, answer.body["field"], answer.body["reason"]) == (409, "pan", "CARD_EXISTS")
    assert PAN not in answer.text


async def test_a_refused_card_leaves_its_pan_free(api: Api) -> None:
    """A card that was refused does not exist, so its PAN leads nowhere and another card may have it."""
    body = {"pin": "1234", "pan": PAN, "limits": {"cash": 5_000_01}}
    assert (await api("POST", f"/v1/accounts/{await api.account('prepaid-bps')}/cards", body)).status == 409
    await api.card(await api.account("prepaid-bps"), pan=PAN)


async def test_a_drawn_pan_that_is_taken_is_drawn_again(api: Api, engine: Any) -> None:
    """The caller did not choose the PAN, so it is not the caller's matter that another card has it."""
    account, command, refusals = await api.account(), engine.command, [PanTakenError(), PanTakenError()]

    async def unlucky(*arguments: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return await command(*arguments)

    engine.command = unlucky
    await api.card(account, active=False)
    refusals[:] = [PanTakenError(), PanTakenError(), PanTakenError()]
    assert (await api("POST", f"/v1/accounts/{account}/cards", {"pin": "1234"})).status == 409


async def test_as_many_cards_as_the_product_allows(api: Api) -> None:
    """A second card of a prepaid account is a conflict with the paragraph that says so (W §6.2)."""
    account = await api.account("prepaid-bps")
    await api.card(account)
    answer = await api("POST", f"/v1/accounts/{account}/cards", {"pin": "1234"})
    assert (answer.status, answer.body["reason"]) == (409, "TOO_MANY_CARDS")
    assert answer.body["paragraph"]


async def test_no_secret_is_answered(api: Api) -> None:
    """PAN, PIN and PVV stand in no answer: not of the issue, the card, the account, the journal, nor the decisions."""
    account = await api.account("prepaid-bps")
    issued = await api("POST", f"/v1/accounts/{account}/cards", {"pan": PAN, "pin": "8642"})
    card = issued.body["card"]
    await api("PUT", f"/v1/cards/{card}/pin", {"pin": "9753"})
    texts = [issued.text] + [
        (await api("GET", path)).text
        for path in (
            f"/v1/cards/{card}", f"/v1/accounts/{account}", f"/v1/accounts/{account}/journal",
            f"/v1/decisions?account={account}",
        )
    ]  # fmt: skip
    for text in texts:
        assert not any(secret in text for secret in (PAN, '"8642"', '"9753"', "pvv", "fingerprint", "sealed"))


async def test_what_the_vault_gets(api: Api, engine: Any) -> None:
    """The PAN goes to the vault sealed and under its keyed hash, never as it is."""
    card = await api.card(await api.account("prepaid-bps"), pan=PAN)
    entry = await engine.ledger.vault_by_card(card)
    assert (len(entry.pan_hash), entry.last4) == (32, "0001")
    assert PAN.encode() not in entry.sealed_pan + entry.pan_hash


@pytest.mark.parametrize(
    ("now", "years", "then"),
    [
        (1_781_517_600_000, 3, "2906"),  # 2026-06-15
        (1_798_757_999_999, 2, "2812"),  # one millisecond before 2027 in Warsaw
        (1_798_758_000_000, 2, "2901"),  # 2027-01-01 00:00 in Warsaw, still 2026 in UTC
    ],
)
def test_the_term_of_a_card(now: int, years: int, then: str) -> None:
    """The product's term counts from the month it is in Warsaw."""
    assert expiry_after(years, UnixMs(now)) == then
