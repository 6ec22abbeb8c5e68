"""Expired holds of idle accounts end (W §14.13, P §10.9): found in an index, never early, each once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from engine_parts import ACCOUNT, CARD, NO_REDIS, PAN, Parts, parts, payment, until

from authsvc.model import AccountId, CardId, HoldEnd, Original, UnixMs
from authsvc.rules.calendar import DAY_MS, WARSAW
from authsvc.sweeper import Sweeper

OTHER = AccountId("acc-2")


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts(tmp_path, NO_REDIS) as made:
        await made.with_card()
        yield made


def sweeper_of(engine: Parts, every: float = 0) -> Sweeper:
    return Sweeper(engine.decider, engine.ledger, engine.metrics, every)


def warsaw(text: str) -> UnixMs:
    return UnixMs(int(datetime.fromisoformat(text).replace(tzinfo=WARSAW).timestamp() * 1000))


@pytest.mark.parametrize(
    ("made", "still_open", "over"),
    [
        ("2026-06-15 12:00", "2026-06-22 11:59", "2026-06-22 12:00"),
        ("2027-03-25 12:00", "2027-04-01 11:59", "2027-04-01 12:00"),  # an hour shorter: summer time begins
        ("2026-10-21 12:00", "2026-10-28 11:59", "2026-10-28 12:00"),  # an hour longer
        ("2028-02-25 09:30", "2028-03-03 09:29", "2028-03-03 09:30"),  # over 29 February
    ],
)
async def test_a_hold_ends_when_its_week_is_over_and_not_before(
    engine: Parts, made: str, still_open: str, over: str
) -> None:
    """Seven days by a Warsaw clock (W §14.13)."""
    engine.now = warsaw(made)
    await engine.decider.decide(payment())
    for at, ended in ((still_open, 0), (over, 1), (over, 0)):
        engine.now = warsaw(at)
        assert await sweeper_of(engine).sweep() == ended
    (hold,) = await engine.ledger.holds(ACCOUNT)
    assert (hold.end, hold.ended_at, await engine.held()) == (HoldEnd.EXPIRED, warsaw(over), 0)


async def test_many_accounts_are_swept_and_the_others_left_alone(engine: Parts) -> None:
    """One decision on each account that has something due; none on the others."""
    await engine.with_card(account=OTHER, card=CardId("card-2"), pan="5575290000000027")
    await engine.decider.decide(payment(1))
    await engine.decider.decide(payment(2))
    before = [row.seq for row in await engine.ledger.journal(OTHER)]
    engine.now = UnixMs(engine.now + 8 * 86_400_000)
    assert await sweeper_of(engine).sweep() == 1
    assert [hold.end for hold in await engine.ledger.holds(ACCOUNT)] == [HoldEnd.EXPIRED] * 2
    assert [row.seq for row in await engine.ledger.journal(OTHER)] == before
    assert engine.count("authsvc_swept_accounts_total") == 1


async def test_it_runs_by_itself_and_stops(engine: Parts) -> None:
    """Every so often; a stop waits for nothing."""
    await engine.decider.decide(payment())
    engine.now = UnixMs(engine.now + 8 * 86_400_000)
    sweeper = sweeper_of(engine, every=0.01)
    sweeper.start()
    await until(lambda: engine.count("authsvc_swept_accounts_total") == 1)
    await sweeper.stop()
    assert PAN not in repr(await engine.account())


async def test_a_clock_turned_back_ends_nothing(engine: Parts) -> None:
    """What is due is asked of the engine's clock; an account's own time never goes back."""
    await engine.decider.decide(payment())
    engine.now = UnixMs(engine.now - 86_400_000)
    assert await sweeper_of(engine).sweep() == 0
    assert await engine.held() == 10_00


async def test_it_can_be_switched_off(engine: Parts) -> None:
    sweeper = sweeper_of(engine, every=0)
    sweeper.start()
    await sweeper.stop()
    assert engine.count("authsvc_swept_accounts_total") == 0


async def test_ended_holds_are_forgotten_after_their_time(engine: Parts) -> None:
    """The journal keeps what they were; a late claim still finds its authorization there, and `reconcile` knows."""
    await engine.decider.decide(payment(1))
    engine.now = UnixMs(engine.now + 8 * DAY_MS)
    sweeper = Sweeper(engine.decider, engine.ledger, engine.metrics, 0, closed_holds_days=30)
    await sweeper.sweep()
    await engine.decider.decide(payment(2))
    assert await sweeper.forget() == 0
    engine.now = UnixMs(engine.now + 31 * DAY_MS)
    assert [await sweeper.forget(), await sweeper.forget()] == [1, 0]
    assert [hold.status for hold in await engine.ledger.holds(ACCOUNT)] == ["open"]
    paid = payment(1).origin
    found = await engine.ledger.original(ACCOUNT, CARD, Original(rrn=paid.rrn), "", "")
    assert found is not None


async def test_kept_for_ever(engine: Parts) -> None:
    await engine.decider.decide(payment(1))
    engine.now = UnixMs(engine.now + 800 * DAY_MS)
    sweeper = Sweeper(engine.decider, engine.ledger, engine.metrics, 0, closed_holds_days=0)
    await sweeper.sweep()
    assert await sweeper.forget() == 0
    assert len(await engine.ledger.holds(ACCOUNT)) == 1
