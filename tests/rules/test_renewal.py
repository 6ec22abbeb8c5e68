"""Renewal and replacement."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    ALL,
    ATM,
    BPS,
    BRANCH,
    CREDIT,
    MINOR_SGB,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    hold,
    ids,
    reason,
    warsaw,
    with_pin,
    withdrawal,
)  # fmt: skip

from authsvc.model import (
    AccountId,
    AccountStatus,
    ActivateCard,
    Authorization,
    BlockCard,
    BlockKind,
    By,
    CardId,
    CardStatus,
    Counters,
    Entry,
    Kind,
    Minor,
    Pin,
    Reason,
    RenewCard,
    ReplaceCard,
    SetAccountStatus,
    UnblockCard,
    Used,
)  # fmt: skip
from authsvc.products import Product

ACCOUNT, CARD, NEW = AccountId("account"), CardId("card"), CardId("new")
RENEWED = "3112"


def renew(expiry: str = RENEWED) -> RenewCard:
    return RenewCard(ACCOUNT, CARD, expiry)


def replace_(**but: Any) -> ReplaceCard:
    return ReplaceCard(account=ACCOUNT, card=CARD, new=NEW, last4="0017", pvv="9876", fresh_expiry="2906", **but)


def inquiry(**but: Any) -> Authorization:
    """A balance inquiry at an ATM."""
    return withdrawal(0, **{"kind": Kind.BALANCE_INQUIRY, "expiry": RENEWED, **but})


@pytest.mark.parametrize(("product", "but", "expiry", "then"), [
    (CREDIT, {}, RENEWED, None),
    (CREDIT, {}, "2812", Reason.NOT_ALLOWED),  # no new date
    (CREDIT, {"status": CardStatus.TEMPORARILY_BLOCKED, "blocked_by": By.BANK}, RENEWED, Reason.NOT_ALLOWED),  # S §32.1.3
    (CREDIT, {"status": CardStatus.LOST}, RENEWED, Reason.NOT_ALLOWED),  # S §32.1.3
    (CREDIT, {"status": CardStatus.INACTIVE}, RENEWED, Reason.NOT_ALLOWED),  # S §32.1.1
    (BPS, {}, RENEWED, Reason.NOT_ALLOWED),  # W §4.3
    (SGB, {}, RENEWED, Reason.NOT_ALLOWED),  # P §36.6.1, zał.1 §3.1
    (MINOR_SGB, {}, RENEWED, Reason.NOT_ALLOWED),
])  # fmt: skip
def test_what_is_renewed(product: Product, but: dict[str, Any], expiry: str, then: Reason | None) -> None:
    """Only S renews, and only cards that work (S §32.1, §32.3)."""
    assert reason(Story(product, account(product, 1_000_00, card(**but))).send(renew(expiry))) is then


@pytest.mark.parametrize(("message", "then"), [
    (authorization(), None),  # the old plastic works on (S §32.2)
    (authorization(expiry=""), None),
    (with_pin(expiry=RENEWED), Reason.CARD_INACTIVE),  # a PIN in a shop activates nothing
    (authorization(expiry=RENEWED, entry=Entry.ECOMMERCE), Reason.CARD_INACTIVE),
    (withdrawal(expiry=RENEWED, mcc=BRANCH), Reason.CARD_INACTIVE),  # over the counter is no ATM
    (withdrawal(expiry=RENEWED, pin=Pin.ABSENT), Reason.CARD_INACTIVE),
    (withdrawal(expiry=RENEWED, pin=Pin.WRONG), Reason.PIN_WRONG),
    (authorization(expiry="3001"), Reason.EXPIRY_MISMATCH),
])  # fmt: skip
def test_renewed_plastic_is_inactive(message: Authorization, then: Reason | None) -> None:
    """S §32.7; until it is in use the old one goes on to its own last day."""
    story = Story(CREDIT)
    story.approve(renew())
    assert reason(story.send(message)) is then
    assert (story.card.expiry, story.card.renewal) == ("2812", RENEWED)


@pytest.mark.parametrize(("first", "then"), [
    (ActivateCard(ACCOUNT, CARD), None),  # S §8.4
    (withdrawal(expiry=RENEWED), None),  # S §32.7
    (inquiry(), None),  # any operation, also one that pays nothing
    (withdrawal(99_000_00, expiry=RENEWED, mcc=ATM), Reason.CREDIT_LIMIT),  # the right PIN was given all the same
])  # fmt: skip
def test_what_puts_it_into_use(first: Any, then: Reason | None) -> None:
    """From then on the new expiry is the card's, and the old one is wrong; number and PIN stay (S §32.5)."""
    story = Story(CREDIT, account(CREDIT, 1_000_00))
    story.approve(renew())
    assert reason(story.send(first)) is then
    assert (story.card.expiry, story.card.renewal, story.card.pvv) == (RENEWED, "", "1234")
    assert story.reasons(with_pin(expiry=RENEWED), with_pin()) == [None, Reason.EXPIRY_MISMATCH]


def test_after_the_last_day_of_the_old_one() -> None:
    """The old plastic is over; a message without expiry can only come from the new one (S §32.2)."""
    story = Story(CREDIT, account(CREDIT, 1_000_00, card(expiry="2606")))
    story.approve(renew("2906"))
    story.now = warsaw("2026-07-01 00:00")
    assert story.reasons(with_pin(expiry="2606"), with_pin(expiry="")) == [Reason.EXPIRED, Reason.CARD_INACTIVE]
    story.approve(withdrawal(expiry=""), with_pin(expiry="2906"))


def test_a_blocked_card_is_not_activated_by_its_renewed_plastic() -> None:
    story = Story(CREDIT)
    story.approve(renew(), BlockCard(ACCOUNT, CARD, BlockKind.TEMPORARY, By.HOLDER))
    assert reason(story.send(withdrawal(expiry=RENEWED))) is Reason.TEMPORARILY_BLOCKED
    story.approve(UnblockCard(ACCOUNT, CARD))
    assert story.card.renewal == RENEWED


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_replacement(product: Product) -> None:
    """Another number and PIN; the old one refuses, the new one waits for activation where new cards do (S §20.1.6, §22.3)."""
    used = Counters(
        used=Used(day="2026-06-15", cash=Minor(5_00), cash_count=1), pin_failures=2, contactless_unlocked=True
    )
    start = card(counters=used, individual_limit=Minor(300_00) if product is CREDIT else Minor(0))
    story = Story(product, account(product, 1_000_00, start))
    story.approve(replace_())
    new = story.account.cards[NEW]
    assert (story.card.status, reason(story.send(authorization()))) == (CardStatus.REPLACED, Reason.REPLACED)
    assert new.status.value == product.new_card
    assert (new.limits, new.individual_limit, new.pvv, new.replaces) == (
        start.limits,
        start.individual_limit,
        "9876",
        CARD,
    )
    assert new.counters == Counters(used=used.used)  # the day's use stays used; the plastic's own counters begin anew
    for again in (replace_(), ActivateCard(ACCOUNT, CARD), UnblockCard(ACCOUNT, CARD)):
        assert reason(story.send(again)) is Reason.NOT_ALLOWED


@pytest.mark.parametrize(("product", "ordered", "expiry"), [
    (CREDIT, "2026-07-15 23:59", "2812"),  # S §22.1.1: within 30 days of the block
    (CREDIT, "2026-07-16 00:01", "2906"),  # S §22.1.2
    (BPS, "2026-06-16 12:00", "2906"),  # W and P have no such rule: a new card, a new term
    (SGB, "2026-06-16 12:00", "2906"),
])  # fmt: skip
def test_the_expiry_of_the_card_after_a_blocked_one(product: Product, ordered: str, expiry: str) -> None:
    """S §22.1; a stolen card stays stolen: it is to be taken in, not merely refused."""
    story = Story(product, account(product, 1_000_00, card(individual_limit=Minor(300_00))))
    story.approve(BlockCard(ACCOUNT, CARD, BlockKind.STOLEN, By.HOLDER))
    story.send(replace_(), at=warsaw(ordered))
    assert story.account.cards[NEW].expiry == expiry
    assert (story.card.status, reason(story.send(authorization()))) == (CardStatus.STOLEN, Reason.STOLEN)


def test_the_individual_limit_answers_for_both() -> None:
    """What the old card owes and holds lessens what the new one may spend (S §19.2)."""
    start = account(CREDIT, 1_000_00, card(individual_limit=Minor(300_00), debt=Minor(100_00)), holds=(hold(50_00),))
    story = Story(CREDIT, start)
    story.approve(replace_(), ActivateCard(ACCOUNT, NEW))
    assert reason(story.send(with_pin(150_01, card=NEW))) is Reason.INDIVIDUAL_LIMIT
    story.approve(with_pin(150_00, card=NEW))


def test_a_replacement_needs_its_place() -> None:
    """One card an account (W §6.2, P §1.5): a lost one whose place another has taken already is not replaced again."""
    story = Story(SGB, account(SGB, 1_00, card(status=CardStatus.LOST, closed_at=NOON), card("other")))
    assert reason(story.send(replace_())) is Reason.TOO_MANY_CARDS
    assert (
        reason(Story(CREDIT, account(CREDIT, 1_00, card(individual_limit=Minor(1_00)))).send(replace_(expiry="2605")))
        is Reason.EXPIRED
    )


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(("status", "then", "command"), [
    (AccountStatus.CLOSED, Reason.ACCOUNT_CLOSED, replace_()),
    (AccountStatus.HOLDER_DECEASED, Reason.HOLDER_DECEASED, ActivateCard(ACCOUNT, CARD)),
    (AccountStatus.CAPACITY_LOST, Reason.CAPACITY_LOST, UnblockCard(ACCOUNT, CARD)),
])  # fmt: skip
def test_an_account_that_is_over(product: Product, status: AccountStatus, then: Reason, command: Any) -> None:
    """No payment, and no right to a card given (S §20.1.3, §20.1.7-8; W §15.1.3, §15.1.6-7; P §36.6-7); blocks are."""
    story = Story(product)
    story.approve(SetAccountStatus(ACCOUNT, status))
    assert story.reasons(with_pin(), command, BlockCard(ACCOUNT, CARD, BlockKind.LOST, By.HOLDER)) == [then, then, None]


@pytest.mark.parametrize(("path", "then"), [
    ([AccountStatus.CAPACITY_LOST, AccountStatus.OPEN], None),
    ([AccountStatus.CAPACITY_LOST, AccountStatus.CLOSED], None),
    ([AccountStatus.HOLDER_DECEASED, AccountStatus.OPEN], Reason.NOT_ALLOWED),
    ([AccountStatus.HOLDER_DECEASED, AccountStatus.CLOSED], None),
    ([AccountStatus.CLOSED, AccountStatus.OPEN], Reason.NOT_ALLOWED),
    ([AccountStatus.CLOSED, AccountStatus.CLOSED], None),
])  # fmt: skip
def test_the_ways_of_an_account(path: list[AccountStatus], then: Reason | None) -> None:
    """A death and an end are final (S §20.1.3, §38.4; W §28.2; P §36.6)."""
    assert Story(BPS).reasons(*(SetAccountStatus(ACCOUNT, status) for status in path))[-1] is then


@pytest.mark.parametrize(("ordered", "expiry"), [("2026-09-13 12:00", "2812"), ("2026-09-14 12:00", "2906")])
def test_the_thirty_days_begin_when_the_sixty_end(ordered: str, expiry: str) -> None:
    """A temporary block becomes a permanent one on its 60th day (S §21.9): S §22.1 counts from there."""
    story = Story(CREDIT, account(CREDIT, 1_000_00, card(individual_limit=Minor(300_00))))
    story.approve(BlockCard(ACCOUNT, CARD, BlockKind.TEMPORARY, By.HOLDER))
    story.send(replace_(), at=warsaw(ordered))
    assert (story.card.status, story.account.cards[NEW].expiry) == (CardStatus.PERMANENTLY_BLOCKED, expiry)
