"""Links that are open, for people."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest


@pytest.mark.parametrize(("role", "status"), [("auditor", 200), ("operator", 200), ("portal", 403)])
async def test_links(api: Callable[..., Awaitable[Any]], role: str, status: int) -> None:
    """By listener, the longest silent first; a portal has no business with them."""
    answer = await api("GET", "/v1/links", role=role)
    assert answer.status == status
    if status == 200:
        seen = [(link["listener"], link["peer"], link["silent_seconds"], link["paused"]) for link in answer.body]
        assert seen == [
            ("atm", "10.1.2.5:4000", 1.0, []),
            ("main", "10.1.2.4:4000", 71.3, ["full"]),
            ("main", "10.1.2.3:4000", 0.2, []),
        ]
        main = answer.body[2]
        assert (main["answered"], main["refused"], main["open_seconds"]) == (90, 3, 3600.0)
