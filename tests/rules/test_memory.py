"""What the account remembers of past messages, the caps, and when the journal must be asked."""

from __future__ import annotations

import pytest
from given import (
    HOUR,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    changes_of,
    code,
    origin,
    reason,
    reversal,
)

from authsvc.model import (
    AccountId,
    Key,
    KeyRemembered,
    Load,
    Minor,
    OpenAccount,
    Reason,
    Request,
    ReversalsForgotten,
    UnixMs,
    numbers_of,
    request_key,
)
from authsvc.rules.memory import MAX_EARLY_REVERSALS, MAX_RECENT_KEYS, Missing, missing, remember

DAY = 24 * HOUR


def need(request: Request, story: Story) -> Missing | None:
    return missing(request, request_key(request), story.account, story.now)


def test_a_new_message_needs_no_journal() -> None:
    """In the usual case the account document knows enough."""
    story = Story(SGB)
    story.approve(authorization())
    assert need(authorization(), story) is None


def test_a_message_seen_within_a_day_needs_the_answer_it_got() -> None:
    """A repeat is known by its key, and the journal has its answer (wire.md, "What makes a message the same one")."""
    story, paid = Story(SGB), authorization()
    story.approve(paid)
    assert need(paid, story) == Missing(earlier=True, original=False)


@pytest.mark.parametrize("mti", ["0101", "0401", "0421"])
def test_a_message_that_says_it_is_a_repeat_is_looked_up(mti: str) -> None:
    """A repeat digit is believed: the journal is asked however long ago the first one was."""
    story, paid = Story(SGB), authorization(origin=origin("0101"))
    request: Request = paid if mti == "0101" else reversal(paid, mti=mti)
    found = need(request, story)
    assert found is not None
    assert found.earlier


def test_an_account_without_history_has_nothing_to_look_up() -> None:
    """Before its first decision no message of an account can be a repeat."""
    story = Story(SGB, account(SGB, seq=0))
    assert need(authorization(origin=origin("0101")), story) is None
    assert need(OpenAccount(AccountId("account"), "prepaid-sgb", idempotency="once"), story) is None


def test_commands() -> None:
    """An idempotency key holds for ever, so the journal is asked; without one every command is a new one."""
    story = Story(SGB)
    assert need(Load(AccountId("account"), Minor(1), "r", idempotency="once"), story) == Missing(True, False)
    assert need(Load(AccountId("account"), Minor(1), "r"), story) is None


def test_a_reversal_needs_its_original_only_when_no_open_hold_is_it() -> None:
    """An open hold says all about the original; anything else the journal knows."""
    story, paid, other = Story(SGB), authorization(), authorization()
    story.approve(paid)
    assert need(reversal(paid), story) is None
    assert need(reversal(other), story) == Missing(earlier=False, original=True)


def test_keys_leave_after_a_day() -> None:
    """Keys older than 24 hours leave with the next message; the list stays complete for 24 hours."""
    story = Story(SGB)
    story.send(authorization(), at=NOON)
    story.send(authorization(), at=UnixMs(NOON + DAY - 1))
    assert len(story.account.recent_keys) == 2
    story.send(authorization(), at=UnixMs(NOON + DAY))
    assert (len(story.account.recent_keys), story.account.recent_since) == (2, 0)
    story.send(authorization(), at=UnixMs(NOON + 5 * DAY))
    assert (len(story.account.recent_keys), story.account.recent_at) == (1, (NOON + 5 * DAY,))


def test_above_the_cap_the_oldest_leave_and_the_journal_is_asked() -> None:
    """A busy account remembers its last 64 keys; while older ones may matter, the journal is asked about every message."""
    story, first = Story(SGB), authorization(1)
    story.approve(first)
    for second in range(1, MAX_RECENT_KEYS + 1):
        story.send(reversal(authorization()), at=UnixMs(NOON + second * 1000))
    assert len(story.account.recent_keys) == len(story.account.recent_at) == MAX_RECENT_KEYS
    assert story.account.recent_since == NOON + 1
    assert request_key(first) not in story.account.recent_keys
    assert need(authorization(), story) == Missing(earlier=True, original=False)
    assert story.send(first) is story.journal[0]  # found in the journal all the same


def test_after_a_quiet_day_the_list_is_complete_again() -> None:
    """24 hours after the last forgotten key the document knows enough again."""
    story = Story(SGB)
    for _ in range(MAX_RECENT_KEYS + 5):
        story.send(authorization(1))
    assert need(authorization(), story) == Missing(earlier=True, original=False)
    story.now = UnixMs(story.account.recent_since + DAY)
    assert need(authorization(), story) is None


@pytest.mark.parametrize(
    ("keys", "at", "forget", "since"),
    [
        (0, NOON, 0, 0),
        (MAX_RECENT_KEYS - 1, NOON, 0, 0),
        (MAX_RECENT_KEYS, NOON, 1, NOON + 1),  # the cap: complete only from after the one that leaves
        (MAX_RECENT_KEYS, NOON + DAY, MAX_RECENT_KEYS, 0),  # all too old: nothing is lost
    ],
)
def test_remember(keys: int, at: int, forget: int, since: int) -> None:
    """One key comes, the too old and the surplus ones leave."""
    start = account(recent_keys=numbers_of(range(keys)), recent_at=numbers_of([NOON] * keys))
    assert remember(start, Key(99), UnixMs(at)) == KeyRemembered(Key(99), forget, UnixMs(since))


def test_the_cap_on_early_reversals() -> None:
    """The 33rd reversal without original makes the oldest leave: its original, should it still come, is decided afresh."""
    story = Story(SGB)
    late = [authorization(1) for _ in range(MAX_EARLY_REVERSALS + 1)]
    for request in late:
        story.send(reversal(request))
    assert len(story.account.early_reversals) == MAX_EARLY_REVERSALS
    assert story.reasons(late[1], late[-1]) == [Reason.ALREADY_REVERSED] * 2


def test_early_reversals_leave_after_a_day() -> None:
    """A reversal whose original has not come within 24 hours is forgotten when the next one comes."""
    story = Story(SGB)
    story.send(reversal(authorization()))
    story.send(reversal(authorization()))
    decision = story.send(reversal(authorization()), at=UnixMs(NOON + DAY))
    assert changes_of(decision, ReversalsForgotten) == [ReversalsForgotten(2)]
    assert len(story.account.early_reversals) == 1


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"mti": "0101"}, True),
        ({"rrn": "999999999999"}, True),
        ({"sent": "0615100001"}, False),
        ({"stan": "999999"}, False),
        ({"acquirer": "999"}, False),
        ({"terminal": "TERM0002"}, False),
        ({"merchant": "MERCHANT0000002"}, False),
    ],
)
def test_what_makes_a_message_the_same_one(change: dict[str, str], same: bool) -> None:
    """Class, card, DE7, DE11, DE32, DE41, DE42; not the repeat digit, not the RRN (wire.md section 3)."""
    first = origin(stan="000001")
    again = origin(**{"stan": "000001", "rrn": first.rrn, **change})
    assert (request_key(authorization(origin=first)) == request_key(authorization(origin=again))) is same


def test_a_reversal_is_another_message_than_its_original() -> None:
    """An 0400 with the STAN and time of its 0100 is no repeat of it."""
    paid = authorization()
    undo = reversal(paid, origin=origin("0400", stan=paid.origin.stan, rrn=paid.origin.rrn))
    assert request_key(paid) != request_key(undo)
    story = Story(SGB)
    story.approve(paid)
    assert (code(story.send(undo)), story.held) == ("00", 0)


def test_a_refused_message_is_remembered_too() -> None:
    """A repeat of a refused message gets the same refusal, even if the money has come meanwhile (rule 2)."""
    story, asked = Story(SGB, account(SGB, 0)), authorization(10_00)
    assert story.reasons(asked) == [Reason.INSUFFICIENT_FUNDS]
    story.approve(Load(AccountId("account"), Minor(10_00), "transfer"))
    assert reason(story.send(asked)) is Reason.INSUFFICIENT_FUNDS
