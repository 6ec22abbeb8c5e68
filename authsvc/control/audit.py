"""The audit trail: who did what through this API, from the journal. What was asked and refused is in it as well."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, NamedTuple

from litestar import get
from litestar.params import QueryParameter, SkipValidation
from msgspec import Struct

from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS, bad_field
from authsvc.control.ports import Engine
from authsvc.control.roles import Action
from authsvc.control.views import rfc3339, unix_ms
from authsvc.model import Decision, Reason, Refused, UnixMs
from authsvc.model.decisions import Fact

ROWS_A_CALL = 5_000
PAGE = 500
_CURSOR = re.compile(r"([0-9]{1,16})\.([0-9]{1,18})\Z")

Who = Annotated[str, QueryParameter(max_length=64, description="id of a token, or the name of several")]
Count = Annotated[int, QueryParameter(ge=1, le=1000)]
After = Annotated[str, QueryParameter(max_length=40, description="`next` of the call before")]


class AuditEntry(Struct, frozen=True):
    """`token`: its id; `kind`: of the order; `before`, `after`: what differs, null where there was nothing; `reason` and
    `paragraph`: of a refusal."""

    at: datetime
    decision: str
    token: str
    role: str
    kind: str
    outcome: str
    reason: Reason | None
    paragraph: str | None
    before: dict[str, Fact]
    after: dict[str, Fact]


class AuditTrail(Struct, frozen=True):
    """`next`: give it as `after` next time; `more`: the trail goes on behind it."""

    entries: list[AuditEntry]
    next: str
    more: bool


class _Place(NamedTuple):
    at: UnixMs
    position: int

    def __str__(self) -> str:
        return f"{self.at}.{self.position}"


@get("/audit", opt={"action": Action.AUDIT}, responses=PROBLEMS, tags=["audit"])
async def read_audit(
    desk: SkipValidation[Desk],
    since: Annotated[datetime | None, QueryParameter(description="RFC 3339; all there is when absent")] = None,
    who: Who = "",
    after: After = "",
    limit: Count = 100,
) -> AuditTrail:
    """Every order through this API, oldest first: who, what, what it changed. `after` goes on from the page before."""
    place = _start(since, after)
    found: list[AuditEntry] = []
    read = 0
    async for row, decision in _orders(desk.engine, place):
        if len(found) == limit or read == ROWS_A_CALL:
            return AuditTrail(found, str(place), more=True)
        place, read = row, read + 1
        if decision.audit is not None and _is_of(decision.audit.actor.token, who):
            found.append(_entry(decision))
    return AuditTrail(found, str(place), more=False)


def _start(since: datetime | None, after: str) -> _Place:
    """Raises 400."""
    if after:
        parts = _CURSOR.match(after)
        if parts is None:
            raise bad_field("after", "is no `next` of an earlier call")
        return _Place(UnixMs(int(parts[1])), int(parts[2]))
    if since is not None and since.tzinfo is None:
        raise bad_field("since", "a time zone is needed")
    return _Place(UnixMs(max(0, unix_ms(since)) if since else 0), 0)


async def _orders(engine: Engine, place: _Place) -> AsyncIterator[tuple[_Place, Decision]]:
    while rows := await engine.orders(*place, PAGE):
        for position, decision in rows:
            place = _Place(decision.at, position)
            yield place, decision


def _is_of(token: str, who: str) -> bool:
    """A name finds all tokens that its holder has had."""
    return not who or who in (token, token.rpartition(".")[0])


def _entry(decision: Decision) -> AuditEntry:
    assert decision.audit is not None
    actor, refusal = decision.audit.actor, decision.outcome if isinstance(decision.outcome, Refused) else None
    return AuditEntry(
        at=rfc3339(decision.at), decision=decision.id, token=actor.token, role=actor.role,
        kind=str(decision.request.__struct_config__.tag), outcome="refused" if refusal else "approved",
        reason=refusal.reason if refusal else None, paragraph=refusal.paragraph if refusal else None,
        before=decision.audit.before, after=decision.audit.after,
    )  # fmt: skip


HANDLERS = (read_audit,)
