"""Device numbers: a wallet's own card number that stands for a card, and spends from the card's limits and funds.

No regulation has rules of its own for them beyond the mobile device "the card was added to" (S §15.1.4) and the
wallets that the contactless limit does not hold for (P zał.2). What takes the right to the card takes it from them too.
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import (
    Authorization,
    Card,
    CardSet,
    CardStatus,
    CreateVirtual,
    Entry,
    Pin,
    Reason,
    Refused,
    SetVirtual,
    UnixMs,
    VirtualCard,
    VirtualId,
    VirtualStatus,
)
from authsvc.rules.calendar import day_of, is_past_expiry
from authsvc.rules.case import Case
from authsvc.rules.done import FINAL, Done, Inputs
from authsvc.rules.pin import strongly_authenticated

MOST = 8
"""Device numbers of one card that are not deleted."""
MOST_KEPT = 12
"""With deleted ones: above it the oldest deleted one leaves the document. A number that is not there is deleted."""
REASONS = {
    VirtualStatus.SUSPENDED: Reason.TEMPORARILY_BLOCKED,
    VirtualStatus.DELETED: Reason.PERMANENTLY_BLOCKED,
}


def find(card: Card, virtual: VirtualId) -> VirtualCard | None:
    return next((one for one in card.virtual if one.id == virtual), None)


def expiry_of(case: Case) -> str:
    """The expiry (YYMM) that the message must name: of the plastic, or of the device number that was used."""
    assert isinstance(case.request, Authorization)
    virtual = find(case.card, case.request.virtual)
    return virtual.expiry if virtual else case.card.expiry


def usable(case: Case) -> Refused | None:
    """A suspended or deleted device number refuses, whatever the card itself may do."""
    request = case.request
    assert isinstance(request, Authorization)
    if not request.virtual:
        return None
    virtual = find(case.card, request.virtual)
    status = virtual.status if virtual else VirtualStatus.DELETED
    inputs: Inputs = {"virtual": request.virtual, "status": status.value}
    if status is not VirtualStatus.ACTIVE:
        return case.refused("virtual_card", REASONS[status], inputs)
    case.passed("virtual_card", inputs)
    return None


def device(case: Case) -> Refused | None:
    """A wallet lets its number out by contactless chip only when the device has authenticated its user: that is an SCA,
    unless the terminal says (DE55 9F34) that no such check was made. Never by stripe, never remotely: there the payment
    has to prove itself as any other (S §15.1.4, §18; P zał.2)."""
    request = case.request
    assert isinstance(request, Authorization)
    if not request.virtual:
        return None
    authenticated = by_device(request)
    case.passed("device", {"authenticated": authenticated, "entry": request.entry.value})
    if authenticated and not case.has_sca:
        case.has_sca = True
        case.counters = strongly_authenticated(case.counters, case.product)
    return None


def by_device(request: Authorization) -> bool:
    """Whether the wallet's device has authenticated its user for this very payment."""
    if not request.virtual or request.entry is not Entry.CONTACTLESS_CHIP or request.pin is Pin.WRONG:
        return False
    return not _denied(request.cvm)


def _denied(cvm: str) -> bool:
    """9F34, CVM Results (EMV Book 4 Annex A4): method, condition, result. A wallet's own check is told as a PIN verified
    by the chip, successful (010002 and its kin); "no CVM" (1F), "failed" (00), signature (1E) and a result that is not
    "successful" (02) deny it. 3F: no CVM was made."""
    if not cvm:
        return False
    method, result = int(cvm[:2], 16) & 0x3F, cvm[4:6]
    return method in (0x00, 0x1E, 0x1F, 0x3F) or result != "02"


def create(command: CreateVirtual, card: Card, status: CardStatus, now: UnixMs) -> Done:
    """Only a card that may be used can be added to a wallet (S §11.1)."""
    expiry = command.expiry or card.renewal or card.expiry
    inputs: Inputs = {"virtual": command.virtual, "expiry": expiry, "status": status.value}
    living = [one for one in card.virtual if one.status is not VirtualStatus.DELETED]
    if status is not CardStatus.ACTIVE or is_past_expiry(card.renewal or card.expiry, day_of(now)):
        return Done("virtual_create", inputs, reason=Reason.NOT_ALLOWED)
    if find(card, command.virtual) is not None:
        return Done("virtual_create", inputs, reason=Reason.CARD_EXISTS)
    if len(living) >= MOST:
        return Done("virtual_create", {**inputs, "most": MOST}, reason=Reason.TOO_MANY_CARDS)
    new = VirtualCard(command.virtual, command.last4, expiry, VirtualStatus.ACTIVE, now, command.wallet)
    return Done("virtual_create", inputs, CardSet(replace(card, virtual=(*_with_room(card), new))))


def _with_room(card: Card) -> tuple[VirtualCard, ...]:
    if len(card.virtual) < MOST_KEPT:
        return card.virtual
    oldest = next(one for one in card.virtual if one.status is VirtualStatus.DELETED)
    return tuple(one for one in card.virtual if one is not oldest)


def change(command: SetVirtual, card: Card, status: CardStatus) -> Done:
    """A deleted number stays deleted. One of a card that is blocked for good can only be deleted or suspended."""
    virtual = find(card, command.virtual)
    if virtual is None:
        return Done("virtual_set", {"virtual": command.virtual}, reason=Reason.UNKNOWN_CARD)
    inputs: Inputs = {"virtual": virtual.id, "status": virtual.status.value, "becomes": command.status.value}
    if virtual.status is command.status:
        return Done("virtual_set", inputs)
    resumes_dead = command.status is VirtualStatus.ACTIVE and status in FINAL
    if virtual.status is VirtualStatus.DELETED or resumes_dead:
        return Done("virtual_set", inputs, reason=Reason.NOT_ALLOWED)
    changed = replace(virtual, status=command.status)
    return Done(
        "virtual_set",
        inputs,
        CardSet(replace(card, virtual=tuple(changed if v is virtual else v for v in card.virtual))),
    )
