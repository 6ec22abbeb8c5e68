"""What the outside is told: each fact once, and the same again when it is read again (issue B, item 8)."""

from __future__ import annotations

from given import BPS, MINUTE, NOON, SGB, Story, account, authorization, wrong_pin

from authsvc.model import AccountId, BlockCard, BlockKind, By, CardId, Decision, UnixMs
from authsvc.rules.calendar import days_later
from authsvc.rules.events import Happened, events_of


def kinds(decision: Decision) -> list[Happened]:
    return [event.kind for event in events_of(decision)]


def test_a_third_wrong_pin() -> None:
    """The third wrong PIN is told, as a block (W §13.2) or as a capture (P §7.3); the first two are not."""
    blocked, captured = Story(BPS), Story(SGB)
    for story, then in ((blocked, Happened.PIN_BLOCKED), (captured, Happened.CARD_CAPTURED)):
        told = [kinds(story.send(wrong_pin(authorization()))) for _ in range(4)]
        assert told == [[], [], [then], []]


def test_an_expired_hold() -> None:
    """A hold that nobody claimed is told with the decision that ended it, at the time it was due (P §10.9)."""
    story = Story(SGB, account(SGB))
    story.approve(authorization(10_00))
    (hold,) = story.account.holds
    due = days_later(NOON, 7)
    (event,) = events_of(story.send(authorization(1_00), at=UnixMs(due + MINUTE)))
    assert (event.kind, event.hold, event.at) == (Happened.HOLD_EXPIRED, hold.id, due)


def test_a_block_is_told_once() -> None:
    """A block is told with who asked for it; asking for the same again changes nothing and tells nothing."""
    story = Story(BPS)
    block = BlockCard(AccountId("account"), CardId("card"), BlockKind.TEMPORARY, By.HOLDER)
    assert [event.detail for event in events_of(story.send(block))] == ["temporary by holder"]
    assert kinds(story.send(block)) == []


def test_ids_are_never_given_twice() -> None:
    """Reading a journal twice gives the same events under the same ids, and no id stands for two (no event twice)."""
    story = Story(BPS)
    for _ in range(5):
        story.send(wrong_pin(authorization()))
        story.send(BlockCard(AccountId("account"), CardId("card"), BlockKind.TEMPORARY, By.BANK))
    first = [event for decision in story.journal for event in events_of(decision)]
    assert first == [event for decision in story.journal for event in events_of(decision)]
    assert len({event.id for event in first}) == len(first)
