"""Cut a byte stream into payloads, and put a payload into a frame. Bytes in, payloads out: no socket, no clock.

A frame is a length and that many bytes. How the length is written is a row of `FRAMINGS`, chosen per listener and
independent of the dialect (`wire.md` section 2).
"""

from __future__ import annotations

from msgspec import Struct

from authsvc.errors import PeerError


class Framing(Struct, frozen=True, gc=False):
    """`width`: bytes of the length; `ascii`: in ASCII digits, else big-endian binary; `inclusive`: it counts itself."""

    width: int
    ascii: bool = False
    inclusive: bool = False

    @property
    def largest(self) -> int:
        """The longest payload, in bytes, that this length can name."""
        span: int = 10**self.width if self.ascii else 256**self.width
        return span - 1 - (self.width if self.inclusive else 0)


FRAMINGS: dict[str, Framing] = {
    "2b": Framing(2),
    "4b": Framing(4),
    "2a": Framing(2, ascii=True),
    "4a": Framing(4, ascii=True),
    "2b-inclusive": Framing(2, inclusive=True),
    "4b-inclusive": Framing(4, inclusive=True),
    "2a-inclusive": Framing(2, ascii=True, inclusive=True),
    "4a-inclusive": Framing(4, ascii=True, inclusive=True),
}


class FrameReader:
    """The reading end of one connection. Budget: 0.5 µs a frame when many arrive together.

    `max_frame`: longest payload taken, in bytes. `broken`: set once a frame cannot be read; nothing after it can be
    found, so the link has to be closed.
    """

    __slots__ = ("_extra", "_framing", "_rest", "broken", "max_frame")

    def __init__(self, framing: str = "2b", max_frame: int = 4096) -> None:
        self._framing = FRAMINGS[framing]
        self._extra = self._framing.width if self._framing.inclusive else 0
        self._rest = b""
        self.max_frame = max_frame
        self.broken: PeerError | None = None

    @property
    def pending(self) -> bool:
        """Whether a frame has begun and is not whole yet."""
        return bool(self._rest)

    def receive_data(self, data: bytes) -> list[bytes]:
        """The payloads completed by `data`; frames of length zero (keep-alives) are left out.

        Raises PeerError("frame", …) on a length that is above `max_frame` or is no number. Payloads cut before it are
        returned first, with `broken` set, and the error is raised by the next call.
        """
        if self.broken is not None:
            raise self.broken
        buffer = self._rest + data if self._rest else data
        width, size, position = self._framing.width, len(buffer), 0
        payloads: list[bytes] = []
        # One walk over the buffer and one cut at its end: cutting at every frame would cost the square of their number.
        while size - position >= width:
            start = position + width
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
        if self.broken is not None and not payloads:
            raise self.broken
        return payloads

    def _length(self, header: bytes) -> int:
        """Bytes of payload that `header` announces; -1, with `broken` set, when they cannot be taken."""
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


def frame(payload: bytes, framing: str = "2b") -> bytes:
    """`payload` with its length in front; not empty, because a keep-alive is never sent."""
    how = FRAMINGS[framing]
    assert 0 < len(payload) <= how.largest, "an answer that does not fit its frame"
    length = len(payload) + (how.width if how.inclusive else 0)
    header = b"%0*d" % (how.width, length) if how.ascii else length.to_bytes(how.width, "big")
    return header + payload
