"""What a running engine does, changed through the API: product files, what is logged. Who did it is in the trail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from authsvc import logs

Api = Callable[..., Awaitable[Any]]


@pytest.fixture(autouse=True)
def _level_as_it_was() -> Iterator[None]:
    before = logs.level()
    yield
    logs.set_level(before)


async def test_log_level_and_sampling(api: Api) -> None:
    """What is given changes, what is not stays; the trail says who wanted it."""
    assert (await api("PUT", "/v1/log", {"level": "error", "messages_one_in": 10})).body == {
        "level": "error",
        "messages_one_in": 10,
    }
    assert logs.level() == "error"
    assert (await api("PUT", "/v1/log", {"level": "debug"})).body == {"level": "debug", "messages_one_in": 10}
    assert (await api("GET", "/v1/log", role="auditor")).body == {"level": "debug", "messages_one_in": 10}
    entries = (await api("GET", "/v1/audit")).body["entries"]
    assert [(entry["token"], entry["kind"], entry["decision"]) for entry in entries] == [
        ("test-operator", "operate", "bank:1"), ("test-operator", "operate", "bank:2"),
    ]  # fmt: skip
    steps = [decision["trace"][0]["inputs"] for decision in (await api("GET", "/v1/accounts/bank/journal")).body]
    assert steps == [{"log": "error, messages one in 10"}, {"log": "debug, messages one in 10"}]


@pytest.mark.parametrize(
    ("body", "field"), [({"level": "loud"}, "level"), ({"messages_one_in": -1}, "messages_one_in")]
)
async def test_no_such_setting(api: Api, body: dict[str, Any], field: str) -> None:
    """400 with the field named, and nothing changed."""
    before = (await api("GET", "/v1/log")).body
    answer = await api("PUT", "/v1/log", body)
    assert (answer.status, answer.body["field"]) == (400, field)
    assert (await api("GET", "/v1/log")).body == before


async def test_a_reload(api: Api, problems: list[str]) -> None:
    """200 with the version in force; 409 says what is wrong with the files."""
    assert (await api("POST", "/v1/reload")).body == (await api("GET", "/v1/products")).body == {"version": "v1"}
    problems.append("prepaid-bps.toml: no")
    answer = await api("POST", "/v1/reload")
    assert (answer.status, answer.body["detail"]) == (409, "prepaid-bps.toml: no")
