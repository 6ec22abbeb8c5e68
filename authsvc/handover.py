"""How a worker that leaves hands its open links to the one that follows: connection, and all that is known of it.

Between the two is a pair of Unix sockets; a link is one datagram, with the descriptor of its connection (SCM_RIGHTS). Its peer
sees an open connection that says nothing for some milliseconds. See docs/decisions/0036-rolling-restart.md.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from authsvc.logs import get_logger

log = get_logger(__name__)

LARGEST: Final = 160 * 1024
"""Bytes of a link in a datagram; Linux's own size of a socket's buffer is 208 KiB."""
LOOK_SECONDS: Final = 0.002
"""How often is looked whether a link that is to go has all its answers."""


class Moved(Struct, frozen=True):
    """A link with nothing under way. `peer`: its address; `owed`: seconds for which it has used up its `messages_per_second`;
    `silent`, `frame_age`: seconds since it sent something, and since the frame that is not whole began; `waiting`: payloads
    that were read and not begun; `rest`: what was read of the frame that is not whole."""

    listener: str
    peer: str
    signed_on: bool
    garbage: int
    owed: float
    silent: float
    frame_age: float
    waiting: tuple[bytes, ...]
    rest: bytes


class Channel:
    """One end of the pair; one worker sends, its successor receives."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._end = end

    def offer(self, moved: Moved, connection: int) -> bool:
        """Send it, unless there is no room just now. `connection`: a descriptor, which stays the caller's. Raises OSError when
        it cannot go: nobody is there any more, or it is too long."""
        data = msgspec.msgpack.encode(moved)
        if len(data) > LARGEST:
            raise OSError(errno.EMSGSIZE, "a link with too much unread")
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [connection]))
        try:
            self._end.sendmsg([data], [rights])
        except BlockingIOError:
            return False
        return True

    async def receive(self) -> tuple[Moved, socket.socket] | None:
        """The next link; None: whoever sent them has ended, and no more come."""
        while True:
            await _until_readable(self._end)
            with contextlib.suppress(BlockingIOError):
                data, descriptors, _, _ = socket.recv_fds(self._end, LARGEST, 1)
                if not data:
                    return None
                return msgspec.msgpack.decode(data, type=Moved), socket.socket(fileno=descriptors[0])

    def close(self) -> None:
        self._end.close()


def channel_pair() -> tuple[socket.socket, socket.socket]:
    """To send through, to receive from. Datagrams that keep their order, and an end when all who could send are gone."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


class Place(NamedTuple):
    """What a worker is given by its parent. `sockets`: by listener, and "control", bound; `heir`: where its links go when it is
    told to give way; `before`: whence those of the one before it come."""

    sockets: Mapping[str, socket.socket]
    heir: Channel | None = None
    before: Channel | None = None


NO_PLACE: Final = Place({})
"""Of an engine without a parent: it binds for itself, and nobody takes over."""


class Going(Protocol):
    """A link that may leave: `link.LinkProtocol`."""

    @property
    def can_move(self) -> bool:
        """Whether another process could go on with it."""

    @property
    def connection(self) -> int:
        """Its descriptor."""

    def pause(self, cause: str) -> None: ...
    def resume(self, cause: str) -> None: ...
    def moved(self) -> Moved | None:
        """All of it; None while a message is under way here, or an answer, or when its peer is gone."""

    def let_go(self) -> None:
        """It is another's now; to its peer, nothing has happened."""


async def hand_over(links: Callable[[], Iterable[Going]], heir: Channel, seconds: float) -> int:
    """Each link as soon as all its answers are out; how many went. Those that stay: TLS, whose state is in this process; a peer
    that does not take its answers within `seconds`; one of which too much is not begun."""
    staying: set[Going] = set()
    count = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while going := [link for link in links() if link.can_move and link not in staying]:
                for link in going:
                    link.pause("moving")
                for link in going:
                    try:
                        count += _goes(link, heir)
                    except OSError as error:
                        staying.add(link)
                        log.warning("link not handed over", problem=os.strerror(error.errno or 0))
                await asyncio.sleep(LOOK_SECONDS)
    for link in links():
        link.resume("moving")
    return count


def _goes(link: Going, heir: Channel) -> bool:
    """Whether it went. Nothing is awaited: what is sent of a link is what it is when it goes. Raises OSError."""
    moved = link.moved()
    if moved is None or not heir.offer(moved, link.connection):
        return False
    link.let_go()
    return True


async def _until_readable(end: socket.socket) -> None:
    """Nothing is taken: whoever is cancelled here has lost nothing."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(end, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(end)
