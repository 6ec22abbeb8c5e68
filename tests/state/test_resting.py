"""When Redis gets which state, where nobody else decides. Time is handed in; all but the last line of a story is what waits."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import (
    Account,
    AccountId,
    Bucket,
    CardId,
    Day,
    Head,
    Hold,
    HoldId,
    Minor,
    Origin,
    UnixMs,
    holds_of,
)
from authsvc.state.resting import LONGEST_REST, LOOK_BYTES, LOOK_SECONDS, RESTED_BYTES, Resting

ANNA, BERT = AccountId("anna"), AccountId("bert")
NAMES = [AccountId(f"acc-{number}") for number in range(200)]


def head(seq: int, account: AccountId = ANNA) -> Head:
    return Head(Account(account, "prepaid-bps", seq), bytes(32))


def with_holds(one: Head, count: int) -> Head:
    hold = Hold(
        HoldId("x"), CardId("c"), Minor(1), Minor(1), UnixMs(1), UnixMs(2), Origin("0100", "", "1"), "", Day(""),
        Bucket.CASHLESS,
    )  # fmt: skip
    return replace(one, account=replace(one.account, holds=holds_of([hold] * count)))


def seconds_until_due(resting: Resting, now: float, most: float = 1_000) -> float:
    """From `now`, by looks as the engine has them."""
    passed = 0.0
    while not resting.due(now + passed):
        passed += LOOK_SECONDS
        assert passed < most
    return passed


def test_the_first_at_the_next_look_and_then_the_newest_after_a_rest() -> None:
    resting = Resting(patience=10)
    resting.wait(head(1))
    resting.wait(head(2))
    assert resting.waiting(ANNA) == head(2)
    assert resting.due(100.0) == [head(2)]
    assert resting.waiting(ANNA) is None
    for seq in (3, 4):
        resting.wait(head(seq))
    assert (resting.due(100.5), resting.waiting(ANNA)) == ([], head(4))
    assert (resting.due(116.0), resting.waiting(ANNA)) == ([head(4)], None)


def test_nobody_has_to_look_when_nothing_waits_and_nobody_rests() -> None:
    resting = Resting(patience=1)
    assert not resting
    resting.wait(head(1))
    assert resting
    resting.due(5.0)
    assert resting
    assert resting.due(7.0) == []
    assert not resting


def test_one_that_stays_busy_rests_longer_and_longer() -> None:
    """Given an account that is decided on all the time, Redis gets it after one rest, two, four, eight, sixteen, and sixteen
    again; after one that it was quiet for, as soon as any other."""
    resting, now, rests = Resting(patience=10), 0.0, []
    resting.wait(head(1))
    resting.due(now)
    for seq in range(2, 8):
        resting.wait(head(seq))
        rest = seconds_until_due(resting, now)
        now, rests = now + rest, [*rests, rest]
    assert [round(rest / rests[0]) for rest in rests] == [1, 2, 4, 8, LONGEST_REST, LONGEST_REST]
    assert resting.due(now + 1_000) == []
    resting.wait(head(8))
    resting.due(now + 1_000)
    resting.wait(head(9))
    assert seconds_until_due(resting, now + 1_000) == pytest.approx(rests[0], abs=2 * LOOK_SECONDS)


def test_one_with_many_holds_rests_longer() -> None:
    """It is long, and written for the sake of those who read it from outside alone."""
    rests = []
    for count in (0, 500):
        one, resting = with_holds(head(1), count), Resting(patience=10)
        resting.wait(one)
        resting.due(0.0)
        resting.wait(one)
        rests.append(seconds_until_due(resting, 0.0))
    assert round(rests[1] / rests[0]) == 1 + one.account.holds.size // RESTED_BYTES > 8


def test_those_that_became_busy_together_are_not_written_together() -> None:
    """Else Redis and the engine have nothing to do for seconds, and then everything at once: each rests for half of the
    patience to half as much again."""
    resting, now, written = Resting(patience=60), 0.0, Counter[int]()
    names = NAMES[:100]
    for name in names:
        resting.wait(head(1, name))
    assert len(resting.due(now)) == len(names)
    for name in names:
        resting.wait(head(2, name))
    while now < 91:
        now += LOOK_SECONDS
        written[int((now - 30) // 6)] += len(resting.due(now))
    assert sum(written.values()) == len(names)
    assert [sum(written[tenth] for tenth in range(-5, 0)), max(written.values()) < len(names) / 4] == [0, True]
    assert sum(count > 0 for count in written.values()) >= 9


def test_no_more_at_a_time_than_a_socket_takes() -> None:
    """Given hundreds of long states that wait together, then each look writes some of them, whoever waited longest first, and
    of each the newest; what has to leave memory need not wait for its turn."""
    resting, looks, written = Resting(patience=1_000), 0, list[Head]()
    for seq in (1, 2):
        for name in NAMES:
            resting.wait(with_holds(head(seq, name), 20))
    gone = resting.called_for(NAMES[150])
    assert gone is not None
    assert resting.waiting(NAMES[150]) is None
    while found := resting.due(looks * LOOK_SECONDS):
        size = sum(one.account.holds.size for one in found)
        assert size < LOOK_BYTES + found[-1].account.holds.size
        written, looks = [*written, *found], looks + 1
    assert [one.account.id for one in written] == [name for name in NAMES if name != NAMES[150]]
    assert {one.account.seq for one in [*written, gone]} == {2}
    assert looks > 2


def test_one_that_is_longer_than_all_of_that_is_written_all_the_same() -> None:
    resting = Resting(patience=1)
    long = with_holds(head(1), 2_000)
    assert long.account.holds.size > LOOK_BYTES
    resting.wait(long)
    assert resting.due(0.0) == [long]


def test_what_is_called_for_waits_no_more_and_its_account_rests_on() -> None:
    resting = Resting(patience=10)
    assert resting.called_for(ANNA) is None
    resting.wait(head(1))
    assert resting.called_for(ANNA) == head(1)
    resting.wait(head(1))
    resting.due(0.0)
    resting.wait(head(2))
    assert (resting.called_for(ANNA), resting.called_for(ANNA), resting.waiting(ANNA)) == (head(2), None, None)
    resting.wait(head(3))
    assert (resting.due(4.0), resting.due(16.0)) == ([], [head(3)])


def test_forgotten_is_gone_and_its_account_rests_no_more() -> None:
    resting = Resting(patience=10)
    for name in (ANNA, BERT):
        resting.wait(head(1, name))
    resting.forget(BERT)
    assert resting.due(0.0) == [head(1)]
    resting.wait(head(2))
    resting.forget(ANNA)
    assert resting.waiting(ANNA) is None
    resting.wait(head(3))
    assert resting.due(1.0) == [head(3)]
    resting.wait(head(4))
    resting.due(3.0)
    assert resting.waiting(ANNA) == head(4)  # the end of the first rest is not that of the second


def test_after_a_long_time_in_which_nobody_looked() -> None:
    """The loop stood still, or nothing waited for days: nothing is left behind, and no look is long."""
    resting = Resting(patience=1)
    for day, seq in enumerate((1, 3)):
        resting.wait(head(seq))
        assert resting.due(day * 86_400.0) == [head(seq)]
        resting.wait(head(seq + 1))
        assert resting.due(day * 86_400.0 + 600) == [head(seq + 1)]
        assert resting.due(day * 86_400.0 + 1_200) == []
        assert not resting


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["wait", "wait", "look", "call", "forget"]), st.sampled_from(NAMES[:3]), st.floats(0, 5)
    ),
    max_size=60,
)  # fmt: skip


@given(STEPS)
def test_nothing_is_lost_and_nothing_is_older_than_what_was_written(steps: list[tuple[str, AccountId, float]]) -> None:
    """Given states that come, are called for, or forgotten, with looks in between: whatever the newest of an account is, it
    waits, or was written as the last of its account."""
    resting, now, newest = Resting(patience=2), 0.0, dict.fromkeys(NAMES[:3], 0)
    written = dict(newest)
    for seq, (what, name, passed) in enumerate(steps, 1):
        taken: list[Head] = []
        if what == "wait":
            resting.wait(head(seq, name))
            newest[name] = seq
        elif what == "look":
            now += passed
            taken = resting.due(now)
        elif what == "call":
            taken = [one for one in [resting.called_for(name)] if one is not None]
        else:
            resting.forget(name)
            newest[name] = written[name]
        for one in taken:
            assert one.account.seq > written[one.account.id]
            written[one.account.id] = one.account.seq
        for each, seq_of in newest.items():
            waiting = resting.waiting(each)
            assert (waiting.account.seq if waiting is not None else written[each]) == seq_of
    assert {one.account.id: one.account.seq for one in resting.all()} == {
        name: seq for name, seq in newest.items() if seq != written[name]
    }
    assert not resting
