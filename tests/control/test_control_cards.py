"""The calls on a card, from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from authsvc.model import Entry, Pin

Api = Callable[..., Awaitable[Any]]
Pay = Callable[..., Any]


async def test_a_card_as_it_is_read(api: Api) -> None:
    """The fields that wire.md promises, the product's first limits; a remaining count is null where nobody counts."""
    account = await api.account("prepaid-bps")
    card = await api.card(account, active=False, pan="5575290000000001", expiry="2812")
    uncounted = {"cash_count": None, "cashless_count": None, "internet_count": None}
    assert (await api("GET", f"/v1/cards/{card}")).body == {
        "card": card, "account": account, "last4": "0001", "expiry": "2812", "status": "inactive",
        "limits": {"cash": 5_000_00, "cashless": 5_000_00, "internet": 0},
        "used_today": {"cash": 0, "cashless": 0, "internet": 0, **dict.fromkeys(uncounted, 0)},
        "remaining_today": {"cash": 5_000_00, "cashless": 5_000_00, "internet": 0, **uncounted},
        "pin_tries_left": 3, "contactless": {"enabled": True, "unlocked": False, "since_sca": 0},
        "low_value": {"sum": 0, "count": 0}, "three_ds": {"locked": False, "failures": 0}, "trusted_merchants": [],
        "individual_limit": None, "pending_limits": [], "renewal": None, "virtual_cards": [],
    }  # fmt: skip


async def test_a_card_after_a_day_and_the_next(api: Api, pay: Pay) -> None:
    """What is used counts for its Warsaw day; internet is never more than what cashless leaves."""
    account = await api.account("prepaid-sgb", load=10_000_00)
    card = await api.card(account)
    await pay(account, card, 100_00)
    await pay(account, card, 10_00, pin=Pin.WRONG)
    view = (await api("GET", f"/v1/cards/{card}")).body
    assert (view["used_today"]["cashless"], view["used_today"]["cashless_count"]) == (100_00, 1)
    left = view["remaining_today"]
    assert (left["cashless"], left["internet"], left["cash_count"], left["cashless_count"]) == (
        2_900_00,
        2_900_00,
        5,
        14,
    )
    assert (view["pin_tries_left"], view["contactless"]["unlocked"]) == (2, True)
    await api("POST", "/v1/clock", {"now": "2026-06-15T22:00:00Z"})
    view = (await api("GET", f"/v1/cards/{card}")).body
    assert (view["used_today"]["cashless"], view["remaining_today"]["cashless_count"]) == (0, 15)
    assert view["pin_tries_left"] == 2  # wrong PINs survive midnight


async def test_what_is_shown_is_what_the_next_message_meets(api: Api, pay: Pay) -> None:
    """A clock moved back moves no account back: it is read as of its last decision, as it would be decided on."""
    account = await api.account("prepaid-bps", load=10_000_00)
    card = await api.card(account)
    await pay(account, card, 100_00)
    await api("POST", "/v1/clock", {"now": "2026-06-14T10:00:00Z"})
    assert (await api("GET", f"/v1/cards/{card}")).body["used_today"]["cashless"] == 100_00


@pytest.mark.parametrize(
    ("calls", "statuses", "then"),
    [
        (["activate"], [200], "active"),
        (["activate", "activate"], [200, 200], "active"),
        (["unblock"], [409], "inactive"),
        ([("temporary", "holder")], [200], "temporarily_blocked"),
        (["activate", ("temporary", "bank"), "unblock"], [200, 200, 200], "active"),
        ([("temporary", "holder"), "activate"], [200, 409], "temporarily_blocked"),
        ([("permanent", "holder"), "unblock"], [200, 409], "permanently_blocked"),
        ([("lost", "bank"), "unblock", "activate"], [200, 409, 409], "lost"),
        ([("stolen", "holder"), ("temporary", "holder")], [200, 409], "stolen"),
        ([("permanent", "user")], [409], "inactive"),
        (["unblock-pin"], [200], "inactive"),
    ],
)
async def test_statuses(api: Api, calls: list[Any], statuses: list[int], then: str) -> None:
    """Temporary blocks are lifted, permanent ones never (W §16.3); a mere user orders no permanent one (W §26.5-6)."""
    card = await api.card(await api.account("prepaid-bps"), active=False)
    answers = [await _call(api, card, call) for call in calls]
    assert [answer.status for answer in answers] == statuses
    assert all(answer.body["paragraph"] for answer in answers if answer.status == 409)
    assert (await api("GET", f"/v1/cards/{card}")).body["status"] == then


@pytest.mark.parametrize("role", ["branch", "hotline", "portal", "operator"])
@pytest.mark.parametrize("kind", ["lost", "stolen", "permanent"])
@pytest.mark.parametrize(("product", "by_user"), [("credit-business", 200), ("prepaid-bps", 409), ("prepaid-sgb", 200)])
async def test_a_loss_is_reported_by_every_way_there_is(
    api: Api, role: str, kind: str, product: str, by_user: int
) -> None:
    """Telephone, branch and portal: each report is a block for good (S §35.4-6, W §26.3, §26.5, P §25.2). A user's word
    is not, at W (§26.6)."""
    more = {"credit_limit": 1_000_00} if product == "credit-business" else {}
    card = await api.card(await api.account(product, **more))
    for by, status in (("user", by_user), ("holder", 200 if by_user == 409 else 409)):  # blocked for good: not again
        answer = await api("POST", f"/v1/cards/{card}/block", {"kind": kind, "by": by}, role=role)
        assert answer.status == status, answer
    blocked = "permanently_blocked" if kind == "permanent" else kind
    assert (await api("GET", f"/v1/cards/{card}")).body["status"] == blocked


async def _call(api: Api, card: str, call: Any) -> Any:
    if isinstance(call, str):
        return await api("POST", f"/v1/cards/{card}/{call}")
    kind, by = call
    return await api("POST", f"/v1/cards/{card}/block", {"kind": kind, "by": by})


async def test_a_holders_block_becomes_permanent(api: Api) -> None:
    """A temporary block that its holder never lifts reads as permanent after the product's days (W §17.5)."""
    card = await api.card(await api.account("prepaid-bps"))
    await _call(api, card, ("temporary", "holder"))
    await api("POST", "/v1/clock", {"advance_seconds": 60 * 86_400})
    assert (await api("GET", f"/v1/cards/{card}")).body["status"] == "permanently_blocked"
    assert (await _call(api, card, "unblock")).status == 409


@pytest.mark.parametrize(
    ("body", "status", "then"),
    [
        ({"internet": 1_000_00}, 200, {"cash": 5_000_00, "cashless": 5_000_00, "internet": 1_000_00}),
        ({"cash": 0, "cashless": 0}, 200, {"cash": 0, "cashless": 0, "internet": 0}),
        ({"cash": 5_000_01}, 409, {"cash": 5_000_00, "cashless": 5_000_00, "internet": 0}),
        ({}, 400, {"cash": 5_000_00, "cashless": 5_000_00, "internet": 0}),
        ({"atm": 1}, 400, {"cash": 5_000_00, "cashless": 5_000_00, "internet": 0}),
    ],
)
async def test_limits(api: Api, body: dict[str, int], status: int, then: dict[str, int]) -> None:
    """A limit that is given is set, up to the product's ceiling; above it nothing is, and the paragraph says why."""
    card = await api.card(await api.account("prepaid-bps"))
    answer = await api("PUT", f"/v1/cards/{card}/limits", body)
    assert answer.status == status
    assert (await api("GET", f"/v1/cards/{card}")).body["limits"] == then
    assert status != 409 or answer.body["paragraph"]


async def test_contactless(api: Api, pay: Pay) -> None:
    """Contactless is switched off and on; off, the very next tap meets it."""
    account = await api.account("prepaid-bps", load=100_00)
    card = await api.card(account)
    await pay(account, card)
    answer = await api("PUT", f"/v1/cards/{card}/contactless", {"enabled": False})
    assert (answer.status, answer.body["contactless"]["enabled"]) == (200, False)
    assert (await pay(account, card, entry=Entry.CONTACTLESS_CHIP, pin=Pin.ABSENT)).outcome.reason == "CHANNEL_OFF"


async def test_a_new_pin(api: Api, engine: Any) -> None:
    """A new PIN is answered with nothing at all; only its PVV is kept."""
    account = await api.account()
    card = await api.card(account)
    before = (await engine.account(account)).cards[card].pvv
    answer = await api("PUT", f"/v1/cards/{card}/pin", {"pin": "9753"})
    assert (answer.status, answer.text) == (204, "")
    assert (await engine.account(account)).cards[card].pvv != before


async def test_pin_block_is_ended_by_the_hotline(api: Api, pay: Pay) -> None:
    """After three wrong PINs none is left; the hotline gives three again (W §13.3). A captured card stays (P §7.3)."""
    for product, status, left in [("prepaid-bps", 200, 3), ("prepaid-sgb", 409, 0)]:
        account = await api.account(product, load=100_00)
        card = await api.card(account)
        for _ in range(3):
            await pay(account, card, pin=Pin.WRONG)
        assert (await api("GET", f"/v1/cards/{card}")).body["pin_tries_left"] == 0
        assert (await api("POST", f"/v1/cards/{card}/unblock-pin", role="hotline")).status == status
        assert (await api("GET", f"/v1/cards/{card}")).body["pin_tries_left"] == left


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("GET", "", None),
        ("POST", "/activate", None),
        ("POST", "/block", {"kind": "lost", "by": "bank"}),
        ("POST", "/unblock", None),
        ("POST", "/unblock-pin", None),
        ("PUT", "/limits", {"cash": 1}),
        ("PUT", "/contactless", {"enabled": True}),
        ("PUT", "/pin", {"pin": "1234"}),
        ("POST", "/unlock-3ds", None),
        ("POST", "/three-ds", {"amount": 1, "currency": "985", "merchant_id": "m", "outcome": "failed"}),
        ("PUT", "/trusted-merchants/m", None),
    ],
)
async def test_unknown_cards(api: Api, method: str, tail: str, body: object) -> None:
    """An unknown card is 404 in every call."""
    assert (await api(method, f"/v1/cards/nobody{tail}", body)).status == 404
