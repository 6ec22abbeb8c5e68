"""Charges, statements, billing periods and the trial balance, from outside."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Api = Callable[..., Awaitable[Any]]
Pay = Callable[..., Any]

DAY = "2026-06-15T00:00:00Z"
NEXT = "2026-06-16T00:00:00Z"


async def charge(api: Any, account: str, kind: str, amount: int, **more: object) -> Any:
    body = {"kind": kind, "amount": amount, "reference": "per tariff", **more}
    return await api("POST", f"/v1/accounts/{account}/charges", body)


@pytest.mark.parametrize("product", ["prepaid-bps", "prepaid-sgb"])
async def test_a_fee_goes_into_the_red(api: Any, product: str) -> None:
    """W §21.3, P §17.6."""
    account = await api.account(product)
    answer = await charge(api, account, "fee", 5_00)
    assert (answer.status, answer.body["balance"]) == (201, -5_00)
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == -5_00


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"kind": "tip"}, 400, "kind"),
        ({"kind": "purchase"}, 400, "kind"),
        ({"amount": 0}, 400, "amount"),
        ({"card": "nobody's"}, 404, None),
        ({"kind": "write_off"}, 409, None),  # nothing is owed
    ],
)
async def test_what_is_wrong_with_a_charge(api: Any, body: dict[str, Any], status: int, field: str | None) -> None:
    account = await api.account("prepaid-bps")
    answer = await charge(api, account, **{"kind": "fee", "amount": 1_00, **body})
    assert (answer.status, answer.body.get("field")) == (status, field)


async def test_a_charge_is_made_once_under_its_key(api: Any) -> None:
    account = await api.account("prepaid-bps")
    body = {"kind": "fee", "amount": 1_00, "reference": "r"}
    for _ in range(2):
        await api("POST", f"/v1/accounts/{account}/charges", body, key="c1")
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == -1_00


async def test_a_statement(api: Any, pay: Pay) -> None:
    """Opening, every posting, closing; they add up (S §28.4)."""
    account = await api.account("prepaid-bps", load=100_00)
    card = await api.card(account)
    await pay(account, card, 60_00)  # a hold is no posting
    await charge(api, account, "fee", 5_00)
    answer = await api("GET", f"/v1/accounts/{account}/statement?since={DAY}&until={NEXT}")
    made = answer.body
    assert answer.status == 200
    assert (made["opening"], made["closing"], made["since"]) == (0, 95_00, DAY)
    assert [(line["kind"], line["amount"], line["balance"]) for line in made["lines"]] == [
        ("load", 100_00, 100_00), ("fee", -5_00, 95_00),
    ]  # fmt: skip
    later = (await api("GET", f"/v1/accounts/{account}/statement?since={NEXT}&until=2026-06-17T00:00:00Z")).body
    assert (later["opening"], later["closing"], later["lines"]) == (95_00, 95_00, [])


async def test_a_statement_as_csv(api: Any) -> None:
    account = await api.account("prepaid-bps", load=100_00)
    answer = await api("GET", f"/v1/accounts/{account}/statement?format=csv")
    assert answer.headers["content-type"].startswith("text/csv")
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert (row["kind"], row["amount"], row["currency"]) == ("load", "10000", "")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (f"since={NEXT}&until={DAY}", "since"),
        (f"since={DAY}&until={DAY}", "since"),
        ("since=2020-01-01T00:00:00Z", "since"),
        ("since=yesterday", "since"),
        ("since=2026-06-15T00:00:00", "since"),
        ("format=pdf", "format"),
    ],
)
async def test_what_is_wrong_with_a_period(api: Any, query: str, field: str) -> None:
    account = await api.account("prepaid-bps")
    answer = await api("GET", f"/v1/accounts/{account}/statement?{query}")
    assert (answer.status, answer.body["field"]) == (400, field)


async def test_a_billing_period(api: Any) -> None:
    """S §2.31, §28.4: the debt before and at its end, what was repaid, what is still available and what is owed for."""
    account = await api.account("credit-business", credit_limit=1_000_00)
    await charge(api, account, "interest", 3_00)
    await charge(api, account, "fee", 7_00)
    await api("POST", f"/v1/accounts/{account}/loads", {"amount": 5_00, "reference": "repayment"})
    made = (await api("GET", f"/v1/accounts/{account}/billing?month=2026-07")).body
    assert (made["period_first"], made["period_last"], made["closes"]) == ("2026-06-08", "2026-07-07", "2026-07-07")
    assert (made["debt_before"], made["debt"], made["repaid"], made["charged"]) == (0, 5_00, 5_00, 10_00)
    assert (made["owed"], made["available"], made["credit_limit"]) == ({"fee": 5_00}, 995_00, 1_000_00)
    assert len(made["lines"]) == 3
    earlier = (await api("GET", f"/v1/accounts/{account}/billing?month=2026-06")).body
    assert (earlier["debt"], earlier["lines"]) == (0, [])


@pytest.mark.parametrize(("product", "month", "field"), [
    ("prepaid-bps", "2026-07", "account"), ("credit-business", "2026-13", "month"), ("credit-business", "July", "month"),
])  # fmt: skip
async def test_what_has_no_billing_period(api: Any, product: str, month: str, field: str) -> None:
    more = {"credit_limit": 1_000_00} if product == "credit-business" else {}
    account = await api.account(product, **more)
    answer = await api("GET", f"/v1/accounts/{account}/billing?month={month}")
    assert (answer.status, answer.body["field"]) == (400, field)


async def test_the_trial_balance(api: Any) -> None:
    """All accounts of the general ledger; debits above zero, credits below, and nothing left over."""
    account = await api.account("credit-business", credit_limit=1_000_00)
    await charge(api, account, "fee", 7_00)
    other = await api.account("prepaid-bps", load=100_00)
    card = await api.card(other)
    order = {"card": card, "amount": 10_00, "iban": "PL61109010140000071219812874", "reference": "rent"}
    await api("POST", f"/v1/accounts/{other}/transfers", order)
    answer = (await api("GET", "/v1/trial-balance")).body
    assert answer["accounts"] == {
        "cardholder": 7_00 - 85_00, "fees": -12_00, "loads": 100_00, "transfers_out": -10_00,
    }  # fmt: skip
    assert answer["sum"] == 0
    assert (await api("GET", f"/v1/trial-balance?until={DAY}")).body["accounts"] == {}
