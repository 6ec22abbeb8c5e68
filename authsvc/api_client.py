"""The control API as the command line calls it: one request, its JSON, or the error the engine gave."""

from __future__ import annotations

import ssl
from typing import Any

import httpx

from authsvc.errors import AuthsvcError

TIMEOUT_SECONDS = 15.0


class RefusedError(AuthsvcError):
    """The engine said no; the message is its own."""


class ApiClient:
    """`base`: as "http://127.0.0.1:8580"; `token`: a bearer token of the control API; `ca`: PEM file of whom to trust for
    HTTPS, "" the system's. Raises RefusedError when that cannot be read."""

    def __init__(self, base: str, token: str, ca: str = "") -> None:
        try:
            trusted = ssl.create_default_context(cafile=ca or None)
        except OSError as error:  # ssl.SSLError is one
            raise RefusedError(f"--ca: {ca}: {error.strerror or error}") from error
        self._http = httpx.Client(
            base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=TIMEOUT_SECONDS, trust_env=False,
            verify=trusted,
        )  # fmt: skip

    def call(self, method: str, path: str, body: object = None, **query: str | int) -> Any:
        """The answer's JSON, None for an empty one. Raises RefusedError."""
        answer = self._request(method, path, body, query)
        return answer.json() if answer.content else None

    def text(self, method: str, path: str, **query: str | int) -> str:
        """The answer as it is. Raises RefusedError."""
        return self._request(method, path, None, query).text

    def _request(self, method: str, path: str, body: object, query: dict[str, str | int]) -> httpx.Response:
        try:
            answer = self._http.request(method, path, json=body, params=query)
        except httpx.TransportError as error:
            raise RefusedError(f"no engine answers at {self._http.base_url}: {type(error).__name__}") from error
        if answer.is_error:
            raise RefusedError(_said(answer))
        return answer


def _said(answer: httpx.Response) -> str:
    """The engine's words: what is wrong, which field or paragraph."""
    try:
        problem = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    words = [str(problem.get(name)) for name in ("field", "detail", "reason", "paragraph") if problem.get(name)]
    return f"HTTP {answer.status_code}: {': '.join(words)}"
