"""Finding decisions by what a person has at hand: an RRN from a slip, a STAN from a terminal, an account."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter, SkipValidation

from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS, bad_field
from authsvc.control.records import DecisionView, decision_view
from authsvc.control.roles import Action

Criterion = Annotated[str, QueryParameter(max_length=64)]


@get("/decisions", opt={"action": Action.READ}, responses=PROBLEMS, tags=["decisions"])
async def find_decisions(
    desk: SkipValidation[Desk], rrn: Criterion = "", stan: Criterion = "", account: Criterion = ""
) -> list[DecisionView]:
    """The decisions that match all criteria given; at least one is needed."""
    if not (rrn or stan or account):
        raise bad_field("rrn", "one of rrn, stan, account is needed")
    return [decision_view(decision) for decision in await desk.engine.find(rrn, stan, account)]


HANDLERS = (find_decisions,)
