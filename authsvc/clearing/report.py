"""What became of a clearing file: a row for each record, and the groups that a clearing desk looks at. No card number is in
it beyond the first six and the last four digits."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from authsvc.clearing.posting import Result
from authsvc.clearing.records import ClearingFile, Left, Line, Wrong
from authsvc.codec.pan import mask

CREDITED = frozenset({"refund", "deposit"})
UNMATCHED = "no authorization"


class Row(Struct, frozen=True):
    """`line`: of the file; `outcome`: posted, reversed, refused, unreadable, left (another message) or unsent; `amount`: as
    presented, minor units of `currency`; `posted`: grosze, negative for money to the holder; `problem`: in words; `card`: as in
    the file, masked; `card_id`: the engine's."""

    line: int
    outcome: str
    card: str = ""
    rrn: str = ""
    authorization_code: str = ""
    amount: int | None = None
    currency: str = ""
    posted: int | None = None
    matched: str = ""
    flags: tuple[str, ...] = ()
    reason: str = ""
    problem: str = ""
    account: str = ""
    card_id: str = ""
    decision: str = ""
    repeated: bool = False


class Group(Struct, frozen=True):
    """`amount`: grosze posted."""

    name: str
    count: int
    amount: int
    lines: tuple[int, ...]


class Report(Struct, frozen=True):
    """`sha256`: of the file; `groups`: see `groups_of`; `stopped`: why not all of it was sent, "" when it was."""

    file: str
    sha256: str
    form: str
    groups: tuple[Group, ...]
    rows: tuple[Row, ...]
    stopped: str = ""

    @property
    def done(self) -> bool:
        """Whether every record that moves money is posted, now or before."""
        return not self.stopped and not {"refused", "unreadable", "left", "unsent"} & {
            group.name for group in self.groups
        }


def report(name: str, file: ClearingFile, results: Iterable[Result], stopped: str = "") -> Report:
    """Of a run that came as far as `results`."""
    answered = {result.line.number: result for result in results}
    rows = tuple(_row(record, answered) for record in file.records)
    return Report(name, file.digest, file.form, groups_of(rows), rows, stopped)


def _row(record: Line | Wrong | Left, answered: dict[int, Result]) -> Row:
    if isinstance(record, Wrong):
        return Row(record.number, "unreadable", problem=f"{record.field}: {record.problem}".removeprefix(": "))
    if isinstance(record, Left):
        return Row(record.number, "left" if record.money else "administrative", problem=record.what)
    body, result = record.body, answered.get(record.number)
    # Masked whatever it looks like: a card number with a space in it is no card number, and still a secret.
    row = Row(
        record.number, "unsent", mask(body.pan_or_card), body.rrn, body.authorization_code, body.amount, body.currency
    )
    return row if result is None else _answered(row, result)


def _answered(row: Row, result: Result) -> Row:
    told = result.outcome
    return msgspec.structs.replace(
        row, outcome=told.outcome, posted=told.amount, matched=told.matched or "", flags=told.flags,
        reason=told.reason or "", account=told.account or "", card_id=told.card or "", decision=told.decision or "",
        repeated=told.repeated,
    )  # fmt: skip


def groups_of(rows: Iterable[Row]) -> tuple[Group, ...]:
    """matched, unmatched, credits, reversed: each posting is in one of them; before: those of an earlier run; each flag, as
    `late`; and what is not posted: refused, unreadable, left, unsent. Empty ones are left out."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        for name in _names(row):
            found.setdefault(name, []).append(row)
    return tuple(_group(name, members) for name, members in sorted(found.items(), key=lambda item: _place(item[0])))


ORDER = ("matched", "unmatched", "credits", "reversed", "before")
LAST = ("refused", "unreadable", "left", "unsent")


def _place(name: str) -> tuple[int, str]:
    if name in ORDER:
        return ORDER.index(name), ""
    return (len(ORDER) + 1 + LAST.index(name), "") if name in LAST else (len(ORDER), name)


def _names(row: Row) -> Iterable[str]:
    if row.outcome == "posted":
        yield "unmatched" if row.matched == UNMATCHED else "credits" if row.matched in CREDITED else "matched"
    elif row.outcome != "administrative":
        yield row.outcome
    if row.repeated and row.outcome != "refused":
        yield "before"
    yield from row.flags


def _group(name: str, rows: list[Row]) -> Group:
    return Group(name, len(rows), sum(row.posted or 0 for row in rows), tuple(row.line for row in rows))


def as_json(told: Report) -> bytes:
    return msgspec.json.format(msgspec.json.encode(told), indent=1) + b"\n"


def as_csv(told: Report) -> bytes:
    """The rows alone; flags are separated by spaces."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(Row.__struct_fields__)
    for row in told.rows:
        values = msgspec.structs.asdict(row) | {"flags": " ".join(row.flags), "repeated": str(row.repeated).lower()}
        writer.writerow(values.values())
    return out.getvalue().encode()
