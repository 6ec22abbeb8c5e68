"""A Redis or Valkey Cluster behind the same few calls as one Redis: each key's commands go to the master of its slot.

The map of slots is asked of the cluster and may be out of date at any moment. MOVED corrects it and the command goes on to
where it belongs, ASK sends it once to where its slot is moving; after a few hops, and for everything else that a cluster says
when it is busy with itself, the answer is StateDownError: the caller reads the journal (law 4).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from typing import Protocol

import hiredis
from redis.crc import key_slot

from authsvc.config import cluster_addresses
from authsvc.errors import StateDownError
from authsvc.logs import get_logger
from authsvc.state.connection import RedisConnection
from authsvc.state.redis_link import OnReply, Reply, Word

log = get_logger(__name__)

HOPS = 3
"""How often one command is sent on: once for a stale map, once for a slot that is just moving, once more."""
SLOTS = 16_384
REFRESH_SECONDS = 0.2
"""Least time between two looks at the map: a slot that moves must not make every message look."""
WATCH_SECONDS = 1.0
SLOTS_REMEMBERED = 100_000
BUSY = ("CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "LOADING", "READONLY")
BY_SCRIPT = frozenset({b"EVAL", b"EVALSHA"})

Address = tuple[str, int]
_slot_of = lru_cache(maxsize=SLOTS_REMEMBERED)(key_slot)


class Put(Protocol):
    """On which of a node's links: `RedisConnection.send` or `.ask`."""

    def __call__(self, node: RedisConnection, /, *words: Word, on_reply: OnReply) -> None: ...


class ClusterConnection:
    """What `RedisConnection` is for one server. One of those for each master, kept up by itself; `on_up` is told when the first
    becomes reachable and when the last is gone."""

    def __init__(self, url: str, *, timeout_ms: int = 50, on_up: Callable[[bool], None] | None = None) -> None:
        """`url`: redis+cluster://host:port,host:port (ConfigError otherwise): any of its nodes, to begin with."""
        self._seeds = cluster_addresses(url)
        self._credentials = url.partition("://")[2].rpartition("@")[0]
        self._timeout_ms = timeout_ms
        self._on_up = on_up
        self._nodes: dict[Address, RedisConnection] = {}
        self._slots: list[Address | None] = [None] * SLOTS
        self._looking: asyncio.Task[None] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._was_up = False

    @property
    def up(self) -> bool:
        """Whether any master can be reached; what belongs to another is StateDownError."""
        return any(node.up for node in self._nodes.values())

    async def start(self) -> None:
        """Ask the seeds for the map, and look again now and then. Returns after the first attempt, whether it worked or not."""
        await self._look()
        self._watch = asyncio.create_task(self._keep_looking())

    async def close(self) -> None:
        for task in (self._watch, self._looking):
            if task is not None:
                task.cancel()
                await asyncio.wait([task])
        for node in self._nodes.values():
            await node.close()

    def send(self, *words: Word, on_reply: OnReply) -> None:
        """Tell a node something about one key. `on_reply` is called once, with the reply or StateDownError."""
        self._put(RedisConnection.send, words, on_reply)

    async def call(self, *words: Word) -> Reply:
        """Ask a node something about one key and wait for its reply. Raises StateDownError when there is none in time."""
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._put(RedisConnection.ask, words, answer.set_result)
        reply = await answer
        if type(reply) is StateDownError:
            raise StateDownError(*reply.args)
        return reply

    def _put(self, on: Put, words: tuple[Word, ...], on_reply: OnReply) -> None:
        address = self._slots[_slot_of(_key_of(words))]
        node = self._nodes.get(address) if address is not None else None
        if node is None:
            self._look_soon()
            on_reply(StateDownError("no node of the cluster has this slot"))
        else:
            on(node, *words, on_reply=partial(self._replied, on, words, on_reply, HOPS))

    # ------------------------------------------------------------------------------------------- redirections

    def _replied(
        self, on: Put, words: tuple[Word, ...], on_reply: OnReply, hops: int, reply: Reply | StateDownError
    ) -> None:  # fmt: skip
        """Hand the reply on; or the command, when the cluster says that it belongs elsewhere."""
        if not isinstance(reply, hiredis.ReplyError):
            if type(reply) is StateDownError:
                self._look_soon()  # its node may be gone, and another have its slots
            on_reply(reply)
            return
        word, _, rest = str(reply).partition(" ")
        if word in ("MOVED", "ASK") and hops:
            self._send_on(on, words, on_reply, hops - 1, rest, asking=word == "ASK")
        elif word in ("MOVED", "ASK", *BUSY):
            self._look_soon()
            on_reply(StateDownError(f"the cluster says {word}"))
        else:
            on_reply(reply)

    def _send_on(
        self, on: Put, words: tuple[Word, ...], on_reply: OnReply, hops: int, where: str, *, asking: bool
    ) -> None:  # fmt: skip
        slot, address = _target(where)
        node = self._nodes.get(address)
        if not asking:
            self._slots[slot] = address
            self._look_soon()
        if node is None:  # a node that we do not know yet: the next look finds it
            self._look_soon()
            on_reply(StateDownError("the cluster names a node that is new to us"))
            return
        put = on
        if asking:  # it counts for the next command of the same link, and questions are spread over several
            put = RedisConnection.send
            put(node, "ASKING", on_reply=_ignored)
        put(node, *words, on_reply=partial(self._replied, on, words, on_reply, hops))

    # ------------------------------------------------------------------------------------------------ the map

    def _look_soon(self) -> None:
        """Look at the map again, once for all who want it."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(self._look_after_a_while())

    async def _look_after_a_while(self) -> None:
        await asyncio.sleep(REFRESH_SECONDS)
        await self._look()

    async def _keep_looking(self) -> None:
        """Nodes join and leave also when nobody asks for what they have."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            self._tell()
            if not self.up or any(not node.up for node in self._nodes.values()):
                await self._look()

    async def _look(self) -> None:
        """Take the map of the first node that has one."""
        for address in dict.fromkeys((*self._nodes, *self._seeds)):
            found = await self._map_of(address)
            if found:
                await self._take(found)
                break
        self._tell()

    async def _map_of(self, address: Address) -> list[tuple[int, int, Address]]:
        node, known = self._nodes.get(address), True
        if node is None:
            node, known = self._connection(address), False
            await node.start()
        try:
            return _ranges(await node.call("CLUSTER", "SLOTS"), address)
        except StateDownError:
            return []
        finally:
            if not known:
                await node.close()

    async def _take(self, found: list[tuple[int, int, Address]]) -> None:
        """Connect to new masters, point the slots, let go of nodes that have none."""
        masters = {address for _, _, address in found}
        for address in masters - set(self._nodes):
            self._nodes[address] = self._connection(address)
            await self._nodes[address].start()
        slots: list[Address | None] = [None] * SLOTS
        for first, last, address in found:
            slots[first : last + 1] = [address] * (last + 1 - first)
        self._slots = slots
        # All out of the map before anything is awaited: another look may be here meanwhile.
        for node in [self._nodes.pop(address) for address in set(self._nodes) - masters]:
            await node.close()

    def _connection(self, address: Address) -> RedisConnection:
        credentials = f"{self._credentials}@" if self._credentials else ""
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        return RedisConnection(f"redis://{credentials}{host}:{address[1]}", timeout_ms=self._timeout_ms)

    def _tell(self) -> None:
        if self.up is not self._was_up:
            self._was_up = self.up
            log.info("redis cluster is up" if self.up else "redis cluster is down", count=len(self._nodes))
            if self._on_up is not None:
                self._on_up(self._was_up)


def _key_of(words: tuple[Word, ...]) -> bytes:
    """The key of a command: after the script and the number of keys, or right after the command."""
    key = words[3] if words[0] in BY_SCRIPT else words[1]
    return key.encode() if isinstance(key, str) else bytes(key) if isinstance(key, bytes) else str(key).encode()


def _target(where: str) -> tuple[int, Address]:
    """ "3999 127.0.0.1:6381": slot and address."""
    slot, _, address = where.partition(" ")
    host, _, port = address.rpartition(":")
    return int(slot), (host, int(port))


def _ranges(reply: Reply, asked: Address) -> list[tuple[int, int, Address]]:
    """CLUSTER SLOTS as (first, last, master). An empty host means the one that was asked."""
    if not isinstance(reply, list):
        return []
    rows: Iterable[list[Reply]] = reply
    return [(first, last, ((master[0] or b"").decode() or asked[0], master[1])) for first, last, master, *_ in rows]


def _ignored(_reply: Reply | StateDownError) -> None:
    """Of ASKING: the reply of the command behind it says all."""
