"""Bytes that went over a link, or were pasted as if: who sent what, when, in which pieces."""

from __future__ import annotations

from msgspec import Struct

from authsvc.errors import AuthsvcError


class SourceError(AuthsvcError):
    """What was given cannot be read as what it seems to be. `place`: "capture", "line 3", "message"."""

    def __init__(self, place: str, problem: str) -> None:
        super().__init__(f"{place}: {problem}")


class Piece(Struct, frozen=True):
    """`at`: seconds since 1970, None where nobody said; `order`: of arrival, over all links; `lost`: bytes in front of it that
    the capture does not have."""

    data: bytes
    at: float | None = None
    order: int = 0
    lost: int = 0


class Flow(Struct, frozen=True):
    """One direction of a link. `sender`, `receiver`: as "10.0.0.1:8583", "" where nobody said."""

    pieces: tuple[Piece, ...]
    sender: str = ""
    receiver: str = ""


class Conversation(Struct, frozen=True):
    """A link: one flow or two, one a direction. `whole`: each piece is one frame, so there may be no header at all."""

    flows: tuple[Flow, ...]
    whole: bool = False
