"""Who may do what: the table of `roles`, seen from outside."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from litestar import Litestar
from litestar.routes import HTTPRoute

from authsvc.control.roles import ALLOWED, Action, Role

Api = Callable[..., Awaitable[Any]]

FAILED_3DS = {"amount": 1, "currency": "985", "merchant_id": "M", "outcome": "failed"}
TRANSFER = {"card": "none", "amount": 1, "iban": "PL61109010140000071219812874", "reference": "r"}
CLAIM = [
    {
        "scheme": "visa",
        "rrn": "",
        "authorization_code": "",
        "pan_or_card": "none",
        "amount": 1,
        "currency": "985",
        "merchant_id": "",
        "mcc": "5411",
    }
]
CHARGE = {"kind": "fee", "amount": 1, "reference": "r"}
CALLS = [
    ("POST", "/v1/accounts", {"product": "prepaid-bps"}, Action.OPEN_ACCOUNT),
    ("GET", "/v1/accounts/none", None, Action.READ),
    ("POST", "/v1/accounts/none/loads", {"amount": 1, "reference": "r"}, Action.LOAD),
    ("POST", "/v1/accounts/none/transfers", TRANSFER, Action.TRANSFER),
    ("POST", "/v1/accounts/none/charges", CHARGE, Action.CHARGE),
    ("GET", "/v1/accounts/none/statement", None, Action.READ),
    ("POST", "/v1/presentments", CLAIM, Action.PRESENT),
    ("GET", "/v1/accounts/none/journal", None, Action.READ),
    ("POST", "/v1/accounts/none/cards", {"pin": "1234"}, Action.ISSUE_CARD),
    ("GET", "/v1/cards/none", None, Action.READ),
    ("POST", "/v1/cards/none/activate", None, Action.ACTIVATE),
    ("POST", "/v1/cards/none/block", {"kind": "lost", "by": "holder"}, Action.BLOCK),
    ("POST", "/v1/cards/none/unblock", None, Action.UNBLOCK),
    ("POST", "/v1/cards/none/unblock-pin", None, Action.UNBLOCK_PIN),
    ("PUT", "/v1/cards/none/limits", {"cash": 0}, Action.SET_LIMITS),
    ("PUT", "/v1/cards/none/contactless", {"enabled": True}, Action.SET_CONTACTLESS),
    ("PUT", "/v1/cards/none/pin", {"pin": "1234"}, Action.SET_PIN),
    ("POST", "/v1/cards/none/three-ds", FAILED_3DS, Action.THREE_DS),
    ("POST", "/v1/cards/none/unlock-3ds", None, Action.UNLOCK_3DS),
    ("PUT", "/v1/cards/none/trusted-merchants/M", None, Action.SET_TRUSTED),
    ("DELETE", "/v1/cards/none/trusted-merchants/M", None, Action.SET_TRUSTED),
    ("POST", "/v1/cards/none/renew", None, Action.RENEW_CARD),
    ("POST", "/v1/cards/none/replace", {"pin": "1234"}, Action.REPLACE_CARD),
    ("POST", "/v1/cards/none/duplicate", {"cause": "damaged"}, Action.DUPLICATE_CARD),
    ("POST", "/v1/cards/none/virtual-cards", None, Action.SET_VIRTUAL),
    ("DELETE", "/v1/cards/none/virtual-cards/none", None, Action.SET_VIRTUAL),
    ("POST", "/v1/accounts/none/status", {"status": "closed"}, Action.SET_ACCOUNT_STATUS),
    ("GET", "/v1/decisions?rrn=1", None, Action.READ),
    ("GET", "/v1/decisions/recent", None, Action.READ),
    ("GET", "/v1/audit", None, Action.AUDIT),
    ("GET", "/v1/links", None, Action.AUDIT),
    ("GET", "/v1/products", None, Action.READ),
    ("POST", "/v1/reload", None, Action.RELOAD),
    ("GET", "/v1/log", None, Action.READ),
    ("PUT", "/v1/log", {}, Action.SET_LOG),
    ("POST", "/v1/clock", {"advance_seconds": 0}, Action.MOVE_CLOCK),
]

OPERATORS_OWN = {Action.RELOAD, Action.SET_LOG}
NEW_PLASTIC = {Action.RENEW_CARD, Action.REPLACE_CARD, Action.DUPLICATE_CARD, Action.SET_ACCOUNT_STATUS}
FORBIDDEN = {
    Role.OPERATOR: set(),
    Role.BRANCH: OPERATORS_OWN | {Action.AUDIT, Action.MOVE_CLOCK, Action.THREE_DS, Action.PRESENT, Action.CHARGE},
    Role.HOTLINE: {
        Action.SET_PIN,  # S §12.4, W §13.5, P §7.5
        Action.SET_LIMITS,  # S §23.2, W §10.2, P §3.5
        Action.SET_CONTACTLESS,  # S §16.8, W §12.7
        Action.SET_TRUSTED,  # S §18.9.6, W §9.5
        Action.AUDIT,
        Action.CHARGE,
        Action.MOVE_CLOCK,
        Action.THREE_DS,
        Action.PRESENT,
        Action.OPEN_ACCOUNT,
        Action.LOAD,
        Action.ISSUE_CARD,
    }
    | NEW_PLASTIC
    | OPERATORS_OWN,
    Role.PORTAL: {
        Action.AUDIT,
        Action.CHARGE,
        Action.PRESENT,
        Action.THREE_DS,
        Action.UNLOCK_3DS,
        Action.MOVE_CLOCK,
        Action.OPEN_ACCOUNT,
        Action.LOAD,
        Action.ISSUE_CARD,
        Action.UNBLOCK_PIN,
    }
    | NEW_PLASTIC
    | OPERATORS_OWN,
    Role.AUDITOR: set(Action) - {Action.READ, Action.AUDIT},
}


@pytest.mark.parametrize("role", Role)
async def test_each_role_may_do_what_the_table_says(api: Api, role: Role) -> None:
    """A role too weak gets 403, before anything is looked up; any other answer means that it was let through."""
    got = {action for method, path, body, action in CALLS if (await api(method, path, body, role=role)).status == 403}
    assert got == FORBIDDEN[role]
    assert set(Action) - ALLOWED[role] == FORBIDDEN[role]


@pytest.mark.parametrize(("method", "path", "body", "_action"), CALLS)
@pytest.mark.parametrize("role", [None, "nobody"])
async def test_no_token_no_answer(
    api: Api, method: str, path: str, body: object, _action: Action, role: str | None
) -> None:
    """Without a known token every call is 401, whatever else is wrong with it."""
    answer = await api(method, path, body, role=role)
    assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer ", "Basic dGVzdDp0ZXN0", "test-operator", "Bearer test-operatorx"]
)
async def test_what_is_no_bearer_token(api: Api, header: str) -> None:
    """Only `Bearer` and the very token count."""
    response = await api._client.get("/v1/decisions?rrn=1", headers={"authorization": header})
    assert response.status_code == 401


async def test_a_portal_blocks_for_its_user_not_for_the_bank(api: Api) -> None:
    """A portal may block on behalf of holder and user; a block by the bank is the bank's own (403)."""
    card = await api.card(await api.account())
    for by, status in [("bank", 403), ("user", 200), ("holder", 200)]:
        body = {"kind": "temporary", "by": by}
        assert (await api("POST", f"/v1/cards/{card}/block", body, role="portal")).status == status


def test_every_call_under_v1_is_in_this_table(app_with: Callable[[Any], Litestar], clock: Any) -> None:
    """A call that is added without a right of its own, or without a row above, fails here."""
    handlers = {
        (method, handler.opt.get("action"))
        for route in app_with(clock).routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/v1")
        for method, (handler, _) in route.route_handler_map.items()
        if method != "OPTIONS"
    }
    assert handlers == {(method, action) for method, _, _, action in CALLS}
