"""One link, many commands: order, loss, lateness, signing on."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import hiredis
import pytest
import redis

from authsvc.errors import ConfigError, StateDownError
from authsvc.state.connection import RedisConnection
from authsvc.state.embedded import EmbeddedValkey


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.005)


async def test_replies_answer_their_own_commands(connection: RedisConnection) -> None:
    """A thousand commands under way at once each get their own reply, whatever its kind."""
    await connection.call("SET", "text", b"\x00\r\n\xff")
    echoes, kinds = await asyncio.gather(
        asyncio.gather(*(connection.call("ECHO", f"{n}") for n in range(1000))),
        asyncio.gather(connection.call("GET", "text"), connection.call("GET", "none"), connection.call("DBSIZE")),
    )
    assert echoes == [f"{n}".encode() for n in range(1000)]
    assert kinds == [b"\x00\r\n\xff", None, 1]


async def test_an_error_reply_is_a_value(connection: RedisConnection) -> None:
    """Redis saying no to one command harms neither the link nor the next command."""
    refused, pong = await asyncio.gather(connection.call("NOSUCH", "x"), connection.call("PING"))
    assert isinstance(refused, hiredis.ReplyError)
    assert pong == b"PONG"


async def test_one_who_gives_up_does_not_shift_the_replies(connection: RedisConnection) -> None:
    """A cancelled call leaves its reply to nobody, not to the next one."""
    given_up = asyncio.create_task(connection.call("ECHO", "given up"))
    kept = asyncio.create_task(connection.call("ECHO", "kept"))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await kept == b"kept"
    assert await connection.call("ECHO", "after") == b"after"


async def test_down_fails_at_once_and_comes_back(valkey: EmbeddedValkey) -> None:
    """Without Redis a call fails without waiting; the link returns by itself when Redis does, and says so each time."""
    told: list[bool] = []
    connection = RedisConnection(valkey.url, on_up=told.append)
    await connection.start()
    await valkey.stop()
    await until(lambda: not connection.up)
    with pytest.raises(StateDownError):
        await connection.call("PING")
    replies: list[object] = []
    connection.send("PING", on_reply=replies.append)
    assert [type(reply) for reply in replies] == [StateDownError]
    await valkey.start()
    await until(lambda: connection.up)
    assert await connection.call("PING") == b"PONG"
    await connection.close()
    assert told == [True, False, True]  # being closed is no news


async def test_nobody_waits_for_a_stalled_redis(valkey: EmbeddedValkey, admin: redis.Redis) -> None:
    """When Redis stalls, who waits is told within the timeout, and the link is down until Redis answers again."""
    connection = RedisConnection(valkey.url, timeout_ms=200)
    await connection.start()
    admin.client_pause(600, all=True)
    results = await asyncio.gather(*(connection.call("PING") for _ in range(100)), return_exceptions=True)
    assert {type(result) for result in results} == {StateDownError}
    assert not connection.up  # they were told before Redis woke, else they would have their replies
    await until(lambda: connection.up)
    assert await connection.call("PING") == b"PONG"
    await connection.close()


async def test_a_long_turn_of_ours_is_not_a_stall_of_redis(connection: RedisConnection) -> None:
    """A reply that waits in the socket while our own loop was busy beyond the timeout is still taken."""
    waiting = [asyncio.create_task(connection.call("PING")) for _ in range(10)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    time.sleep(0.4)  # what is forbidden in the engine
    assert await asyncio.gather(*waiting) == [b"PONG"] * 10
    assert connection.up


async def test_two_long_turns_of_ours_are_not_a_stall_of_redis(connection: RedisConnection) -> None:
    """What is sent in a long turn leaves after it; its time begins then. The next turn may be as long."""
    loop = asyncio.get_running_loop()
    loop.call_soon(lambda: loop.call_soon(time.sleep, 0.4))  # in the next turn, before what is sent in this one leaves
    waiting = [asyncio.create_task(connection.call("PING")) for _ in range(10)]
    await asyncio.sleep(0)
    time.sleep(0.4)
    assert await asyncio.gather(*waiting) == [b"PONG"] * 10
    assert connection.up


async def test_a_question_overtakes_what_redis_is_told(connection: RedisConnection) -> None:
    """They are on links of their own: who asks does not wait for the megabytes that were told before."""
    told: list[object] = []
    await connection.call("SET", "asked", "1")
    for n in range(20):
        connection.send("SET", f"told {n}", b"x" * 4_000_000, on_reply=told.append)
    assert await connection.call("GET", "asked") == b"1"
    assert len(told) < 20
    await until(lambda: len(told) == 20)
    assert set(told) == {b"OK"}  # type: ignore[comparison-overlap]


@pytest.mark.parametrize("kind", ["asked", "told"])
async def test_one_link_takes_the_other_along(connection: RedisConnection, admin: redis.Redis, kind: str) -> None:
    """Whichever of the two is lost: both are made anew, and work."""
    ids: list[object] = []
    connection.send("CLIENT", "ID", on_reply=ids.append)
    await until(lambda: bool(ids))
    lost = ids[0] if kind == "told" else await connection.call("CLIENT", "ID")
    admin.client_kill_filter(_id=str(lost))
    await until(lambda: not connection.up)
    await until(lambda: connection.up)
    ids.clear()
    connection.send("CLIENT", "ID", on_reply=ids.append)
    await until(lambda: bool(ids))
    assert lost not in (ids[0], await connection.call("CLIENT", "ID"))


async def test_killed_while_calls_are_under_way(valkey: EmbeddedValkey, connection: RedisConnection) -> None:
    """SIGKILL of Redis: every call ends, with its reply or with StateDownError."""
    await connection.call("SET", "big", b"x" * 100_000)
    calls = [asyncio.create_task(connection.call("GET", "big")) for _ in range(500)]
    await asyncio.sleep(0.002)
    assert valkey.pid is not None
    os.kill(valkey.pid, signal.SIGKILL)
    async with asyncio.timeout(2):
        results = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(result) for result in results} <= {bytes, StateDownError}


async def test_signs_on_by_the_url(
    valkey: EmbeddedValkey, admin: redis.Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    """User, password and database come from the URL; a wrong password leaves the link down and out of the log."""
    admin.acl_setuser("engine", enabled=True, passwords=["+s3cret@/"], keys=["*"], commands=["+@all"])
    right = RedisConnection(f"unix://engine:s3cret%40%2F@{valkey.socket_path}?db=0")
    wrong = RedisConnection(f"unix://engine:other@{valkey.socket_path}")
    await right.start()
    await wrong.start()
    assert await right.call("ACL", "WHOAMI") == b"engine"
    assert not wrong.up
    assert "other" not in capsys.readouterr().err
    await right.close()
    await wrong.close()


async def test_a_server_that_is_no_redis_is_down() -> None:
    """Garbage in place of replies, or no reply at all, is a Redis that is down, over TCP as well."""

    async def babble(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    server = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    connection = RedisConnection(f"redis://127.0.0.1:{port}/3")
    await connection.start()
    assert not connection.up
    await connection.close()
    server.close()


async def test_unreachable_at_the_start_is_no_error(tmp_path: Path) -> None:
    """The engine starts without Redis."""
    connection = RedisConnection(f"unix://{tmp_path}/none.sock")
    await connection.start()
    assert not connection.up
    await connection.close()


@pytest.mark.parametrize(
    "url", ["http://x", "redis+cluster://x:1", "redis://", "unix://", "redis://h:port", "redis://h/x"]
)
def test_wrong_urls(url: str) -> None:
    """A URL that names no Redis is a ConfigError naming the setting."""
    with pytest.raises(ConfigError, match=r"redis\.url"):
        RedisConnection(url)
