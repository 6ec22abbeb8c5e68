"""The simulated clock, health, readiness, metrics, and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import pytest

from authsvc.clock import SimulatedClock
from authsvc.control.views import rfc3339
from authsvc.model import UnixMs

Api = Callable[..., Awaitable[Any]]
NOON = 1_781_517_600_000


@pytest.mark.parametrize(
    ("body", "then"),
    [
        ({"now": "2026-06-15T12:30:00+02:00"}, "2026-06-15T10:30:00Z"),
        ({"now": "2025-01-01T00:00:00Z"}, "2025-01-01T00:00:00Z"),
        ({"now": "2026-06-15T10:00:00.250Z"}, "2026-06-15T10:00:00.250000Z"),
        ({"advance_seconds": 60}, "2026-06-15T10:01:00Z"),
        ({"advance_seconds": -60}, "2026-06-15T09:59:00Z"),
        ({"advance_seconds": 0}, "2026-06-15T10:00:00Z"),
    ],
)
async def test_the_clock_moves(api: Api, engine: Any, body: dict[str, Any], then: str) -> None:
    """The simulated clock goes where it is told, back as well, and the engine's time is that."""
    answer = await api("POST", "/v1/clock", body)
    assert (answer.status, answer.body) == (200, {"now": then})
    assert rfc3339(engine.now()) == datetime.fromisoformat(then)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "now"),
        ({"now": "2026-06-15T10:00:00Z", "advance_seconds": 1}, "now"),
        ({"now": "1999-12-31T23:59:59Z"}, "now"),
        ({"now": "2100-01-01T00:00:00Z"}, "now"),
        ({"advance_seconds": 3_000_000_000}, "advance_seconds"),
        ({"advance_seconds": 1e40}, "advance_seconds"),
    ],
)
async def test_where_the_clock_does_not_go(api: Api, clock: SimulatedClock, body: dict[str, Any], field: str) -> None:
    """Exactly one of the two, and only within the century that two-digit years are read in."""
    answer = await api("POST", "/v1/clock", body)
    assert (answer.status, answer.body["field"], clock()) == (400, field, UnixMs(NOON))


async def test_the_wall_clock_cannot_be_moved(api_without_clock: Api) -> None:
    """When the clock is the system's, there is no such call."""
    assert (await api_without_clock("POST", "/v1/clock", {"advance_seconds": 1})).status == 404


async def test_health(api: Api) -> None:
    """A process that answers is alive; no token is needed."""
    assert (await api("GET", "/healthz", role=None)).status == 200


async def test_readiness(api: Api, ready: dict[str, bool]) -> None:
    """Ready while every dependency is; else 503, which names the one that fails."""
    answer = await api("GET", "/readyz", role=None)
    assert (answer.status, answer.body["ready"]) == (200, True)
    ready["ledger"] = False
    answer = await api("GET", "/readyz", role=None)
    assert (answer.status, answer.body["detail"]) == (503, "not ready: ledger")
    assert answer.body["dependencies"] == {"ledger": False, "redis": True}
    assert answer.body["useful"] == {"redis": False}  # told, and no reason against


async def test_metrics(api: Api) -> None:
    """Prometheus text, as it is, without a token."""
    answer = await api("GET", "/metrics", role=None)
    assert (answer.status, answer.text) == (200, "answers_total 1\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


@pytest.mark.parametrize("path", ["/schema", "/schema/openapi.json"])
async def test_the_openapi_document(api: Api, path: str) -> None:
    """The document needs no token and no other host; it names every call, its body and the bearer token."""
    answer = await api("GET", path, role=None)
    paths, components = answer.body["paths"], answer.body["components"]
    assert answer.status == 200
    assert "/v1/accounts/{account}/cards" in paths
    issue = paths["/v1/accounts/{account}/cards"]["post"]
    assert issue["security"] == [{"bearer": []}]
    assert {"201", "400", "401", "403", "404", "409", "503"} <= set(issue["responses"])
    body = components["schemas"]["IssueCardBody"]
    assert body["required"] == ["pin"]
    assert body["properties"]["pin"]["pattern"] == r"^[0-9]{4}$(?!\n)"
    assert paths["/v1/clock"]["post"]["requestBody"]
    assert "security" not in paths["/healthz"]["get"]
