"""Rule 12: the day limits of a card, amounts first, then counts (S §23, W §10, P §10.1, zał.2)."""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import Authorization, Bucket, Card, Minor, Reason, Refused, UnixMs, Used
from authsvc.products import Product
from authsvc.rules.calendar import day_of
from authsvc.rules.case import Case


def check(case: Case) -> Refused | None:
    """Refuse what would go above the day's amount or count. The amount of this message is included; of a cashback the
    cash is in the cash limit, the goods in the cashless one (W §10.1)."""
    if case.bucket is Bucket.NONE:
        case.not_applicable("cashless_limit")
        return None
    return _amounts(case) or (None if case.adds_to is not None else _counts(case))


def _amounts(case: Case) -> Refused | None:
    assert isinstance(case.request, Authorization)
    used, limits, amount = case.used, case.card.limits, case.request.amount
    if case.bucket is Bucket.CASH:
        return _amount(case, "cash_limit", Reason.CASH_LIMIT, used.cash, amount, limits.cash)
    goods = Minor(amount - case.cash)
    refused = _amount(case, "cashless_limit", Reason.CASHLESS_LIMIT, used.cashless, goods, limits.cashless)
    if refused is None and case.bucket is Bucket.INTERNET:
        refused = _amount(case, "internet_limit", Reason.INTERNET_LIMIT, used.internet, goods, limits.internet)
    if refused is None and case.cash:
        refused = _amount(case, "cash_limit", Reason.CASH_LIMIT, used.cash, case.cash, limits.cash)
    return refused


def _counts(case: Case) -> Refused | None:
    used, rules = case.used, case.product.limits
    if case.bucket is Bucket.CASH:
        return _count(case, "cash_count", Reason.CASH_COUNT, used.cash_count, rules.cash.count)
    refused = _count(case, "cashless_count", Reason.CASHLESS_COUNT, used.cashless_count, rules.cashless.count)
    if refused is None and case.bucket is Bucket.INTERNET:
        refused = _count(case, "internet_count", Reason.INTERNET_COUNT, used.internet_count, rules.internet.count)
    if refused is None and case.cash:
        refused = _count(case, "cash_count", Reason.CASH_COUNT, used.cash_count, rules.cash.count)
    return refused


def _amount(case: Case, rule: str, reason: Reason, used: Minor, amount: Minor, limit: Minor) -> Refused | None:
    inputs: dict[str, int | str | bool] = {"used": used, "amount": amount, "limit": limit}
    if used + amount > limit:
        return case.refused(rule, reason, inputs)
    case.passed(rule, inputs)
    return None


def _count(case: Case, rule: str, reason: Reason, used: int, limit: int | None) -> Refused | None:
    if limit is None:
        return None
    if used + 1 > limit:
        return case.refused(rule, reason, {"used": used, "limit": limit})
    case.passed(rule, {"used": used, "limit": limit})
    return None


def add(used: Used, bucket: Bucket, amount: Minor, count: int, cash: int = 0, with_cash: bool = False) -> Used:
    """Day counters after `amount` grosze and `count` transactions more; negative ones give back, never below zero. `cash`:
    the part of `amount` that is cashback; it is in the cash counters, the rest in the others; `with_cash`: it
    is one of the cash count, also when nothing is left of the cash."""
    if bucket is Bucket.NONE:
        return used
    if bucket is Bucket.CASH or cash or with_cash:
        part = amount if bucket is Bucket.CASH else cash
        used = replace(used, cash=Minor(max(0, used.cash + part)), cash_count=max(0, used.cash_count + count))
    if bucket is Bucket.CASH:
        return used
    goods = amount - cash
    used = replace(
        used, cashless=Minor(max(0, used.cashless + goods)), cashless_count=max(0, used.cashless_count + count)
    )
    if bucket is Bucket.CASHLESS:
        return used
    return replace(
        used, internet=Minor(max(0, used.internet + goods)), internet_count=max(0, used.internet_count + count)
    )


def used_today(card: Card, now: UnixMs) -> Used:
    """The card's day counters as of `now`: those of another day are over."""
    day = day_of(now)
    return card.counters.used if card.counters.used.day == day else Used(day=day)


def remaining_today(card: Card, product: Product, now: UnixMs) -> dict[str, int | None]:
    """What the day limits still allow, grosze and counts; None where the product does not count."""
    used, limits, rules = used_today(card, now), card.limits, product.limits
    cashless = max(0, limits.cashless - used.cashless)
    cashless_count = _left(rules.cashless.count, used.cashless_count)
    internet_count = _left(rules.internet.count, used.internet_count)
    if internet_count is not None and cashless_count is not None:
        internet_count = min(internet_count, cashless_count)  # "10 of the 15" (P zał.2)
    return {
        "cash": max(0, limits.cash - used.cash),
        "cashless": cashless,
        "internet": min(cashless, max(0, limits.internet - used.internet)),
        "cash_count": _left(rules.cash.count, used.cash_count),
        "cashless_count": cashless_count,
        "internet_count": internet_count,
    }


def _left(limit: int | None, used: int) -> int | None:
    return None if limit is None else max(0, limit - used)
