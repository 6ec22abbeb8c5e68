"""Rule 10: contactless, and PIN at the ATM (S §15.1, §16; W §9.4, §12; P §4.4, §10.4)."""

from __future__ import annotations

from authsvc.model import POLAND, Authorization, Bucket, Entry, Pin, Reason, Refused, ScaUse
from authsvc.rules.case import Case
from authsvc.rules.chip import has_offline_pin
from authsvc.rules.currency import CREDITS
from authsvc.rules.places import ATM, CONTACTLESS
from authsvc.rules.virtual import by_device


def check(case: Case) -> Refused | None:
    """Refuse a contactless payment that needs a contact one first, or a PIN; and an ATM withdrawal without PIN."""
    request = case.request
    assert isinstance(request, Authorization)
    if case.adds_to is not None:  # what it adds to has passed here
        case.not_applicable("contactless_amount")
        return None
    is_contactless = request.entry in CONTACTLESS
    if is_contactless and by_device(request):  # the first contact use and the limit without PIN are the plastic's
        case.passed("contactless_first", {"device": True})
    elif is_contactless and not case.counters.contactless_unlocked:
        return case.refused("contactless_first", Reason.CONTACT_FIRST, {"unlocked": False})
    if request.mcc == ATM or (case.bucket is Bucket.CASH and is_contactless):
        return _pin_at_atm(case, request)
    if not is_contactless or request.kind in CREDITS:  # what gives money back needs no proof of who takes it
        case.not_applicable("contactless_amount")
        return None
    if request.pin is Pin.RIGHT:
        case.passed("contactless_amount", {"pin": "right"})
        return None
    if by_device(request):  # P zał.2: the limit without PIN does not hold for wallets; an SCA clears the total
        case.passed("contactless_amount", {"device": True})
        return None
    if is_unattended(case, request):
        case.exemption = "unattended"  # neither refused nor counted (P §4.3, §4.7)
        case.passed("contactless_amount", {"exemption": "unattended", "mcc": request.mcc})
        return None
    return _without_pin(case, request)


def is_unattended(case: Case, request: Authorization) -> bool:
    """Fares and parking, where the product exempts them."""
    return "unattended" in case.product.exemptions and request.mcc in case.product.mcc.unattended


def _pin_at_atm(case: Case, request: Authorization) -> Refused | None:
    """Whatever a machine pays or tells is always with PIN: there is nobody to sign for (S §15.1.1, §15.1.3)."""
    if request.pin is not Pin.RIGHT:
        return case.refused("atm_pin", Reason.PIN_REQUIRED, {"pin": request.pin.value})
    case.passed("atm_pin", {"pin": "right"})
    return None


def _without_pin(case: Case, request: Authorization) -> Refused | None:
    rules, amount, before = case.product.contactless, request.amount, case.counters.contactless
    if amount > rules.one_payment:
        return case.refused("contactless_amount", Reason.PIN_REQUIRED, {"amount": amount, "limit": rules.one_payment})
    case.passed("contactless_amount", {"amount": amount, "limit": rules.one_payment})
    total: dict[str, int | str | bool] = {"before": before, "amount": amount, "limit": rules.total_since_sca}
    if before + amount > rules.total_since_sca:
        return case.refused("contactless_total", Reason.PIN_REQUIRED, total)
    case.passed("contactless_total", total)
    if request.draw < rules.random_share:
        drawn = {
            "draw_millionths": int(request.draw * 1_000_000),
            "share_millionths": int(rules.random_share * 1_000_000),
        }
        return case.refused("contactless_random", Reason.PIN_REQUIRED, {**drawn})
    case.sca_use = ScaUse.CONTACTLESS
    return None


def unlocks(case: Case) -> bool:
    """Whether this approved message is the contact transaction with PIN that contactless waits for (S §16.5, W §12.3);
    some products want it in Poland (P §4.4)."""
    request = case.request
    assert isinstance(request, Authorization)
    if request.entry is not Entry.CHIP or not (request.pin is Pin.RIGHT or has_offline_pin(request)):
        return False
    return not case.product.contactless.unlock_in_poland_only or request.country in ("", POLAND)
