"""Device numbers: they stand for a card, spend what it may spend, and prove by the device who pays."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    ALL,
    ATM,
    BPS,
    CREDIT,
    MANY,
    MINUTE,
    NOON,
    SGB,
    Story,
    account,
    card,
    contactless,
    ids,
    limits,
    online,
    origin,
    reason,
    warsaw,
    with_pin,
    withdrawal,
    wrong_pin,
)  # fmt: skip

from authsvc.model import (
    AccountId,
    Authorization,
    BlockCard,
    BlockKind,
    By,
    Card,
    CardId,
    CardStatus,
    Counters,
    CreateVirtual,
    Entry,
    Minor,
    Pin,
    Reason,
    SetContactless,
    SetVirtual,
    UnblockCard,
    UnixMs,
    VirtualCard,
    VirtualId,
    VirtualStatus,
)  # fmt: skip
from authsvc.rules.virtual import MOST, MOST_KEPT

ACCOUNT, CARD, PHONE = AccountId("account"), CardId("card"), VirtualId("card~phone")
SEEN = Counters(contactless=Minor(190_00), low_value_sum=Minor(100_00), low_value_count=3)


def phone(status: VirtualStatus = VirtualStatus.ACTIVE, expiry: str = "2812", name: VirtualId = PHONE) -> VirtualCard:
    return VirtualCard(name, "0019", expiry, status, NOON, "phone")


def with_phone(*phones: VirtualCard, **but: Any) -> Card:
    return card(virtual=phones or (phone(),), **but)


def tap(amount: int = 10_00, **but: Any) -> Authorization:
    """The wallet's phone held to a terminal."""
    return contactless(amount, **{"virtual": PHONE, **but})


def create(name: str = "watch", **but: Any) -> CreateVirtual:
    return CreateVirtual(ACCOUNT, CARD, VirtualId(f"card~{name}"), "0027", **but)


def becomes(status: VirtualStatus, name: VirtualId = PHONE) -> SetVirtual:
    return SetVirtual(ACCOUNT, CARD, name, status)


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(("status", "then"), [
    (VirtualStatus.ACTIVE, None),
    (VirtualStatus.SUSPENDED, Reason.TEMPORARILY_BLOCKED),
    (VirtualStatus.DELETED, Reason.PERMANENTLY_BLOCKED),
])  # fmt: skip
def test_a_device_number_may_be_used_while_it_is_active(
    product: Any, status: VirtualStatus, then: Reason | None
) -> None:
    """Suspended and deleted ones refuse; the plastic goes on (S §15.1.4, §20.1.4-5; W §15.1.4-5; P §9.1, §25.3)."""
    story = Story(product, account(product, MANY, with_phone(phone(status))))
    assert story.reasons(tap(), with_pin()) == [then, None]
    assert reason(story.send(tap(virtual=VirtualId("card~forgotten")))) is Reason.PERMANENTLY_BLOCKED


@pytest.mark.parametrize(("but", "then"), [
    ({"status": CardStatus.TEMPORARILY_BLOCKED, "blocked_by": By.BANK}, Reason.TEMPORARILY_BLOCKED),
    ({"status": CardStatus.STOLEN}, Reason.STOLEN),
    ({"status": CardStatus.INACTIVE}, Reason.CARD_INACTIVE),
    ({"expiry": "2605"}, Reason.EXPIRED),
    ({"expiry": "2605", "renewal": "2905"}, None),  # the wallet goes on while the renewed plastic is in the post
    ({"counters": Counters(pin_failures=3, pin_blocked_on="2026-06-15")}, Reason.PIN_TRIES_EXCEEDED),
])  # fmt: skip
def test_what_takes_the_card_takes_its_device_numbers(but: dict[str, Any], then: Reason | None) -> None:
    """A blocked, inactive, expired or PIN-blocked card pays by no wallet either (S §11.1, §20.1)."""
    assert reason(Story(CREDIT, account(CREDIT, MANY, with_phone(**but))).send(tap())) is then


@pytest.mark.parametrize(("expiry", "given", "then"), [
    ("2812", "2812", None), ("2707", "2707", None), ("2707", "2812", Reason.EXPIRY_MISMATCH), ("2605", "2605", Reason.EXPIRED),
    ("2707", "", None), ("3001", "3001", None),
])  # fmt: skip
def test_a_device_number_has_its_own_expiry(expiry: str, given: str, then: Reason | None) -> None:
    """What the message names is compared with the number's own date; the card's bounds it (S §11.1, §32.2)."""
    assert reason(Story(SGB, account(SGB, MANY, with_phone(phone(expiry=expiry)))).send(tap(expiry=given))) is then


def test_it_spends_from_the_cards_limits_and_funds() -> None:
    """One card, one limit, one balance, whichever number is used (S §23.1, W §10.1, P §10.1)."""
    story = Story(SGB, account(SGB, 100_00, with_phone(limits=limits(cashless=70_00))))
    story.approve(tap(40_00), with_pin(20_00))
    assert story.reasons(tap(10_01), with_pin(10_01)) == [Reason.CASHLESS_LIMIT] * 2
    story.approve(tap(10_00))
    assert (story.held, story.counters.used.cashless, story.counters.used.cashless_count) == (70_00, 70_00, 3)
    assert {hold.card for hold in story.account.holds} == {CARD}


@pytest.mark.parametrize(("request_", "authenticated"), [
    (tap(), True),
    (tap(cvm="010002"), True),  # EMV Book 4 annex A4: the way a device says "I verified"
    (tap(cvm="1F0002"), False),  # no CVM
    (tap(cvm="3F0000"), False),
    (tap(cvm="1E0300"), False),  # signature
    (tap(cvm="010001"), False),  # failed
    (tap(cvm="010000"), False),  # unknown: online PIN or signature to come
    (tap(entry=Entry.CONTACTLESS_STRIPE), False),
    (online(virtual=PHONE), False),
    (contactless(), False),  # the plastic itself
    (tap(pin=Pin.RIGHT), True),
    (tap(pin=Pin.WRONG), False),
])  # fmt: skip
@pytest.mark.parametrize("product", ALL, ids=ids)
def test_what_counts_as_device_authentication(product: Any, request_: Authorization, authenticated: bool) -> None:
    """Contactless chip from a device number, unless the terminal says otherwise, clears both counters: the device has
    looked at finger or face (W §9.3; S §15.1.4, P zał.2)."""
    start = with_phone(counters=SEEN)
    story = Story(product, account(product, MANY, start))
    story.send(request_)
    assert (story.counters.scas == 1) == authenticated
    if authenticated:
        assert (story.counters.contactless, story.counters.low_value_sum, story.counters.low_value_count) == (0, 0, 0)


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_limits_of_the_plastics_antenna_do_not_bind_a_wallet(product: Any) -> None:
    """No first contact use, no limit without PIN, no total: the device has authenticated (P zał.2; S §15.1.4)."""
    start = with_phone(counters=SEEN, limits=limits())
    story = Story(product, account(product, MANY, start))
    story.approve(tap(900_00))
    assert not story.counters.contactless_unlocked  # the plastic still waits for its own first contact use
    assert reason(story.send(contactless())) is Reason.CONTACT_FIRST
    without = Story(product, account(product, MANY, with_phone(counters=Counters(contactless_unlocked=True))))
    assert reason(without.send(tap(900_00, cvm="1F0002"))) is Reason.PIN_REQUIRED


def test_what_still_binds_a_wallet() -> None:
    """PIN at the ATM (S §15.1.3), contactless switched off (S §16.8), SCA for a remote payment (S §18.1)."""
    story = Story(CREDIT, account(CREDIT, MANY, with_phone()))
    assert story.reasons(withdrawal(entry=Entry.CONTACTLESS_CHIP, virtual=PHONE, pin=Pin.ABSENT), tap(mcc=ATM)) == [
        Reason.PIN_REQUIRED,
        Reason.PIN_REQUIRED,
    ]
    story.approve(withdrawal(entry=Entry.CONTACTLESS_CHIP, virtual=PHONE))
    assert reason(story.send(online(500_00, virtual=PHONE))) is Reason.SCA_REQUIRED
    story.approve(SetContactless(ACCOUNT, CARD, False))
    assert reason(story.send(tap())) is Reason.CHANNEL_OFF


def test_device_authentication_forgets_no_wrong_pin() -> None:
    """Only a right PIN or the hotline clears the count (S §12.3, W §13, P §7)."""
    story = Story(SGB, account(SGB, MANY, with_phone()))
    story.send(wrong_pin())
    story.approve(tap())
    assert story.counters.pin_failures == 1


def test_two_numbers_of_one_card_are_not_each_others_repeat() -> None:
    """DE2 is part of what makes a message the same one (wire.md section 3)."""
    watch = phone(name=VirtualId("card~watch"))
    story = Story(SGB, account(SGB, MANY, with_phone(phone(), watch)))
    same = origin()
    story.approve(tap(origin=same), tap(origin=same, virtual=watch.id), contactless(origin=same))
    assert len(story.account.holds) == 3
    story.approve(tap(origin=same))
    assert len(story.account.holds) == 3


@pytest.mark.parametrize(("but", "asked", "then"), [
    ({}, {}, None),
    ({}, {"expiry": "2707"}, None),
    ({"status": CardStatus.INACTIVE}, {}, Reason.NOT_ALLOWED),
    ({"status": CardStatus.TEMPORARILY_BLOCKED, "blocked_by": By.BANK}, {}, Reason.NOT_ALLOWED),
    ({"expiry": "2605"}, {}, Reason.NOT_ALLOWED),
])  # fmt: skip
def test_creating_one(but: dict[str, Any], asked: dict[str, str], then: Reason | None) -> None:
    """Only a card that may be used goes into a wallet (S §11.1, W §15.1, P §9.1); without a date the number has the card's."""
    story = Story(CREDIT, account(CREDIT, MANY, card(**but)))
    assert reason(story.send(create(**asked))) is then
    if then is None:
        assert [one.expiry for one in story.card.virtual] == [asked.get("expiry", "2812")]
        assert reason(story.send(create())) is Reason.CARD_EXISTS


def test_how_many() -> None:
    """The document stays bounded: so many living ones, and the oldest deleted ones leave."""
    story = Story(SGB, account(SGB))
    for number in range(MOST):
        story.approve(create(str(number)))
    assert reason(story.send(create("more"))) is Reason.TOO_MANY_CARDS
    for number in range(60):
        story.approve(becomes(VirtualStatus.DELETED, story.card.virtual[-1].id), create(f"new-{number}"))
        assert len(story.card.virtual) <= MOST_KEPT


@pytest.mark.parametrize(("before", "status", "then"), [
    (VirtualStatus.ACTIVE, VirtualStatus.SUSPENDED, None),
    (VirtualStatus.SUSPENDED, VirtualStatus.ACTIVE, None),
    (VirtualStatus.ACTIVE, VirtualStatus.DELETED, None),
    (VirtualStatus.SUSPENDED, VirtualStatus.DELETED, None),
    (VirtualStatus.DELETED, VirtualStatus.DELETED, None),
    (VirtualStatus.DELETED, VirtualStatus.ACTIVE, Reason.NOT_ALLOWED),
    (VirtualStatus.DELETED, VirtualStatus.SUSPENDED, Reason.NOT_ALLOWED),
])  # fmt: skip
def test_the_life_of_one(before: VirtualStatus, status: VirtualStatus, then: Reason | None) -> None:
    """Deleted is for ever, as a permanent block is (S §22.4, W §16.3, P §25.4)."""
    story = Story(SGB, account(SGB, MANY, with_phone(phone(before))))
    assert reason(story.send(becomes(status))) is then
    assert story.card.virtual[0].status is (before if then else status)
    assert reason(story.send(becomes(status, VirtualId("card~none")))) is Reason.UNKNOWN_CARD


def test_a_block_of_the_card_and_back() -> None:
    """The card's block stops its numbers and lifting it lets them go on; one that was suspended stays so."""
    watch = phone(VirtualStatus.SUSPENDED, name=VirtualId("card~watch"))
    story = Story(BPS, account(BPS, MANY, with_phone(phone(), watch)))
    story.approve(BlockCard(ACCOUNT, CARD, BlockKind.TEMPORARY, By.HOLDER))
    assert reason(story.send(tap())) is Reason.TEMPORARILY_BLOCKED
    story.approve(UnblockCard(ACCOUNT, CARD), tap())
    assert reason(story.send(tap(virtual=watch.id), at=UnixMs(NOON + MINUTE))) is Reason.TEMPORARILY_BLOCKED
    story.approve(BlockCard(ACCOUNT, CARD, BlockKind.LOST, By.HOLDER))
    assert reason(story.send(becomes(VirtualStatus.ACTIVE, watch.id))) is Reason.NOT_ALLOWED
    assert reason(story.send(tap(), at=warsaw("2027-01-01 12:00"))) is Reason.LOST
