"""Rule 11: remote payments need SCA, or an exemption that the product allows (S §15.1-2, §18; W §9; P §4.6-7, zał.3)."""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import Authorization, Bucket, Minor, Reason, Refused, ScaUse
from authsvc.rules import exemptions, three_ds
from authsvc.rules.case import Case
from authsvc.rules.exemptions import low_value_covers
from authsvc.rules.pin import strongly_authenticated
from authsvc.rules.places import is_internet, is_remote

__all__ = ["check", "low_value_covers"]


def check(case: Case) -> Refused | None:
    """A good proof is SCA; a wrong one is refused whatever might have covered the payment without it. While 3DS is
    locked a payment goes on only by an exemption."""
    request = case.request
    assert isinstance(request, Authorization)
    if case.bucket is Bucket.NONE or case.adds_to is not None or not is_remote(request):
        case.not_applicable("sca")
        return None
    if case.has_sca:
        case.passed("sca", {"pin": "right"})
        return None
    locked = three_ds.is_locked(case.counters, case.product, case.day)
    if three_ds.offers_proof(request):
        if wrong := three_ds.wrong_with(case, request):
            return case.refused("sca", Reason.SCA_REQUIRED, {"proof": wrong})
        if not locked:
            authenticated(case)
            return None
    return _exempted(case, request, locked)


def authenticated(case: Case) -> None:
    """Full 3-D Secure is an SCA, and stays one when a later rule refuses the payment."""
    case.has_sca = case.by_three_ds = True
    contactless, own = case.counters.contactless, case.product.sca_resets == "own"
    after = strongly_authenticated(case.counters, case.product)
    after = replace(after, low_value_sum=Minor(0), low_value_count=0)
    case.counters = replace(after, contactless=contactless) if own else after  # own: those of remote payments alone
    case.passed("sca", {"proof": "right"})


def _exempted(case: Case, request: Authorization, locked: bool) -> Refused | None:
    name = exemptions.first_that_covers(case, request)
    inputs = _inputs(case, request)
    if name:
        case.exemption = name
        case.sca_use = ScaUse.LOW_VALUE if name == "low_value" else ScaUse.NONE
        case.passed("sca", {"exemption": name, **(inputs if name == "low_value" else {})})
        return None
    if locked:
        return case.refused("sca", Reason.THREE_DS_LOCKED, {"locked": True, **inputs})
    return case.refused("sca", Reason.SCA_REQUIRED, inputs)


def _inputs(case: Case, request: Authorization) -> dict[str, int | str | bool]:
    if not is_internet(request):
        return {"mail_or_telephone": True}
    rules, counters = case.product.low_value, case.counters
    return {
        "amount": request.amount, "one_payment": rules.one_payment,
        "sum_previous": counters.low_value_sum, "sum_limit": rules.sum_previous,
        "count_previous": counters.low_value_count, "count_limit": rules.count_previous, "counter": rules.counter,
    }  # fmt: skip
