"""holds: rows from decisions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from ledger_story import approve, end, reduce, unborn
from msgspec.structs import replace

from authsvc.ledger.holds import OPEN, HoldRow, hold_rows, row_of
from authsvc.model import Decision, Head, HoldEnd
from authsvc.rules.evolve import evolve


@st.composite
def histories(draw: st.DrawFn) -> tuple[Head, list[Decision]]:
    """Holds placed, reduced and ended in any lawful order."""
    head, made, is_open = unborn("acc"), [], []
    for number in range(draw(st.integers(0, 25))):
        what = draw(st.sampled_from(("place", "reduce", "end"))) if is_open else "place"
        if what == "place":
            is_open.append(f"{number:06}")
            made.append(approve(head, is_open[-1]))
        elif what == "reduce":
            made.append(reduce(head, draw(st.sampled_from(is_open)), draw(st.integers(0, 10_00))))
        else:
            stan = is_open.pop(draw(st.integers(0, len(is_open) - 1)))
            made.append(end(head, stan, draw(st.sampled_from(HoldEnd))))
        head = Head(evolve(head.account, made[-1]), head.hash)
    return head, made


def written(batches: list[list[Decision]]) -> dict[str, HoldRow]:
    table: dict[str, HoldRow] = {}
    for batch in batches:
        rows = hold_rows(batch)
        assert not rows.placed.keys() & (table.keys() | rows.changed.keys())
        table |= rows.placed
        for hold_id, change in rows.changed.items():
            assert table[hold_id].status == OPEN
            amount = table[hold_id].amount if change.amount is None else change.amount
            table[hold_id] = replace(table[hold_id], amount=amount, status=change.status, ended_at=change.ended_at)
    return table


@given(histories(), st.data())
def test_any_cut_into_batches_gives_the_same_table(history: tuple[Head, list[Decision]], data: st.DataObject) -> None:
    """However decisions fall into batches, the table is the same; its open rows are the account's open holds."""
    head, made = history
    rest, batches = made, []
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        batches.append(rest[:size])
        rest = rest[size:]
    table = written(batches)
    assert table == written([[decision] for decision in made])
    still_open = {hold_id: row for hold_id, row in table.items() if row.status == OPEN}
    assert still_open == {hold.id: row_of(hold, "acc", "prepaid-bps") for hold in head.account.holds}


def test_the_end_of_a_row() -> None:
    """An open row has no end; an ended one names it."""
    row = row_of(approve(unborn("acc"), "000001").changes[0].hold, "acc", "")
    assert row.end is None
    assert replace(row, status="posted").end is HoldEnd.POSTED
