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


async def test_those_of_an_account_keep_their_order(api: Any, pay: Pay) -> None:
    """Accounts are posted to side by side; two parts and the rest of each hold, in the order of the list; each outcome is at
    its own place."""
    paid = []
    for _ in range(5):
        account, card = await bps_card(api)
        paid.append((account, card, (await pay(account, card, 60_00)).request.origin.rrn))
    parts = ((10_00, False), (20_00, False), (35_00, True), (1_00, True))
    body = [claim(card, amount, rrn=rrn, final=final) for amount, final in parts for _, card, rrn in paid]
    told = (await api("POST", "/v1/presentments", body)).body
    assert [(one["account"], one["amount"]) for one in told] == [
        (account, amount) for amount, _ in parts for account, _, _ in paid
    ]
    assert [tuple(one["flags"]) for one in told] == [()] * 10 + [("above_hold",)] * 5 + [("twice",)] * 5


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
    first = (await api("POST", "/v1/presentments", body, key="file-1")).body
    again = (await api("POST", "/v1/presentments", body, key="file-1")).body
    assert [one["repeated"] for one in first + again] == [False, False, True, True]
    assert again == [{**one, "repeated": True} for one in first]
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 980_00


async def test_under_its_reference_each_is_posted_once(api: Any) -> None:
    """However the list is cut, and whatever the key of the list; another content under the same reference is refused."""
    account, card = await bps_card(api)
    one, two = (claim(card, 10_00, reference=f"file:{number}") for number in (1, 2))
    for body, key in (([one], ""), ([one, two], "k"), ([two, one], "")):
        assert (await api("POST", "/v1/presentments", body, key=key)).status == 201
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 980_00
    other = await api("POST", "/v1/presentments", [{**one, "amount": 11_00}])
    assert (other.body[0]["outcome"], other.body[0]["reason"]) == ("refused", "DUPLICATE")


# -------------------------------------------------------------------------------------- reversals of presentments


@pytest.mark.parametrize("kind", ["purchase", "refund"])
async def test_a_presentment_is_reversed_by_its_names(api: Any, kind: str) -> None:
    """P §10.6, W §14.3: the money goes back where it came from; the same reversal again moves nothing."""
    account, card = await bps_card(api)
    names = {"rrn": "RRN000000007", "authorization_code": "A1B2C3", "kind": kind}
    await api("POST", "/v1/presentments", [claim(card, 60_00, **names)])
    back = [claim(card, 60_00, **names, reversal=True, reference="back-1")]
    (first,) = (await api("POST", "/v1/presentments", back)).body
    assert (first["outcome"], first["amount"]) == ("reversed", 60_00 if kind == "refund" else -60_00)
    (again,) = (await api("POST", "/v1/presentments", back)).body
    assert again == {**first, "repeated": True}
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 1_000_00


@pytest.mark.parametrize(
    "but",
    [
        {"rrn": "RRN000000008"}, {"authorization_code": "OTHER1"}, {"amount": 59_99}, {"kind": "refund"},
        {"currency": "978"}, {"decision": "acc-x:2"},
    ],
)  # fmt: skip
async def test_a_reversal_of_nothing_is_refused(api: Any, but: dict[str, object]) -> None:
    """Each of its names has to fit. Nothing is remembered: an authorization of that RRN is not stopped by it."""
    account, card = await bps_card(api)
    names = {"rrn": "RRN000000007", "authorization_code": "A1B2C3"}
    await api("POST", "/v1/presentments", [claim(card, 60_00, **names)])
    back = claim(card, 60_00, **names, reversal=True) | but
    (refused,) = (await api("POST", "/v1/presentments", [back])).body
    assert (refused["outcome"], refused["reason"]) == ("refused", "ORIGINAL_NOT_FOUND")
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 940_00


async def test_each_of_two_equal_ones_is_reversed_once(api: Any) -> None:
    """A third reversal finds none that is still whole."""
    account, card = await bps_card(api)
    one = claim(card, 60_00)
    await api("POST", "/v1/presentments", [one, one])
    back = {**one, "reversal": True}
    told = (await api("POST", "/v1/presentments", [back, back, back])).body
    assert [outcome["outcome"] for outcome in told] == ["reversed", "reversed", "refused"]
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 1_000_00


async def test_the_decision_names_which_of_two_equal_ones(api: Any) -> None:
    account, card = await bps_card(api)
    one = claim(card, 60_00)
    first, _ = (await api("POST", "/v1/presentments", [one, one])).body
    back = {**one, "reversal": True, "decision": first["decision"]}
    told = (await api("POST", "/v1/presentments", [back, back])).body
    assert [outcome["outcome"] for outcome in told] == ["reversed", "refused"]
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 940_00


async def test_long_after_it_was_presented(api: Any) -> None:
    """Twenty others have pushed it out of the account's document: the journal finds it by its RRN, as it is now."""
    account, card = await bps_card(api)
    old = claim(card, 60_00, rrn="RRN000000007")
    await api("POST", "/v1/presentments", [old] + [claim(card, 1_00, rrn=f"RRN1000000{n:02}") for n in range(20)])
    back = {**old, "reversal": True}
    others = [claim(card, 1_00, rrn=f"RRN2000000{n:02}") for n in range(20)]
    told = (await api("POST", "/v1/presentments", [back, *others, back])).body
    assert (told[0]["outcome"], told[-1]["outcome"]) == ("reversed", "refused")
    assert (await api("GET", f"/v1/accounts/{account}")).body["balance"] == 960_00


async def test_it_does_not_touch_the_hold(api: Any, pay: Pay) -> None:
    """A part was claimed and is taken back: the rest of the hold stays as the claim left it."""
    account, card = await bps_card(api)
    paid = await pay(account, card, 60_00)
    part = claim(card, 25_00, rrn=paid.request.origin.rrn, final=False)
    await api("POST", "/v1/presentments", [part, {**part, "reversal": True}])
    view = (await api("GET", f"/v1/accounts/{account}")).body
    assert (view["balance"], view["held"]) == (1_000_00, 35_00)


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
        ([claim("card", 10_00, reference="a b")], "[0].reference"),
        ([claim("card", 10_00), claim("card", 10_00, rrn="", reversal=True)], "[1].rrn"),
        ([claim("card", 10_00, decision="acc-1:5")], "[0].decision"),
    ],
)
async def test_one_wrong_claim_posts_none(api: Any, body: object, field: str) -> None:
    """The list is read whole before anything is posted; what is wrong is named by its place."""
    answer = await api("POST", "/v1/presentments", body)
    assert (answer.status, answer.body["field"]) == (400, field)
