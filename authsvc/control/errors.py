"""Every refusal of the control API, as a value that answers it, and the handlers that turn exceptions into answers.

An answer never repeats what was sent: not a value, and of names only those that look like names. So no PAN, PIN or
token comes back or gets into a log, whatever field it was put into.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.openapi import ResponseSpec
from litestar.types import ExceptionHandlersMap
from msgspec import Struct

from authsvc.errors import AuthsvcError, LedgerDownError, StaleAccountError
from authsvc.ledger.journal import PanTakenError
from authsvc.logs import get_logger
from authsvc.model import Reason, Refused

RETRY_AFTER_SECONDS = "1"

_NAME = re.compile(r"(?!.*[0-9]{4})[A-Za-z\[][A-Za-z0-9_.\[\]-]{0,63}\Z")


class Problem(Struct, frozen=True, omit_defaults=True):
    """Why a call was not done. `field`: of the body, query or headers, the one that is wrong (400); `reason`, `rule`
    and `paragraph`: of the decision that refused it (409)."""

    detail: str
    field: str | None = None
    reason: Reason | None = None
    rule: str | None = None
    paragraph: str | None = None


PROBLEMS = {
    status: ResponseSpec(Problem, description=text, generate_examples=False)
    for status, text in {
        400: "the field named is wrong",
        401: "no or unknown token",
        403: "the role is too weak",
        404: "unknown id",
        409: "the change is forbidden; the paragraph says by what",
        503: "the ledger cannot be reached, or the account is too busy",
    }.items()
}
"""What each call under /v1 may answer besides its success, for the OpenAPI document."""


class ApiError(AuthsvcError):
    """A call ends with `status` and `problem`."""

    def __init__(self, status: HTTPStatus, problem: Problem, headers: dict[str, str] | None = None) -> None:
        super().__init__(problem.detail)
        self.status = status
        self.problem = problem
        self.headers = headers or {}


def bad_field(field: str, problem: str) -> ApiError:
    """400. `problem` says what is wrong with `field` ("" is the whole body) and never what its value was."""
    name = field if not field or _NAME.match(field) else "?"
    return ApiError(HTTPStatus.BAD_REQUEST, Problem(f"{name or 'body'}: {problem}", field=name))


def unauthorized() -> ApiError:
    problem = Problem("a known bearer token is needed")
    return ApiError(HTTPStatus.UNAUTHORIZED, problem, {"WWW-Authenticate": "Bearer"})


def role_too_weak(role: str) -> ApiError:
    return ApiError(HTTPStatus.FORBIDDEN, Problem(f"the role {role} may not do this"))


def unknown(what: str) -> ApiError:
    """404. `what`: "account", "card", "call"."""
    return ApiError(HTTPStatus.NOT_FOUND, Problem(f"no such {what}"))


def refused(outcome: Refused) -> ApiError:
    """409 with the paragraph: the change was decided, journaled, and is forbidden."""
    if outcome.reason is Reason.DUPLICATE:
        detail = "this Idempotency-Key came with another request before"
    else:
        detail = f"{outcome.reason.replace('_', ' ').lower()}, decided by {outcome.rule.replace('_', ' ')}"
        detail += f" ({outcome.paragraph})" if outcome.paragraph else ""
    problem = Problem(detail, reason=outcome.reason, rule=outcome.rule, paragraph=outcome.paragraph)
    return ApiError(HTTPStatus.CONFLICT, problem)


def conflict(detail: str) -> ApiError:
    """409 that no decision stands behind. `detail` is ours, and quotes nothing of the request."""
    return ApiError(HTTPStatus.CONFLICT, Problem(detail))


def unavailable(detail: str) -> ApiError:
    """503: it may be tried again."""
    return ApiError(HTTPStatus.SERVICE_UNAVAILABLE, Problem(detail), {"Retry-After": RETRY_AFTER_SECONDS})


AnyRequest = Request[Any, Any, Any]


def _on_api_error(_request: AnyRequest, error: ApiError) -> Response[Problem]:
    return Response(error.problem, status_code=error.status, headers=error.headers)


def _on_pan_taken(request: AnyRequest, _error: PanTakenError) -> Response[Problem]:
    problem = Problem("pan: another card has this number", field="pan", reason=Reason.CARD_EXISTS, paragraph="")
    return _on_api_error(request, ApiError(HTTPStatus.CONFLICT, problem))


def _on_ledger_down(request: AnyRequest, _error: LedgerDownError) -> Response[Problem]:
    return _on_api_error(request, unavailable("the ledger cannot be reached"))


def _on_stale_account(request: AnyRequest, _error: StaleAccountError) -> Response[Problem]:
    return _on_api_error(request, unavailable("the account is too busy"))


def _on_validation(request: AnyRequest, error: ValidationException) -> Response[Problem]:
    """What Litestar itself finds wrong: a query parameter, or a body that is not there (it calls that "data")."""
    extra = error.extra if isinstance(error.extra, list) else []
    name = str(extra[0].get("key", "")) if extra else ""
    if name == "data":
        return _on_api_error(request, bad_field("", "a JSON object is needed"))
    return _on_api_error(request, bad_field(name, "missing, or not of the right form"))


def _on_http(request: AnyRequest, error: HTTPException) -> Response[Problem]:
    """Litestar's own: no such path, wrong method, body too large. Its detail may quote the request: ours is fixed."""
    status = HTTPStatus(error.status_code)
    return _on_api_error(request, ApiError(status, Problem(status.phrase.lower()), dict(error.headers or {})))


def _on_fault(request: AnyRequest, error: Exception) -> Response[Problem]:
    """A bug, ours or a library's. `logs` says where it was raised and leaves out its message: it can quote a body."""
    get_logger(__name__).error("fault in the control API", method=request.method, exc_info=error)
    return _on_api_error(request, ApiError(HTTPStatus.INTERNAL_SERVER_ERROR, Problem("a fault on our side")))


EXCEPTION_HANDLERS: ExceptionHandlersMap = {
    ApiError: _on_api_error,
    PanTakenError: _on_pan_taken,
    LedgerDownError: _on_ledger_down,
    StaleAccountError: _on_stale_account,
    ValidationException: _on_validation,
    HTTPException: _on_http,
    Exception: _on_fault,
}
