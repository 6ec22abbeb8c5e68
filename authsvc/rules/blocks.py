"""Temporary and permanent blocks: who may order which, who may lift which, and how long each lives.

A holder's (or user's) temporary block and the bank's own stand beside each other, each with its own life: the first
grows into a permanent one when nobody lifts it (S §21.9, W §17.5), the second ends only when the bank's grounds do
(S §21.8, W §17.3, P §27.5). The card works again when both are gone.
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import BlockCard, BlockKind, By, Card, CardSet, CardStatus, Reason, UnblockCard, UnixMs
from authsvc.products import Product
from authsvc.rules.calendar import days_between
from authsvc.rules.done import FINAL, Done, Inputs

BLOCKED_AS = {
    BlockKind.TEMPORARY: CardStatus.TEMPORARILY_BLOCKED,
    BlockKind.PERMANENT: CardStatus.PERMANENTLY_BLOCKED,
    BlockKind.LOST: CardStatus.LOST,
    BlockKind.STOLEN: CardStatus.STOLEN,
}
NEVER = UnixMs(0)


def effective_status(card: Card, product: Product, now: UnixMs) -> CardStatus:
    """The status as of `now`: a temporary block that holder or user asked for and nobody lifted becomes permanent after
    the product's number of calendar days (S §21.9, W §17.5), whether or not the bank blocked the card as well; one by
    the bank alone never does by itself (S §21.8)."""
    days = product.block.holder_days
    if card.status is not CardStatus.TEMPORARILY_BLOCKED or card.blocked_by is By.BANK or days is None:
        return card.status
    return CardStatus.PERMANENTLY_BLOCKED if days_between(card.blocked_at, now) >= days else card.status


def block(command: BlockCard, card: Card, status: CardStatus, product: Product, now: UnixMs) -> Done:
    """A permanent block is never changed again; a mere user may not order one where the regulation says so (W §26.5-6)."""
    inputs: Inputs = {"kind": command.kind.value, "by": command.by.value, "status": status.value}
    if status in FINAL:
        return Done("block", inputs, reason=Reason.NOT_ALLOWED)
    if command.kind is BlockKind.TEMPORARY:
        blocked = _temporarily(command.by, card, status, now)
        return Done("block", inputs) if blocked is card else Done("block", inputs, CardSet(blocked))
    if command.by is By.USER and not product.block.user_permanent:
        return Done("block", inputs, reason=Reason.NOT_ALLOWED)
    before = card.before_block if status is CardStatus.TEMPORARILY_BLOCKED else status
    blocked = replace(
        card, status=BLOCKED_AS[command.kind], blocked_by=command.by, blocked_at=now, before_block=before,
        bank_blocked_at=NEVER, closed_at=now,
    )  # fmt: skip
    return Done("block", inputs, CardSet(blocked))


def _temporarily(by: By, card: Card, status: CardStatus, now: UnixMs) -> Card:
    """Asked for again, a block keeps its first day: the 60 days run from the request that was made (S §21.9)."""
    if status is not CardStatus.TEMPORARILY_BLOCKED:
        return replace(
            card, status=CardStatus.TEMPORARILY_BLOCKED, blocked_by=by, blocked_at=now, before_block=status,
            bank_blocked_at=NEVER,
        )  # fmt: skip
    if by is By.BANK:
        already = card.blocked_by is By.BANK or card.bank_blocked_at != NEVER
        return card if already else replace(card, bank_blocked_at=now)
    if card.blocked_by is By.BANK:
        return replace(card, blocked_by=by, blocked_at=now, bank_blocked_at=card.blocked_at)
    outranks = by is By.HOLDER and card.blocked_by is By.USER
    return replace(card, blocked_by=by) if outranks else card  # the holder's word stands above the user's


def unblock(command: UnblockCard, card: Card, status: CardStatus, product: Product) -> Done:
    """Only a temporary block is ever lifted; the card goes back to what it was before. The bank's own staff lift what
    stands; holder and user lift what they may, and the bank's block stays (S §21.8, W §17.3-4, P §27.5)."""
    by = command.by
    inputs: Inputs = {"status": status.value, "by": by.value if by else "staff"}
    if status is CardStatus.ACTIVE:
        return Done("unblock", inputs)
    if status is not CardStatus.TEMPORARILY_BLOCKED:
        return Done("unblock", inputs, reason=Reason.NOT_ALLOWED)
    inputs["blocked_by"] = card.blocked_by.value if card.blocked_by else ""
    if not _may_lift(command, card, product):
        return Done("unblock", inputs, reason=Reason.NOT_ALLOWED)
    if by is By.BANK and card.blocked_by is not By.BANK:  # the bank's grounds have ended, the holder's wish has not
        return Done("unblock", inputs, CardSet(replace(card, bank_blocked_at=NEVER)))
    if by is not None and by is not By.BANK and card.bank_blocked_at != NEVER:
        rest = replace(card, blocked_by=By.BANK, blocked_at=card.bank_blocked_at, bank_blocked_at=NEVER)
        return Done("unblock", {**inputs, "bank_block_stays": True}, CardSet(rest))
    free = replace(card, status=card.before_block, blocked_by=None, blocked_at=NEVER, bank_blocked_at=NEVER)
    return Done("unblock", inputs, CardSet(free))


def _may_lift(command: UnblockCard, card: Card, product: Product) -> bool:
    """W §17.4: a holder's block is not lifted by telephone. A user lifts only what a user asked for (S §21.9, P §24.2),
    where the regulation lets them (not W §17.4, P §1.3)."""
    if command.hotline and card.blocked_by is not By.BANK and not product.block.hotline_lifts:
        return False
    if command.by is By.HOLDER:
        return card.blocked_by is not By.BANK
    if command.by is By.USER:
        return product.block.user_lifts and card.blocked_by is By.USER
    if command.by is By.BANK:
        return card.blocked_by is By.BANK or card.bank_blocked_at != NEVER
    return True
