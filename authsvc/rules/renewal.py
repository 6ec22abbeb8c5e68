"""Renewal (same number and PIN, new expiry) and replacement (another number) of a card.

Renewed plastic is inactive until it is activated or used at an ATM with the right PIN (S §32.7). Until then the old
plastic works on to its own last day (S §32.2): S takes no right away with the renewal alone. From then on the old
expiry is wrong.
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import (
    Account,
    Authorization,
    Card,
    CardRenewed,
    CardSet,
    CardStatus,
    Counters,
    Day,
    Pin,
    Reason,
    Refused,
    RenewCard,
    ReplaceCard,
    UnixMs,
)
from authsvc.products import Product
from authsvc.rules.calendar import day_of, days_between, days_later, is_past_expiry
from authsvc.rules.case import Case
from authsvc.rules.done import FINAL, Done, Inputs
from authsvc.rules.places import ATM


def is_renewed_plastic(request: Authorization, card: Card, day: Day) -> bool:
    """Whether a message comes from the renewed plastic that is not in use yet: by its expiry, or, where the message has
    none, because the old plastic is over."""
    if not card.renewal or request.virtual:
        return False
    return request.expiry == card.renewal if request.expiry else is_past_expiry(card.expiry, day)


def inactive(case: Case) -> Refused | None:
    """Renewed plastic does nothing but an ATM operation with PIN; whether the PIN is right, the PIN rule says next."""
    request = case.request
    assert isinstance(request, Authorization)
    if not is_renewed_plastic(request, case.card, case.day):
        return None
    if request.mcc == ATM and request.pin is not Pin.ABSENT:
        return None
    return case.refused("card_status", Reason.CARD_INACTIVE, {"status": "inactive", "renewed": case.card.renewal})


def activate_at_atm(case: Case) -> Refused | None:
    """Any operation at an ATM with the right PIN puts renewed plastic into use, also one that is refused later on, and
    one that pays nothing (S §32.7)."""
    request = case.request
    assert isinstance(request, Authorization)
    if is_renewed_plastic(request, case.card, case.day):
        assert request.mcc == ATM  # else `inactive` has refused it
        assert request.pin is Pin.RIGHT  # else the PIN rule has
        case.passed("renew", {"activated": True, "expiry": case.card.renewal})
        case.changes.append(CardRenewed(case.card.id))
    return None


def renew(command: RenewCard, card: Card, status: CardStatus, product: Product) -> Done:
    """S §32.3, §32.5: number and PIN stay. Not for a blocked card (S §32.1.3) nor one never activated (S §32.1.1); W and
    P do not renew: their agreement ends with the card (W §4.3, P §36.6.1, zał.1 §3.1)."""
    inputs: Inputs = {"status": status.value, "expiry": card.expiry, "new_expiry": command.expiry}
    is_later = command.expiry > max(card.expiry, card.renewal)
    if not product.lifecycle.renews or status is not CardStatus.ACTIVE or not is_later:
        return Done("renew", inputs, reason=Reason.NOT_ALLOWED)
    return Done("renew", inputs, CardSet(replace(card, renewal=command.expiry)))


def was_replaced(card: Card, status: CardStatus, account: Account) -> bool:
    """Whether another card has taken its place already."""
    return status is CardStatus.REPLACED or any(other.replaces == card.id for other in account.cards.values())


def replaced(
    command: ReplaceCard, card: Card, status: CardStatus, account: Account, product: Product, now: UnixMs
) -> Done:
    """A card with another number and PIN in the place of `card` (S §22.1, §22.3; P §7.3-4, §25.5). It takes over limits
    and what is used of them; a card that was not blocked for good is REPLACED from now on (S §20.1.6)."""
    expiry = command.expiry or _expiry_of_new(command, card, status, product, now)
    inputs: Inputs = {"status": status.value, "expiry": expiry, "new": command.new}
    if command.new in account.cards:
        return Done("replace", inputs, reason=Reason.CARD_EXISTS)
    if is_past_expiry(expiry, day_of(now)):
        return Done("replace", inputs, reason=Reason.EXPIRED)
    # What the 60 days have made permanent meanwhile is said now, so that the document says it too.
    old = (
        replace(card, status=status, renewal="")
        if status in FINAL
        else replace(card, status=CardStatus.REPLACED, closed_at=now, renewal="")
    )
    return Done("replace", inputs, CardSet(old), CardSet(_new(command, card, expiry, product)))


def _expiry_of_new(command: ReplaceCard, card: Card, status: CardStatus, product: Product, now: UnixMs) -> str:
    """S §22.1: the blocked card's own expiry within 30 days of the block, a new one later. A card that is not blocked
    passes its expiry on as well."""
    days = product.lifecycle.same_expiry_days
    blocked_at = card.closed_at
    if card.status is CardStatus.TEMPORARILY_BLOCKED:  # permanent since the holder's days were over
        blocked_at = days_later(card.blocked_at, product.block.holder_days or 0)
    in_time = status not in FINAL or (blocked_at != 0 and days_between(blocked_at, now) <= days)
    keeps = days > 0 and in_time and not is_past_expiry(card.expiry, day_of(now))
    return (card.renewal or card.expiry) if keeps else command.fresh_expiry


def _new(command: ReplaceCard, card: Card, expiry: str, product: Product) -> Card:
    counters = card.counters
    kept = Counters(
        used=counters.used, low_value_sum=counters.low_value_sum, low_value_count=counters.low_value_count,
        scas=counters.scas,
    )  # fmt: skip
    return replace(
        card, id=command.new, last4=command.last4, expiry=expiry, pvv=command.pvv, counters=kept,
        status=CardStatus.ACTIVE if product.new_card == "active" else CardStatus.INACTIVE,
        debt=type(card.debt)(0), blocked_by=None, blocked_at=UnixMs(0), before_block=CardStatus.ACTIVE,
        bank_blocked_at=UnixMs(0), renewal="", virtual=(), replaces=card.id, closed_at=UnixMs(0),
    )  # fmt: skip
