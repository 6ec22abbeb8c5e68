"""Rules 5 to 7: CVV2 and PIN. The verdicts come with the request; here they meet the counters."""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import Authorization, Card, CardCaptured, Counters, Day, Entry, Minor, Pin, Reason, Refused, UnixMs
from authsvc.products import Product
from authsvc.rules.calendar import day_of
from authsvc.rules.case import Case

TRIES = 3
CARD_PRESENT = frozenset({Entry.CHIP, Entry.CONTACTLESS_CHIP, Entry.FALLBACK, Entry.STRIPE, Entry.CONTACTLESS_STRIPE})


def card_data(case: Case) -> Refused | None:
    """Rule 5: a CVV2 that was given must be right (S §15.1.2, W §9.4.2, P zał.3 §1.3)."""
    request = case.request
    assert isinstance(request, Authorization)
    if request.cvv2 == "N":
        return case.refused("cvv2", Reason.CVV2_WRONG, {"cvv2": "wrong"})
    if request.cvv2:
        case.passed("cvv2", {"cvv2": "right"})
    else:
        case.not_applicable("cvv2")
    return None


def check(case: Case) -> Refused | None:
    """Rules 6 and 7: count wrong PINs, block or capture at the third, let a right one on a later day lift the block.

    While PIN-blocked nothing else works, whatever the channel (S §12.3, W §13, P §7).
    """
    request, counters = case.request, case.counters
    assert isinstance(request, Authorization)
    if counters.pin_blocked_on and (request.pin is Pin.ABSENT or counters.pin_blocked_on == case.day):
        inputs: dict[str, int | str | bool] = {
            "blocked_on": counters.pin_blocked_on,
            "day": case.day,
            "pin": request.pin.value,
        }
        return case.refused("pin_block", Reason.PIN_TRIES_EXCEEDED, inputs)
    if request.pin is Pin.ABSENT:
        case.not_applicable("pin")
        return None
    if request.pin is Pin.WRONG:
        return _wrong(case)
    case.passed(
        "pin", {"pin": "right", "failures_before": counters.pin_failures, "lifts_block": bool(counters.pin_blocked_on)}
    )
    case.has_sca = request.entry in CARD_PRESENT
    case.counters = _right(case.counters, case.product) if case.has_sca else _cleared(case.counters)
    return None


def _cleared(counters: Counters) -> Counters:
    return replace(counters, pin_failures=0, pin_blocked_on=Day(""))


def _right(counters: Counters, product: Product) -> Counters:
    """A right PIN at a terminal is an SCA: it clears the contactless total, and the low-value counters where the
    product says "both". It stays an SCA when a later rule refuses the payment."""
    return _cleared(strongly_authenticated(counters, product))


def strongly_authenticated(counters: Counters, product: Product) -> Counters:
    """The counters after an SCA, by PIN or by other means; wrong PINs are forgotten by a right PIN alone."""
    both = product.sca_resets == "both"
    return replace(
        counters,
        contactless=Minor(0),
        low_value_sum=Minor(0) if both else counters.low_value_sum,
        low_value_count=0 if both else counters.low_value_count,
        scas=counters.scas + 1,
    )


def _wrong(case: Case) -> Refused:
    """After a block of an earlier day a wrong PIN starts a new count of three (rulebook, "PIN tries")."""
    before = case.counters.pin_failures
    failures = 1 if before >= TRIES else before + 1
    inputs: dict[str, int | str | bool] = {"pin": "wrong", "failures": failures, "of": TRIES}
    if failures < TRIES:
        case.counters = replace(case.counters, pin_failures=failures)
        return case.refused("pin", Reason.PIN_WRONG, inputs)
    case.counters = replace(case.counters, pin_failures=failures, pin_blocked_on=case.day)
    if case.product.pin.third_wrong == "capture":
        case.changes.append(CardCaptured(case.card.id))
        return case.refused("pin", Reason.CARD_CAPTURED, inputs)
    return case.refused("pin", Reason.PIN_TRIES_EXCEEDED, inputs)


def pin_tries_left(card: Card, now: UnixMs) -> int:
    """Wrong PINs that may still be made: none on the day of a block, three again from the next day on."""
    counters = card.counters
    if counters.pin_blocked_on == day_of(now):
        return 0
    return TRIES - counters.pin_failures % TRIES
