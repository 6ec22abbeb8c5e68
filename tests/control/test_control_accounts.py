"""The calls on accounts, from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Api = Callable[..., Awaitable[Any]]
Pay = Callable[..., Any]
LARGEST = 999_999_999_999


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"product": "prepaid-bps"}, 201, None),
        ({"product": "prepaid-sgb-minor", "holder": "Jan Kowalski"}, 201, None),
        ({"product": "credit-business", "credit_limit": LARGEST}, 201, None),
        ({"product": "credit-business"}, 400, "credit_limit"),
        ({"product": "credit-business", "credit_limit": 0}, 400, "credit_limit"),
        ({"product": "prepaid-bps", "credit_limit": 1}, 400, "credit_limit"),
        ({"product": "none"}, 400, "product"),
        ({"product": "nonsense"}, 400, "product"),
        ({}, 400, "product"),
    ],
)
async def test_opening_an_account(api: Api, body: dict[str, Any], status: int, field: str | None) -> None:
    """A known product; a credit limit exactly where the product lives on one."""
    answer = await api("POST", "/v1/accounts", body)
    assert answer.status == status
    assert answer.body.get("field") == field


async def test_a_new_account_as_it_is_read(api: Api) -> None:
    """An account shows its product, its money, its cards and its holds; a prepaid one has no credit limit."""
    account = await api.account("prepaid-bps", load=100_00, holder="Jan Kowalski")
    card = await api.card(account, pan="5575290000000001")
    answer = await api("GET", f"/v1/accounts/{account}")
    assert answer.body == {
        "account": account, "product": "prepaid-bps", "status": "open", "holder": "Jan Kowalski", "balance": 100_00,
        "held": 0, "available": 100_00, "credit_limit": None,
        "cards": [{"card": card, "status": "active", "last4": "0001"}], "holds": [],
    }  # fmt: skip


async def test_holds_are_shown_while_they_last(api: Api, pay: Pay) -> None:
    """A hold takes from what is available and shows what made it; once expired it is neither listed nor held."""
    account = await api.account("prepaid-bps", load=100_00)
    card = await api.card(account)
    decision = await pay(account, card, 30_00)
    view = (await api("GET", f"/v1/accounts/{account}")).body
    assert (view["balance"], view["held"], view["available"]) == (100_00, 30_00, 70_00)
    hold = view["holds"][0]
    assert hold == {
        "hold": decision.outcome.hold, "card": card, "amount": 30_00, "created": "2026-06-15T10:00:00Z",
        "expires": "2026-06-22T10:00:00Z", "rrn": decision.request.origin.rrn, "stan": "000001",
        "authorization_code": decision.answer.authorization_code, "terminal": "TERM0001", "merchant": "MERCHANT0000001",
    }  # fmt: skip
    await api("POST", "/v1/clock", {"now": "2026-06-22T10:00:00Z"})
    view = (await api("GET", f"/v1/accounts/{account}")).body
    assert (view["held"], view["available"], view["holds"]) == (0, 100_00, [])


async def test_a_credit_account(api: Api, pay: Pay) -> None:
    """Available on a credit account: its limit, less debt and holds; paying above the debt adds to it."""
    account = await api.account("credit-business", credit_limit=500_00)
    await pay(account, await api.card(account), 50_00)
    await api("POST", f"/v1/accounts/{account}/loads", {"amount": 1_00, "reference": "r"})
    view = (await api("GET", f"/v1/accounts/{account}")).body
    assert (view["credit_limit"], view["held"], view["balance"], view["available"]) == (500_00, 50_00, 1_00, 451_00)


async def test_a_load(api: Api) -> None:
    """A load answers with its decision and the balance right after it."""
    account = await api.account()
    answer = await api("POST", f"/v1/accounts/{account}/loads", {"amount": 5, "reference": "salary"})
    assert (answer.status, answer.body) == (
        201,
        {"decision": f"{account}:2", "account": account, "amount": 5, "balance": 5},
    )


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("GET", "", None),
        ("POST", "/loads", {"amount": 1, "reference": "r"}),
        ("GET", "/journal", None),
        ("POST", "/cards", {"pin": "1234"}),
        ("POST", "/transfers", {"card": "c", "amount": 1, "iban": "PL61109010140000071219812874", "reference": "r"}),
    ],
)
async def test_unknown_accounts(api: Api, method: str, tail: str, body: object) -> None:
    """An unknown account is 404 in every call."""
    assert (await api(method, f"/v1/accounts/nobody{tail}", body)).status == 404


async def test_the_journal_is_read_page_by_page(api: Api) -> None:
    """Decisions come in order; `after` goes on where the last page ended; after the last one there is nothing."""
    account = await api.account(load=1)
    await api.card(account)
    kinds = [line["kind"] for line in (await api("GET", f"/v1/accounts/{account}/journal")).body]
    assert kinds == ["open_account", "load", "issue_card", "activate_card"]
    page = (await api("GET", f"/v1/accounts/{account}/journal?after=1&limit=2")).body
    assert [line["seq"] for line in page] == [2, 3]
    assert (await api("GET", f"/v1/accounts/{account}/journal?after=4")).body == []


@pytest.mark.parametrize(("query", "field"), [("after=-1", "after"), ("after=x", "after"), ("limit=0", "limit")])
async def test_a_bad_page(api: Api, query: str, field: str) -> None:
    """A query that makes no sense is 400 and names the parameter."""
    answer = await api("GET", f"/v1/accounts/{await api.account()}/journal?{query}")
    assert (answer.status, answer.body["field"]) == (400, field)


async def test_refusals_of_messages_with_unknown_pans_can_be_read(api: Api, pay: Pay) -> None:
    """What was asked with an unknown PAN stands in a journal too, under a name that is no account."""
    await pay("stray-0", "")
    assert (await api("GET", "/v1/accounts/stray-0")).status == 404
    assert (await api("GET", "/v1/accounts/stray-0/journal")).body[0]["reason"] == "UNKNOWN_CARD"
