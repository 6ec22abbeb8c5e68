"""Renewal, duplicates and replacement."""

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
from msgspec.structs import replace

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
    ChipCounter,
    Counters,
    Day,
    DuplicateCard,
    DuplicateCause,
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
    VirtualCard,
    VirtualId,
    VirtualStatus,
)  # fmt: skip
from authsvc.products import Product

ACCOUNT, CARD, NEW = AccountId("account"), CardId("card"), CardId("new")
RENEWED = "3112"


def renew(expiry: str = RENEWED) -> RenewCard:
    return RenewCard(ACCOUNT, CARD, expiry)


def replace_(**but: Any) -> ReplaceCard:
    return ReplaceCard(account=ACCOUNT, card=CARD, new=NEW, last4="0017", pvv="9876", fresh_expiry="2906", **but)


def duplicate(expiry: str = "", pvv: str = "", cause: DuplicateCause = DuplicateCause.DAMAGED) -> DuplicateCard:
    return DuplicateCard(ACCOUNT, CARD, cause, expiry, pvv)


def inquiry(**but: Any) -> Authorization:
    """A balance inquiry at an ATM."""
    return withdrawal(0, **{"kind": Kind.BALANCE_INQUIRY, "expiry": RENEWED, **but})


@pytest.mark.parametrize(("product", "but", "expiry", "then"), [
    (CREDIT, {}, RENEWED, None),
    (CREDIT, {}, "2812", Reason.NOT_ALLOWED),  # no new date
    (CREDIT, {"renewal": RENEWED}, RENEWED, Reason.NOT_ALLOWED),  # nor than that of the plastic on its way
    (CREDIT, {"renewal": "3012"}, RENEWED, None),
    (CREDIT, {"status": CardStatus.TEMPORARILY_BLOCKED, "blocked_by": By.BANK}, RENEWED, Reason.NOT_ALLOWED),  # S §32.1.3
    (CREDIT, {"status": CardStatus.LOST}, RENEWED, Reason.NOT_ALLOWED),  # S §32.1.3
    (CREDIT, {"status": CardStatus.INACTIVE}, RENEWED, Reason.NOT_ALLOWED),  # S §32.1.1
    (BPS, {}, RENEWED, Reason.NOT_ALLOWED),  # W §4.3
    (SGB, {}, RENEWED, Reason.NOT_ALLOWED),  # P §36.6.1, zał.1 §3.1
    (MINOR_SGB, {}, RENEWED, Reason.NOT_ALLOWED),
])  # fmt: skip
def test_what_is_renewed(product: Product, but: dict[str, Any], expiry: str, then: Reason | None) -> None:
    """Only S renews, and only cards that work (S §32.1, §32.3; W §4.3; P §36.6.1, zał.1 §3.1)."""
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


@pytest.mark.parametrize(("product", "order", "then"), [
    (CREDIT, duplicate("2906"), None),  # S §2.12: a new date, the old PIN
    (CREDIT, duplicate(), Reason.NOT_ALLOWED),
    (CREDIT, duplicate("2812"), Reason.NOT_ALLOWED),  # the same date would not tell it from the damaged one
    (CREDIT, duplicate("2906", pvv="9876"), Reason.NOT_ALLOWED),
    (BPS, duplicate(), Reason.NOT_ALLOWED),  # W knows no duplicate: §6.4 gives a new card
    (BPS, duplicate("2906"), Reason.NOT_ALLOWED),
    (SGB, duplicate(), None),  # P §7.6: with the old PIN
    (SGB, duplicate(pvv="9876"), None),  # or with a new one
    (SGB, duplicate("2812"), None),
    (SGB, duplicate("2906"), Reason.NOT_ALLOWED),  # P §36.6.1: the agreement ends with the card's date
    (MINOR_SGB, duplicate(pvv="9876"), None),
])  # fmt: skip
def test_what_a_duplicate_is(product: Product, order: DuplicateCard, then: Reason | None) -> None:
    """S: same number and PIN, new date (S §2.12); P: same date, either PIN (P §7.6, §36.6.1); W: none (W §6.4, §15.1.2)."""
    story = Story(product, account(product, 1_000_00))
    decision = story.send(order)
    assert (reason(decision), decision.trace[-1].paragraph) == (then, product.paragraphs["duplicate"])
    if then is None:
        assert (story.card.expiry, story.card.pvv) == (order.expiry or "2812", order.pvv or "1234")
        assert story.card.last4 == "0001"


@pytest.mark.parametrize(("product", "order"), [(CREDIT, duplicate("2906")), (SGB, duplicate())])
@pytest.mark.parametrize(("but", "cause", "then"), [
    ({}, DuplicateCause.LOST, Reason.NOT_ALLOWED),
    ({}, DuplicateCause.STOLEN, Reason.NOT_ALLOWED),
    ({"status": CardStatus.INACTIVE}, DuplicateCause.DAMAGED, None),  # it came broken
    ({"status": CardStatus.LOST}, DuplicateCause.DAMAGED, Reason.NOT_ALLOWED),
    ({"status": CardStatus.CAPTURED}, DuplicateCause.DAMAGED, Reason.NOT_ALLOWED),  # P §7.3: a new card
    ({"status": CardStatus.REPLACED}, DuplicateCause.DAMAGED, Reason.NOT_ALLOWED),
    ({"status": CardStatus.PERMANENTLY_BLOCKED}, DuplicateCause.DAMAGED, Reason.NOT_ALLOWED),  # S §22.1: a new number
    ({"status": CardStatus.TEMPORARILY_BLOCKED, "blocked_by": By.BANK}, DuplicateCause.DAMAGED, Reason.NOT_ALLOWED),
    ({"expiry": "2605"}, DuplicateCause.DAMAGED, Reason.EXPIRED),
    ({"expiry": "2606"}, DuplicateCause.DAMAGED, None),  # its last month
])  # fmt: skip
def test_a_duplicate_is_for_damage_alone(
    product: Product, order: DuplicateCard, but: dict[str, Any], cause: DuplicateCause, then: Reason | None
) -> None:
    """Not for a lost card (P §7.6), nor for one whose right to be used is gone (S §10.1, §20.1)."""
    start = account(product, 1_000_00, card(**but))
    assert reason(Story(product, start).send(DuplicateCard(ACCOUNT, CARD, cause, order.expiry))) is then


def test_a_duplicate_at_s_waits_for_its_activation() -> None:
    """The right to the damaged one ends at once (S §20.1.2), the duplicate is inactive (S §10.3); an ATM with the right PIN
    activates renewed cards alone (S §32.7), so a duplicate needs one of the ways of S §8.4."""
    story = Story(CREDIT)
    story.approve(duplicate("2906"))
    late = withdrawal(expiry="2906")
    assert story.reasons(with_pin(), with_pin(expiry=""), late) == [
        Reason.EXPIRY_MISMATCH, Reason.CARD_INACTIVE, Reason.CARD_INACTIVE,
    ]  # fmt: skip
    story.approve(ActivateCard(ACCOUNT, CARD), with_pin(expiry="2906"))
    assert reason(story.send(with_pin())) is Reason.EXPIRY_MISMATCH


@pytest.mark.parametrize("product", [SGB, MINOR_SGB], ids=ids)
def test_a_duplicate_at_p_works_as_a_first_card_does(product: Product) -> None:
    """P §7.4: activated as the first card is, and that one is active (P §6.2)."""
    story = Story(product)
    story.approve(duplicate(), with_pin())


@pytest.mark.parametrize(("product", "order"), [(CREDIT, duplicate("2906")), (SGB, duplicate(pvv="9876"))])
def test_a_duplicate_is_the_same_card(product: Product, order: DuplicateCard) -> None:
    """What is used, owed, held, trusted and counted stays (S §2.12: number and individual limit); only what lives in the
    plastic begins anew: the chip's counter, and the first contact use (S §16.5, P §4.4)."""
    phone = VirtualCard(VirtualId("card~phone"), "0019", "2812", VirtualStatus.ACTIVE, NOON)
    counters = Counters(
        used=Used(day=Day("2026-06-15"), cash=Minor(5_00), cash_count=1), pin_failures=2, contactless_unlocked=True,
        contactless=Minor(40_00), low_value_sum=Minor(30_00), low_value_count=1, scas=3,
        chips=(ChipCounter("2812", 57), ChipCounter("card~phone", 9)),
    )  # fmt: skip
    start = card(counters=counters, debt=Minor(7_00), individual_limit=Minor(300_00), virtual=(phone,), trusted=("M",))
    story = Story(product, account(product, 1_000_00, start, holds=(hold(50_00),)))
    story.approve(order)
    after = story.card
    assert (after.counters.contactless_unlocked, after.counters.chips) == (False, (ChipCounter("card~phone", 9),))
    kept = replace(after.counters, contactless_unlocked=True, chips=counters.chips)
    assert replace(after, counters=kept, status=start.status, expiry=start.expiry, pvv=start.pvv) == start
    assert story.held == 50_00


def test_a_duplicate_takes_the_place_of_a_renewed_one_that_is_on_its_way() -> None:
    """One plastic at a time: its date is later than that of both, and neither of them works any more (S §2.12, §32.2)."""
    story = Story(CREDIT)
    story.approve(renew())
    assert reason(story.send(duplicate(RENEWED))) is Reason.NOT_ALLOWED
    story.approve(duplicate("3201"), ActivateCard(ACCOUNT, CARD))
    assert story.card.renewal == ""
    assert story.reasons(with_pin(), withdrawal(expiry=RENEWED), with_pin(expiry="3201")) == [
        Reason.EXPIRY_MISMATCH, Reason.EXPIRY_MISMATCH, None,
    ]  # fmt: skip


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_replacement(product: Product) -> None:
    """Another number and PIN; the old one refuses, the new one waits for activation where new cards do.

    S §20.1.6, §22.3; W §6.4, §15.1.2, §16.3; P §7.3-4, §25.5.
    """
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
    (AccountStatus.CLOSED, Reason.ACCOUNT_CLOSED, duplicate()),
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
