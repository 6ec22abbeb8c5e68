"""A listener's port: connections are taken here, one by one, and most of what must not get in is turned away before TLS.

In this order: its address is on the list; there is room, in all and for its address; the handshake succeeds in time; a name in
its certificate is one of the link's. Then it is a link (`link.LinkProtocol`). Each refusal is counted by cause, and logged at
most once a second. See docs/decisions/0028-tls.md and 0029-guards.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import resource
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, Protocol, cast

from authsvc.config import LimitsConfig, ListenerConfig
from authsvc.logs import get_logger
from authsvc.metrics import FrameCause, Metrics
from authsvc.security.tls import context_of, expires, is_certificate_problem, names_of
from authsvc.seldom import Seldom

log = get_logger(__name__)

BACKLOG: Final = 1024
SHUTDOWN_SECONDS: Final = 1.0
"""How long a peer may take to say goodbye in TLS."""
FULL_SECONDS: Final = 0.1
"""How long no connection is taken when the system has no descriptor for one."""
RESERVED: Final = 256
"""Descriptors for everything but links: ledger, Redis, control API, files that are read anew."""
NO_ROOM = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
KEEP_ALIVE: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A peer that is gone without a word is noticed after two minutes: a minute of silence, then four questions."""

Network = IPv4Network | IPv6Network


class Newcomer(Protocol):
    """A link as it begins: `link.LinkProtocol`. `when_lost` is called once, when its connection is gone."""

    when_lost: Callable[[], None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...


def affordable(connections: int) -> int:
    """As many of these as the process has descriptors for, once it has asked for all that it may have: connections must never
    take the last one from the ledger."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + RESERVED
    if resource.RLIM_INFINITY != soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    log.warning("fewer connections than limits.connections: too few descriptors", limit=max(1, soft - RESERVED))
    return max(1, soft - RESERVED)


class Room:
    """How many connections there are in this worker, in all and by address; those that are in their handshake count."""

    def __init__(self, limits: LimitsConfig) -> None:
        self._most = limits.connections
        self._most_each = limits.connections_per_address
        self._taken: Counter[str] = Counter()
        self._total = 0
        self.served = asyncio.Event()
        """Cleared while as many messages are under way as there may be: new connections wait in the system's queue then."""
        self.served.set()

    def take(self, address: str) -> Callable[[], None] | None:
        """A place, given back by calling what is returned, which may be done twice; None: there is none left."""
        if self._total >= self._most or self._taken[address] >= self._most_each > 0:
            return None
        return self.keep(address)

    def keep(self, address: str) -> Callable[[], None]:
        """As `take`, for who is in already: also where there is no place left for others."""
        self._taken[address] += 1
        self._total += 1
        given = [address]

        def give_back() -> None:
            if given:
                self._total -= 1
                self._taken[given.pop()] -= 1
                if not self._taken[address]:
                    del self._taken[address]

        return give_back


class Door:
    """One listener. `make_link`: a new link, once a connection is one."""

    def __init__(
        self, name: str, config: ListenerConfig, room: Room, metrics: Metrics, make_link: Callable[[], Newcomer]
    ) -> None:
        self._name = name
        self._config = config
        self._room = room
        self._metrics = metrics
        self._make_link = make_link
        self._networks: Sequence[Network] = tuple(ip_network(each) for each in config.allow)
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._seldom = Seldom()
        self._is_closing = False
        self._entering = 0
        self.renew()

    def renew(self) -> None:
        """Read the certificates, for the connections from now on. Raises ConfigError, and those read before stay."""
        tls, key = self._config.tls, f"listeners.{self._name}.tls"
        self._tls = context_of(tls, key)
        if self._tls is not None:
            self._metrics.certificate_expires(self._name, expires(tls, key).timestamp())

    async def open(self, bound: socket.socket | None = None) -> int:
        """Listen; returns the port. `bound`: a socket that somebody else keeps over a restart of ours. Raises OSError."""
        if bound is None:
            self._sockets = await _listening(self._config.host, self._config.port)
        else:
            bound.setblocking(False)
            bound.listen(BACKLOG)
            self._sockets = [bound]
        for listening in self._sockets:
            self._begin(self._take_from(listening))
        return int(self._sockets[0].getsockname()[1])

    async def take_over(self, connection: socket.socket, address: str, link: Newcomer) -> None:
        """`link` goes on with the connection of a worker before: it has been through this door. Raises OSError when its peer
        is gone."""
        link.when_lost = self._room.keep(address)
        try:
            _prepare(connection)
            await asyncio.get_running_loop().connect_accepted_socket(lambda: cast(asyncio.Protocol, link), connection)
        except OSError:
            connection.close()
            link.when_lost()
            raise

    def stop_accepting(self) -> None:
        """No more connections; those that were accepted still become links. Not by cancelling: what has just been accepted, and
        nobody has looked at yet, would be lost with it."""
        if self._is_closing:
            return
        self._is_closing = True
        for listening in self._sockets:
            asyncio.get_running_loop().remove_reader(listening)

    @property
    def entering(self) -> int:
        """Connections that are accepted and no links yet."""
        return self._entering

    def close(self) -> None:
        """No more connections; those in their handshake are cut."""
        for task in self._tasks:
            task.cancel()
        for listening in self._sockets:
            listening.close()

    async def _take_from(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while not self._is_closing:
            try:
                connection, peer = await loop.sock_accept(listening)
            except OSError as error:
                full = error.errno in NO_ROOM  # else it was gone before we took it
                if full:
                    self._refused("no_room", "", str(error.strerror))
                await asyncio.sleep(FULL_SECONDS if full else 0)
                continue
            with contextlib.ExitStack() as unmet:
                unmet.callback(connection.close)
                await self._room.served.wait()
                unmet.pop_all()
            self._meet(connection, str(peer[0]))

    def _meet(self, connection: socket.socket, address: str) -> None:
        """What an address alone decides; nothing has been read yet."""
        leave = None
        if not self._is_allowed(address):
            self._refused("address", address, "not on the list")
        elif (leave := self._room.take(address)) is None:
            self._refused("no_room", address, "too many connections")
        if leave is None:
            connection.close()
        else:
            self._begin(self._welcome(connection, address, leave))

    def _is_allowed(self, address: str) -> bool:
        if not self._networks:
            return True
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks)

    async def _welcome(self, connection: socket.socket, address: str, leave: Callable[[], None]) -> None:
        """The handshake, and then it is a link."""
        loop, tls, limit = asyncio.get_running_loop(), self._tls, self._config.frame_seconds
        self._entering += 1
        try:
            _prepare(connection)
            await loop.connect_accepted_socket(
                lambda: _Entering(self, address, leave),
                connection,
                ssl=tls,
                ssl_handshake_timeout=limit if tls else None,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS if tls else None,
            )
        except ssl.SSLError as error:
            self._refused("certificate" if is_certificate_problem(error) else "tls", address, error.reason or "")
            leave()
        except (OSError, TimeoutError) as error:  # the peer left, or its handshake took too long
            self._refused("tls", address, type(error).__name__) if tls else None
            leave()
        except BaseException:
            leave()
            raise
        finally:
            self._entering -= 1

    def admits(self, transport: asyncio.BaseTransport, address: str) -> bool:
        """Whether the certificate of a finished handshake, if one was demanded, has a name of this link."""
        wanted = self._config.tls.client_names
        if not wanted or names_of(transport.get_extra_info("peercert") or {}) & set(wanted):
            return True
        self._refused("certificate", address, "no name of this link")
        return False

    def link(self) -> Newcomer:
        return self._make_link()

    def _refused(self, cause: FrameCause, address: str, problem: str) -> None:
        self._metrics.frame_refused(self._name, cause)
        if count := self._seldom.count(cause, asyncio.get_running_loop().time()):
            log.warning(
                "connection refused", listener=self._name, cause=cause, peer=address, problem=problem, count=count
            )

    def _begin(self, coroutine: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Entering(asyncio.Protocol):
    """A connection up to the moment at which it is a link, or is none. Nothing it sends is read until then."""

    def __init__(self, door: Door, address: str, leave: Callable[[], None]) -> None:
        self._door = door
        self._address = address
        self._leave = leave

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._door.admits(transport, self._address):
            cast(asyncio.Transport, transport).abort()
            return
        link = self._door.link()
        link.when_lost = self._leave
        transport.set_protocol(cast(asyncio.Protocol, link))
        link.connection_made(transport)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._leave()


async def _listening(host: str, port: int) -> list[socket.socket]:
    """A socket for each address of `host`. Raises OSError, and then none is left open."""
    loop = asyncio.get_running_loop()
    infos = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, address in dict.fromkeys(infos):
            listening = socket.socket(family, kind, protocol)
            sockets.append(listening)
            listening.setblocking(False)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
    except BaseException:
        for listening in sockets:
            listening.close()
        raise
    return sockets


def _prepare(connection: socket.socket) -> None:
    connection.setblocking(False)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in KEEP_ALIVE:
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
