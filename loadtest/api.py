"""The control API of a running engine, as much of it as the story and the load need. Money in grosze."""

from __future__ import annotations

import random
from datetime import datetime
from typing import Any

import httpx

from loadtest.messages import Card, luhn

TIMEOUT_SECONDS = 15.0
EXPIRY = "4912"
"""Of cards made here, YYMM. Fixed, so that making the same card again next month is the same call."""
NOT_FOUND = 404
BINS = {"credit-business": "418039"}
MASTERCARD_BIN = "557529"


class ApiError(Exception):
    """The engine did not answer, or said no; the message says which call and why."""


class Api:
    """`base`: as "http://127.0.0.1:8580". May be used by several threads at once."""

    def __init__(self, base: str, token: str) -> None:
        headers = {"authorization": f"Bearer {token}"}
        self.base = base
        self._http = httpx.Client(base_url=base, headers=headers, timeout=TIMEOUT_SECONDS, trust_env=False)

    def call(self, method: str, path: str, body: dict[str, Any] | None = None, once: str = "", **query: str) -> Any:
        """The JSON of a success, None for an empty one. `once`: idempotency key. Raises ApiError."""
        answer = self._request(method, path, body, once, query)
        if answer.is_error:
            raise ApiError(f"{method} {path}: HTTP {answer.status_code}: {answer.text[:300]}")
        return answer.json() if answer.content else None

    def _request(
        self, method: str, path: str, body: dict[str, Any] | None, once: str, query: dict[str, str]
    ) -> httpx.Response:
        headers = {"idempotency-key": once} if once else {}
        try:
            return self._http.request(method, path, json=body, params=query, headers=headers)
        except httpx.TransportError as error:
            raise ApiError(f"no engine answers at {self.base}: {type(error).__name__}") from error

    def ready(self) -> bool:
        """Whether an engine is there and takes messages."""
        try:
            return self._request("GET", "/readyz", None, "", {}).is_success
        except ApiError:
            return False

    def simulated_now(self) -> datetime | None:
        """What a simulated clock shows; None when the engine runs on the system's."""
        answer = self._request("POST", "/v1/clock", {"advance_seconds": 0}, "", {})
        if answer.status_code == NOT_FOUND:
            return None
        if answer.is_error:
            raise ApiError(f"POST /v1/clock: HTTP {answer.status_code}: {answer.text[:300]}")
        return datetime.fromisoformat(answer.json()["now"])

    def set_clock(self, now: datetime) -> None:
        self.call("POST", "/v1/clock", {"now": now.isoformat()})

    def open_account(self, product: str, load: int = 0, credit_limit: int = 0, once: str = "") -> str:
        """A new account of `product` with `load` paid in; `credit_limit`: for a credit product."""
        body: dict[str, Any] = {"product": product, "holder": "loadtest"}
        if credit_limit:
            body["credit_limit"] = credit_limit
        account = str(self.call("POST", "/v1/accounts", body, once and f"{once}-open")["account"])
        if load:
            paid = {"amount": load, "reference": "loadtest"}
            self.call("POST", f"/v1/accounts/{account}/loads", paid, once and f"{once}-load")
        return account

    def issue_card(
        self, account: str, pan: str, pin: str, limits: dict[str, int] | None = None, once: str = ""
    ) -> Card:
        """A new card, activated. `limits`: day limits by name; of a credit product it may spend the whole limit."""
        body: dict[str, Any] = {"pan": pan, "pin": pin, "expiry": EXPIRY, "limits": limits or {}}
        issued = self.call("POST", f"/v1/accounts/{account}/cards", body, once and f"{once}-card")
        if issued["status"] == "inactive":
            self.call("POST", f"/v1/cards/{issued['card']}/activate", once=once and f"{once}-activate")
        return Card(pan, EXPIRY, pin, account, issued["card"])

    def account(self, account: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/v1/accounts/{account}"))

    def card(self, card: str) -> dict[str, Any]:
        return dict(self.call("GET", f"/v1/cards/{card}"))

    def decisions(self, rrn: str, stan: str, account: str) -> list[dict[str, Any]]:
        """The decisions on one message, newest first."""
        return list(self.call("GET", "/v1/decisions", rrn=rrn, stan=stan, account=account))


def pan_of(product: str, number: int) -> str:
    """The PAN with this number (below 10**9) in the demo BIN of `product`."""
    assert 0 <= number < 10**9
    return luhn(f"{BINS.get(product, MASTERCARD_BIN)}{number:09}")


def fresh_pan(product: str) -> str:
    """A PAN that nobody has, very likely."""
    return pan_of(product, random.randrange(10**9))
