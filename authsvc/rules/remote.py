"""Rule 11: remote payments need SCA, or an exemption that the product allows (S §15.1-2, §18; W §9; P §4.6-7)."""

from __future__ import annotations

from authsvc.model import Authorization, Bucket, Counters, Minor, Reason, Refused, ScaUse
from authsvc.products import LowValueRules
from authsvc.rules.case import Case
from authsvc.rules.channel import is_internet, is_remote


def check(case: Case) -> Refused | None:
    """3-D Secure proofs are not verified by this version, so none counts as SCA: what no exemption covers is refused.

    The low-value exemption is for internet payments (S §2.43); mail and telephone orders are not among them.
    """
    request = case.request
    assert isinstance(request, Authorization)
    if case.bucket is Bucket.NONE or not is_remote(request):
        case.not_applicable("sca")
        return None
    if case.has_sca:
        case.passed("sca", {"pin": "right"})
        return None
    if not is_internet(request):
        return case.refused("sca", Reason.SCA_REQUIRED, {"mail_or_telephone": True})
    rules, counters = case.product.low_value, case.counters
    inputs: dict[str, int | str | bool] = {
        "amount": request.amount, "one_payment": rules.one_payment,
        "sum_previous": counters.low_value_sum, "sum_limit": rules.sum_previous,
        "count_previous": counters.low_value_count, "count_limit": rules.count_previous, "counter": rules.counter,
    }  # fmt: skip
    if "low_value" in case.product.exemptions and low_value_covers(request.amount, counters, rules):
        case.sca_use = ScaUse.LOW_VALUE
        case.passed("sca", {"exemption": "low_value", **inputs})
        return None
    return case.refused("sca", Reason.SCA_REQUIRED, inputs)


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
