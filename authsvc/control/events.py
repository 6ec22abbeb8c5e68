"""The outbox: events read from the journal by cursor. The reader keeps the cursor, so nothing is lost or sent twice."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter, SkipValidation
from msgspec import Struct

from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS
from authsvc.control.roles import Action
from authsvc.control.views import rfc3339
from authsvc.rules.events import Event, Happened, events_of

ROWS_A_CALL = 5_000
"""Journal rows looked through at most; a call that finds nothing still moves the cursor on."""

Cursor = Annotated[int, QueryParameter(ge=0)]
Count = Annotated[int, QueryParameter(ge=1, le=1000)]


class EventView(Struct, frozen=True):
    """`event`: its id, never given twice; `card`, `hold`: what it is about, null if nothing."""

    event: str
    kind: Happened
    account: str
    at: datetime
    card: str | None
    hold: str | None
    detail: str


class Events(Struct, frozen=True):
    """`next`: give it as `after` next time; `more`: the journal goes on behind it already."""

    events: list[EventView]
    next: int
    more: bool


@get("/events", opt={"action": Action.READ}, responses=PROBLEMS, tags=["events"])
async def list_events(desk: SkipValidation[Desk], after: Cursor = 0, limit: Count = 100) -> Events:
    """Events behind the cursor, in the order of the journal. A decision's events come together, so a page may exceed
    `limit` by a few."""
    found: list[EventView] = []
    rows = await desk.engine.since(after, ROWS_A_CALL)
    cursor, read = after, 0
    for position, decision in rows:
        if len(found) >= limit:
            break
        cursor, read = position, read + 1
        found += map(_view, events_of(decision))
    return Events(found, cursor, more=read < len(rows) or len(rows) == ROWS_A_CALL)


def _view(event: Event) -> EventView:
    at, card, hold = rfc3339(event.at), event.card or None, event.hold or None
    return EventView(event.id, event.kind, event.account, at, card, hold, event.detail)


HANDLERS = (list_events,)
