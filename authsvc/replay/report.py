"""What a replay tells: sums for people, JSON for programs, one CSV row for each decision that turned out otherwise.

The same journal and the same product files give the same bytes: accounts in order, no clock, no speed.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TextIO

from msgspec import Struct

from authsvc.model import (
    BANK,
    PLN,
    Approved,
    Authorization,
    Charge,
    Decision,
    Load,
    Message,
    Presentment,
    RecordThreeDs,
    Refused,
    Reversal,
    Transfer,
    UnixMs,
)
from authsvc.replay.again import JournalReader, Pair, Turn, Window, replayed
from authsvc.replay.versions import Versions

COLUMNS = (
    "account", "seq", "at", "turn", "product", "kind", "rrn", "amount", "currency", "was", "now",
    "reason_was", "reason_now", "paragraph",
)  # fmt: skip
"""Of the CSV file. `amount`: asked for, minor units of `currency` (ISO 4217 numeric); `was`, `now`: grosze approved, "refused",
or "" for what would not have come; `paragraph`: of the refusal, the new one if there is one."""

OnPair = Callable[[Pair], None]


class Group(Struct, frozen=True, order=True):
    """What is counted together. `reason_was`, `reason_now`: "" of an approval."""

    product: str
    turn: str
    reason_was: str
    reason_now: str
    currency: str


class Sum(Struct):
    """`amount`: asked for, minor units of the group's currency."""

    count: int = 0
    amount: int = 0


class Report(Struct):
    """`accounts_otherwise`: those whose document at the end is not the recorded one, though every answer may be the same."""

    accounts: int = 0
    accounts_otherwise: int = 0
    requests: int = 0
    turns: dict[Turn, int] = {}
    groups: dict[Group, Sum] = {}

    @property
    def differs(self) -> bool:
        return self.accounts_otherwise > 0 or self.turns.get(Turn.SAME, 0) != self.requests

    def count(self, pair: Pair) -> None:
        turn = pair.turn
        self.requests += 1
        self.turns[turn] = self.turns.get(turn, 0) + 1
        if turn is Turn.SAME:
            return
        amount, currency = asked(pair.was)
        product = (pair.now or pair.was).product
        group = Group(product, turn.value, reason_of(pair.was), reason_of(pair.now), currency)
        total = self.groups.setdefault(group, Sum())
        total.count += 1
        total.amount += amount


def compare(
    reader: JournalReader, products: Versions, window: Window, account: str = "", on_pair: OnPair | None = None
) -> Report:
    """Decide again what the ledger has (of one account, or of all), and count. `on_pair`: sees every pair, in order.

    Raises ConfigError for a product without a file, DamagedJournalError.
    """
    report = Report()
    for name in reader.every_account():
        if name == BANK or (account and name != account):  # what it says of the engine is not decided again
            continue
        replay, pairs = replayed(reader, name, products, window)
        for pair in pairs:
            report.count(pair)
            if on_pair is not None:
                on_pair(pair)
        report.accounts += 1
        report.accounts_otherwise += replay.ends_otherwise
    return report


def asked(decision: Decision) -> tuple[int, str]:
    """Amount asked for, minor units, and its currency; 0 and "" of what asks for no money."""
    request = decision.request
    if isinstance(request, Authorization | Presentment | Reversal | RecordThreeDs):
        return request.amount, request.currency
    return (request.amount, PLN) if isinstance(request, Load | Charge | Transfer) else (0, "")


def reason_of(decision: Decision | None) -> str:
    return decision.outcome.reason.value if decision and isinstance(decision.outcome, Refused) else ""


def csv_writer(file: TextIO) -> OnPair:
    """Writes the heading now, then a row for each pair that is not the same. `file`: opened with newline=""."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)

    def write(pair: Pair) -> None:
        if pair.turn is not Turn.SAME:
            writer.writerow(_row(pair))

    return write


def _row(pair: Pair) -> tuple[object, ...]:
    was, now = pair.was, pair.now
    request = was.request
    rrn = request.origin.rrn if isinstance(request, Message) else ""
    outcomes = [one.outcome for one in (now, was) if one is not None]
    paragraph = next((outcome.paragraph for outcome in outcomes if isinstance(outcome, Refused)), "")
    return (
        was.account, was.seq, rfc3339(was.at), pair.turn.value, (now or was).product,
        request.__struct_config__.tag, rrn, *asked(was), _outcome(was), _outcome(now),
        reason_of(was), reason_of(now), paragraph,
    )  # fmt: skip


def _outcome(decision: Decision | None) -> str:
    if decision is None:
        return ""
    return str(decision.outcome.amount) if isinstance(decision.outcome, Approved) else "refused"


def rfc3339(at: UnixMs) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def as_json(report: Report) -> dict[str, object]:
    """Every turn with its count, also those that did not happen; the groups in order."""
    return {
        "accounts": report.accounts,
        "accounts_otherwise": report.accounts_otherwise,
        "requests": report.requests,
        "turns": {turn.value: report.turns.get(turn, 0) for turn in Turn},
        "groups": [
            {"product": group.product, "turn": group.turn, "reason_was": group.reason_was, "reason_now": group.reason_now,
             "currency": group.currency, "count": total.count, "amount": total.amount}
            for group, total in sorted(report.groups.items())
        ],
    }  # fmt: skip


def as_text(report: Report) -> Iterator[str]:
    """Lines for people."""
    yield f"{report.requests} requests of {report.accounts} accounts decided again"
    for turn in Turn:
        if count := report.turns.get(turn, 0):
            yield f"  {turn.value:<14} {count}"
    for group, total in sorted(report.groups.items()):
        reasons = f"{group.reason_was or 'approved'} -> {group.reason_now or 'approved'}"
        if group.turn == Turn.NOT_PRESENTED:
            reasons = "its authorization is refused now"
        money = f"  {total.amount} minor units of {group.currency}" if group.currency else ""
        yield f"{group.product}: {group.turn}: {reasons}: {total.count}{money}"
    yield f"{report.accounts_otherwise} accounts end otherwise"
