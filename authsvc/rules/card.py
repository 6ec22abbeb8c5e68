"""Rules 3 and 4: is the card known, in date, and allowed to be used at all?"""

from __future__ import annotations

from authsvc.model import AccountStatus, Authorization, By, Card, CardStatus, Reason, Refused, UnixMs
from authsvc.products import Product
from authsvc.rules.calendar import days_between, is_past_expiry
from authsvc.rules.case import Case

ACCOUNT_REASONS = {
    AccountStatus.CLOSED: Reason.ACCOUNT_CLOSED,
    AccountStatus.HOLDER_DECEASED: Reason.HOLDER_DECEASED,
    AccountStatus.CAPACITY_LOST: Reason.CAPACITY_LOST,
}
CARD_REASONS = {
    CardStatus.INACTIVE: Reason.CARD_INACTIVE,
    CardStatus.TEMPORARILY_BLOCKED: Reason.TEMPORARILY_BLOCKED,
    CardStatus.PERMANENTLY_BLOCKED: Reason.PERMANENTLY_BLOCKED,
    CardStatus.LOST: Reason.LOST,
    CardStatus.STOLEN: Reason.STOLEN,
    CardStatus.CAPTURED: Reason.CARD_CAPTURED,
    CardStatus.REPLACED: Reason.REPLACED,
}


def known(case: Case) -> Refused | None:
    """Rule 3: the PAN is one of ours; the expiry date on the wire is the card's; its last day is not over."""
    request, card = case.request, case.card
    if not card.id:
        return case.refused("card", Reason.UNKNOWN_CARD, {})
    case.passed("card", {"card": card.id})
    assert isinstance(request, Authorization)
    if request.expiry and request.expiry != card.expiry:
        return case.refused("expiry_date", Reason.EXPIRY_MISMATCH, {"given": request.expiry})
    if is_past_expiry(card.expiry, case.day):
        return case.refused("expired", Reason.EXPIRED, {"expiry": card.expiry, "day": case.day})
    case.passed("expired", {"expiry": card.expiry, "day": case.day})
    return None


def usable(case: Case) -> Refused | None:
    """Rule 4: account and card may be used. One reason for each way of losing that right (S §20, W §15, P §9, §36)."""
    account_status = case.account.status
    if account_status is not AccountStatus.OPEN:
        return case.refused("account_status", ACCOUNT_REASONS[account_status], {"status": account_status.value})
    status = effective_status(case.card, case.product, case.now)
    if status is not CardStatus.ACTIVE:
        return case.refused("card_status", CARD_REASONS[status], {"status": status.value})
    case.passed("card_status", {"status": "active"})
    return None


def effective_status(card: Card, product: Product, now: UnixMs) -> CardStatus:
    """The status as of `now`: a temporary block that holder or user asked for and nobody lifted becomes permanent after
    the product's number of calendar days (S §21.9, W §17.5); one by the bank never does by itself (S §21.8)."""
    days = product.block.holder_days
    if card.status is not CardStatus.TEMPORARILY_BLOCKED or card.blocked_by is By.BANK or days is None:
        return card.status
    return CardStatus.PERMANENTLY_BLOCKED if days_between(card.blocked_at, now) >= days else card.status
