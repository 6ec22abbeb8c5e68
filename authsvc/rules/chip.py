"""Rule 5 for the card in the terminal: the chip's cryptogram and its counter, the CVV of the stripe; and the PIN that the
chip verified itself. The verdicts come with the request; here they meet the product file and the counters.

Sources: EMV 4.3 Book 2 section 8, Book 3 annex A; rulebook section 2, rule 5, and "What is SCA".
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import Authorization, ChipCounter, Entry, Pin, Reason, Refused
from authsvc.rules import pin
from authsvc.rules.case import Case

CHIP = frozenset({Entry.CHIP, Entry.CONTACTLESS_CHIP})
STRIPE = frozenset({Entry.FALLBACK, Entry.STRIPE, Entry.CONTACTLESS_STRIPE})
WINDOW = 32
"""How far behind the highest counter a message may come and still be new: messages overtake each other a little."""
MAX_CHIPS = 16
"""Cap of the chips of a card (plastic and wallets) whose counters are kept; above it the oldest leaves."""


def check(case: Case) -> Refused | None:
    """Refuse a fallback the product does not want, a wrong cryptogram, a counter seen before, a wrong CVV of a stripe."""
    request = case.request
    assert isinstance(request, Authorization)
    if request.entry in STRIPE:
        return _fallback(case, request) or _stripe(case, request)
    if request.entry in CHIP:
        return _cryptogram(case, request) or _counter(case, request)
    return None


def _fallback(case: Case, request: Authorization) -> Refused | None:
    if request.entry is not Entry.FALLBACK:
        return None
    if not case.product.chip.fallback:
        return case.refused("fallback", Reason.CHANNEL_OFF, {"fallback": False})
    case.passed("fallback", {"fallback": True})
    return None


def _stripe(case: Case, request: Authorization) -> Refused | None:
    if not request.stripe or not case.product.chip.stripe_cvv:
        return None
    if request.stripe != "M":
        return case.refused("stripe_cvv", Reason.CVV2_WRONG, {"cvv": "wrong"})
    case.passed("stripe_cvv", {"cvv": "right"})
    return None


def _cryptogram(case: Case, request: Authorization) -> Refused | None:
    rules, version = case.product.chip, request.cryptogram_version
    if not request.cryptogram:
        if rules.require_cryptogram:
            return case.refused("cryptogram", Reason.CRYPTOGRAM_WRONG, {"cryptogram": "absent"})
        case.not_applicable("cryptogram")
        return None
    known = request.cryptogram != "U" and version in rules.versions
    inputs: dict[str, int | str | bool] = {"version": version, "version_known": known, "cryptogram": "right"}
    if not known or request.cryptogram != "M":
        return case.refused("cryptogram", Reason.CRYPTOGRAM_WRONG, {**inputs, "cryptogram": "wrong"})
    case.passed("cryptogram", inputs)
    return None


def _counter(case: Case, request: Authorization) -> Refused | None:
    """A counter is good for one message. Only those of right cryptograms are looked at: anybody could make up others."""
    if request.cryptogram != "M":
        return None
    chip = str(request.virtual or request.expiry or case.card.expiry)
    others = tuple(one for one in case.counters.chips if one.chip != chip)
    before = next((one for one in case.counters.chips if one.chip == chip), None)
    after = seen(before, chip, request.atc)
    inputs: dict[str, int | str | bool] = {"counter": request.atc, "last": before.last if before else 0}
    if after is None:
        return case.refused("atc", Reason.CRYPTOGRAM_WRONG, inputs)
    case.counters = replace(case.counters, chips=(*others[-(MAX_CHIPS - 1) :], after))
    case.passed("atc", inputs)
    return None


def seen(before: ChipCounter | None, chip: str, counter: int) -> ChipCounter | None:
    """What is known of the chip when `counter` is new; None when it was there before, or lies behind the window."""
    if before is None:
        return ChipCounter(chip, counter)
    ahead = counter - before.last
    if ahead > 0:
        window = (before.window << ahead | 1) % 2**WINDOW if ahead < WINDOW else 1
        return ChipCounter(chip, counter, window)
    bit = 1 << -ahead
    if -ahead >= WINDOW or before.window & bit:
        return None
    return ChipCounter(chip, before.last, before.window | bit)


def has_offline_pin(request: Authorization) -> bool:
    """The chip verified the PIN itself (9F34), in a contact transaction."""
    return request.offline_pin and request.entry is Entry.CHIP and request.pin is Pin.ABSENT


def offline_pin(case: Case) -> Refused | None:
    """A PIN that the chip verified is an SCA as one that we verified (rulebook, "What is SCA"). It leaves our count of
    wrong PINs alone: the chip keeps its own."""
    request = case.request
    assert isinstance(request, Authorization)
    if not has_offline_pin(request):
        return None
    case.has_sca = True
    case.counters = pin.strongly_authenticated(case.counters, case.product)
    case.passed("offline_pin", {"pin": "right"})
    return None
