"""Captures: pcap and pcapng files, by dpkt; their TCP streams put together here, each direction by its sequence numbers.

Segments that came twice are taken once, those out of order are put in it, and what the capture does not have is told. IP
fragments and what is not TCP are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from ipaddress import ip_address
from typing import Any

import dpkt
from msgspec import Struct, field

from authsvc.reading.conversations import Conversation, Flow, Piece, SourceError

MAGIC = tuple(map(bytes.fromhex, ("a1b2c3d4", "d4c3b2a1", "a1b23c4d", "4d3cb2a1", "0a0d0d0a")))
"""First bytes: pcap in either byte order, with microseconds or nanoseconds; pcapng."""

_LINKS = {0: dpkt.loopback.Loopback, 1: dpkt.ethernet.Ethernet, 113: dpkt.sll.SLL, 276: dpkt.sll2.SLL2}
_RAW_IP = (12, 101, 228, 229)
_WRAP = 1 << 32
WAITING_MAX = 64
"""Segments that may wait for one that is missing. More, and it is not out of order but lost."""


class Segment(Struct, frozen=True):
    """`sender`, `receiver`: as "10.0.0.1:8583"; `opens`: it has SYN, and begins the stream."""

    sender: str
    receiver: str
    number: int
    opens: bool
    piece: Piece


def is_capture(data: bytes) -> bool:
    """Whether this is a capture and not a message."""
    return data[:4] in MAGIC


def read_capture(data: bytes) -> tuple[list[Conversation], list[str]]:
    """The TCP links in a capture that carried something, and what is missing of them. Raises SourceError on a broken file."""
    streams: list[_Stream] = []
    latest: dict[tuple[str, str], _Stream] = {}
    for segment in segments_in(data):
        key = (segment.sender, segment.receiver)
        stream = latest.get(key)
        # A port used once more begins a link of its own.
        if stream is None or (segment.opens and stream.begun):
            stream = latest[key] = _Stream(segment.sender, segment.receiver)
            streams.append(stream)
        stream.take(segment)
    for stream in streams:
        stream.finish()
    notes = [stream.note for stream in streams if stream.note]
    return _conversations([stream for stream in streams if stream.pieces]), notes


def segments_in(data: bytes) -> Iterator[Segment]:
    """The TCP segments of a capture as they were seen."""
    try:
        reader = dpkt.pcap.UniversalReader(BytesIO(data))
        link = reader.datalink()
        for order, (at, frame) in enumerate(reader):
            segment = _segment(frame, link, float(at), order)
            if segment is not None:
                yield segment
    except (dpkt.dpkt.Error, ValueError, KeyError) as error:
        # Its texts can hold bytes of the packet.
        problem = f"cannot be read as pcap or pcapng ({type(error).__name__})"
    else:
        return
    raise SourceError("capture", problem)


def _segment(frame: bytes, link: int, at: float, order: int) -> Segment | None:
    try:
        packet = _network(frame, link)
    except dpkt.dpkt.Error:
        return None  # no packet of this kind: another protocol, or one that the capture cut short
    tcp = getattr(packet, "data", None)
    if not isinstance(packet, (dpkt.ip.IP, dpkt.ip6.IP6)) or not isinstance(tcp, dpkt.tcp.TCP):
        return None
    sender, receiver = (
        f"[{host}]:{port}" if host.version == 6 else f"{host}:{port}"
        for host, port in ((ip_address(packet.src), tcp.sport), (ip_address(packet.dst), tcp.dport))
    )
    opens = bool(tcp.flags & dpkt.tcp.TH_SYN)
    return Segment(sender, receiver, tcp.seq, opens, Piece(bytes(tcp.data), at, order))


def _network(frame: bytes, link: int) -> Any:
    """The IP packet in a frame of the capture's kind of link."""
    if link in _RAW_IP:
        return dpkt.ip6.IP6(frame) if frame[:1] and frame[0] >> 4 == 6 else dpkt.ip.IP(frame)
    if link not in _LINKS:
        raise SourceError("capture", f"was taken on a kind of link that we do not read ({link})")
    return _LINKS[link](frame).data


class _Stream(Struct):
    """One direction, growing. `begun`: something of it was seen; `next`: the sequence number that comes next."""

    sender: str
    receiver: str
    pieces: list[Piece] = field(default_factory=list)
    begun: bool = False
    next: int = 0
    lost: int = 0
    waiting: list[Segment] = field(default_factory=list)

    @property
    def note(self) -> str:
        return f"{self.lost} bytes from {self.sender} to {self.receiver} are not in the capture" if self.lost else ""

    def take(self, segment: Segment) -> None:
        if segment.opens or not self.begun:
            self.begun = True
            self.next = (segment.number + segment.opens) % _WRAP
        if not segment.piece.data:
            return
        self.waiting.append(segment)
        self._drain()
        if len(self.waiting) > WAITING_MAX:
            self._skip()

    def finish(self) -> None:
        while self.waiting:
            self._skip()

    def _drain(self) -> None:
        """Everything that follows on what is there, in order."""
        self.waiting.sort(key=self._ahead)
        while self.waiting and self._ahead(self.waiting[0]) <= 0:
            self._append(self.waiting.pop(0), 0)

    def _skip(self) -> None:
        """Go on behind what is missing."""
        lost = self._ahead(self.waiting[0])
        self.lost += lost
        self.next = self.waiting[0].number
        self._append(self.waiting.pop(0), lost)
        self._drain()

    def _append(self, segment: Segment, lost: int) -> None:
        piece = segment.piece
        fresh = piece.data[-self._ahead(segment) :] if self._ahead(segment) < 0 else piece.data
        if len(piece.data) + self._ahead(segment) > 0:
            self.next = (self.next + len(fresh)) % _WRAP
            self.pieces.append(Piece(fresh, piece.at, piece.order, lost))

    def _ahead(self, segment: Segment) -> int:
        """Bytes between what is there and this segment; below 0 when it says again what was said."""
        return (segment.number - self.next + _WRAP // 2) % _WRAP - _WRAP // 2


def _conversations(streams: list[_Stream]) -> list[Conversation]:
    """The two directions of each link together, the one that spoke first in front."""
    found: list[Conversation] = []
    for stream in streams:
        flow = Flow(tuple(stream.pieces), stream.sender, stream.receiver)
        other = next((place for place, each in enumerate(found) if _is_way_back(each, flow)), None)
        if other is None:
            found.append(Conversation((flow,)))
        else:
            found[other] = Conversation((*found[other].flows, flow))
    return found


def _is_way_back(conversation: Conversation, flow: Flow) -> bool:
    first = conversation.flows[0]
    return len(conversation.flows) == 1 and (first.sender, first.receiver) == (flow.receiver, flow.sender)
