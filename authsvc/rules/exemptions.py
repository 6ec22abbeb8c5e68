"""Which exemption from SCA covers a remote payment: the product's own list, in its order (S §2.43, §18.9.6; W §9.5; P §4.7).

Those that a merchant or acquirer has to ask for come by DE48.22; the others the issuer applies by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from authsvc.model import Authorization, Counters, Minor
from authsvc.products import LowValueRules
from authsvc.rules.case import Case
from authsvc.rules.places import is_internet, is_remote

Covers = Callable[[Case, Authorization], bool]

MERCHANT_INITIATED, ACQUIRER_RISK, RECURRING = "01", "02", "03"
LOW_RISK_MONITORS: tuple[Covers, ...] = ()
"""The bank's own monitoring plugs in here: pure rules that say "low risk". Without any the answer is no."""


def first_that_covers(case: Case, request: Authorization) -> str:
    """The name of the first exemption of the product that covers this payment, "" when none does."""
    return next((name for name in case.product.exemptions if COVERS[name](case, request)), "")


def low_value(case: Case, request: Authorization) -> bool:
    """For internet payments (S §2.43); mail and telephone orders are not among them."""
    return is_internet(request) and low_value_covers(request.amount, case.counters, case.product.low_value)


def low_value_covers(amount: Minor, counters: Counters, rules: LowValueRules) -> bool:
    """Whether the low-value exemption frees a remote payment of `amount` grosze from SCA (S §2.43, RTS Art. 16).

    Both counters look at *previous* payments only, so the last one may carry the sum past its limit. With "either", one
    of the two holding is enough: S §2.43 read literally.
    """
    if amount > rules.one_payment:
        return False
    sum_holds = counters.low_value_sum <= rules.sum_previous
    count_holds = counters.low_value_count <= rules.count_previous
    if rules.counter == "either":
        return sum_holds or count_holds
    return sum_holds if rules.counter == "sum" else count_holds


def trusted(case: Case, request: Authorization) -> bool:
    return bool(request.origin.merchant) and request.origin.merchant in case.card.trusted


def one_leg(case: Case, request: Authorization) -> bool:
    """The merchant's side is outside the EEA (DE19); an unknown country is not."""
    return bool(request.country) and request.country not in case.product.eea


def unattended(case: Case, request: Authorization) -> bool:
    """Fares and parking at unattended terminals, known by their MCC."""
    return request.mcc in case.product.mcc.unattended


def bank_risk(case: Case, request: Authorization) -> bool:
    return any(is_low_risk(case, request) for is_low_risk in LOW_RISK_MONITORS)


def merchant_initiated(_: Case, request: Authorization) -> bool:
    return request.flag == MERCHANT_INITIATED


def recurring(case: Case, request: Authorization) -> bool:
    """After a first one with SCA at the same merchant."""
    return request.flag == RECURRING and request.origin.merchant in case.counters.sca_merchants


def acquirer_risk(_: Case, request: Authorization) -> bool:
    return request.flag == ACQUIRER_RISK


def moto(_: Case, request: Authorization) -> bool:
    """Mail and telephone orders."""
    return is_remote(request) and not is_internet(request)


COVERS: dict[str, Covers] = {
    "low_value": low_value,
    "trusted": trusted,
    "one_leg": one_leg,
    "unattended": unattended,
    "bank_risk": bank_risk,
    "merchant_initiated": merchant_initiated,
    "recurring": recurring,
    "acquirer_risk": acquirer_risk,
    "moto": moto,
}
