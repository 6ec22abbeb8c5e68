"""Renewal, replacement, device numbers, account status and limits ahead of time, from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Api = Callable[..., Awaitable[Any]]

VIRTUAL_PAN, NEW_PAN = "5575290000000019", "4180390000000017"


async def credit_card(api: Any, **more: object) -> tuple[str, str]:
    account = await api.account("credit-business", credit_limit=10_000_00)
    return account, await api.card(account, expiry="2812", **more)


async def test_renewal_is_shown_until_it_is_activated(api: Any) -> None:
    """The same number; the new expiry waits under `renewal` until it is activated (S §32.5, §32.7)."""
    _, card = await credit_card(api)
    answer = await api("POST", f"/v1/cards/{card}/renew")
    assert (answer.status, answer.body["expiry"], answer.body["renewal"]) == (
        200, "2812", {"expiry": "3112", "status": "inactive"},
    )  # fmt: skip
    answer = await api("POST", f"/v1/cards/{card}/activate")
    assert (answer.body["expiry"], answer.body["renewal"]) == ("3112", None)
    assert (await api("POST", f"/v1/cards/{card}/renew", {"expiry": "3112"})).status == 409
    assert (await api("POST", f"/v1/cards/{card}/renew", {"expiry": "2001"})).status == 400


@pytest.mark.parametrize(("product", "paragraph"), [("prepaid-bps", "W §4.3"), ("prepaid-sgb", "P §36.6.1")])
async def test_prepaid_cards_are_not_renewed(api: Any, product: str, paragraph: str) -> None:
    card = await api.card(await api.account(product))
    answer = await api("POST", f"/v1/cards/{card}/renew", {})
    assert (answer.status, answer.body["reason"]) == (409, "NOT_ALLOWED")
    assert paragraph in answer.body["paragraph"]


async def test_a_duplicate_at_s(api: Any) -> None:
    """Same number and PIN, a date of its own, inactive until activated; a repeat makes no second one (S §2.12, §10)."""
    _, card = await credit_card(api)
    path = f"/v1/cards/{card}/duplicate"
    made = await api("POST", path, {"cause": "damaged"}, key="d1")
    assert (made.status, made.body["expiry"], made.body["status"]) == (200, "2906", "inactive")
    assert (await api("POST", path, {"cause": "damaged"}, key="d1")).body == made.body
    assert (await api("POST", path, {"cause": "damaged", "expiry": "3001"}, key="d1")).status == 409
    assert (await api("POST", f"/v1/cards/{card}/activate")).body["status"] == "active"
    again = await api("POST", path, {"cause": "damaged"})
    assert again.body["expiry"] == "2907"  # the same month again: its date still tells it from the damaged one


@pytest.mark.parametrize(("product", "body", "status", "paragraph"), [
    ("credit-business", {"cause": "damaged", "pin": "4321"}, 409, "S §2.12"),
    ("credit-business", {"cause": "lost"}, 409, "S §2.12"),
    ("credit-business", {"cause": "damaged", "expiry": "2605"}, 400, None),
    ("prepaid-bps", {"cause": "damaged"}, 409, "W §6.4"),
    ("prepaid-sgb", {"cause": "damaged"}, 200, None),
    ("prepaid-sgb", {"cause": "damaged", "pin": "4321"}, 200, None),
    ("prepaid-sgb", {"cause": "damaged", "pin": "43210"}, 400, None),
    ("prepaid-sgb", {"cause": "lost"}, 409, "P §7.4, §7.6"),
    ("prepaid-sgb", {"cause": "stolen"}, 409, "P §7.4, §7.6"),
    ("prepaid-sgb", {"cause": "damaged", "expiry": "3001"}, 409, "P §7.4, §7.6, §36.6.1"),
    ("prepaid-sgb", {"cause": "bored"}, 400, None),
    ("prepaid-sgb", {}, 400, None),
])  # fmt: skip
async def test_who_gets_a_duplicate(api: Any, product: str, body: Any, status: int, paragraph: str | None) -> None:
    """A refusal names its paragraph (S §2.12, W §6.4, P §7.6); a body that is none, its field."""
    more = {"credit_limit": 10_000_00} if product == "credit-business" else {}
    card = await api.card(await api.account(product, **more), expiry="2812")
    answer = await api("POST", f"/v1/cards/{card}/duplicate", body)
    assert answer.status == status, answer
    if paragraph:
        assert (answer.body["reason"], paragraph in answer.body["paragraph"]) == ("NOT_ALLOWED", True)


async def test_a_new_pin_for_a_duplicate_is_no_repeat_of_another_one(api: Any) -> None:
    """One key, two PINs: two different calls; and no PIN is answered (P §7.6)."""
    card = await api.card(await api.account("prepaid-sgb"))
    path = f"/v1/cards/{card}/duplicate"
    first = await api("POST", path, {"cause": "damaged", "pin": "4321"}, key="d")
    assert (await api("POST", path, {"cause": "damaged", "pin": "4321"}, key="d")).body == first.body
    assert (await api("POST", path, {"cause": "damaged", "pin": "8642"}, key="d")).status == 409
    assert "4321" not in first.text


async def test_a_replacement_is_another_card(api: Any) -> None:
    """Another number and PIN; limits and individual limit go with it; a repeat makes no second one (S §22.1)."""
    account, card = await credit_card(api, individual_limit=4_000_00, limits={"cash": 1_00})
    body = {"pin": "4321", "pan": NEW_PAN}
    first = await api("POST", f"/v1/cards/{card}/replace", body, key="r1")
    assert (first.status, first.body["status"], first.body["pan_masked"]) == (201, "inactive", "418039******0017")
    assert (await api("POST", f"/v1/cards/{card}/replace", body, key="r1")).body == first.body
    new = (await api("GET", f"/v1/cards/{first.body['card']}")).body
    assert (new["account"], new["limits"]["cash"], new["individual_limit"], new["expiry"]) == (
        account,
        1_00,
        4_000_00,
        "2812",
    )
    assert (await api("GET", f"/v1/cards/{card}")).body["status"] == "replaced"
    assert (await api("POST", f"/v1/cards/{card}/activate")).status == 409
    assert (await api("POST", f"/v1/cards/{card}/replace", {"pin": "4321"})).status == 409


async def test_the_life_of_a_device_number(api: Any) -> None:
    card = await api.card(await api.account("prepaid-sgb"))
    path = f"/v1/cards/{card}/virtual-cards"
    made = await api("POST", path, {"pan": VIRTUAL_PAN, "wallet": "phone"}, key="v1")
    assert (made.status, made.body["status"], made.body["last4"], made.body["card"]) == (201, "active", "0019", card)
    assert (await api("POST", path, {"pan": VIRTUAL_PAN, "wallet": "phone"}, key="v1")).body == made.body
    assert (await api("POST", path, {"pan": VIRTUAL_PAN})).status == 409  # another card has this number
    assert (await api("POST", path, {"pan": "5575290000000010"})).body["field"] == "pan"
    one = f"{path}/{made.body['virtual_card']}"
    for tail, status in (("suspend", "suspended"), ("suspend", "suspended"), ("resume", "active")):
        answer = await api("POST", f"{one}/{tail}")
        assert (answer.status, answer.body["status"]) == (200, status)
    assert (await api("DELETE", one)).body["status"] == "deleted"
    assert (await api("DELETE", one)).status == 200
    refused = await api("POST", f"{one}/resume")
    assert (refused.status, "§25.4" in refused.body["paragraph"]) == (409, True)
    assert [row["status"] for row in (await api("GET", path)).body] == ["deleted"]
    assert (await api("POST", f"{path}/nobody/suspend")).status == 404
    assert (await api("GET", f"/v1/cards/{made.body['virtual_card']}")).status == 404
    assert (await api("POST", path)).body["status"] == "active"  # without a body: generated


async def test_a_blocked_card_gets_no_device_number(api: Any) -> None:
    card = await api.card(await api.account("prepaid-bps"))
    await api("POST", f"/v1/cards/{card}/block", {"kind": "temporary", "by": "holder"})
    answer = await api("POST", f"/v1/cards/{card}/virtual-cards", {})
    assert (answer.status, answer.body["reason"]) == (409, "NOT_ALLOWED")


@pytest.mark.parametrize(("status", "role", "then"), [
    ("closed", "operator", 200), ("holder_deceased", "branch", 200), ("capacity_lost", "branch", 200),
    ("closed", "hotline", 403), ("closed", "portal", 403), ("closed", "auditor", 403), ("frozen", "operator", 400),
])  # fmt: skip
async def test_who_sets_the_status_of_an_account(api: Any, status: str, role: str, then: int) -> None:
    account = await api.account("prepaid-bps")
    answer = await api("POST", f"/v1/accounts/{account}/status", {"status": status}, role=role)
    assert answer.status == then
    if then == 200:
        assert answer.body["status"] == status
        refused = await api("POST", f"/v1/accounts/{account}/cards", {"pin": "1234"})
        assert (refused.status, refused.body["rule"]) == (409, "account_status")


async def test_an_ended_agreement_stays_ended(api: Any) -> None:
    account = await api.account("prepaid-sgb")
    await api("POST", f"/v1/accounts/{account}/status", {"status": "closed"})
    answer = await api("POST", f"/v1/accounts/{account}/status", {"status": "open"})
    assert (answer.status, "P §27.2, §36.6" in answer.body["paragraph"]) == (409, True)


async def test_limits_ahead_of_time(api: Any) -> None:
    """They wait with their moment, and apply from it on (W §10.4); what is given without it applies at once."""
    card = await api.card(await api.account("prepaid-bps"))
    later = {"cash": 1_000_00, "internet": 0, "effective_at": "2026-06-17T22:00:00+02:00"}
    view = (await api("PUT", f"/v1/cards/{card}/limits", later)).body
    assert view["limits"] == {"cash": 5_000_00, "cashless": 5_000_00, "internet": 0}
    assert view["pending_limits"] == [
        {
            "effective_at": "2026-06-17T20:00:00Z",
            "cash": 1_000_00,
            "cashless": None,
            "internet": 0,
            "individual_limit": None,
        }
    ]
    await api("PUT", f"/v1/cards/{card}/limits", {"cashless": 7_00})
    await api("POST", "/v1/clock", {"now": "2026-06-17T20:00:00Z"})
    view = (await api("GET", f"/v1/cards/{card}")).body
    assert (view["limits"], view["pending_limits"]) == ({"cash": 1_000_00, "cashless": 7_00, "internet": 0}, [])
    assert view["remaining_today"]["cash"] == 1_000_00
    assert (await api("PUT", f"/v1/cards/{card}/limits", {"cash": 1, "effective_at": "2026-06-18"})).status == 400


async def test_individual_limits(api: Any) -> None:
    """Their sum stays within the credit limit, coming ones counted (S §25.4); the holder orders them at the bank."""
    account, first = await credit_card(api, individual_limit=4_000_00)
    second = await api.card(account, individual_limit=6_000_00)
    put = f"/v1/cards/{first}/limits"
    refused = await api("PUT", put, {"individual_limit": 4_000_01})
    assert (refused.status, refused.body["reason"], "S §2.26, §9.7, §24, §25.4" in refused.body["paragraph"]) == (
        409, "ABOVE_CEILING", True,
    )  # fmt: skip
    later = {"individual_limit": 1_000_00, "effective_at": "2026-06-16T00:00:00Z"}
    assert (await api("PUT", f"/v1/cards/{second}/limits", later)).status == 200
    assert (await api("PUT", put, {"individual_limit": 9_000_00})).status == 409  # not before the other is lower
    await api("POST", "/v1/clock", {"now": "2026-06-16T00:00:00Z"})
    assert (await api("PUT", put, {"individual_limit": 9_000_00})).body["individual_limit"] == 9_000_00
    assert (await api("PUT", put, {"individual_limit": 1_00}, role="portal")).status == 403
    prepaid = await api.card(await api.account("prepaid-sgb"))
    answer = await api("PUT", f"/v1/cards/{prepaid}/limits", {"individual_limit": 1_00})
    assert (answer.status, answer.body["field"]) == (400, "individual_limit")


@pytest.mark.parametrize(("blocks", "role", "body", "then", "status"), [
    (["holder"], "portal", None, 200, "active"),
    (["bank"], "portal", None, 409, "temporarily_blocked"),
    (["bank"], "portal", {"by": "bank"}, 403, "temporarily_blocked"),
    (["bank"], "branch", None, 200, "active"),
    (["holder", "bank"], "portal", None, 200, "temporarily_blocked"),  # the bank's own stays
    (["bank", "holder"], "portal", {"by": "holder"}, 200, "temporarily_blocked"),
    (["holder", "bank"], "branch", {"by": "bank"}, 200, "temporarily_blocked"),  # the holder's own stays
    (["holder", "bank"], "branch", None, 200, "active"),
    (["holder"], "hotline", None, 409, "temporarily_blocked"),  # W §17.4: branch, portal, e-banking
    (["bank"], "hotline", None, 200, "active"),
    (["user"], "portal", {"by": "user"}, 409, "temporarily_blocked"),  # W §17.4: the holder applies
])  # fmt: skip
async def test_who_lifts_which_block(
    api: Any, blocks: list[str], role: str, body: object, then: int, status: str
) -> None:
    card = await api.card(await api.account("prepaid-bps"))
    for by in blocks:
        assert (await api("POST", f"/v1/cards/{card}/block", {"kind": "temporary", "by": by})).status == 200
    answer = await api("POST", f"/v1/cards/{card}/unblock", body, role=role)
    assert answer.status == then, answer
    assert then != 409 or "W §16.3, §17.3-5" in answer.body["paragraph"]
    assert (await api("GET", f"/v1/cards/{card}")).body["status"] == status
