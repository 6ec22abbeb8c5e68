"""Cut a byte stream into payloads, and put a payload into a frame. Bytes in, payloads out: no socket, no clock.

A frame is a length and that many bytes. How the length is written is chosen per listener and independent of the dialect
(`wire.md` section 2): a row of `FRAMINGS`, and what a listener says besides.
"""

from __future__ import annotations

from msgspec.structs import force_setattr

from authsvc.errors import PeerError
from authsvc.model.values import Value

TPDU_BYTES = 5
_ZEROS = b"\0\0"


class Framing(Value, frozen=True, gc=False):
    """`width`: bytes of the length; `ascii`: in ASCII digits, else big-endian binary; `inclusive`: it counts the header
    too; `tpdu`: five bytes of addresses begin every payload; `vap`: two zero bytes follow the length (jPOS VAPChannel)."""

    width: int
    ascii: bool = False
    inclusive: bool = False
    tpdu: bool = False
    vap: bool = False

    header: int = 0
    """Made from the others: bytes in front of the payload."""
    largest: int = 0
    """Made from the others: the longest payload, in bytes, that the length can name."""

    def __post_init__(self) -> None:
        header = self.width + len(_ZEROS) if self.vap else self.width
        span: int = 10**self.width if self.ascii else 256**self.width
        force_setattr(self, "header", header)
        force_setattr(self, "largest", span - 1 - (header if self.inclusive else 0))

    def opened(self, payload: bytes) -> tuple[bytes, bytes]:
        """The TPDU that goes back with the answer, "" where there are none, and the message.

        An identifier of one byte, then the addresses of receiver and sender, two bytes each, which change places. A
        payload that is shorter has no message in it.
        """
        if not self.tpdu:
            return b"", payload
        return payload[:1] + payload[3:5] + payload[1:3], payload[TPDU_BYTES:]


FRAMINGS: dict[str, Framing] = {
    "2b": Framing(2),
    "4b": Framing(4),
    "2a": Framing(2, ascii=True),
    "4a": Framing(4, ascii=True),
}
PLAIN = FRAMINGS["2b"]


class FrameReader:
    """The reading end of one connection. Budget: 0.5 µs a frame when many arrive together.

    `max_frame`: longest payload taken, in bytes. `broken`: set once a frame cannot be read; nothing after it can be
    found, so the link has to be closed.
    """

    __slots__ = ("_extra", "_framing", "_header", "_rest", "broken", "max_frame")

    def __init__(self, framing: Framing = PLAIN, max_frame: int = 4096) -> None:
        self._framing = framing
        self._header = framing.header
        self._extra = self._header if framing.inclusive else 0
        self._rest = b""
        self.max_frame = max_frame
        self.broken: PeerError | None = None

    @property
    def pending(self) -> bool:
        """Whether a frame has begun and is not whole yet."""
        return bool(self._rest)

    @property
    def buffered(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return len(self._rest)

    @property
    def rest(self) -> bytes:
        """What has come of the frame that is not whole yet, its header too."""
        return self._rest

    def receive_data(self, data: bytes) -> list[bytes]:
        """The payloads completed by `data`; frames of length zero (keep-alives) are left out.

        Raises PeerError("frame", …) on a length that is above `max_frame` or is no number. Payloads cut before it are
        returned first, with `broken` set, and the error is raised by the next call.
        """
        self._check()
        buffer = self._rest + data if self._rest else data
        header, size, position = self._header, len(buffer), 0
        payloads: list[bytes] = []
        # One walk over the buffer and one cut at its end: cutting at every frame would cost the square of their number.
        while size - position >= header:
            start = position + header
            length = self._length(buffer[position:start])
            if length < 0:
                break
            end = start + length
            if end > size:
                break
            if length:
                payloads.append(buffer[start:end])
            position = end
        self._rest = buffer[position:]
        if not payloads:
            self._check()
        return payloads

    def _check(self) -> None:
        if self.broken is not None:
            raise self.broken

    def _length(self, header: bytes) -> int:
        """Bytes of payload that `header` announces; -1, with `broken` set, when they cannot be taken."""
        if self._framing.vap:
            if header[-2:] != _ZEROS:
                self.broken = PeerError("frame", "the two bytes after its length are not zero")
                return -1
            header = header[:-2]
        if not self._framing.ascii:
            length = int.from_bytes(header, "big") - self._extra
        elif header.isdigit():
            length = int(header) - self._extra
        else:
            self.broken = PeerError("frame", "its length is not digits")
            return -1
        # A peer whose length counts itself says zero, not its width, when it means a keep-alive.
        if length == -self._extra:
            return 0
        if length < 0:
            self.broken = PeerError("frame", f"its length is below the {self._extra} bytes that it counts itself")
            return -1
        if length > self.max_frame:
            self.broken = PeerError("frame", f"{length} bytes, above the maximum of {self.max_frame}")
            return -1
        return length


def frame(payload: bytes, framing: Framing = PLAIN, tpdu: bytes = b"") -> bytes:
    """`payload`, with the TPDU that `Framing.opened` gave, behind its length; not empty, because a keep-alive is never
    sent."""
    size = len(tpdu) + len(payload)
    assert payload, "an empty frame would be a keep-alive"
    assert size <= framing.largest, "an answer that does not fit its frame"
    length = size + (framing.header if framing.inclusive else 0)
    header = b"%0*d" % (framing.width, length) if framing.ascii else length.to_bytes(framing.width, "big")
    return header + (_ZEROS if framing.vap else b"") + tpdu + payload
