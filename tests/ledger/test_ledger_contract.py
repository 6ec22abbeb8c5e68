"""What every ledger promises, whatever is below it. A new kind of ledger joins by its name in `LEDGERS`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from ledger_story import (
    NOON,
    approve,
    decision,
    end,
    hold_id,
    load,
    opened,
    opened_postgres,
    queue,
    reduce,
    refuse,
    take,
    unborn,
)
from msgspec.structs import replace
from postgres_server import PostgresServer

from authsvc.errors import StaleAccountError
from authsvc.gauges import EXPIRING_MS, Held, OpenHolds
from authsvc.ledger.holds import HoldRow
from authsvc.ledger.journal import ZERO_HASH, Ledger, PanTakenError, VaultEntry, chain
from authsvc.model import Head, HoldEnd, Leg, Load, Original, PostingReduced
from authsvc.rules.evolve import evolve, fold

LEDGERS = {"sqlite": 0, "postgres": 0, "postgres, partitioned": 3}
"""Into how many partitions the tables are divided."""


@pytest.fixture(params=LEDGERS)
async def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ledger]:
    if request.param == "sqlite":
        async with opened(tmp_path / "data" / "ledger.db") as ledger:
            yield ledger
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        async with opened_postgres(server.database(), LEDGERS[request.param]) as ledger:
            yield ledger


async def test_what_was_taken_is_read_back(ledger: Ledger) -> None:
    """An acknowledged decision is in the journal, byte for byte, and its account is the head."""
    made = approve(unborn("acc"), "000001", key=7)
    head = await take(ledger, unborn("acc"), made)
    assert await ledger.head("acc") == head
    (row,) = await ledger.journal("acc")
    assert (row.seq, row.decision, row.hash) == (1, made, head.hash)
    assert head.hash == chain(ZERO_HASH, msgspec.json.encode(made))


async def test_nothing_is_known_of_a_stranger(ledger: Ledger) -> None:
    """Of an account, key, hold, card or PAN that never was, there is nothing."""
    assert await ledger.head("acc") is None
    assert await ledger.earlier("acc", 1, "000001") is None
    assert (
        await ledger.original("acc", "card-1", Original(mti="0100", stan="000001", sent="0615100000"), "", "") is None
    )
    assert await ledger.hold("acc", "h") is None
    assert await ledger.vault_by_card("card-1") is None
    assert await ledger.vault_by_hash(b"h") is None
    assert (await ledger.holds("acc"), await ledger.journal("acc"), await ledger.find(), await ledger.accounts()) == (
        [], [], [], [],
    )  # fmt: skip


async def test_a_chain_of_one_account_goes_in_one_batch(ledger: Ledger) -> None:
    """Decisions made on heads that are not durable yet are all taken, in order, and fold to the head."""
    head, waiting = unborn("acc"), []
    for number in range(200):
        head, durable = queue(ledger, head, approve(head, f"{number:06}"))
        waiting.append(durable)
    await asyncio.gather(*waiting)
    rows = await ledger.journal("acc")
    assert [row.seq for row in rows] == list(range(1, 201))
    assert fold("acc", (row.decision for row in rows)) == head.account
    assert await ledger.head("acc") == head
    hashed = ZERO_HASH
    for row in rows:
        hashed = chain(hashed, msgspec.json.encode(row.decision))
        assert row.hash == hashed


async def test_the_loser_and_what_stands_on_it_lose_and_nobody_else(ledger: Ledger) -> None:
    """Of two decisions on one head the first is taken; the other and its followers are stale; other accounts go on."""
    base = await take(ledger, unborn("acc"), load(unborn("acc")))
    winner, won = queue(ledger, base, load(base, 1))
    loser, lost = queue(ledger, base, load(base, 2))
    _, lost_too = queue(ledger, loser, approve(loser, "000009"))
    _, other = queue(ledger, unborn("other"), approve(unborn("other"), "000001"))
    next_one, goes_on = queue(ledger, winner, load(winner, 3))
    results = await asyncio.gather(won, lost, lost_too, other, goes_on, return_exceptions=True)
    assert [type(result) for result in results] == [
        type(None), StaleAccountError, StaleAccountError, type(None), type(None),
    ]  # fmt: skip
    assert await ledger.head("acc") == next_one
    assert await ledger.holds("acc") == []
    assert len(await ledger.holds("other")) == 1
    assert ledger.healthy


@pytest.mark.parametrize("known", [0, 1, 2])
async def test_a_stale_head_is_refused_at_any_age(ledger: Ledger, known: int) -> None:
    """A decision on an older head, or on one of another history, leaves nothing behind."""
    heads = [unborn("acc")]
    for amount in (1, 2, 3):
        heads.append(await take(ledger, heads[-1], load(heads[-1], amount)))
    strange = Head(heads[3].account, bytes(range(32)))
    for head in (heads[known], strange):
        with pytest.raises(StaleAccountError):
            await take(ledger, head, approve(head, "000001"))
    assert await ledger.head("acc") == heads[3]
    assert len(await ledger.find()) == 3
    assert await ledger.hold("acc", hold_id(heads[0], "000001")) is None


async def test_an_account_cannot_start_in_the_middle(ledger: Ledger) -> None:
    """A head of an account that the ledger has never seen (a copy outlived its journal) is stale."""
    elsewhere = Head(evolve(unborn("acc").account, load(unborn("acc"))), bytes(range(32)))
    with pytest.raises(StaleAccountError):
        await take(ledger, elsewhere, load(elsewhere))
    assert await ledger.accounts() == []


async def test_holds_follow_their_decisions(ledger: Ledger) -> None:
    """A hold is placed, reduced and ended, in one batch or in several, and keeps its last amount."""
    head = await take(ledger, unborn("acc"), approve(unborn("acc"), "000001"))
    waiting = []
    for made in (
        lambda at: reduce(at, "000001", 6_00),
        lambda at: approve(at, "000002"),
        lambda at: end(at, "000002", HoldEnd.EXPIRED),
        lambda at: approve(at, "000003"),
        lambda at: reduce(at, "000003", 1_00),
    ):
        head, durable = queue(ledger, head, made(head))
        waiting.append(durable)
    await asyncio.gather(*waiting)
    assert [(row.amount, row.status, row.ended_at) for row in await ledger.holds("acc")] == [
        (6_00, "open", None), (10_00, "expired", NOON + 99), (1_00, "open", None),
    ]  # fmt: skip
    await take(ledger, head, end(head, "000001"))
    assert await ledger.hold("acc", "acc-000001") == HoldRow(
        "acc-000001",
        "acc",
        "card-1",
        6_00,
        NOON + 1,
        NOON + 604_800_000,
        "reversed",
        NOON + 99,
        "A1B2C3",
        "prepaid-bps",
    )


async def test_a_hold_is_found_by_its_authorization_code(ledger: Ledger) -> None:
    """The newest one of that card, open or ended; a presentment asks for it (P §10.9)."""
    head = await take(ledger, unborn("acc"), approve(unborn("acc"), "000001"))
    head = await take(ledger, head, approve(head, "000002"))
    await take(ledger, head, end(head, "000002", HoldEnd.EXPIRED))
    found = await ledger.hold_by_code("acc", "card-1", "A1B2C3")
    assert found is not None
    assert (found.id, found.end) == ("acc-000002", HoldEnd.EXPIRED)
    assert await ledger.hold_by_code("acc", "card-2", "A1B2C3") is None
    assert await ledger.hold_by_code("other", "card-1", "A1B2C3") is None
    assert await ledger.hold_by_code("acc", "card-1", "") is None


async def test_holds_that_are_due(ledger: Ledger) -> None:
    """Only open ones, only when their time is over, each account once, the oldest first."""
    for name, stans in (("one", 2), ("two", 1), ("three", 1)):
        head = unborn(name)
        for number in range(stans):
            head = await take(ledger, head, approve(head, f"{number:06}"))
        if name == "three":
            await take(ledger, head, end(head, "000000"))
    due = NOON + 604_800_000
    assert await ledger.due(due - 1, 10) == []
    assert sorted(await ledger.due(due, 10)) == ["one", "two"]
    assert len(await ledger.due(due, 1)) == 1


async def test_open_holds_in_numbers(ledger: Ledger) -> None:
    """How many, grosze, since when, the first end, and how many end within a day; those that have ended are not in."""
    assert await ledger.open_holds(NOON) == OpenHolds()
    head = unborn("one")
    for stan in ("000001", "000002", "000003"):
        head = await take(ledger, head, approve(head, stan))
    head = await take(ledger, head, end(head, "000001"))
    await take(ledger, head, reduce(head, "000003", 4_00))
    due = NOON + 604_800_000
    assert await ledger.open_holds(NOON) == OpenHolds(2, 14_00, NOON + 2, due, 0)
    assert (await ledger.open_holds(due - EXPIRING_MS)).expiring == 2
    assert (await ledger.open_holds(due - EXPIRING_MS - 1)).expiring == 0


async def test_open_holds_by_product(ledger: Ledger) -> None:
    """How many and grosze of each product that has some."""
    assert await ledger.held_by_product() == {}
    one = await take(ledger, unborn("one"), approve(unborn("one"), "000001"))
    one = await take(ledger, one, approve(one, "000002"))
    await take(ledger, one, end(one, "000001"))
    other = replace(approve(unborn("other"), "000001"), product="credit-business")
    await take(ledger, unborn("other"), other)
    of_one = approve(unborn("one"), "000001").product
    assert await ledger.held_by_product() == {of_one: Held(1, 10_00), "credit-business": Held(1, 10_00)}


async def test_ended_holds_can_be_forgotten(ledger: Ledger) -> None:
    """The oldest first, so many at a time; open ones never."""
    head = unborn("acc")
    for number in range(4):
        head = await take(ledger, head, approve(head, f"{number:06}"))
    for number in range(3):
        head = await take(ledger, head, end(head, f"{number:06}"))
    assert await ledger.forget_holds(NOON + 99, 10) == 0
    assert [await ledger.forget_holds(NOON + 100, 2) for _ in range(3)] == [2, 1, 0]
    assert [hold.status for hold in await ledger.holds("acc")] == ["open"]


# ------------------------------------------------------------------------------------------------ general ledger


async def test_what_moved_is_in_the_general_ledger(ledger: Ledger) -> None:
    """Balance before a moment, movements of a period, and a trial balance that sums to zero."""
    head = await take(ledger, unborn("acc"), load(unborn("acc"), 100_00))
    head = await take(ledger, head, approve(head, "000001"))
    head = await take(ledger, head, load(head, 50_00))
    await take(ledger, unborn("other"), load(unborn("other"), 7_00))
    first, third = NOON + 1, NOON + 3
    assert [await ledger.balance_before("acc", at) for at in (first, first + 1, third, third + 1)] == [
        0, 100_00, 100_00, 150_00,
    ]  # fmt: skip
    assert [row.seq for row in await ledger.movements("acc", first, third + 1)] == [1, 3]
    assert [row.seq for row in await ledger.movements("acc", first + 1, third)] == []
    assert [row.seq for row in await ledger.movements("acc", first, third + 1, 0, 1)] == [1]
    assert [row.seq for row in await ledger.movements("acc", first, third + 1, 1)] == [3]
    balance = await ledger.trial_balance(NOON + 1_000)
    assert balance == {"cardholder": -157_00, "loads": 157_00}
    assert sum(balance.values()) == 0


async def test_a_posting_as_it_is_now(ledger: Ledger) -> None:
    """After its reversals; of another account, or never made: none."""
    head = await take(ledger, unborn("acc"), load(unborn("acc"), 100_00))
    (made,) = head.account.posted
    assert await ledger.posting("acc", made.id) == made
    less = replace(made, amount=-40_00)
    back = PostingReduced(less, -60_00, 40_00, (Leg("cardholder", "loads", 60_00),))
    head = await take(ledger, head, decision(head, Load("acc", 1, "-"), back))
    assert await ledger.posting("acc", made.id) == less
    assert await ledger.posting("other", made.id) is None
    assert await ledger.posting("acc", "acc-99") is None
    assert await ledger.trial_balance(NOON + 1_000) == {"cardholder": -40_00, "loads": 40_00}


async def test_earlier_is_the_first_on_the_key_in_the_account(ledger: Ledger) -> None:
    """The same key in another account is another message; a command has a key and no STAN; key 0 is no key."""
    first = refuse(unborn("acc"), "000001", key=(1 << 63) - 1)
    head = await take(ledger, unborn("acc"), first)
    await take(ledger, head, approve(head, "000001", key=(1 << 63) - 1))
    command = load(unborn("other"), key=5)
    await take(ledger, unborn("other"), command)
    assert await ledger.earlier("acc", (1 << 63) - 1, "000001") == first
    assert await ledger.earlier("other", (1 << 63) - 1, "000001") is None
    assert await ledger.earlier("other", 5, "") == command
    assert await ledger.earlier("acc", 5, "") is None
    assert await ledger.earlier("other", 0, "") is None
    assert await ledger.earlier("acc", 0, "000001") is None


DE90 = Original(mti="0100", stan="000001", sent="0615100000", acquirer="123")


@pytest.mark.parametrize(
    ("original", "terminal", "found"),
    [
        (DE90, "TERM0001", True),
        (msgspec.structs.replace(DE90, acquirer=""), "", True),
        (msgspec.structs.replace(DE90, mti="0101"), "", True),
        (msgspec.structs.replace(DE90, mti="0200"), "", False),
        (msgspec.structs.replace(DE90, acquirer="124"), "", False),
        (msgspec.structs.replace(DE90, sent="0615100001"), "", False),
        (DE90, "TERM0002", False),
        (Original(rrn="000000000001"), "TERM0001", True),
        (Original(rrn="000000000001"), "TERM0002", False),
        (Original(rrn="000000000002"), "", False),
        (Original(), "", False),
    ],
)
async def test_original(ledger: Ledger, original: Original, terminal: str, found: bool) -> None:
    """A reversal finds the approval it names, and how its hold ended; a refused duplicate does not hide it."""
    made = approve(unborn("acc"), "000001")
    head = await take(ledger, unborn("acc"), made)
    head = await take(ledger, head, refuse(head, "000001"))
    assert await ledger.original("acc", "card-1", original, terminal, "SHOP") == ((made, None) if found else None)
    await take(ledger, head, end(head, "000001"))
    ended = (made, HoldEnd.REVERSED) if found else None
    assert await ledger.original("acc", "card-1", original, terminal, "SHOP") == ended
    assert await ledger.original("acc", "card-2", original, terminal, "SHOP") is None
    assert await ledger.original("other", "card-1", original, terminal, "SHOP") is None


async def test_a_refused_original_is_found_when_there_is_no_other(ledger: Ledger) -> None:
    """A reversal of a refused authorization has an original, without a hold."""
    made = refuse(unborn("acc"), "000001")
    await take(ledger, unborn("acc"), made)
    assert await ledger.original("acc", "card-1", DE90, "", "") == (made, None)


async def test_find_by_all_that_is_given_newest_first(ledger: Ledger) -> None:
    """RRN, STAN and account narrow each other down."""
    one = await take(ledger, unborn("acc1"), approve(unborn("acc1"), "000001"))
    await take(ledger, one, approve(one, "000002", rrn="000000000001"))
    await take(ledger, unborn("acc2"), approve(unborn("acc2"), "000001"))

    async def found(**wanted: str) -> list[str]:
        return [row.decision.id for row in await ledger.find(**wanted)]

    assert await found() == ["acc2:1", "acc1:2", "acc1:1"]
    assert await found(rrn="000000000001") == ["acc2:1", "acc1:2", "acc1:1"]
    assert await found(stan="000001") == ["acc2:1", "acc1:1"]
    assert await found(stan="000001", account="acc1") == ["acc1:1"]
    assert await found(account="acc1", rrn="000000000001") == ["acc1:2", "acc1:1"]
    assert [row.seq for row in await ledger.find(account="acc1", limit=1)] == [2]
    assert [row.seq for row in await ledger.journal("acc1", after=1)] == [2]
    assert [row.seq for row in await ledger.journal("acc1", limit=1)] == [1]
    assert await ledger.accounts() == ["acc1", "acc2"]
    assert await ledger.accounts(after="acc1") == ["acc2"]
    assert await ledger.accounts(limit=1) == ["acc1"]


async def test_a_pan_leads_to_one_card(ledger: Ledger) -> None:
    """The vault entry comes with its decision or not at all; a PAN of another card refuses that command alone."""
    entry = VaultEntry(b"h" * 32, "acc", "card-1", "1234", b"sealed")
    made = load(unborn("acc"))
    head, durable = ledger.append(unborn("acc"), made, evolve(unborn("acc").account, made), entry)
    await durable
    assert await ledger.vault_by_hash(b"h" * 32) == await ledger.vault_by_card("card-1") == entry

    taken = VaultEntry(b"h" * 32, "other", "card-2", "1234", b"sealed too")
    made = load(unborn("other"))
    on_top, refused = ledger.append(unborn("other"), made, evolve(unborn("other").account, made), taken)
    _, lost = queue(ledger, on_top, load(on_top))
    _, fine = queue(ledger, head, load(head))
    results = await asyncio.gather(refused, lost, fine, return_exceptions=True)
    assert [type(result) for result in results] == [PanTakenError, StaleAccountError, type(None)]
    assert await ledger.vault_by_card("card-2") is None
    assert await ledger.vault_by_card("card-1") == entry
    assert await ledger.head("other") is None


async def test_many_accounts_in_one_batch(ledger: Ledger) -> None:
    """A batch longer than one statement takes: all of it is there."""
    names = [f"acc{number:03}" for number in range(300)]
    await asyncio.gather(*(take(ledger, unborn(name), approve(unborn(name), "000001")) for name in names))
    assert await ledger.accounts() == names
    assert len(await ledger.find(limit=1000)) == 300


async def test_a_waiter_that_gave_up_changes_nothing(ledger: Ledger) -> None:
    """A cancelled wait does not undo the decision, nor disturb the next one."""
    head, durable = queue(ledger, unborn("acc"), load(unborn("acc")))
    durable.cancel()
    head = await take(ledger, head, load(head))
    assert await ledger.head("acc") == head


async def test_since_walks_through_all_accounts(ledger: Ledger) -> None:
    """Behind a position come the decisions of all accounts, in the order in which they were taken, none twice."""
    heads = {name: unborn(name) for name in ("one", "two")}
    for _ in range(3):
        for name in heads:
            heads[name], durable = queue(ledger, heads[name], load(heads[name]))
            await durable
    everything = await ledger.since(0)
    assert [(row.decision.account, row.seq) for row in everything] == [
        (name, seq) for seq in (1, 2, 3) for name in ("one", "two")
    ]
    assert await ledger.since(everything[2].position, 2) == everything[3:5]
