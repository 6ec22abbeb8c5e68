"""Laws 3, 4 and 5: one head, one winner, and no answer before it is remembered. Real SQLite, real Valkey or none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import redis
from engine_parts import (
    ACCOUNT,
    CARD,
    NO_REDIS,
    NOON,
    PAN,
    PIN,
    PRODUCTS,
    Parts,
    code,
    parts,
    payment,
    reversal_of,
    running_valkey,
)
from msgspec.structs import replace

from authsvc.decider import ATTEMPTS, Decider, reason_of, with_pin_verdict
from authsvc.errors import LateError, LedgerDownError, StaleAccountError
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.model import (
    Account,
    AccountId,
    BlockCard,
    BlockKind,
    By,
    CardId,
    Command,
    Decision,
    Head,
    Kind,
    Load,
    Minor,
    OpenAccount,
    Original,
    Pin,
    Presentment,
    Reason,
    SetLimits,
    UnixMs,
)
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve
from authsvc.rules.posting import MAX_POSTED
from authsvc.rules.presentment import flags, matched
from authsvc.state.connection import RedisConnection
from authsvc.state.copy import RedisState
from authsvc.state.recent import RecentHeads
from authsvc.state.resting import LOOK_SECONDS

BPS = PRODUCTS["prepaid-bps"]


@pytest.fixture(params=["Redis", "no Redis"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Parts]:
    """With an account and a card; each test runs with a Redis and without: it is a copy, and never more."""
    if request.param == "no Redis":
        async with parts(tmp_path, NO_REDIS) as made:
            await made.with_card()
            yield made
        return
    async with running_valkey(tmp_path) as valkey, parts(tmp_path, valkey.url) as made:
        await made.with_card()
        yield made


async def by_someone_else(engine: Parts, command: Command) -> None:
    """What another worker would do: decide on the journal's head and append, past this worker's decider and copy."""
    head = await engine.ledger.head(command.account)
    assert head is not None
    decision = decide(command, head.account, BPS, engine.now)
    _, durable = engine.ledger.append(head, decision, evolve(head.account, decision))
    await durable


class Meddling:
    """A ledger in front of the real one that lets somebody else be faster `times` times."""

    def __init__(self, real: SqliteLedger, times: int) -> None:
        self._real = real
        self.left = times

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def append(self, before: Head, decision: Decision, after: Account, vault: Any = None) -> Any:
        if self.left and before.account.id == ACCOUNT:
            self.left -= 1
            load = Load(ACCOUNT, Minor(1), "from elsewhere")
            theirs = decide(load, before.account, BPS, NOON)
            _, done = self._real.append(before, theirs, evolve(before.account, theirs))
            done.add_done_callback(lambda future: future.exception())
        return self._real.append(before, decision, after, vault)


def meddled_with(engine: Parts, times: int) -> Decider:
    ledger: Any = Meddling(engine.ledger, times)
    return Decider(PRODUCTS, engine.state, ledger, lambda: NOON, engine.metrics)


# ------------------------------------------------------------------------------------------------------- one head


async def test_messages_at_once_stand_on_each_other(engine: Parts) -> None:
    """They join one line and never overspend: 1 000.00 is enough for a hundred of 10.00."""
    decisions = await asyncio.gather(*(engine.decider.decide(payment(stan)) for stan in range(150)))
    assert [code(decision) for decision in decisions].count("00") == 100
    assert {reason_of(decision) for decision in decisions} == {"", Reason.INSUFFICIENT_FUNDS}
    assert await engine.held() == 1_000_00
    assert sorted(decision.seq for decision in decisions) == list(range(5, 155))


async def test_more_messages_than_an_account_remembers_keys_of(engine: Parts) -> None:
    """Above 64 in a day each key is looked up in the journal; that takes time, and still none loses a race for it."""
    for round_ in range(3):
        stans = range(round_ * 100, round_ * 100 + 100)
        decisions = await asyncio.gather(*(engine.decider.decide(payment(stan, 1)) for stan in stans))
        assert {code(decision) for decision in decisions} == {"00"}
    assert engine.count("authsvc_conflicts_total") == 0
    again = await asyncio.gather(*(engine.decider.decide(payment(stan, 1)) for stan in range(300)))
    assert {decision.seq for decision in again} == set(range(5, 305))


async def test_what_was_answered_is_on_the_disk(engine: Parts) -> None:
    """Law 5."""
    decision = await engine.decider.decide(payment())
    (row,) = await engine.ledger.find(rrn="RRN000000001")
    assert row.decision == decision


async def test_nobody_is_shown_what_is_not_on_the_disk(engine: Parts) -> None:
    """Law 5, of who reads an account: a crash could still take back what is under way."""
    under_way = [asyncio.create_task(engine.decider.decide(payment(stan))) for stan in range(20)]
    while not all(task.done() for task in under_way):
        await asyncio.sleep(0)
        shown = await engine.decider.account(ACCOUNT)
        durable = await engine.ledger.head(ACCOUNT)
        assert shown
        assert durable
        assert shown.seq <= durable.account.seq
    after = await engine.decider.account(ACCOUNT)
    assert after
    assert sum(hold.amount for hold in after.holds) == 20 * 10_00


async def test_an_account_is_shown_as_the_journal_has_it(engine: Parts) -> None:
    """After a crash the copy may be behind; it is a help for decisions, which lose a race on it, and shown to nobody."""
    if not engine.state.up:
        return
    behind = await engine.ledger.head(ACCOUNT)
    assert behind is not None
    await engine.decider.decide(payment())
    copied = await engine.state.peek(ACCOUNT)
    assert copied is not None
    engine.state._forget(ACCOUNT)
    engine.state.store(behind)
    assert await engine.state.load(ACCOUNT) == behind
    shown = await engine.decider.account(ACCOUNT)
    assert shown == copied.account


async def test_the_copy_follows(engine: Parts) -> None:
    if not engine.state.up:
        return
    await engine.decider.decide(payment())
    copied = await engine.state.peek(ACCOUNT)
    assert copied == await engine.ledger.head(ACCOUNT)


# --------------------------------------------------------------------------------------------------------- repeats


async def test_a_repeat_waits_for_the_first(engine: Parts) -> None:
    """While the first is still on its way to the disk its repeats are not answered; then all get that decision."""
    first = asyncio.create_task(engine.decider.decide(payment()))
    repeats = [asyncio.create_task(engine.decider.decide(payment(mti=mti))) for mti in ("0101", "0100", "0101")]
    for _ in range(100):
        await asyncio.sleep(0)
        answered = any(repeat.done() for repeat in repeats)  # looked at first: it may become durable while we read
        durable = await engine.ledger.find(rrn="RRN000000001")
        assert durable or not answered
        if durable:
            break
    decisions = await asyncio.gather(first, *repeats)
    assert all(decision == decisions[0] for decision in decisions)
    assert await engine.held() == 10_00


async def test_an_account_at_hand_is_not_read_again(engine: Parts) -> None:
    """Until somebody else has decided on it: then the race is lost, and the journal is read."""
    decider = Decider(
        PRODUCTS, engine.state, engine.ledger, lambda: engine.now, engine.metrics, 5.0, RecentHeads(1 << 20)
    )
    assert code(await decider.decide(payment(1))) == "00"
    read = engine.count("authsvc_state_misses_total")
    assert code(await decider.decide(payment(2))) == "00"
    assert (engine.count("authsvc_state_misses_total"), engine.count("authsvc_conflicts_total")) == (read, 0)
    before = (await engine.account()).balance
    await by_someone_else(engine, Load(ACCOUNT, Minor(7_00), "from elsewhere"))
    assert code(await decider.decide(payment(3))) == "00"
    assert engine.count("authsvc_conflicts_total") == 1
    assert ((await engine.account()).balance, await engine.held()) == (before + 7_00, 30_00)
    assert code(await decider.decide(payment(4))) == "00"
    assert engine.count("authsvc_conflicts_total") == 1


async def test_what_there_is_no_room_for_waits_for_redis_no_longer(tmp_path: Path) -> None:
    """Given room for one account and states that rest for an hour, then whoever has to leave is written at once: what waits is
    bounded by what is at hand. It is read from Redis the next time, not from the journal, and no race is lost."""
    async with running_valkey(tmp_path) as valkey, parts(tmp_path, valkey.url) as engine:
        other = AccountId("acc-other")
        await engine.with_card()
        await engine.with_card(account=other, card=CardId("card-other"), pan="5575290000000027")
        connection = RedisConnection(valkey.url)
        await connection.start()
        state = RedisState(connection, engine.ledger.head, engine.metrics, patience=3_600)
        decider = Decider(PRODUCTS, state, engine.ledger, lambda: engine.now, engine.metrics, 5.0, RecentHeads(10_000))
        for stan in range(1, 7):
            for request in (payment(stan), replace(payment(stan), account=other, card=CardId("card-other"))):
                assert code(await decider.decide(request)) == "00"
                await asyncio.sleep(2 * LOOK_SECONDS)
        waiting = [name for name in (ACCOUNT, other) if state._resting.waiting(name) is not None]
        assert waiting == [other]
        copied, durable = await state.peek(ACCOUNT), await engine.ledger.head(ACCOUNT)
        assert copied is not None
        assert copied == durable
        assert (engine.count("authsvc_conflicts_total"), engine.count("authsvc_state_store_failures_total")) == (0, 0)
        await state.close()


async def test_a_redis_that_takes_no_writes(tmp_path: Path) -> None:
    """Out of memory, or a replica: it answers reads, ever older ones. Each message loses one race, finds the journal, and is
    decided; a repeat whose first is newer than the copy finds it too."""
    async with running_valkey(tmp_path) as valkey, parts(tmp_path, valkey.url) as engine:
        await engine.with_card()
        with redis.Redis.from_url(valkey.url) as admin:
            admin.config_set("maxmemory", 1)
        for stan in range(5):
            assert code(await engine.decider.decide(payment(stan))) == "00"
        first = await engine.decider.decide(payment(9))
        assert await engine.decider.decide(payment(9, mti="0101")) == first
        other = await engine.decider.decide(payment(10))
        assert await engine.decider.decide(payment(9, mti="0101")) == first
        assert code(other) == "00"
        assert await engine.held() == 7 * 10_00


async def test_a_repeat_with_another_content(engine: Parts) -> None:
    """Also when it comes before the first is durable."""
    first, other = await asyncio.gather(engine.decider.decide(payment()), engine.decider.decide(payment(amount=20_00)))
    assert (code(first), code(other)) == ("00", "94")
    assert await engine.held() == 10_00


async def test_a_command_repeated_at_once(engine: Parts) -> None:
    """The same idempotency key, twenty times at once, amid payments: one load."""
    load = Load(ACCOUNT, Minor(5_00), "r", idempotency="key", fingerprint="same")
    payments = [engine.decider.decide(payment(stan, 1)) for stan in range(50)]
    decisions = await asyncio.gather(*(engine.decider.decide(load) for _ in range(20)), *payments)
    assert len({decision.seq for decision in decisions[:20]}) == 1
    assert (await engine.account()).balance == 1_005_00


# ------------------------------------------------------------------------------------------------------- lost races


async def test_somebody_else_was_faster(engine: Parts) -> None:
    """Our copy is behind: the decision on it is not taken, and made again on what is true."""
    await engine.decider.decide(payment(1))
    await by_someone_else(engine, BlockCard(ACCOUNT, CARD, BlockKind.STOLEN, By.HOLDER))
    assert code(await engine.decider.decide(payment(2))) == "43"
    if engine.state.up:
        assert engine.count("authsvc_conflicts_total") == 1


async def test_a_whole_line_loses_and_decides_again(engine: Parts) -> None:
    """Ten on top of each other, the lowest loses: all ten decide again, each once, on money that somebody took."""
    await engine.decider.decide(payment(0, 900_00))
    await by_someone_else(engine, SetLimits(ACCOUNT, CARD, cashless=Minor(950_00)))
    decisions = await asyncio.gather(*(engine.decider.decide(payment(stan)) for stan in range(1, 11)))
    assert [code(decision) for decision in decisions].count("00") == 5
    assert {reason_of(decision) for decision in decisions} == {"", Reason.CASHLESS_LIMIT}
    assert await engine.held() == 950_00


@pytest.mark.parametrize("times", [1, ATTEMPTS - 1])
async def test_lost_races_are_made_up_for(engine: Parts, times: int) -> None:
    assert code(await meddled_with(engine, times).decide(payment())) == "00"
    assert (await engine.account()).balance == 1_000_00 + times
    assert engine.count("authsvc_conflicts_total") == times


async def test_attempts_are_bounded(engine: Parts) -> None:
    """Given up after `ATTEMPTS`, with nothing held; the next one is decided as if nothing had been."""
    decider = meddled_with(engine, ATTEMPTS)
    with pytest.raises(StaleAccountError, match=f"lost {ATTEMPTS} races"):
        await decider.decide(payment(1))
    assert await engine.held() == 0
    assert code(await decider.decide(payment(1))) == "00"


# ------------------------------------------------------------------------------------------------------- reversals


@pytest.mark.parametrize("mti", ["0400", "0420"])
async def test_a_reversal_while_its_original_is_under_way(engine: Parts, mti: str) -> None:
    """It stands on the original's decision, wherever that is by now."""
    original = payment(1)
    decisions = await asyncio.gather(
        engine.decider.decide(original), engine.decider.decide(reversal_of(original, 2, mti))
    )
    assert [code(decision) for decision in decisions] == ["00", "00"]
    assert await engine.held() == 0


async def test_reversals_of_many_under_way(engine: Parts) -> None:
    """Whatever order they are taken in, nothing is held."""
    originals = [payment(stan) for stan in range(1, 31)]
    both = [
        pair for original in originals for pair in (original, reversal_of(original, 100 + int(original.origin.stan)))
    ]
    decisions = await asyncio.gather(*(engine.decider.decide(request) for request in both))
    assert {code(decision) for decision in decisions} == {"00"}
    assert await engine.held() == 0


async def test_a_reversal_whose_original_is_not_in_the_document_any_more(engine: Parts) -> None:
    """Its hold has ended; the journal knows it, so it is not taken for one that came too early."""
    original = payment(1)
    await engine.decider.decide(original)
    assert code(await engine.decider.decide(reversal_of(original, 2))) == "00"
    assert code(await engine.decider.decide(reversal_of(original, 3))) == "00"
    assert (await engine.account()).early_reversals == ()


async def test_a_reversal_on_an_account_that_does_not_rest(engine: Parts) -> None:
    """It asks the journal while payments go on; that must not keep it waiting for ever."""
    payments = [asyncio.create_task(engine.decider.decide(payment(stan, 1))) for stan in range(200)]
    early = engine.decider.decide(reversal_of(payment(999), 1000))
    assert code(await early) == "25"
    await asyncio.gather(*payments)
    assert code(await engine.decider.decide(payment(999))) == "05"


# ---------------------------------------------------------------------------------------------------------- faults


async def test_a_ledger_that_takes_no_more(tmp_path: Path) -> None:
    """What cannot be remembered is not decided: LedgerDownError, which is DE39 91, and nothing is held."""
    async with parts(tmp_path, NO_REDIS) as engine:
        await engine.with_card()
        engine.ledger.healthy = False  # as after a failed fsync
        with pytest.raises(LedgerDownError):
            await engine.decider.decide(payment())
        assert await engine.held() == 0


async def test_too_late_to_decide(tmp_path: Path) -> None:
    """When reading took longer than anybody waits, nothing is decided: LateError, which is DE39 91."""
    async with parts(tmp_path, NO_REDIS, within=-1.0) as engine:
        with pytest.raises(LateError):
            await engine.decider.decide(payment())
        assert await engine.ledger.head(ACCOUNT) is None


async def test_a_sender_who_gives_up(engine: Parts) -> None:
    """Cancelled while it waits for the disk: the decision stands, and the account goes on."""
    task = asyncio.create_task(engine.decider.decide(payment(1)))
    while not engine.decider._tips:
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert code(await engine.decider.decide(payment(1, mti="0101"))) == "00"
    assert code(await engine.decider.decide(payment(2))) == "00"
    assert await engine.held() == 20_00
    assert engine.decider._tips == {}
    assert engine.decider._on_their_way == {}


async def test_a_repeat_outlives_a_first_that_gave_up(engine: Parts) -> None:
    """Who waits for the same commit is not cancelled with the one who was first."""
    first = asyncio.create_task(engine.decider.decide(payment(1)))
    while not engine.decider._tips:
        await asyncio.sleep(0)
    repeat = asyncio.create_task(engine.decider.decide(payment(1, mti="0101")))
    await asyncio.sleep(0)
    first.cancel()
    assert code(await repeat) == "00"
    assert first.cancelled()
    assert await engine.held() == 10_00


async def test_what_was_decided_is_counted_when_it_is_durable(engine: Parts) -> None:
    """Also when nobody waits for it any more."""
    before = engine.count("authsvc_decisions_total")
    task = asyncio.create_task(engine.decider.decide(payment(1)))
    while not engine.decider._tips:
        await asyncio.sleep(0)
    assert engine.count("authsvc_decisions_total") == before
    task.cancel()
    while engine.decider._tips:
        await asyncio.sleep(0.001)
    assert engine.count("authsvc_decisions_total") == before + 1
    assert engine.count("authsvc_approved_payments_total") == 1


async def test_nothing_is_left_behind(engine: Parts) -> None:
    """Tips and waiting keys are gone when nothing is under way: an engine runs for months."""
    await asyncio.gather(*(engine.decider.decide(payment(stan)) for stan in range(50)))
    decider = engine.decider
    assert not any((decider._tips, decider._on_their_way, decider._readers, decider._committed))


# ------------------------------------------------------------------------------------------------------------ other


@pytest.mark.parametrize("at_once", [True, False], ids=["under way", "durable"])
async def test_the_reversal_of_a_posting_that_left_the_document(engine: Parts, at_once: bool) -> None:
    """So many were posted after it that the document has let it go: the ledger knows it, or, not yet on the disk, we do. The
    money goes back once, however often that is asked (rulebook section 4, 0200)."""
    paid = [payment(stan, mti="0200") for stan in range(1, MAX_POSTED + 5)]
    undo = [replace(reversal_of(paid[0], 900 + number), fingerprint=f"{number}") for number in range(2)]
    if at_once:
        await asyncio.gather(*(engine.decider.decide(one) for one in (*paid, *undo)))
    else:
        for one in (*paid, *undo):
            await engine.decider.decide(one)
    account = await engine.account()
    assert account.balance == 1_000_00 - (len(paid) - 1) * 10_00


async def test_a_late_presentment_finds_its_hold_by_its_code(engine: Parts) -> None:
    """The hold has ended and left the document; the ledger knows its authorization code (P §10.9)."""
    paid = await engine.decider.decide(payment(1))
    assert paid.answer is not None
    engine.now = UnixMs(engine.now + 8 * 86_400_000)
    await engine.decider.decide(payment(2))
    origin = replace(payment(3).origin, mti="0220", rrn="another")
    claim = Presentment(
        ACCOUNT, CARD, origin, "f", Kind.PURCHASE, Minor(10_00), "985", Original(rrn="another"),
        paid.answer.authorization_code,
    )  # fmt: skip
    decision = await engine.decider.decide(claim)
    assert (matched(decision), flags(decision)) == ("expired hold", ("late",))
    assert (await engine.account()).cards[CARD].counters.used.cashless == 10_00


async def test_time_never_runs_back_for_an_account(engine: Parts) -> None:
    engine.now = UnixMs(NOON - 86_400_000)
    assert (await engine.decider.decide(payment())).at == NOON


async def test_an_account_nobody_opened(engine: Parts) -> None:
    """Unknown PANs are decided against stray accounts; those are no accounts to be shown."""
    stray = AccountId("stray-0")
    decision = await engine.decider.decide(replace(payment(), account=stray, card=""))
    assert (code(decision), reason_of(decision)) == ("14", Reason.UNKNOWN_CARD)
    assert await engine.decider.account(stray) is None
    assert await engine.decider.account(AccountId("nobody")) is None
    found = await engine.decider.account(ACCOUNT)
    assert found is not None
    assert found.product == "prepaid-bps"


async def test_an_account_is_opened_once(engine: Parts) -> None:
    decision = await engine.decider.decide(OpenAccount(ACCOUNT, "prepaid-sgb"))
    assert reason_of(decision) == Reason.ACCOUNT_EXISTS
    assert (await engine.account()).product == "prepaid-bps"


@pytest.mark.parametrize(("pin", "verdict"), [(PIN, Pin.RIGHT), ("4321", Pin.WRONG), ("", Pin.ABSENT)])
async def test_the_pin_verdict(engine: Parts, pin: str, verdict: Pin) -> None:
    """The value offered is compared and goes no further."""
    offered = engine.hsm.pvv(pin, PAN) if pin else ""
    request = with_pin_verdict(payment(), offered, await engine.account())
    assert request == replace(payment(), pin=verdict)
    stranger = with_pin_verdict(payment(), offered, Account(id=ACCOUNT))
    assert stranger == replace(payment(), pin=Pin.WRONG if pin else Pin.ABSENT)
