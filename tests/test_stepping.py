"""What a message's coroutine may count on when no task runs it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from authsvc.stepping import Stepping


async def test_what_waits_for_nothing_is_over_at_once() -> None:
    said = []

    async def talk() -> None:
        said.append("done")

    Stepping(talk()).step()
    assert said == ["done"]


async def test_a_wait_is_gone_on_with_when_it_is_over() -> None:
    """In the order in which they waited, a turn of the loop after the future, as a task would."""
    said: list[object] = []
    wait: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def talk(name: str) -> None:
        said.append(name)
        said.append((name, await wait))

    for name in ("one", "two"):
        Stepping(talk(name)).step()
    assert said == ["one", "two"]
    wait.set_result("heard")
    assert said == ["one", "two"]
    await asyncio.sleep(0)
    assert said == ["one", "two", ("one", "heard"), ("two", "heard")]


async def test_an_error_is_raised_where_it_was_waited_for() -> None:
    said = []
    wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def talk() -> None:
        try:
            await wait
        except ValueError as error:
            said.append(str(error))

    Stepping(talk()).step()
    wait.set_exception(ValueError("lost"))
    await asyncio.sleep(0)
    assert said == ["lost"]


async def test_a_wait_that_is_cancelled_ends_it(caplog: pytest.LogCaptureFixture) -> None:
    """What it has to put in order it puts in order; nobody is told of an error."""
    said = []
    wait: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def talk() -> None:
        try:
            await wait
        finally:
            said.append("left")

    Stepping(talk()).step()
    wait.cancel()
    await asyncio.sleep(0)
    assert said == ["left"]
    assert not caplog.records


@pytest.mark.parametrize("waits", [False, True])
async def test_an_error_that_it_does_not_handle(waits: bool) -> None:
    """Whoever stepped it has others to step; the loop's handler is told."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))

    async def talk() -> None:
        if waits:
            await asyncio.sleep(0)
        raise ValueError("a bug")

    Stepping(talk()).step()
    await asyncio.sleep(0)
    assert [repr(context["exception"]) for context in told] == ["ValueError('a bug')"]


async def test_who_lets_others_go_first() -> None:
    said = []

    async def talk() -> None:
        await asyncio.sleep(0)
        said.append("after")

    asyncio.get_running_loop().call_soon(said.append, "before")
    Stepping(talk()).step()
    assert said == []
    await asyncio.sleep(0)
    assert said == ["before", "after"]


async def test_a_task_of_its_own_may_do_what_a_message_may_not() -> None:
    """As `PostgresLedger` does for asyncpg: a time limit is a task's."""
    said: list[object] = []

    async def limited() -> str:
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return "in time"

    async def talk() -> None:
        try:
            await limited()
        except RuntimeError as error:
            said.append(type(error))
        said.append(await asyncio.create_task(limited()))

    asyncio.get_running_loop().call_soon(Stepping(talk()).step)  # as from a link: there is no task around it
    async with asyncio.timeout(5):
        while len(said) < 2:
            await asyncio.sleep(0)
    assert said == [RuntimeError, "in time"]
