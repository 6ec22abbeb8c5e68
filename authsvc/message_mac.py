"""In front of the pipeline, on a listener with `mac`: a message whose MAC is wrong goes no further, every answer has one.

The MAC is checked over the bytes, before they are read: whoever has no key can reach neither decoder, nor rules, nor state.
A repeat is answered from what is remembered, and its MAC is made anew. See docs/decisions/0026-mac.md.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from authsvc.codec.dialects import Dialect
from authsvc.logs import get_logger
from authsvc.metrics import Metrics
from authsvc.model import Reason
from authsvc.security.mac import RetailMac
from authsvc.seldom import Seldom

log = get_logger(__name__)


class Link(Protocol):
    """What is asked of a connection, here and behind (`pipeline.Link`)."""

    listener: str
    dialect: Dialect
    signed_on: bool
    refused: int

    @property
    def peer(self) -> str: ...


class Answering(Protocol):
    """What stands behind: `pipeline.Pipeline`."""

    async def handle(self, link: Link, payload: bytes) -> bytes | None: ...
    def fault(self, link: Link, payload: bytes) -> bytes | None: ...
    def refuse(self, link: Link, payload: bytes, reason: Reason) -> bytes | None: ...


class MacKeys(Protocol):
    """The MAC keys of a link. `current`: for a message of ours that answers none of theirs."""

    @property
    def current(self) -> RetailMac: ...

    def that_made(self, mac: bytes, data: bytes) -> RetailMac | None:
        """The key under which `mac` is right over `data`; None: it is wrong."""


class MessageMac:
    """`required`: a message without MAC is refused too; else it is answered without one."""

    def __init__(self, behind: Answering, keys: MacKeys, required: bool, metrics: Metrics) -> None:
        self._behind = behind
        self._keys = keys
        self._required = required
        self._metrics = metrics
        self._seldom = Seldom()

    async def handle(self, link: Link, payload: bytes) -> bytes | None:
        """As `Pipeline.handle`. The answer comes under the key its message came under: that is the one the peer has."""
        field = link.dialect.mac_field
        parts = field.split(payload)
        if parts is None:
            return (
                self._refused(link, payload, "absent") if self._required else await self._behind.handle(link, payload)
            )
        data, mac = parts
        key = self._keys.that_made(mac, data)
        if key is None:
            return self._refused(link, payload, "wrong")
        answer = await self._behind.handle(link, payload)
        return None if answer is None else field.with_mac(answer, key.over)

    def fault(self, link: Link, payload: bytes) -> bytes | None:
        """As `Pipeline.fault`."""
        answer, asked_with = self._behind.fault(link, payload), link.dialect.mac_field.split(payload) is not None
        return self._with_mac(link, answer) if asked_with or self._required else answer

    def _refused(self, link: Link, payload: bytes, problem: str) -> bytes | None:
        self._metrics.frame_refused(link.listener, "mac")
        if count := self._seldom.count(problem, asyncio.get_running_loop().time()):
            log.warning("mac refused", listener=link.listener, problem=problem, count=count)
        return self._with_mac(link, self._behind.refuse(link, payload, Reason.MAC_INVALID))

    def _with_mac(self, link: Link, answer: bytes | None) -> bytes | None:
        return None if answer is None else link.dialect.mac_field.with_mac(answer, self._keys.current.over)
