"""Finding decisions by what a person has at hand: an RRN from a slip, a STAN from a terminal, an account."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from litestar import get
from litestar.params import QueryParameter, SkipValidation
from msgspec import Struct

from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS, bad_field
from authsvc.control.ports import Engine
from authsvc.control.records import DecisionView, decision_view
from authsvc.control.roles import Action
from authsvc.control.views import unix_ms
from authsvc.decider import reason_of
from authsvc.model import Reason, UnixMs

ROWS_A_CALL = 2_000
"""Journal rows looked through at most; a call that finds nothing still moves on."""
RECENT_MS = 15 * 60_000


class Recent(Struct, frozen=True):
    """`next`: give it as `after` next time; `more`: the journal goes on behind it already."""

    decisions: list[DecisionView]
    next: int
    more: bool


Criterion = Annotated[str, QueryParameter(max_length=64)]


@get("/decisions", opt={"action": Action.READ}, responses=PROBLEMS, tags=["decisions"])
async def find_decisions(
    desk: SkipValidation[Desk], rrn: Criterion = "", stan: Criterion = "", account: Criterion = ""
) -> list[DecisionView]:
    """The decisions that match all criteria given; at least one is needed."""
    if not (rrn or stan or account):
        raise bad_field("rrn", "one of rrn, stan, account is needed")
    return [decision_view(decision) for decision in await desk.engine.find(rrn, stan, account)]


@get("/decisions/recent", opt={"action": Action.READ}, responses=PROBLEMS, tags=["decisions"])
async def recent_decisions(
    desk: SkipValidation[Desk],
    since: Annotated[datetime | None, QueryParameter(description="RFC 3339; 15 minutes ago when absent")] = None,
    reason: Annotated[Reason | None, QueryParameter(description="only refusals for this reason")] = None,
    after: Annotated[int, QueryParameter(ge=-1, description="`next` of the call before; -1 without one")] = -1,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = 100,
) -> Recent:
    """Decisions of all accounts in the order of the journal, from a moment on. `after` goes on from the page before; with
    it alone, all that follow."""
    if since is not None and since.tzinfo is None:
        raise bad_field("since", "a time zone is needed")
    start = unix_ms(since) if since else UnixMs(desk.engine.now() - RECENT_MS)
    place = after if after >= 0 else await _place_of(desk.engine, start)
    found: list[DecisionView] = []
    rows = await desk.engine.since(place, ROWS_A_CALL)
    read = 0
    for position, decision in rows:
        if len(found) == limit:
            break
        place, read = position, read + 1
        if (decision.at >= start or (since is None and after >= 0)) and (
            reason is None or reason_of(decision) == reason
        ):
            found.append(decision_view(decision))
    return Recent(found, place, more=read < len(rows) or len(rows) == ROWS_A_CALL)


async def _place_of(engine: Engine, at: UnixMs) -> int:
    """A journal position with only decisions of before `at` up to it. Times grow with positions (but for those of accounts
    whose own time is ahead), so it is found by halving: some fifty rows are read, however long the journal is."""
    low, high = 0, 1
    while (row := await _row_behind(engine, high)) is not None and row[1] < at:
        low, high = row[0], row[0] * 2
    while low + 1 < high:
        middle = (low + high) // 2
        row = await _row_behind(engine, middle)
        low, high = (min(row[0], high - 1), high) if row is not None and row[1] < at else (low, middle)
    return low


async def _row_behind(engine: Engine, position: int) -> tuple[int, UnixMs] | None:
    rows = await engine.since(position, 1)
    return (rows[0][0], rows[0][1].at) if rows else None


HANDLERS = (find_decisions, recent_decisions)
