"""The links that are open now, of this worker; each worker knows its own."""

from __future__ import annotations

from litestar import get
from litestar.params import SkipValidation
from msgspec import Struct

from authsvc.control.errors import PROBLEMS
from authsvc.control.ports import OpenLinks
from authsvc.control.roles import Action


class LinkView(Struct, frozen=True):
    """`silent_seconds`: since it last sent anything; `paused`: why it is not read from, empty while it is."""

    listener: str
    peer: str
    signed_on: bool
    in_flight: int
    silent_seconds: float
    paused: list[str]


@get("/links", opt={"action": Action.AUDIT}, responses=PROBLEMS, tags=["operations"], sync_to_thread=False)
def list_links(open_links: SkipValidation[OpenLinks]) -> list[LinkView]:
    """By listener, the longest silent first."""
    views = [
        LinkView(link.listener, link.peer, link.signed_on, link.in_flight, round(link.silent, 1), link.paused)
        for link in open_links()
    ]
    return sorted(views, key=lambda view: (view.listener, -view.silent_seconds, view.peer))


HANDLERS = (list_links,)
