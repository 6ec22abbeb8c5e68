"""Renewal (same number and PIN, new expiry), replacement (another number) and duplicate (same number) of a card.

Renewed plastic is inactive until it is activated or used at an ATM with the right PIN (S §32.7). Until then the old
plastic works on to its own last day (S §32.2): S takes no right away with the renewal alone. From then on the old
expiry is wrong.

A duplicate stands for plastic that is damaged: the right to use that one is lost at once (S §20.1.2).
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
    ChipCounter,
    Counters,
    Day,
    DuplicateCard,
    DuplicateCause,
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


def duplicate(command: DuplicateCard, card: Card, status: CardStatus, product: Product, now: UnixMs) -> Done:
    """S §2.12, §10, P §7.6: the same number, for damage only; a card that is lost or blocked gets none. It is inactive
    where a new card is (S §10.3), and no PIN at an ATM activates it: that is for renewed ones (S §32.7)."""
    expiry, last = command.expiry or card.expiry, card.renewal or card.expiry
    inputs: Inputs = {
        "status": status.value, "cause": command.cause.value, "expiry": card.expiry, "new_expiry": expiry,
        "new_pin": bool(command.pvv),
    }  # fmt: skip
    if is_past_expiry(last, day_of(now)):
        return Done("duplicate", inputs, reason=Reason.EXPIRED)
    usable = status in (CardStatus.ACTIVE, CardStatus.INACTIVE)
    if not usable or not _as_the_product_has_it(command, card, product):
        return Done("duplicate", inputs, reason=Reason.NOT_ALLOWED)
    counters = replace(card.counters, contactless_unlocked=False, chips=_of_wallets(card))
    status_of_new = CardStatus.ACTIVE if product.new_card == "active" else CardStatus.INACTIVE
    plastic = replace(
        card, expiry=expiry, renewal="", pvv=command.pvv or card.pvv, counters=counters, status=status_of_new
    )
    return Done("duplicate", inputs, CardSet(plastic))


def _as_the_product_has_it(command: DuplicateCard, card: Card, product: Product) -> bool:
    rules = product.duplicate
    if not rules.offered or command.cause is not DuplicateCause.DAMAGED or (command.pvv and not rules.new_pin):
        return False
    if rules.new_expiry:  # later than that of any plastic about, so that its date tells it from them
        return command.expiry > max(card.expiry, card.renewal)
    return command.expiry in ("", card.expiry)


def _of_wallets(card: Card) -> tuple[ChipCounter, ...]:
    """A new chip counts from the beginning; the wallets' device numbers go on."""
    wallets = {str(one.id) for one in card.virtual}
    return tuple(one for one in card.counters.chips if one.chip in wallets)


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
