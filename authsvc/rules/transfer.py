"""A transfer out of the card account: it counts as cash (S §2.37, §2.52c, §14; W §2, §10.1.1).

In PLN, to a Polish account, none of a tax office or of social security; within the day's cash limit, and within the funds less
its fee. Who orders it was authenticated by the channel it came by (S §15.1.6). It is posted at once, the fee beside it.
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import (
    Account,
    Bucket,
    Card,
    CardSet,
    CardStatus,
    Minor,
    Origin,
    Posting,
    PostingKind,
    Reason,
    Transfer,
    UnixMs,
)
from authsvc.products import Product
from authsvc.rules import posting
from authsvc.rules.calendar import day_of, is_past_expiry
from authsvc.rules.card import CARD_REASONS
from authsvc.rules.done import Done, Inputs
from authsvc.rules.evolve import apply
from authsvc.rules.funds import card_room
from authsvc.rules.limits import add, used_today

POLISH = "PL"
NO_MESSAGE = Origin("", "", "")


def out(
    command: Transfer, card: Card, status: CardStatus, account: Account, product: Product, now: UnixMs
) -> Done:  # fmt: skip
    """The transfer, or the first reason against it."""
    inputs: Inputs = {"amount": command.amount, "fee": product.transfer.fee, "status": status.value}
    if status is not CardStatus.ACTIVE:
        return Done("card_status", inputs, reason=CARD_REASONS[status])
    if is_past_expiry(card.expiry, day_of(now)):
        return Done("expired", {**inputs, "expiry": card.expiry}, reason=Reason.EXPIRED)
    if not product.transfer.offered or not card.limits.cash:
        return Done("transfer", {**inputs, "offered": product.transfer.offered}, reason=Reason.CHANNEL_OFF)
    if not _may_go_to(command.iban, product):
        return Done("transfer", {**inputs, "allowed": False}, reason=Reason.NOT_ALLOWED)
    return _within_limits(command, card, account, product, now, inputs)


def _may_go_to(iban: str, product: Product) -> bool:
    """A Polish account, and none that taxes or social security are paid to (S §2.37)."""
    return iban.startswith(POLISH) and not iban[4:].startswith(product.transfer.forbidden)


def _within_limits(
    command: Transfer, card: Card, account: Account, product: Product, now: UnixMs, inputs: Inputs
) -> Done:
    used, amount, fee = used_today(card, now), command.amount, product.transfer.fee
    if used.cash + amount > card.limits.cash:
        inputs |= {"used": used.cash, "limit": card.limits.cash}
        return Done("cash_limit", inputs, reason=Reason.CASH_LIMIT)
    most = product.limits.cash.count
    if most is not None and used.cash_count >= most:
        return Done("cash_count", {**inputs, "used": used.cash_count, "limit": most}, reason=Reason.CASH_COUNT)
    available = card_room(account, card, product, now)
    if amount + fee > available:
        reason = Reason.INSUFFICIENT_FUNDS if product.funds == "prepaid" else Reason.CREDIT_LIMIT
        return Done("funds", {**inputs, "available": available}, reason=reason)
    counters = replace(card.counters, used=add(used, Bucket.CASH, amount, 1))
    return _posted(command, replace(card, counters=counters), account, product, now, inputs)


def _posted(
    command: Transfer, card: Card, account: Account, product: Product, now: UnixMs, inputs: Inputs
) -> Done:  # fmt: skip
    """The card with what it used, the transfer, its fee. Each posting stands on what is owed after the one before."""
    used = CardSet(card)
    money = Posting(
        id=posting.id_of(account), card=card.id, kind=PostingKind.TRANSFER, amount=command.amount, at=now, origin=NO_MESSAGE,
        day=day_of(now), bucket=Bucket.CASH, scas=card.counters.scas, reference=f"{command.iban} {command.reference}",
    )  # fmt: skip
    first = posting.post(apply(account, used), money, product)
    if not product.transfer.fee:
        return Done("transfer", inputs, used, first)
    fee = replace(
        money,
        id=posting.id_of(account, 1),
        kind=PostingKind.FEE,
        amount=Minor(product.transfer.fee),
        bucket=Bucket.NONE,
    )
    second = posting.post(apply(apply(account, used), first), fee, product)
    return Done("transfer", {**inputs, "balance": second.balance}, used, first, second)
