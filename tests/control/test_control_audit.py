"""The audit trail: who ordered what, what it changed, what was refused."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from test_control_roles import CALLS

from authsvc.control.roles import Role
from authsvc.model import Decision

Api = Callable[..., Awaitable[Any]]


async def trail(api: Api, **query: str) -> list[dict[str, Any]]:
    words = "&".join(f"{name}={value}" for name, value in query.items())
    answer = await api("GET", f"/v1/audit?{words}", role="auditor")
    assert answer.status == 200, answer
    entries: list[dict[str, Any]] = answer.body["entries"]
    return entries


async def test_an_order_with_who_and_what(api: Api) -> None:
    """A block by the hotline: the token and its role, each fact before and after, and nothing that did not change."""
    card = await api.card(await api.account())
    assert (
        await api("POST", f"/v1/cards/{card}/block", {"kind": "temporary", "by": "holder"}, role="hotline")
    ).status == 200
    entry = (await trail(api))[-1]
    assert (entry["token"], entry["role"], entry["kind"]) == ("test-hotline", "hotline", "block_card")
    assert (entry["outcome"], entry["reason"], entry["at"]) == ("approved", None, "2026-06-15T10:00:00Z")
    assert entry["before"] == {
        f"cards.{card}.status": "active", f"cards.{card}.blocked_by": None, f"cards.{card}.blocked_at": 0,
    }  # fmt: skip
    assert entry["after"] == {
        f"cards.{card}.status": "temporarily_blocked", f"cards.{card}.blocked_by": "holder",
        f"cards.{card}.blocked_at": 1_781_517_600_000,
    }  # fmt: skip


async def test_money_before_and_after(api: Api) -> None:
    """A load: the balance, in grosze."""
    await api.account(load=100_00)
    entry = (await trail(api))[-1]
    assert (entry["before"], entry["after"]) == ({"balance": 0}, {"balance": 100_00})


async def test_an_order_that_was_refused(api: Api) -> None:
    """It is in the trail with its paragraph, and changed nothing."""
    card = await api.card(await api.account())
    for kind in ("lost", "temporary"):
        await api("POST", f"/v1/cards/{card}/block", {"kind": kind, "by": "holder"}, role="portal")
    assert (await api("POST", f"/v1/cards/{card}/unblock", role="branch")).status == 409
    entry = (await trail(api))[-1]
    assert (entry["token"], entry["kind"], entry["outcome"]) == ("test-branch", "unblock_card", "refused")
    assert (entry["paragraph"], entry["before"], entry["after"]) == ("W §16.3, §17.3-5", {}, {})


async def test_a_new_pin_is_told_and_not_shown(api: Api) -> None:
    """That it changed, who changed it; neither the PIN nor what it is checked by."""
    card = await api.card(await api.account())
    assert (await api("PUT", f"/v1/cards/{card}/pin", {"pin": "4321"}, role="branch")).status == 204
    entry = (await trail(api))[-1]
    assert entry["before"] == entry["after"] == {f"cards.{card}.pvv": "***"}


async def test_what_came_by_message_is_not_in_it(api: Api, pay: Callable[..., Awaitable[Decision]]) -> None:
    """Payments are in the journal; the trail is of people."""
    account = await api.account(load=100_00)
    card = await api.card(account)
    before = await trail(api)
    await pay(account, card)
    assert await trail(api) == before


async def test_a_repeat_is_one_order(api: Api) -> None:
    """The second call under the same key orders nothing, whoever makes it."""
    card = await api.card(await api.account())
    for role in ("branch", "operator"):
        await api("PUT", f"/v1/cards/{card}/contactless", {"enabled": False}, role=role, key="once")
    assert [entry["token"] for entry in await trail(api) if entry["kind"] == "set_contactless"] == ["test-branch"]


async def test_by_who_since_when_and_page_by_page(api: Api) -> None:
    """Each filter takes away what it says; the pages together are the whole trail."""
    account = await api.account()
    for role in ("branch", "operator", "branch"):
        await api("POST", f"/v1/accounts/{account}/loads", {"amount": 1, "reference": "r"}, role=role)
        await api("POST", "/v1/clock", {"advance_seconds": 60})
    whole = await trail(api)
    assert [entry["token"] for entry in whole] == ["test-operator", "test-branch", "test-operator", "test-branch"]
    assert await trail(api, who="test-branch") == whole[1::2]
    assert await trail(api, since="2026-06-15T10:01:00Z") == whole[2:]
    assert await trail(api, since="2026-06-15T10:02:00.001Z") == []
    pages, after = [], ""
    while True:
        page = (await api("GET", f"/v1/audit?limit=1&after={after}")).body
        pages += page["entries"]
        after = page["next"]
        if not page["more"]:
            break
    assert pages == whole


@pytest.mark.parametrize(
    ("query", "field"), [("since=2026-06-15T10:00:00", "since"), ("after=x", "after"), ("limit=0", "limit")]
)
async def test_a_wrong_question(api: Api, query: str, field: str) -> None:
    """400 with the field named."""
    answer = await api("GET", f"/v1/audit?{query}")
    assert (answer.status, answer.body["field"]) == (400, field)


async def test_an_auditor_reads_everything_and_changes_nothing(api: Api, refusals: list[tuple[str, str]]) -> None:
    """Every call of the API: what only reads is let through, every other is 403, and the journal is as long as before."""
    account = await api.account(load=100_00)
    card = await api.card(account)
    before = (await api("GET", f"/v1/accounts/{account}/journal")).body
    for method, path, body, _ in CALLS:
        real = path.replace("/accounts/none", f"/accounts/{account}").replace("/cards/none", f"/cards/{card}")
        answer = await api(method, real, body, role="auditor")
        assert (answer.status != 403) == (method == "GET"), (method, path)
        assert answer.status < 500
    assert (await api("GET", f"/v1/accounts/{account}/journal")).body == before
    assert refusals == [("role_too_weak", "auditor")] * sum(method != "GET" for method, *_ in CALLS)


@pytest.mark.parametrize("role", [None, "nobody", *Role])
async def test_who_may_not_is_counted(api: Api, refusals: list[tuple[str, str]], role: str | None) -> None:
    """An unknown token, or a role too weak: counted with the role; a call that is let through is not."""
    status = (
        await api("POST", "/v1/accounts/none/charges", {"kind": "fee", "amount": 1, "reference": "r"}, role=role)
    ).status
    expected = {401: [("unknown_token", "")], 403: [("role_too_weak", role)], 404: []}
    assert refusals == expected[status]


async def test_a_claim_of_a_file_is_an_order(api: Api) -> None:
    """A presentment that somebody posts through the API is theirs, unlike one that came by message."""
    card = await api.card(await api.account(load=100_00))
    claim = {
        "scheme": "mastercard", "rrn": "1", "authorization_code": "", "pan_or_card": card, "amount": 30_00, "currency": "985",
        "merchant_id": "SHOP", "mcc": "5411",
    }  # fmt: skip
    assert (await api("POST", "/v1/presentments", [claim])).status == 201
    entry = (await trail(api))[-1]
    assert (entry["token"], entry["kind"]) == ("test-operator", "presentment")
    assert (entry["before"]["balance"], entry["after"]["balance"]) == (100_00, 70_00)
