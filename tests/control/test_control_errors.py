"""Faults and refusals as HTTP answers: the right status, a problem document, and nothing that was sent."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog

from authsvc import logs
from authsvc.control.errors import bad_field, refused
from authsvc.errors import LedgerDownError, StaleAccountError
from authsvc.ledger.journal import PanTakenError
from authsvc.model import Reason, Refused

Api = Callable[..., Awaitable[Any]]
PAN = "4111111111111111"


@pytest.mark.parametrize(
    ("fault", "status", "retry"),
    [(LedgerDownError("x"), 503, "1"), (StaleAccountError("x"), 503, "1"), (PanTakenError("x"), 409, None)],
)
async def test_faults_of_the_engine(api: Api, engine: Any, fault: Exception, status: int, retry: str | None) -> None:
    """No ledger and a lost race may be tried again; a PAN that another card has is a conflict that names the field."""
    account = await api.account()
    engine.fault = fault
    answer = await api("POST", f"/v1/accounts/{account}/cards", {"pin": "1234", "pan": PAN})
    assert (answer.status, answer.headers.get("retry-after")) == (status, retry)
    assert (answer.body.get("field") == "pan") == isinstance(fault, PanTakenError)


async def test_a_bug_is_500_and_tells_nobody_what_was_sent(api: Api, engine: Any) -> None:
    """An unforeseen exception is answered 500; the log says where it was raised, and neither repeats its message."""
    account, log = await api.account(), io.StringIO()
    engine.fault = RuntimeError(f"cannot work with {PAN}")
    before = structlog.get_config()
    logs.configure("info", log)
    try:
        answer = await api("POST", f"/v1/accounts/{account}/cards", {"pin": "1234", "pan": PAN})
    finally:
        structlog.configure(**before)
    assert (answer.status, answer.body) == (500, {"detail": "a fault on our side"})
    assert "RuntimeError" in log.getvalue()
    assert PAN not in log.getvalue()


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/", None, 404),
        ("GET", "/v1/nothing", None, 404),
        ("POST", "/v1/presentment", [], 404),
        ("PATCH", "/v1/accounts", {}, 405),
        ("POST", "/v1/accounts", {"product": "x" * 70_000}, 413),
    ],
)
async def test_what_litestar_refuses_itself(api: Api, method: str, path: str, body: object, status: int) -> None:
    """Unknown paths, wrong methods and bodies too large have the same form of answer as all else."""
    answer = await api(method, path, body)
    assert answer.status == status
    assert set(answer.body) == {"detail"}


async def test_a_body_that_is_not_there(api: Api) -> None:
    """A call that needs a body and gets none is 400 like any bad body."""
    answer = await api("POST", "/v1/accounts")
    assert (answer.status, answer.body["field"]) == (400, "")


@pytest.mark.parametrize("raw", ["{", "\x00", '"text"', "nu11", '{"product": "\\ud800"}', "[" * 5000])
async def test_a_body_that_is_no_object(api: Api, raw: str) -> None:
    """Whatever bytes come, the answer is 400."""
    assert (await api("POST", "/v1/accounts", raw=raw)).status == 400


def test_a_refusal_carries_reason_and_paragraph() -> None:
    """409 says which rule of which regulation forbids the change."""
    error = refused(Refused(Reason.NOT_ALLOWED, "unblock", "S §22.4"))
    assert (error.status, error.problem.reason, error.problem.paragraph) == (409, Reason.NOT_ALLOWED, "S §22.4")
    assert "S §22.4" in error.problem.detail


def test_a_field_that_is_no_name_is_not_repeated() -> None:
    """The name of an unknown field comes from the sender, who may have put anything there."""
    assert bad_field(PAN, "unknown field").problem.field == "?"
    assert bad_field("limits.cash", "x").problem.field == "limits.cash"
