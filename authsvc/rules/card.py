"""Rules 3 and 4: is the card known, in date, and allowed to be used at all?"""

from __future__ import annotations

from authsvc.model import AccountStatus, Authorization, CardStatus, Reason, Refused
from authsvc.rules import renewal, virtual
from authsvc.rules.blocks import effective_status
from authsvc.rules.calendar import is_past_expiry
from authsvc.rules.case import Case

__all__ = ["ACCOUNT_REASONS", "CARD_REASONS", "effective_status", "known", "usable"]

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
    expiry = card.renewal if renewal.is_renewed_plastic(request, card, case.day) else virtual.expiry_of(case)
    if request.expiry and request.expiry != expiry:
        return case.refused("expiry_date", Reason.EXPIRY_MISMATCH, {"given": request.expiry})
    # A device number lives no longer than the card that it stands for, renewed or not.
    last = min(expiry, card.renewal or card.expiry)
    if is_past_expiry(last, case.day):
        return case.refused("expired", Reason.EXPIRED, {"expiry": last, "day": case.day})
    case.passed("expired", {"expiry": last, "day": case.day})
    return None


def usable(case: Case) -> Refused | None:
    """Rule 4: account and card may be used. One reason for each way of losing that right (S §20, W §15, P §9, §36)."""
    account_status = case.account.status
    if account_status is not AccountStatus.OPEN:
        return case.refused("account_status", ACCOUNT_REASONS[account_status], {"status": account_status.value})
    status = effective_status(case.card, case.product, case.now)
    if status is not CardStatus.ACTIVE:
        return case.refused("card_status", CARD_REASONS[status], {"status": status.value})
    if (refused := renewal.inactive(case)) is not None:
        return refused
    case.passed("card_status", {"status": "active"})
    return virtual.usable(case)
