"""Who may order and lift which block, and how long each lives."""

from __future__ import annotations

import pytest
from given import BPS, CREDIT, MINOR_SGB, SGB, Story, account, authorization, ids, reason, warsaw

from authsvc.model import AccountId, BlockCard, BlockKind, By, CardId, CardStatus, Reason, UnblockCard
from authsvc.products import Product

ACCOUNT, CARD = AccountId("account"), CardId("card")
NOT_ALLOWED = Reason.NOT_ALLOWED
TEMPORARY, PERMANENT = Reason.TEMPORARILY_BLOCKED, Reason.PERMANENTLY_BLOCKED


def block(by: By = By.HOLDER, kind: BlockKind = BlockKind.TEMPORARY) -> BlockCard:
    return BlockCard(ACCOUNT, CARD, kind, by)


def lift(by: By | None = None, hotline: bool = False) -> UnblockCard:
    return UnblockCard(ACCOUNT, CARD, by, hotline)


@pytest.mark.parametrize(("product", "asked", "day_59", "day_60"), [
    (CREDIT, [By.HOLDER], TEMPORARY, PERMANENT),  # S §21.9
    (CREDIT, [By.USER], TEMPORARY, PERMANENT),
    (CREDIT, [By.BANK], TEMPORARY, TEMPORARY),  # S §21.8: until the inquiry ends
    (CREDIT, [By.HOLDER, By.BANK], TEMPORARY, PERMANENT),
    (CREDIT, [By.BANK, By.HOLDER], TEMPORARY, PERMANENT),
    (BPS, [By.HOLDER], TEMPORARY, PERMANENT),  # W §17.5
    (BPS, [By.BANK], TEMPORARY, TEMPORARY),  # W §17.3
    (SGB, [By.HOLDER], TEMPORARY, TEMPORARY),  # P knows no such end
    (MINOR_SGB, [By.HOLDER, By.BANK], TEMPORARY, TEMPORARY),
])  # fmt: skip
def test_how_long_a_temporary_block_lives(product: Product, asked: list[By], day_59: Reason, day_60: Reason) -> None:
    """Calendar days from the request; the clocks change or not, a quarter past midnight counts as the day."""
    story = Story(product, account(product), now=warsaw("2026-09-01 23:50"))
    story.approve(*map(block, asked))
    assert reason(story.send(authorization(), at=warsaw("2026-10-30 23:59"))) is day_59
    assert reason(story.send(authorization(), at=warsaw("2026-10-31 00:01"))) is day_60


def test_a_holders_request_beside_the_banks_has_its_own_first_day() -> None:
    """The bank blocks, a month later the holder too: 60 days from the holder's request (S §21.9)."""
    story = Story(CREDIT, now=warsaw("2026-06-01 12:00"))
    story.approve(block(By.BANK))
    story.send(block(By.HOLDER), at=warsaw("2026-07-01 12:00"))
    story.send(block(By.HOLDER), at=warsaw("2026-08-01 12:00"))  # asked for again: the first day stays
    assert reason(story.send(authorization(), at=warsaw("2026-08-29 12:00"))) is TEMPORARY
    assert reason(story.send(authorization(), at=warsaw("2026-08-30 12:00"))) is PERMANENT
    assert reason(story.send(lift())) is NOT_ALLOWED


@pytest.mark.parametrize(("product", "blocks", "who", "then", "after"), [
    (CREDIT, [By.HOLDER], lift(By.HOLDER), None, None),
    (CREDIT, [By.USER], lift(By.USER), None, None),  # S §21.9 names the user too
    (CREDIT, [By.HOLDER], lift(By.USER), NOT_ALLOWED, TEMPORARY),  # S §11.2: the holder's own
    (CREDIT, [By.USER], lift(By.HOLDER), None, None),
    (CREDIT, [By.USER, By.HOLDER], lift(By.USER), NOT_ALLOWED, TEMPORARY),
    (CREDIT, [By.HOLDER, By.USER], lift(By.USER), NOT_ALLOWED, TEMPORARY),
    (CREDIT, [By.BANK], lift(By.HOLDER), NOT_ALLOWED, TEMPORARY),  # S §21.8
    (CREDIT, [By.BANK], lift(By.BANK), None, None),
    (CREDIT, [By.BANK], lift(), None, None),
    (CREDIT, [By.HOLDER], lift(By.BANK), NOT_ALLOWED, TEMPORARY),  # not the bank's to lift in its own name
    (CREDIT, [By.HOLDER, By.BANK], lift(By.HOLDER), None, TEMPORARY),
    (CREDIT, [By.HOLDER, By.BANK], lift(By.BANK), None, TEMPORARY),
    (CREDIT, [By.BANK, By.HOLDER], lift(By.HOLDER), None, TEMPORARY),
    (CREDIT, [By.BANK, By.HOLDER], lift(), None, None),
    (CREDIT, [By.HOLDER], lift(hotline=True), None, None),
    (BPS, [By.HOLDER], lift(By.HOLDER), None, None),
    (BPS, [By.USER], lift(By.USER), NOT_ALLOWED, TEMPORARY),  # W §17.4: the holder applies
    (BPS, [By.HOLDER], lift(hotline=True), NOT_ALLOWED, TEMPORARY),  # W §17.4: branch, portal, e-banking
    (BPS, [By.BANK], lift(hotline=True), None, None),  # W §17.3: the bank's own
    (SGB, [By.USER], lift(By.USER), None, None),  # P §24.2
    (SGB, [By.HOLDER], lift(hotline=True), None, None),
    (SGB, [By.BANK], lift(By.HOLDER), NOT_ALLOWED, TEMPORARY),  # P §27.5
    (MINOR_SGB, [By.USER], lift(By.USER), NOT_ALLOWED, TEMPORARY),  # P §1.3
    (MINOR_SGB, [By.USER], lift(By.HOLDER), None, None),  # parent or guardian
])  # fmt: skip
def test_who_lifts_which(
    product: Product, blocks: list[By], who: UnblockCard, then: Reason | None, after: Reason | None
) -> None:
    """S §11.2, §21.8-9; W §17.3-4; P §1.3, §24.2-3, §27.5."""
    story = Story(product)
    story.approve(*map(block, blocks))
    assert story.reasons(who, authorization()) == [then, after]


def test_what_stays_lives_on_with_its_own_day() -> None:
    """The holder lifts theirs, the bank's stays and grows no older; lifted, the card is what it was."""
    story = Story(CREDIT, now=warsaw("2026-06-01 12:00"))
    story.approve(block(By.HOLDER), block(By.BANK), lift(By.HOLDER))
    assert reason(story.send(authorization(), at=warsaw("2027-06-01 12:00"))) is TEMPORARY
    story.approve(lift(By.BANK))
    assert (story.card.status, story.card.blocked_by, story.card.bank_blocked_at) == (CardStatus.ACTIVE, None, 0)


def test_the_bank_lifts_its_own_and_the_holders_goes_on_counting() -> None:
    story = Story(BPS, now=warsaw("2026-06-01 12:00"))
    story.approve(block(By.BANK), block(By.HOLDER), lift(By.BANK))
    assert reason(story.send(authorization(), at=warsaw("2026-07-30 12:00"))) is TEMPORARY
    assert reason(story.send(authorization(), at=warsaw("2026-07-31 12:00"))) is PERMANENT


@pytest.mark.parametrize("product", [SGB, MINOR_SGB], ids=ids)
@pytest.mark.parametrize(("kind", "refused", "comes_back"), [
    (BlockKind.TEMPORARY, TEMPORARY, True),  # P §2.43: for a time
    (BlockKind.PERMANENT, PERMANENT, False),  # P §2.44: irrevocably
])  # fmt: skip
def test_the_two_blocks_of_p(product: Product, kind: BlockKind, refused: Reason, comes_back: bool) -> None:
    """P calls one *zablokowanie*, for a time, and the other *zastrzeżenie*, for ever (P §2.43-44, §25.3-4)."""
    story = Story(product)
    story.approve(block(By.HOLDER, kind))
    after = [None, None] if comes_back else [NOT_ALLOWED, refused]
    assert story.reasons(authorization(), lift(), authorization()) == [refused, *after]
    assert reason(story.send(authorization(), at=warsaw("2028-12-31 23:59"))) is (None if comes_back else refused)


@pytest.mark.parametrize("kind", [BlockKind.PERMANENT, BlockKind.LOST, BlockKind.STOLEN])
@pytest.mark.parametrize(
    ("product", "then"), [(CREDIT, None), (BPS, NOT_ALLOWED), (SGB, None), (MINOR_SGB, NOT_ALLOWED)]
)
def test_a_user_blocks_for_good(product: Product, then: Reason | None, kind: BlockKind) -> None:
    """S §21.7, §35.4-6 and P §24.1.2 let a user; W §26.5-6 and P §1.3 do not. Also over a temporary block."""
    story = Story(product)
    story.approve(block(By.USER))
    assert story.reasons(block(By.USER, kind), lift()) == [then, NOT_ALLOWED if then is None else None]
