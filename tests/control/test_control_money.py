"""Transfers and presentments, from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

Api = Callable[..., Awaitable[Any]]
Pay = Callable[..., Any]

IBAN = "PL61109010140000071219812874"
PAN = "5575290000000001"


async def bps_card(api: Any, load: int = 1_000_00, **more: object) -> tuple[str, str]:
    account = await api.account("prepaid-bps", load=load)
    return account, await api.card(account, **more)


def order(card: str, **but: object) -> dict[str, object]:
    return {"card": card, "amount": 100_00, "iban": IBAN, "reference": "rent", **but}


# ------------------------------------------------------------------------------------------------------ transfers


@pytest.mark.parametrize(
    "iban", [IBAN, "61109010140000071219812874", "PL61 1090 1014 0000 0712 1981 2874", IBAN.lower()]
)
async def test_a_transfer_is_posted_with_its_fee(api: Any, iban: str) -> None:
    """W §2: it is cash; the amount and the fee leave the account, and the day's cash limit is used by the amount."""
    account, card = await bps_card(api)
    answer = await api("POST", f"/v1/accounts/{account}/transfers", order(card, iban=iban))
    assert answer.status == 201
    assert {name: answer.body[name] for name in ("account", "amount", "fee", "balance")} == {
        "account": account, "amount": 100_00, "fee": 5_00, "balance": 895_00,
    }  # fmt: skip
    assert (await api("GET", f"/v1/cards/{card}")).body["used_today"]["cash"] == 100_00
    assert (await api("GET", f"/v1/accounts/{account}")).body["available"] == 895_00


@pytest.mark.parametrize(
    ("but", "status", "field"),
    [
        ({"iban": "PL61109010140000071219812875"}, 400, "iban"),  # a check digit
        ({"iban": "61109010140000071219"}, 400, "iban"),
        ({"amount": 0}, 400, "amount"),
        ({"amount": "100"}, 400, "amount"),
        ({"reference": ""}, 400, "reference"),
        ({"card": "card-nobody"}, 404, None),
        ({"currency": "EUR"}, 400, "currency"),  # PLN only (S §14.3): there is no such field
    ],
)
async def test_what_is_wrong_with_an_order_is_named(
    api: Any, but: dict[str, object], status: int, field: str | None
) -> None:
    """What an account number, an amount and a card are; and PLN alone, so there is no currency to name (S §14.3)."""
    account, card = await bps_card(api)
    answer = await api("POST", f"/v1/accounts/{account}/transfers", {**order(card), **but})
    assert (answer.status, answer.body.get("field")) == (status, field)


@pytest.mark.parametrize(
    ("but", "reason", "paragraph"),
    [
        ({"iban": "DE89370400440532013000"}, "NOT_ALLOWED", "W §2"),
        ({"iban": "PL42600000020260123456789012"}, "NOT_ALLOWED", "W §2"),  # social security
        ({"amount": 995_01}, "INSUFFICIENT_FUNDS", "W §10.1"),
        ({"amount": 5_000_01}, "CASH_LIMIT", "W §10.1.1"),
    ],
)
async def test_a_forbidden_one_says_by_what(api: Any, but: dict[str, object], reason: str, paragraph: str) -> None:
    account, card = await bps_card(api)
    answer = await api("POST", f"/v1/accounts/{account}/transfers", order(card, **but))
    assert (answer.status, answer.body["reason"]) == (409, reason)
    assert paragraph in answer.body["paragraph"]
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 1_000_00


async def test_the_same_order_again_moves_nothing(api: Any) -> None:
    account, card = await bps_card(api)
    first = await api("POST", f"/v1/accounts/{account}/transfers", order(card), key="t1")
    assert (await api("POST", f"/v1/accounts/{account}/transfers", order(card), key="t1")).body == first.body
    other = await api("POST", f"/v1/accounts/{account}/transfers", order(card, amount=1_00), key="t1")
    assert (other.status, other.body["reason"]) == (409, "DUPLICATE")
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 895_00


async def test_of_another_account_s_card_nothing_is_sent(api: Any) -> None:
    account, _ = await bps_card(api)
    _, other = await bps_card(api)
    assert (await api("POST", f"/v1/accounts/{account}/transfers", order(other))).status == 404


# --------------------------------------------------------------------------------------------------- presentments


def claim(pan_or_card: str, amount: int, **but: object) -> dict[str, object]:
    return {
        "scheme": "mastercard", "rrn": "RRN000000001", "authorization_code": "", "pan_or_card": pan_or_card,
        "amount": amount, "currency": "985", "merchant_id": "MERCHANT0000001", "mcc": "5411", **but,
    }  # fmt: skip


async def test_each_is_posted_and_told(api: Any, pay: Pay) -> None:
    """One outcome each, in their order: by PAN, by card, without authorization, of a card nobody knows."""
    account, card = await bps_card(api, pan=PAN)
    paid = await pay(account, card, 60_00)
    body = [
        claim(card, 60_00, rrn=paid.request.origin.rrn),
        claim(PAN, 7_00, rrn="RRN999999999", final=False),
        claim("5575290000000019", 1_00),
        claim("card-nobody", 1_00),
        claim(card, 20_00, rrn="RRN999999998", kind="refund"),
    ]
    answer = await api("POST", "/v1/presentments", body)
    assert answer.status == 201
    told = [(one["outcome"], one["amount"], one["matched"], one["flags"], one["reason"]) for one in answer.body]
    assert told == [
        ("posted", 60_00, "open hold", [], None),
        ("posted", 7_00, "no authorization", ["no_authorization"], None),
        ("refused", None, None, [], "UNKNOWN_CARD"),
        ("refused", None, None, [], "UNKNOWN_CARD"),
        ("posted", -20_00, "refund", [], None),
    ]
    assert answer.body[0]["hold"] == paid.outcome.hold
    view = (await api("GET", f"/v1/accounts/{account}")).body
    assert (view["balance"], view["held"]) == (1_000_00 - 60_00 - 7_00 + 20_00, 0)
    assert PAN not in answer.text


async def test_by_its_authorization_code(api: Any, pay: Pay) -> None:
    account, card = await bps_card(api)
    paid = await pay(account, card, 60_00)
    code = paid.answer.authorization_code
    (one,) = (await api("POST", "/v1/presentments", [claim(card, 65_00, rrn="", authorization_code=code)])).body
    assert (one["matched"], one["flags"]) == ("open hold", ["above_hold"])


async def test_a_foreign_one_that_the_scheme_converted(api: Any) -> None:
    """`billing_amount` in PLN is taken as it is (rulebook section 5)."""
    account, card = await bps_card(api)
    body = [claim(card, 10_000, currency="392", billing_amount=250_00)]
    (one,) = (await api("POST", "/v1/presentments", body)).body
    assert (one["outcome"], one["amount"]) == ("posted", 250_00)
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 750_00


async def test_under_a_key_each_is_posted_once(api: Any) -> None:
    """Two equal claims are two; the same list again is none."""
    account, card = await bps_card(api)
    body = [claim(card, 10_00), claim(card, 10_00)]
    first = await api("POST", "/v1/presentments", body, key="file-1")
    assert (await api("POST", "/v1/presentments", body, key="file-1")).body == first.body
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 980_00


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, ""),
        ([claim("card", 0)], "[0].amount"),
        ([claim("card", 10_00), claim("card", 10_00, mcc="54")], "[1].mcc"),
        ([claim("card", 10_00, currency="złoty")], "[0].currency"),
        ([claim("card", 10_00, scheme="amex")], "[0].scheme"),
        ([claim("card", 10_00, kind="transfer")], "[0].kind"),
        ([claim("card", 10_00, cvv2="123")], "[0].cvv2"),
    ],
)
async def test_one_wrong_claim_posts_none(api: Any, body: object, field: str) -> None:
    """The list is read whole before anything is posted; what is wrong is named by its place."""
    answer = await api("POST", "/v1/presentments", body)
    assert (answer.status, answer.body["field"]) == (400, field)
