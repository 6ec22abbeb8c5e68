"""Rules 8 and 9: is this kind of transaction decided here, switched on, and the merchant allowed?"""

from __future__ import annotations

from authsvc.model import POLAND, Authorization, Bucket, Kind, Presentment, Reason, Refused
from authsvc.products import ForbiddenMerchant, Product
from authsvc.rules.case import Case
from authsvc.rules.places import CONTACTLESS, is_internet, is_remote

HOLDING = frozenset(
    {Kind.PURCHASE, Kind.CASH, Kind.CASHBACK, Kind.QUASI_CASH, Kind.PRE_AUTHORIZATION, Kind.INCREMENTAL}
)
"""Kinds that take money, so that limits, SCA and funds apply."""


def bucket_of(request: Authorization | Presentment, product: Product) -> Bucket:
    """Which day limits a message counts into. Quasi-cash counts as cash (rulebook section 5)."""
    if request.kind not in HOLDING or request.amount == 0:
        return Bucket.NONE
    if request.kind in (Kind.CASH, Kind.QUASI_CASH):
        return Bucket.CASH
    if request.mcc in product.mcc.cash or request.mcc in product.mcc.quasi_cash:
        return Bucket.CASH
    return Bucket.INTERNET if is_internet(request) else Bucket.CASHLESS


def supported(case: Case) -> Refused | None:
    """What this engine does not decide is refused with its reason, never ignored."""
    request = case.request
    assert isinstance(request, Authorization)
    if request.unsupported or request.kind is Kind.TRANSFER:  # a transfer needs its account number: the control API
        feature = request.unsupported or request.kind.value
        return case.refused("supported", Reason.UNSUPPORTED_TRANSACTION, {"feature": feature})
    case.bucket = bucket_of(request, case.product)
    return None


def switched_on(case: Case) -> Refused | None:
    """Rule 8: contactless not switched off; a limit of zero switches that kind off (S §16.8, §23.2, W §10.2)."""
    request, limits = case.request, case.card.limits
    assert isinstance(request, Authorization)
    if request.entry in CONTACTLESS and not case.card.contactless_enabled:
        return case.refused("contactless_channel", Reason.CHANNEL_OFF, {"enabled": False})
    if case.bucket is Bucket.CASH:
        return _on(case, "cash_channel", limits.cash)
    if case.bucket is Bucket.CASHLESS:
        refused = _on(case, "cashless_channel", limits.cashless)
        return refused or (_on(case, "cash_channel", limits.cash) if case.cash else None)
    if case.bucket is Bucket.INTERNET:
        return _on(case, "cashless_channel", limits.cashless) or _on(case, "internet_channel", limits.internet)
    return None


def _on(case: Case, rule: str, limit: int) -> Refused | None:
    if limit == 0:
        return case.refused(rule, Reason.CHANNEL_OFF, {"limit": 0})
    case.passed(rule, {"limit": limit})
    return None


def merchant(case: Case) -> Refused | None:
    """Rule 9: merchants the product forbids, by MCC and country (P §4.9, S §19.1)."""
    request = case.request
    assert isinstance(request, Authorization)
    for forbidden in case.product.forbidden:
        if request.mcc in forbidden.mcc and _applies(forbidden, request):
            inputs: dict[str, int | str | bool] = {
                "list": forbidden.name,
                "mcc": request.mcc,
                "country": request.country,
            }
            return case.refused("merchant", Reason.MERCHANT_FORBIDDEN, inputs)
    case.passed("merchant", {"mcc": request.mcc, "country": request.country})
    return None


def _applies(forbidden: ForbiddenMerchant, request: Authorization) -> bool:
    abroad = bool(request.country) and request.country != POLAND
    return (abroad or not forbidden.abroad) and (is_remote(request) or not forbidden.remote)
