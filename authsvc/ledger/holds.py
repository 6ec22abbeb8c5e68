"""From the changes of decisions to rows of the holds table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from authsvc.model import (
    AccountId,
    CardId,
    Hold,
    HoldEnd,
    HoldEnded,
    HoldId,
    HoldIncreased,
    HoldPlaced,
    HoldReduced,
    Minor,
    UnixMs,
)

OPEN = "open"


class Decided(Protocol):
    """What rows are made of: a `Decision`, or what has been read of one (`extract`)."""

    @property
    def account(self) -> AccountId: ...
    @property
    def seq(self) -> int: ...
    @property
    def at(self) -> UnixMs: ...
    @property
    def product(self) -> str: ...
    @property
    def changes(self) -> Sequence[object]: ...


class HoldRow(Struct, frozen=True, gc=False):
    """A hold, open or ended. `amount`: grosze, what it is now or was when it ended; `status`: `OPEN` or a `HoldEnd`;
    `ended_at`: None while open; `code`: DE38 of its authorization; `product`: of its account, "" where it had
    ended before that was kept."""

    id: HoldId
    account: AccountId
    card: CardId
    amount: Minor
    created: UnixMs
    expires: UnixMs
    status: str = OPEN
    ended_at: UnixMs | None = None
    code: str = ""
    product: str = ""

    @property
    def end(self) -> HoldEnd | None:
        """How it ended; None while it is open."""
        return None if self.status == OPEN else HoldEnd(self.status)


class HoldChange(Struct, frozen=True, gc=False):
    """What becomes of a row that is there already. `amount` None: stays."""

    id: HoldId
    account: AccountId
    amount: Minor | None = None
    status: str = OPEN
    ended_at: UnixMs | None = None


class HoldRows(Struct, frozen=True, gc=False):
    """Rows to insert, and changes of rows that were there before; a hold is never in both."""

    placed: dict[HoldId, HoldRow]
    changed: dict[HoldId, HoldChange]


def row_of(hold: Hold, account: AccountId, product: str) -> HoldRow:
    """The row of an open hold."""
    code = hold.authorization_code
    return HoldRow(hold.id, account, hold.card, hold.amount, hold.created, hold.expires, code=code, product=product)


def hold_rows(decisions: Iterable[Decided]) -> HoldRows:
    """The net effect of decisions, in their order: a hold placed and ended among them is one row, inserted as ended."""
    rows = HoldRows({}, {})
    for decision in decisions:
        for change in decision.changes:
            match change:
                case HoldPlaced(hold=hold):
                    assert hold.id not in rows.placed
                    assert hold.id not in rows.changed
                    rows.placed[hold.id] = row_of(hold, decision.account, decision.product)
                case HoldReduced(hold=hold_id, amount=amount) | HoldIncreased(hold=hold_id, amount=amount):
                    _change(rows, decision.account, hold_id, amount=amount)
                case HoldEnded(hold=hold_id, how=how, at=at):
                    _change(rows, decision.account, hold_id, status=how.value, ended_at=at)
                case _:
                    pass  # the other changes are of the account, not of holds
    return rows


def _change(rows: HoldRows, account: AccountId, hold_id: HoldId, **fields: object) -> None:
    placed = rows.placed.get(hold_id)
    if placed is not None:
        assert placed.status == OPEN
        rows.placed[hold_id] = replace(placed, **fields)
        return
    changed = rows.changed.get(hold_id, HoldChange(hold_id, account))
    assert changed.status == OPEN  # a hold ends once
    rows.changed[hold_id] = replace(changed, **fields)
