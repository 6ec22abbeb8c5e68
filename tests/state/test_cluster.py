"""The copy on a cluster: each account on the node of its slot, whatever moves, joins or dies meanwhile (law 4)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from cluster_servers import Cluster, cluster
from redis.crc import key_slot

from authsvc.config import cluster_addresses
from authsvc.errors import ConfigError, StateDownError
from authsvc.state.cluster import ClusterConnection
from authsvc.state.fields import key_of_account

NAMES = [f"acc-{number}" for number in range(60)]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("cluster")) as made:
        yield made


@pytest.fixture
async def connection(servers: Cluster) -> AsyncIterator[ClusterConnection]:
    made = ClusterConnection(servers.url, timeout_ms=1_000)
    await made.start()
    yield made
    await made.close()


def slot_of(account: str) -> int:
    return key_slot(key_of_account(account).encode())


def owner(servers: Cluster, slot: int) -> int:
    """Which node has it now."""
    for first, last, master, *_ in servers.nodes[0].execute_command("CLUSTER", "SLOTS"):
        if first <= slot <= last:
            return servers.ports.index(master[1])
    raise AssertionError(slot)


async def test_every_account_is_on_the_node_of_its_slot(servers: Cluster, connection: ClusterConnection) -> None:
    """Commands go where the key is, at once: nothing is ever redirected while nothing moves."""
    await asyncio.gather(*(connection.call("SET", key_of_account(name), name) for name in NAMES))
    found = await asyncio.gather(*(connection.call("GET", key_of_account(name)) for name in NAMES))
    assert found == [name.encode() for name in NAMES]
    assert all(node.dbsize() > 0 for node in servers.nodes)
    stats = [str(node.execute_command("INFO", "errorstats")) for node in servers.nodes]
    assert "MOVED" not in "".join(stats)


async def test_a_slot_that_has_moved_is_followed(servers: Cluster, connection: ClusterConnection) -> None:
    """MOVED: the command goes on, the map is mended, and whoever asks sees nothing of it."""
    slot = slot_of("acc-1")
    await connection.call("SET", key_of_account("acc-1"), "one")
    source = owner(servers, slot)
    servers.move(slot, source, (source + 1) % 3)
    assert await connection.call("GET", key_of_account("acc-1")) == b"one"
    assert await connection.call("SET", key_of_account("acc-1"), "two") == b"OK"
    assert servers.nodes[(source + 1) % 3].get(key_of_account("acc-1")) == "two"


async def test_a_slot_that_is_just_moving_is_asked_for_at_both_ends(
    servers: Cluster, connection: ClusterConnection
) -> None:
    """ASK: what is still at the source is found there, what has gone over at the target; the map stays as it is."""
    slot = slot_of("acc-2")
    await connection.call("SET", key_of_account("acc-2"), "here")
    source = owner(servers, slot)
    target = (source + 1) % 3
    servers.begin_move(slot, source, target)
    assert await connection.call("GET", key_of_account("acc-2")) == b"here"
    servers.move_keys(slot, source, target)
    assert await connection.call("GET", key_of_account("acc-2")) == b"here"
    servers.end_move(slot, target)
    assert await connection.call("GET", key_of_account("acc-2")) == b"here"


async def test_many_ask_for_a_slot_that_is_just_moving(servers: Cluster, connection: ClusterConnection) -> None:
    """ASKING counts for the next command of its link, and a node's questions are spread over several links."""
    slot = slot_of("acc-3")
    await connection.call("SET", key_of_account("acc-3"), "there")
    source = owner(servers, slot)
    target = (source + 1) % 3
    servers.begin_move(slot, source, target)
    servers.move_keys(slot, source, target)
    there = await asyncio.gather(
        *(connection.call("GET", key_of_account("acc-3")) for _ in range(200)), return_exceptions=True
    )
    servers.end_move(slot, target)
    assert set(map(str, there)) == {str(b"there")}


async def test_slots_move_while_everybody_asks(servers: Cluster, connection: ClusterConnection) -> None:
    """Counters that are raised all the time lose nothing, while their slots go round."""
    stop, raised = False, dict.fromkeys(NAMES, 0)

    async def raise_one(name: str) -> None:
        while not stop:
            try:
                await connection.call("INCR", f"count:{{{name}}}")
                raised[name] += 1
            except StateDownError:
                await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(raise_one(name)) for name in NAMES]
    for name in NAMES[:12]:
        slot = key_slot(f"count:{{{name}}}".encode())
        source = owner(servers, slot)
        await asyncio.to_thread(servers.move, slot, source, (source + 1) % 3)
    stop = True
    await asyncio.gather(*tasks)
    found = await asyncio.gather(*(connection.call("GET", f"count:{{{name}}}") for name in NAMES))
    # TRYAGAIN and the like are told as "down" though the command was not done; what was counted must all be there.
    assert all(int(there) >= counted > 0 for there, counted in zip(found, raised.values(), strict=True))


async def test_an_error_that_is_no_redirection_is_the_caller_s(connection: ClusterConnection) -> None:
    """As with one Redis: the caller knows what it means."""
    await connection.call("SET", "text:{acc-3}", "x")
    reply = await connection.call("INCR", "text:{acc-3}")
    assert "integer" in str(reply)


async def test_a_master_that_dies_takes_its_slots_along(tmp_path: Path) -> None:
    """What it had is "down", so the journal is read; the others go on."""
    told: list[bool] = []
    with cluster(tmp_path / "mortal") as servers:
        connection = ClusterConnection(servers.url, timeout_ms=500, on_up=told.append)
        await connection.start()
        await asyncio.gather(*(connection.call("SET", key_of_account(name), name) for name in NAMES))
        servers.kill(2)
        await asyncio.sleep(0.2)
        down = 0
        for name in NAMES:
            try:
                assert await connection.call("GET", key_of_account(name)) == name.encode()
            except StateDownError:
                down += 1
        assert 0 < down < len(NAMES)
        assert connection.up
        await connection.close()
    assert told == [True]


async def test_masters_leave_while_two_look(tmp_path: Path) -> None:
    """Both looks come to the same map, and each node is let go of once."""
    with cluster(tmp_path / "leaving") as servers:
        connection = ClusterConnection(servers.url, timeout_ms=500)
        await connection.start()
        all_on_one = [(0, 16_383, ("127.0.0.1", servers.ports[0]))]
        await asyncio.gather(connection._take(all_on_one), connection._take(all_on_one))
        assert set(connection._nodes) == {("127.0.0.1", servers.ports[0])}
        await connection.close()


async def test_no_node_at_all(tmp_path: Path) -> None:
    """Nothing raises but StateDownError, and a start does not wait for ever."""
    connection = ClusterConnection("redis+cluster://127.0.0.1:1", timeout_ms=100)
    await connection.start()
    assert not connection.up
    with pytest.raises(StateDownError):
        await connection.call("GET", "x")
    await connection.close()
    assert tmp_path.exists()


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("redis+cluster://a:1,b:2", [("a", 1), ("b", 2)]),
        ("redis+cluster://me:secret@a", [("a", 6379)]),
        ("redis+cluster://[::1]:7000", [("::1", 7000)]),
    ],
)
def test_what_names_a_cluster(url: str, found: list[tuple[str, int]]) -> None:
    assert cluster_addresses(url) == found


@pytest.mark.parametrize(
    "url", ["redis+cluster://", "redis+cluster://a:x", "redis+cluster://a/3", "redis+cluster://a,,b", "redis://a"]
)
def test_what_names_none(url: str) -> None:
    """Named by its key, and without the URL: it may hold a password."""
    with pytest.raises(ConfigError, match=r"redis\.url") as raised:
        cluster_addresses(url)
    assert "://a" not in str(raised.value).replace("://host", "")
