"""The Idempotency-Key: a second call with the same key is the first one again; with other content it is refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from authsvc.control.bodies import LoadBody
from authsvc.control.idempotency import Once

Api = Callable[..., Awaitable[Any]]
PAN = "5575290000000001"


async def test_an_account_is_opened_once(api: Api) -> None:
    """The same key and body give the same 201; another body under that key is a conflict."""
    body = {"product": "prepaid-bps", "holder": "Jan"}
    first, second = [await api("POST", "/v1/accounts", body, key="k1") for _ in range(2)]
    assert (first.status, first.body) == (second.status, second.body) == (201, first.body)
    other = await api("POST", "/v1/accounts", {**body, "holder": "Piotr"}, key="k1")
    assert (other.status, other.body["reason"]) == (409, "DUPLICATE")
    assert (await api("POST", "/v1/accounts", body, key="k2")).body != first.body
    assert (await api("POST", "/v1/accounts", body)).body != (await api("POST", "/v1/accounts", body)).body


@pytest.mark.parametrize("body", [{}, {"pan": PAN}, {"expiry": "2812", "limits": {"cash": 0}}])
async def test_a_card_is_issued_once(api: Api, engine: Any, body: dict[str, Any]) -> None:
    """The same key gives the same card, also when its PAN was generated: one card, and one PAN in the vault."""
    account = await api.account("prepaid-bps")
    call = ("POST", f"/v1/accounts/{account}/cards", {"pin": "1234", **body})
    first, second = [await api(*call, key="k") for _ in range(2)]
    assert (first.status, first.body) == (second.status, second.body) == (201, first.body)
    assert len((await api("GET", f"/v1/accounts/{account}")).body["cards"]) == 1
    entry = await engine.ledger.vault_by_card(first.body["card"])
    assert entry.last4 == first.body["pan_masked"][-4:]


@pytest.mark.parametrize("other", [{"pan": "5575290000000019"}, {"pin": "4321"}, {"expiry": "2901"}])
async def test_another_card_under_the_same_key(api: Api, other: dict[str, Any]) -> None:
    """Another PAN, PIN or expiry under a used key is a conflict, though neither PAN nor PIN is kept to compare."""
    account, body = await api.account("prepaid-bps"), {"pan": PAN, "pin": "1234", "expiry": "2812"}
    await api("POST", f"/v1/accounts/{account}/cards", body, key="k")
    answer = await api("POST", f"/v1/accounts/{account}/cards", {**body, **other}, key="k")
    assert (answer.status, answer.body["reason"]) == (409, "DUPLICATE")


async def test_a_load_counts_once(api: Api) -> None:
    """A repeated load answers with the first one and moves no money, whatever happened in between."""
    account = await api.account()
    path, body = f"/v1/accounts/{account}/loads", {"amount": 5, "reference": "r"}
    first = await api("POST", path, body, key="k")
    await api("POST", path, body)
    again = await api("POST", path, body, key="k")
    assert again.body == first.body == {**first.body, "balance": 5}
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 10
    assert (await api("POST", path, {**body, "amount": 6}, key="k")).status == 409


async def test_a_refusal_is_repeated_too(api: Api) -> None:
    """What was refused under a key stays refused under it, even if it would be allowed by now."""
    card = await api.card(await api.account("prepaid-bps"), active=False)
    assert (await api("POST", f"/v1/cards/{card}/unblock", key="k")).status == 409
    await api("POST", f"/v1/cards/{card}/activate")
    assert (await api("POST", f"/v1/cards/{card}/unblock", key="k")).status == 409
    assert (await api("POST", f"/v1/cards/{card}/unblock", key="k2")).status == 200


async def test_one_key_names_one_call(api: Api) -> None:
    """The same key on another call of the same account is a conflict; PINs are told apart by their PVV alone."""
    card = await api.card(await api.account("prepaid-bps"))
    assert (await api("PUT", f"/v1/cards/{card}/pin", {"pin": "9753"}, key="k")).status == 204
    assert (await api("PUT", f"/v1/cards/{card}/pin", {"pin": "9753"}, key="k")).status == 204
    assert (await api("PUT", f"/v1/cards/{card}/pin", {"pin": "9754"}, key="k")).status == 409
    assert (await api("POST", f"/v1/cards/{card}/unblock", key="k")).status == 409


@pytest.mark.parametrize(("key", "status"), [("!" * 128, 201), ("!" * 129, 400), ("a b", 400)])
async def test_what_a_key_may_be(api: Api, key: str, status: int) -> None:
    """1 to 128 visible ASCII characters; anything else is 400 and names the header."""
    answer = await api("POST", "/v1/accounts", {"product": "prepaid-bps"}, key=key)
    assert answer.status == status
    assert status == 201 or answer.body["field"] == "Idempotency-Key"


def test_a_fingerprint_tells_calls_apart() -> None:
    """By call, by body and by what comes beside the body; equal ones are equal."""
    here, there, body = Once("k", "POST /a"), Once("k", "POST /b"), LoadBody(1, "r")
    prints = {here.fingerprint(), there.fingerprint(), here.fingerprint(body), here.fingerprint(body, b"x")}
    assert len(prints) == 4
    assert here.fingerprint(LoadBody(1, "r")) in prints


async def test_a_key_with_a_card_number_is_refused(api: Api) -> None:
    """The journal keeps keys; the header is named, the number is not."""
    refused = await api("POST", "/v1/accounts", {"product": "prepaid-bps"}, key=f"open-{PAN}")
    assert (refused.status, refused.body["field"]) == (400, "Idempotency-Key")
    assert PAN not in str(refused.body)
