"""Decisions by hand, for the tests of the ledger: what is written here is facts, no rule decides anything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from authsvc.ledger.journal import ZERO_HASH, Ledger
from authsvc.ledger.postgres import PostgresLedger
from authsvc.ledger.sqlite import DECISIONS_A_DOCUMENT, SqliteLedger
from authsvc.model import (
    Account,
    Approved,
    Authorization,
    Change,
    Day,
    Decision,
    Entry,
    Head,
    Hold,
    HoldEnd,
    HoldEnded,
    HoldPlaced,
    HoldReduced,
    Key,
    Kind,
    Leg,
    Load,
    Origin,
    Outcome,
    Posted,
    Posting,
    PostingKind,
    Reason,
    Refused,
    Request,
    Step,
    Verdict,
)
from authsvc.rules.evolve import evolve

NOON = 1_781_517_600_000


def unborn(account: str) -> Head:
    return Head(Account(id=account), ZERO_HASH)


def origin(stan: str, mti: str = "0100", **fields: str) -> Origin:
    given = {"acquirer": "123", "terminal": "TERM0001", "merchant": "SHOP", "rrn": f"000000{stan}", **fields}
    return Origin(mti, "0615100000", stan, **given)


def decision(head: Head, request: Request, *changes: Change, key: int = 0, outcome: Outcome | None = None) -> Decision:
    seq = head.account.seq + 1
    trace = tuple(
        Step(rule, Verdict.PASSED, "S §19.2", {"asked": 100_00, "available": 500_00})
        for rule in ("card", "expired", "pin", "cashless_channel", "cashless_limit", "cashless_count", "funds")
    )
    return Decision(
        head.account.id, seq, NOON + seq, "prepaid-bps", request, outcome or Approved(), changes, trace, Key(key)
    )


def load(head: Head, amount: int = 100_00, key: int = 0) -> Decision:
    id_ = f"{head.account.id}-{head.account.seq + 1}"
    posting = Posting(id_, "", PostingKind.LOAD, -amount, NOON + head.account.seq + 1, Origin("", "", ""))
    posted = Posted(posting, head.account.balance + amount, (Leg("loads", "cardholder", amount),))
    return decision(head, Load(head.account.id, amount, "top-up"), posted, key=key)


def hold_id(head: Head, stan: str) -> str:
    return f"{head.account.id}-{stan}"


def authorization(head: Head, stan: str, card: str = "card-1", **fields: str) -> Authorization:
    return Authorization(
        head.account.id, card, origin(stan, **fields), "f", Kind.PURCHASE, 10_00, "985", Entry.CHIP, mcc="5411"
    )


def approve(head: Head, stan: str, key: int = 0, **fields: str) -> Decision:
    """An approved authorization with a hold of 10.00 named by `hold_id`."""
    request = authorization(head, stan, **fields)
    seq = head.account.seq + 1
    hold = Hold(
        hold_id(head, stan), request.card, 10_00, 10_00, NOON + seq, NOON + 604_800_000, request.origin, "A1B2C3",
        Day("2026-06-15"), "cashless",
    )  # fmt: skip
    return decision(head, request, HoldPlaced(hold), key=key, outcome=Approved(10_00, hold.id))


def refuse(head: Head, stan: str, key: int = 0, reason: Reason = Reason.INSUFFICIENT_FUNDS, **fields: str) -> Decision:
    return decision(head, authorization(head, stan, **fields), key=key, outcome=Refused(reason, "funds", "W §10.1"))


def reduce(head: Head, stan: str, amount: int) -> Decision:
    return decision(head, Load(head.account.id, 1, "-"), HoldReduced(hold_id(head, stan), amount))


def end(head: Head, stan: str, how: HoldEnd = HoldEnd.REVERSED) -> Decision:
    return decision(head, Load(head.account.id, 1, "-"), HoldEnded(hold_id(head, stan), how, NOON + 99))


def queue(ledger: Ledger, head: Head, made: Decision) -> tuple[Head, asyncio.Future[None]]:
    """Append what was decided on `head`."""
    return ledger.append(head, made, evolve(head.account, made))


async def take(ledger: Ledger, head: Head, made: Decision) -> Head:
    """Append, and wait until it is durable."""
    after, durable = queue(ledger, head, made)
    await durable
    return after


@asynccontextmanager
async def opened(path: Path, every: int = DECISIONS_A_DOCUMENT) -> AsyncIterator[SqliteLedger]:
    ledger = SqliteLedger(path, evolve, every=every)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()


@asynccontextmanager
async def opened_postgres(url: str, partitions: int = 0) -> AsyncIterator[PostgresLedger]:
    ledger = PostgresLedger(url, partitions=partitions)
    await ledger.open()
    try:
        yield ledger
    finally:
        await ledger.close()
