"""Calls refused for want of a right, counted and logged: somebody tries what is not theirs, or a token has run out."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Literal

from litestar.types import Scope

from authsvc.control.errors import ApiError
from authsvc.control.roles import Token
from authsvc.logs import get_logger

Refusal = Literal["unknown_token", "role_too_weak"]
CountRefused = Callable[[Refusal, str], None]
"""Why, and the role of the token, "" of an unknown one."""

CAUSES: dict[HTTPStatus, Refusal] = {
    HTTPStatus.UNAUTHORIZED: "unknown_token",
    HTTPStatus.FORBIDDEN: "role_too_weak",
}
log = get_logger(__name__)


def watch(count: CountRefused) -> Callable[[Exception, Scope], None]:
    """A Litestar hook. The line says who (id and role of the token, address), and which call: its route, never the path that
    was sent, which could hold anything."""

    def look(error: Exception, scope: Scope) -> None:
        cause = CAUSES.get(error.status) if isinstance(error, ApiError) else None
        if cause is None:
            return
        token = scope.get("auth")
        name, role = (token.name, token.role.value) if isinstance(token, Token) else ("", "")
        count(cause, role)
        client = scope.get("client")
        log.warning(
            "call refused", cause=cause, token_id=name, role=role, method=str(scope.get("method", "")),
            route=str(scope.get("path_template", "")), peer=client[0] if client else "",
        )  # fmt: skip

    return look
