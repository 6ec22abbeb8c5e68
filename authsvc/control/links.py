"""The links that are open now, of this worker; each worker knows its own."""

from __future__ import annotations

from litestar import get
from litestar.params import SkipValidation
from msgspec import Struct

from authsvc.control.errors import PROBLEMS
from authsvc.control.ports import OpenLinks
from authsvc.control.roles import Action


class LinkView(Struct, frozen=True):
    """`answered`: messages, `refused`: those of them that no decision stands behind (DE39 30, 91, 96); `open_seconds`: since
    this worker has it; `silent_seconds`: since it last sent anything; `paused`: why it is not read from, empty while it is."""

    listener: str
    peer: str
    signed_on: bool
    in_flight: int
    answered: int
    refused: int
    open_seconds: float
    silent_seconds: float
    paused: list[str]


@get("/links", opt={"action": Action.AUDIT}, responses=PROBLEMS, tags=["operations"], sync_to_thread=False)
def list_links(open_links: SkipValidation[OpenLinks]) -> list[LinkView]:
    """By listener, the longest silent first."""
    views = [
        LinkView(
            listener=link.listener,
            peer=link.peer,
            signed_on=link.signed_on,
            in_flight=link.in_flight,
            answered=link.answered,
            refused=link.refused,
            open_seconds=round(link.open, 1),
            silent_seconds=round(link.silent, 1),
            paused=link.paused,
        )
        for link in open_links()
    ]
    return sorted(views, key=lambda view: (view.listener, -view.silent_seconds, view.peer))


HANDLERS = (list_links,)
