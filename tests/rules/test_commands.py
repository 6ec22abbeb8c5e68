"""Card-management commands: who may order what, and what it changes."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    ALL,
    BPS,
    CREDIT,
    MINOR_SGB,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    contactless,
    ids,
    limits,
    reason,
    warsaw,
    with_pin,
)

from authsvc.model import (
    Account,
    AccountId,
    ActivateCard,
    Approved,
    BlockCard,
    BlockKind,
    By,
    Card,
    CardId,
    CardStatus,
    Command,
    Counters,
    Day,
    IssueCard,
    Limits,
    Load,
    Minor,
    OpenAccount,
    Reason,
    SetContactless,
    SetLimits,
    SetPin,
    UnblockCard,
    UnblockPin,
    Used,
)
from authsvc.products import Product
from authsvc.rules.commands import MAX_CARDS
from authsvc.rules.decide import decide

ACCOUNT, CARD = AccountId("account"), CardId("card")
NOT_ALLOWED, CEILING = Reason.NOT_ALLOWED, Reason.ABOVE_CEILING
FINAL = [
    CardStatus.PERMANENTLY_BLOCKED, CardStatus.LOST, CardStatus.STOLEN, CardStatus.CAPTURED, CardStatus.REPLACED,
]  # fmt: skip


def issue(number: str = "card", **but: Any) -> IssueCard:
    return IssueCard(account=ACCOUNT, card=CardId(number), last4="0001", expiry="2812", pvv="1234", **but)


def block(kind: BlockKind = BlockKind.TEMPORARY, by: By = By.HOLDER) -> BlockCard:
    return BlockCard(ACCOUNT, CARD, kind, by)


def empty(product: Product, credit_limit: int = 1_000_00) -> Account:
    """An account without cards."""
    start = account(product, credit_limit)
    return Account(id=ACCOUNT, product=product.id, seq=1, at=start.at, credit_limit=start.credit_limit)


# ------------------------------------------------------------------------------------------------- accounts and money


@pytest.mark.parametrize(
    ("product", "credit_limit", "then"),
    [
        (CREDIT, 1_000_00, None),
        (BPS, None, None),
        (SGB, None, None),
        (MINOR_SGB, None, None),
        (BPS, 1_000_00, NOT_ALLOWED),  # a prepaid card pays from its balance alone (W §10.1)
        (SGB, 1_000_00, NOT_ALLOWED),
    ],
)
def test_open_account(product: Product, credit_limit: int | None, then: Reason | None) -> None:
    """An account is opened once; only a credit product has a credit limit (S §4.1, §5.1, W §4.3, P §1.5)."""
    limit = None if credit_limit is None else Minor(credit_limit)
    story = Story(product, Account(id=ACCOUNT))
    decision = story.send(OpenAccount(ACCOUNT, product.id, limit, "holder"))
    assert reason(decision) is then
    assert story.account.credit_limit == (limit or 0 if then is None else 0)
    assert reason(story.send(OpenAccount(ACCOUNT, product.id))) is Reason.ACCOUNT_EXISTS


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_load(product: Product) -> None:
    """Money paid in raises the balance at once (S §26.4, W §11.1-2, P §9.3, §15.3)."""
    story = Story(product, account(product, 0))
    story.approve(Load(ACCOUNT, Minor(70_00), "first"), Load(ACCOUNT, Minor(30_00), "second"))
    assert story.account.balance == 100_00


# ------------------------------------------------------------------------------------------------------ issue, activate


@pytest.mark.parametrize(
    ("product", "status", "cash", "cashless", "internet"),
    [
        (CREDIT, CardStatus.INACTIVE, 2_000_00, 10_000_00, 0),
        (BPS, CardStatus.INACTIVE, 5_000_00, 5_000_00, 0),
        (SGB, CardStatus.ACTIVE, 1_500_00, 3_000_00, 3_000_00),
        (MINOR_SGB, CardStatus.ACTIVE, 100_00, 100_00, 100_00),
    ],
)
def test_a_new_card(product: Product, status: CardStatus, cash: int, cashless: int, internet: int) -> None:
    """S and W issue inactive cards with the internet off, P active ones (S §8.4, W §6.6, P §3.6, §6.2, zał.2, portal)."""
    story = Story(product, empty(product))
    story.approve(issue())
    assert (story.card.status, story.card.limits) == (status, limits(cash, cashless, internet))
    assert (story.card.contactless_enabled, story.counters) == (True, Counters())
    assert story.card.individual_limit == (1_000_00 if product is CREDIT else 0)


@pytest.mark.parametrize(
    ("product", "first", "then"),
    [
        (CREDIT, [], None),
        (CREDIT, [CardStatus.ACTIVE], None),  # any number of cards (S §4.5)
        (BPS, [CardStatus.ACTIVE], Reason.TOO_MANY_CARDS),  # one card (W §6.2)
        (SGB, [CardStatus.ACTIVE], Reason.TOO_MANY_CARDS),  # one card (P §1.5)
        (SGB, [CardStatus.INACTIVE], Reason.TOO_MANY_CARDS),
        (BPS, [CardStatus.TEMPORARILY_BLOCKED], Reason.TOO_MANY_CARDS),
        (BPS, [CardStatus.LOST], None),  # a finally blocked card makes room for a new one
        (SGB, [CardStatus.CAPTURED, CardStatus.STOLEN], None),  # P §7.3: a new card after a capture
        (SGB, [CardStatus.CAPTURED, CardStatus.ACTIVE], Reason.TOO_MANY_CARDS),
    ],
)
def test_how_many_cards(product: Product, first: list[CardStatus], then: Reason | None) -> None:
    """A card that can never be used again does not count (S §4.5, W §6.2, P §1.5, §7.3)."""
    cards = [
        card(f"old-{number}", status=status, blocked_at=NOON, individual_limit=0) for number, status in enumerate(first)
    ]
    start = account(product, 1_000_00, *cards) if cards else empty(product)
    assert reason(decide(issue(), start, product, NOON)) is then


@pytest.mark.parametrize(
    ("at", "then"), [("2026-08-13 12:00", Reason.TOO_MANY_CARDS), ("2026-08-14 00:00", None)], ids=["day 59", "day 60"]
)
def test_a_block_that_has_become_permanent_makes_room(at: str, then: Reason | None) -> None:
    """After 60 days the temporary block is final, so W may issue the new card (W §17.5, §6.2)."""
    story = Story(BPS)
    story.approve(block())
    assert reason(story.send(issue("new"), at=warsaw(at))) is then


@pytest.mark.parametrize("product", [CREDIT, SGB], ids=ids)
def test_the_cap_on_cards(product: Product) -> None:
    """An account keeps at most 100 cards, finally blocked ones included: its document stays bounded (architecture)."""
    old = [card(f"old-{number}", status=CardStatus.LOST) for number in range(MAX_CARDS)]
    assert reason(decide(issue(), account(product, 1_000_00, *old[1:]), product, NOON)) is None
    assert reason(decide(issue(), account(product, 1_000_00, *old), product, NOON)) is Reason.TOO_MANY_CARDS


@pytest.mark.parametrize(
    ("others", "asked", "then", "individual"),
    [
        ([], None, None, 1_000_00),  # not said: all that is free
        ([], 1_000_00, None, 1_000_00),
        ([], 1_000_01, CEILING, 0),
        ([600_00], 400_00, None, 400_00),
        ([600_00], 400_01, CEILING, 0),
        ([600_00, 300_00], None, None, 100_00),
    ],
)
def test_individual_limits(others: list[int], asked: int | None, then: Reason | None, individual: int) -> None:
    """The individual limits of an account together stay within its credit limit (S §4.5, §25.4)."""
    cards = [card(f"other-{number}", individual_limit=limit) for number, limit in enumerate(others)]
    story = Story(CREDIT, account(CREDIT, 1_000_00, *cards) if cards else empty(CREDIT))
    limit = None if asked is None else Minor(asked)
    assert reason(story.send(issue(individual_limit=limit))) is then
    assert then is not None or story.card.individual_limit == individual


def test_the_limit_of_a_finally_blocked_card_is_free_again() -> None:
    """What a lost card had is there for its replacement (S §25.4)."""
    lost = card("lost", individual_limit=1_000_00, status=CardStatus.LOST)
    assert reason(decide(issue(), account(CREDIT, 1_000_00, lost), CREDIT, NOON)) is None


def test_a_card_is_issued_once() -> None:
    """The same card cannot be issued again, whatever became of it."""
    start = account(SGB, 100_00, card(status=CardStatus.LOST))
    assert reason(decide(issue(), start, SGB, NOON)) is Reason.CARD_EXISTS


@pytest.mark.parametrize(
    ("status", "then"),
    [
        (CardStatus.INACTIVE, None),
        (CardStatus.ACTIVE, None),  # no error, no change
        (CardStatus.TEMPORARILY_BLOCKED, NOT_ALLOWED),
        *[(status, NOT_ALLOWED) for status in FINAL],
    ],
)
@pytest.mark.parametrize("product", ALL, ids=ids)
def test_activate(product: Product, status: CardStatus, then: Reason | None) -> None:
    """An inactive card is activated; a blocked one is not (S §8.4, W §6.6, P §6.2)."""
    story = Story(product, account(product, 100_00, card(status=status, blocked_by=By.BANK)))
    assert reason(story.send(ActivateCard(ACCOUNT, CARD))) is then
    assert story.card.status is (CardStatus.ACTIVE if then is None else status)


# ------------------------------------------------------------------------------------------------------ block, unblock

BLOCKED_AS = {
    BlockKind.TEMPORARY: CardStatus.TEMPORARILY_BLOCKED, BlockKind.PERMANENT: CardStatus.PERMANENTLY_BLOCKED,
    BlockKind.LOST: CardStatus.LOST, BlockKind.STOLEN: CardStatus.STOLEN,
}  # fmt: skip


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("kind", list(BlockKind))
@pytest.mark.parametrize("by", list(By))
def test_who_may_block(product: Product, kind: BlockKind, by: By) -> None:
    """Bank, holder and user may block for a time; at W, and for a minor at P, a mere user not for good.

    S §21.1-4, §21.7; W §16.1-2, §17.1-2, §26.5-6; P §1.3-4, §24.1, §24.4, §25.1, §27.1.
    """
    forbidden = by is By.USER and kind is not BlockKind.TEMPORARY and product in (BPS, MINOR_SGB)
    story = Story(product)
    decision = story.send(block(kind, by))
    assert reason(decision) is (NOT_ALLOWED if forbidden else None)
    assert story.card.status is (CardStatus.ACTIVE if forbidden else BLOCKED_AS[kind])
    assert decision.trace[-1].paragraph == product.paragraphs["block"]


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("status", FINAL)
@pytest.mark.parametrize(
    "command",
    [
        *[block(kind) for kind in BlockKind],
        UnblockCard(ACCOUNT, CARD),
        ActivateCard(ACCOUNT, CARD),
        UnblockPin(ACCOUNT, CARD),
        SetLimits(ACCOUNT, CARD, cash=Minor(0)),
        SetContactless(ACCOUNT, CARD, False),
        SetPin(ACCOUNT, CARD, "9999"),
    ],
    ids=lambda command: type(command).__name__,
)
def test_nothing_changes_a_finally_blocked_card(product: Product, status: CardStatus, command: Command) -> None:
    """What is blocked for good, captured or replaced stays as it is (S §22.4, W §16.3, P §7.2-3, §25.4)."""
    story = Story(product, account(product, 100_00, card(status=status)))
    before = story.card
    assert reason(story.send(command)) is NOT_ALLOWED
    assert story.card == before


@pytest.mark.parametrize("product", [CREDIT, BPS], ids=ids)
def test_a_block_of_sixty_days_is_final(product: Product) -> None:
    """From the 60th day on the block is not lifted any more, and the card pays no more (S §21.9, W §17.5)."""
    story = Story(product)
    story.approve(block())
    assert reason(story.send(UnblockCard(ACCOUNT, CARD), at=warsaw("2026-08-14 00:00"))) is NOT_ALLOWED
    assert story.reasons(authorization(), block(BlockKind.LOST)) == [Reason.PERMANENTLY_BLOCKED, NOT_ALLOWED]


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("before", [CardStatus.ACTIVE, CardStatus.INACTIVE])
@pytest.mark.parametrize("by", list(By))
def test_unblock_gives_back_what_was(product: Product, before: CardStatus, by: By) -> None:
    """A temporary block is lifted and the card is what it was before (S §11.2, §21.8-9, W §17.3-4, P §24.2-3, §27.5)."""
    story = Story(product, account(product, 100_00, card(status=before)))
    story.approve(block(by=by), UnblockCard(ACCOUNT, CARD))
    assert (story.card.status, story.card.blocked_by) == (before, None)


def test_unblocking_what_is_not_blocked() -> None:
    """Unblocking an active card changes nothing; an inactive one is not activated by it."""
    story = Story(CREDIT)
    story.approve(UnblockCard(ACCOUNT, CARD), authorization())
    inactive = Story(CREDIT, account(CREDIT, 100_00, card(status=CardStatus.INACTIVE)))
    assert inactive.reasons(UnblockCard(ACCOUNT, CARD)) == [NOT_ALLOWED]


def test_a_second_request_does_not_start_the_sixty_days_again() -> None:
    """The days run from the first request (S §21.9: from the request)."""
    story = Story(CREDIT)
    story.approve(block())
    story.send(block(by=By.USER), at=warsaw("2026-07-15 12:00"))
    assert story.card.blocked_at == NOON
    assert reason(story.send(authorization(), at=warsaw("2026-08-14 00:00"))) is Reason.PERMANENTLY_BLOCKED


@pytest.mark.parametrize("kind", [BlockKind.PERMANENT, BlockKind.LOST, BlockKind.STOLEN])
def test_a_temporary_block_can_become_final_at_once(kind: BlockKind) -> None:
    """Who blocked for a time may still report the card lost or stolen (S §21, W §16-17, P §24-25)."""
    story = Story(SGB)
    story.approve(block(), block(kind))
    assert story.card.status is BLOCKED_AS[kind]


@pytest.mark.parametrize("before", [CardStatus.ACTIVE, CardStatus.INACTIVE])
def test_two_blocks_are_lifted_as_one(before: CardStatus) -> None:
    """Blocked by the holder, then by the bank, then unblocked: the card is what it was before the first."""
    story = Story(SGB, account(SGB, 100_00, card(status=before)))
    story.approve(block(), block(by=By.BANK), UnblockCard(ACCOUNT, CARD))
    assert story.card.status is before


def test_the_block_of_the_bank_stands_beside_the_holders() -> None:
    """Each has its own life: the bank's never grows old (S §21.8), the holder's does, bank or not (S §21.9)."""
    story = Story(CREDIT)
    story.approve(block(), block(by=By.BANK))
    assert reason(story.send(authorization(), at=warsaw("2026-08-13 12:00"))) is Reason.TEMPORARILY_BLOCKED
    assert reason(story.send(authorization(), at=warsaw("2026-12-01 12:00"))) is Reason.PERMANENTLY_BLOCKED


# ------------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("product", "asked", "then"),
    [
        (CREDIT, {"cash": 1_000_000_00}, None),  # the holder sets it (S §23.1)
        (BPS, {"cash": 5_000_00}, None),
        (BPS, {"cash": 5_000_01}, CEILING),  # W §10.1-2: only lower ones
        (BPS, {"cashless": 5_000_01}, CEILING),
        (BPS, {"internet": 5_000_00}, None),
        (BPS, {"internet": 5_000_01}, CEILING),
        (SGB, {"cash": 1_000_000_00}, None),  # P zał.2: up to the available funds
        (MINOR_SGB, {"cash": 100_00, "cashless": 100_00, "internet": 100_00}, None),
        (MINOR_SGB, {"cash": 100_01}, CEILING),
        (MINOR_SGB, {"cashless": 100_01}, CEILING),
        (MINOR_SGB, {"internet": 100_01}, CEILING),
        (MINOR_SGB, {"cash": 0, "cashless": 0, "internet": 0}, None),
    ],
)
def test_ceilings(product: Product, asked: dict[str, Minor], then: Reason | None) -> None:
    """Limits are set within the product's ceiling, on a card and with a new one (S §23.1, W §10.2, P §3.5, zał.2)."""
    small = card(limits=limits(1, 1, 1))
    assert reason(decide(SetLimits(ACCOUNT, CARD, **asked), account(product, 100_00, small), product, NOON)) is then
    assert reason(decide(issue(**asked), empty(product), product, NOON)) is then


@pytest.mark.parametrize(
    ("asked", "then"),
    [
        ({}, limits(10, 20, 30)),
        ({"cash": 0}, limits(0, 20, 30)),
        ({"cashless": 5}, limits(10, 5, 30)),
        ({"cash": 1, "cashless": 2, "internet": 3}, limits(1, 2, 3)),
    ],
)
def test_set_limits(asked: dict[str, Minor], then: Limits) -> None:
    """Limits that are not named stay; what is used today stays used (rulebook section 1, "at once")."""
    used = Used(day=Day("2026-06-15"), cash=Minor(5), cash_count=1)
    story = Story(SGB, account(SGB, 100_00, card(limits=limits(10, 20, 30), counters=Counters(used=used))))
    story.approve(SetLimits(ACCOUNT, CARD, **asked))
    assert (story.card.limits, story.counters.used) == (then, used)


def test_a_limit_of_old_above_a_lowered_ceiling_stays_until_it_is_changed() -> None:
    """Where the bank has lowered a ceiling, the holder may still lower another limit (W §10.2)."""
    story = Story(BPS, account(BPS, 100_00, card(limits=limits(6_000_00, 6_000_00, 6_000_00))))
    story.approve(SetLimits(ACCOUNT, CARD, cash=Minor(100_00)))
    assert story.card.limits == limits(100_00, 6_000_00, 6_000_00)
    assert story.reasons(SetLimits(ACCOUNT, CARD, cashless=Minor(5_500_00))) == [CEILING]


def test_a_changed_limit_applies_at_once() -> None:
    """A raised limit lets the next payment through, a lowered one counts what is used already (rulebook section 1)."""
    story = Story(SGB, account(SGB, 1_000_00, card(limits=limits(cashless=100_00))))
    story.approve(authorization(80_00))
    assert story.reasons(authorization(30_00)) == [Reason.CASHLESS_LIMIT]
    story.approve(SetLimits(ACCOUNT, CARD, cashless=Minor(110_00)), authorization(30_00))
    story.approve(SetLimits(ACCOUNT, CARD, cashless=Minor(50_00)))
    assert story.reasons(authorization(1)) == [Reason.CASHLESS_LIMIT]


def test_contactless_on_and_off() -> None:
    """Contactless is switched off and on at any time; it need not be unlocked again (S §16.8, W §12.7, P §3.2.1)."""
    story = Story(SGB)
    off, on = SetContactless(ACCOUNT, CARD, False), SetContactless(ACCOUNT, CARD, True)
    assert story.reasons(off, contactless(), on, contactless()) == [None, Reason.CHANNEL_OFF, None, None]


def test_a_new_pin() -> None:
    """A new PIN replaces the old one; wrong ones stay counted, and a PIN block stays (S §12.3-4, W §13.5, P §7.5)."""
    counters = Counters(pin_failures=3, pin_blocked_on=Day("2026-06-15"))
    story = Story(CREDIT, account(CREDIT, 100_00, card(counters=counters)))
    story.approve(SetPin(ACCOUNT, CARD, "9999"))
    assert (story.card.pvv, story.counters) == ("9999", counters)
    assert story.reasons(with_pin()) == [Reason.PIN_TRIES_EXCEEDED]


# --------------------------------------------------------------------------------------------------------- all commands

ON_A_CARD: list[Command] = [
    ActivateCard(ACCOUNT, CardId("nobody")), UnblockCard(ACCOUNT, CardId("nobody")),
    UnblockPin(ACCOUNT, CardId("nobody")), SetLimits(ACCOUNT, CardId("nobody")),
    SetContactless(ACCOUNT, CardId("nobody"), True), SetPin(ACCOUNT, CardId("nobody"), "9999"),
    BlockCard(ACCOUNT, CardId("nobody"), BlockKind.LOST, By.BANK),
]  # fmt: skip


@pytest.mark.parametrize("command", ON_A_CARD, ids=lambda command: type(command).__name__)
def test_an_unknown_card(command: Command) -> None:
    """A command for a card that the account does not have is refused."""
    assert reason(decide(command, account(), SGB, NOON)) is Reason.UNKNOWN_CARD


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_command_under_the_same_idempotency_key_happens_once(product: Product) -> None:
    """The second one is answered as the first; the same key with another content is a DUPLICATE (wire.md section 4)."""
    story = Story(product, account(product, 0))
    load = Load(ACCOUNT, Minor(50_00), "transfer", idempotency="once", fingerprint="a")
    first = story.send(load)
    assert story.send(load) is first
    assert story.account.balance == 50_00
    other = Load(ACCOUNT, Minor(60_00), "transfer", idempotency="once", fingerprint="b")
    assert (reason(story.send(other)), story.account.balance) == (Reason.DUPLICATE, 50_00)
    story.approve(Load(ACCOUNT, Minor(1_00), "transfer"), Load(ACCOUNT, Minor(1_00), "transfer"))
    assert story.account.balance == 52_00


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_every_command_is_a_decision_with_its_paragraph(product: Product) -> None:
    """A command leaves a journal record with one step and the paragraph behind it, and no answer for the wire (law 1)."""
    story = Story(product)
    commands: list[Command] = [
        Load(ACCOUNT, Minor(1), "r"),
        SetLimits(ACCOUNT, CARD),
        SetContactless(ACCOUNT, CARD, True),
        SetPin(ACCOUNT, CARD, "1234"),
        UnblockPin(ACCOUNT, CARD),
        ActivateCard(ACCOUNT, CARD),
        block(),
        UnblockCard(ACCOUNT, CARD),
    ]
    for command in commands:
        decision = story.send(command)
        (step,) = decision.trace
        assert (decision.answer, decision.outcome) == (None, Approved())
        assert step.paragraph == product.paragraphs[step.rule]
    assert len(story.journal) == len(commands)


def test_a_card_keeps_the_rest_of_itself() -> None:
    """A command changes what it names and nothing else of the card."""
    story = Story(SGB)
    before: Card = story.card
    story.approve(SetContactless(ACCOUNT, CARD, False), SetContactless(ACCOUNT, CARD, True))
    assert story.card == before
