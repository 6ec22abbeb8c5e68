"""What the replay finds of the past is what the real ledger told the real decider."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_parts import ACCOUNT, CARD, NO_REDIS, PRODUCTS, Parts, parts, payment, reversal_of
from msgspec.structs import replace

from authsvc.ledger.sqlite_reader import open_reader
from authsvc.model import (
    Approved,
    Authorization,
    Kind,
    Minor,
    Origin,
    Original,
    Presentment,
    Refused,
    Request,
    Reversal,
    UnixMs,
)
from authsvc.products import Products
from authsvc.replay.again import Pair, Turn, Window, replayed
from authsvc.replay.versions import always
from authsvc.rules.posting import MAX_POSTED

DAY = 86_400_000


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Parts]:
    """With an account and a card, on SQLite; without Redis, which changes no decision."""
    async with parts(tmp_path, NO_REDIS) as made:
        await made.with_card()
        yield made


def pairs(folder: Path, products: Products) -> list[Pair]:
    (ledger,) = folder.glob("*.sqlite")
    reader = open_reader(ledger)
    found = list(replayed(reader, ACCOUNT, always(products), Window())[1])
    reader.close()
    return found


def claimed(paid: Authorization, code: str = "", rrn: str = "", number: int = 800) -> Presentment:
    """An 0220; or, with `rrn`, a presentment by file."""
    by_message = replace(payment(number).origin, mti="0220", rrn=paid.origin.rrn)
    origin = Origin("0220", "", "", rrn=rrn) if rrn else by_message
    original = Original(rrn=rrn or "another")
    return Presentment(ACCOUNT, CARD, origin, "f", Kind.PURCHASE, Minor(10_00), "985", original, code, idempotency=rrn)


def taken_back(claim: Presentment) -> Reversal:
    """By file: without a STAN."""
    origin = replace(claim.origin, mti="0420")
    return Reversal(
        ACCOUNT, CARD, origin, "back", claim.original, claim.amount, claim.currency, idempotency="back", kind=claim.kind
    )


def posted(first: int) -> list[Authorization]:
    """So many that whatever was posted before has left the document."""
    return [payment(first + number, mti="0200") for number in range(MAX_POSTED + 2)]


async def test_what_has_left_the_document_is_found(engine: Parts, tmp_path: Path) -> None:
    """A late presentment by its code, a repeat after a day, the reversal of an old posting and that of an old claim: each leads
    to the decision that was recorded."""
    held = payment(1)
    made = await engine.decider.decide(held)
    assert made.answer is not None
    engine.now = UnixMs(engine.now + 8 * DAY)
    await engine.decider.decide(payment(2))  # with which the expired hold leaves
    by_file = claimed(held, rrn="000000777777")
    story: list[Request] = [
        claimed(held, made.answer.authorization_code), replace(held, fingerprint="another"), by_file, *posted(100),
        taken_back(by_file), reversal_of(payment(100, mti="0200"), 900), reversal_of(held, 901), taken_back(by_file),
    ]  # fmt: skip
    decisions = [await engine.decider.decide(request) for request in story]
    undone, reversed_ = (decision.outcome for decision in decisions[-4:-2])
    assert isinstance(undone, Approved)
    assert isinstance(reversed_, Approved)
    assert (undone.amount, reversed_.amount) == (10_00, 10_00)  # both were found in the ledger
    for pair in pairs(tmp_path, PRODUCTS):
        assert pair.now == pair.was


async def test_a_claim_that_would_not_have_come_is_not_taken_back(engine: Parts, tmp_path: Path) -> None:
    """The shop of a refused payment neither claims it nor gives it back."""
    paid = payment(1)
    made = await engine.decider.decide(paid)
    assert made.answer is not None
    by_file = claimed(paid, made.answer.authorization_code, rrn="000000777777")
    for request in (by_file, taken_back(by_file)):
        assert isinstance((await engine.decider.decide(request)).outcome, Approved)
    bps = PRODUCTS["prepaid-bps"]
    no_shops = replace(bps, limits=replace(bps.limits, cashless=replace(bps.limits.cashless, count=0)))
    found = pairs(tmp_path, {**PRODUCTS, "prepaid-bps": no_shops})[-3:]
    assert [pair.turn for pair in found] == [Turn.REFUSED_NOW, Turn.NOT_PRESENTED, Turn.NOT_PRESENTED]
    assert found[0].now is not None
    assert isinstance(found[0].now.outcome, Refused)
