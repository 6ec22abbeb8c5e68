"""Foreign amounts: decided in PLN, by tables, in integers; and the notice of what that costs.

Rounding: once, at the end, to the nearest grosz, a half upwards. Sources: rulebook section 5, last paragraph; S §27.3;
W §14.4; P §17.1; the notice S §27.5 (second), W §14.5, P §19.
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import (
    PLN,
    Authorization,
    Bucket,
    Card,
    CardSet,
    CardStatus,
    Foreign,
    Kind,
    Minor,
    Noticed,
    Presentment,
    Reason,
    Refused,
    Reversal,
    SetMarginNotices,
    UnixMs,
)
from authsvc.products import Product
from authsvc.rates import EUR, MILLION, BankTable, RateName
from authsvc.rules.business_days import moment_of, next_day, previous_business_day
from authsvc.rules.case import Case
from authsvc.rules.done import FINAL, Done, Inputs

CREDITS = frozenset({Kind.REFUND, Kind.DEPOSIT})
WHOLE = 10_000
"""A hundred percent, in hundredths of a percent."""
PLN_DECIMALS = 2


def convert(case: Case, at_last: Foreign | None = None) -> Refused | None:
    """From here on the case's request is in PLN; what it was stands in `case.foreign`. Refused, never guessed, when no
    table has the currency. `at_last`: an earlier conversion of the same payment, for want of a table."""
    request = case.request
    assert isinstance(request, Authorization | Presentment)
    counts = case.bucket is not Bucket.NONE or request.kind in CREDITS or isinstance(request, Presentment)
    if request.currency == PLN or request.amount == 0 or not counts:
        return None
    foreign = _foreign(case, request) or _as_before(request, at_last)
    if foreign is None:
        inputs: dict[str, int | str | bool] = {
            "feature": "currency", "currency": request.currency, "billing_currency": request.billing_currency,
        }  # fmt: skip
        return case.refused("currency", Reason.UNSUPPORTED_TRANSACTION, inputs)
    case.foreign = foreign
    case.request = replace(request, amount=foreign.pln, currency=PLN)
    case.passed(
        "currency",
        {
            "transaction": foreign.amount, "currency": foreign.currency, "converted": foreign.basis,
            "converted_currency": foreign.basis_currency, "rate_millionths": foreign.rate, "table": foreign.table,
            "markup_hundredths": foreign.markup, "amount": foreign.pln,
        },
    )  # fmt: skip
    return None


def _as_before(request: Authorization | Presentment, before: Foreign | None) -> Foreign | None:
    """The same payment at the rate that it was converted with before."""
    if before is None or before.currency != request.currency:
        return None
    return replace(before, amount=request.amount, pln=Minor(half_up(request.amount * before.pln, before.amount)))


def _foreign(case: Case, request: Authorization | Presentment) -> Foreign | None:
    """DE6 in PLN; else DE6 in euro by the bank's table; else DE4 by the table when it has the currency."""
    billed, billing = request.billing, request.billing_currency
    markup = 0 if request.kind in CREDITS else case.product.foreign.markup_hundredths
    if billed and billing == PLN:
        return _at(case, request, billed, PLN, MILLION, "", markup)
    table = _table(case, request)
    if table is None:
        return None
    name = _rate_name(case, request)
    basis, currency = (billed, EUR) if billed and billing == EUR else (request.amount, request.currency)
    rate = table.rates.get(currency, {}).get(name)
    return None if rate is None else _at(case, request, basis, currency, rate, table.day, markup)


def _at(
    case: Case, request: Authorization | Presentment, basis: Minor, currency: str, rate: int, table: str, markup: int
) -> Foreign:  # fmt: skip
    decimals = PLN_DECIMALS if currency == PLN else case.product.rates.decimals(currency)
    pln = in_grosze(basis, decimals, rate, markup)
    return Foreign(request.amount, request.currency, pln, basis, currency, rate, table, markup)


def in_grosze(minor: int, decimals: int, rate: int, markup: int = 0) -> Minor:
    """`minor` units of a currency with `decimals` digits, at `rate` millionths of a zloty for one unit, plus `markup`
    hundredths of a percent; half a grosz is rounded up."""
    return Minor(half_up(minor * rate * (WHOLE + markup) * 10**PLN_DECIMALS, MILLION * WHOLE * 10**decimals))


def half_up(over: int, under: int) -> int:
    """The nearest integer to a fraction; a half goes up."""
    return (2 * over + under) // (2 * under)


def _rate_name(case: Case, request: Authorization | Presentment) -> RateName:
    rules = case.product.foreign
    if request.kind in CREDITS:
        return rules.credit_rate
    return rules.cash_rate if case.bucket is Bucket.CASH else rules.cashless_rate


def _table(case: Case, request: Authorization | Presentment) -> BankTable | None:
    return case.product.rates.table_before(_bound(case, request))


def _bound(case: Case, request: Authorization | Presentment) -> UnixMs:
    """The moment before which the table must have come into force. The day of settlement is not known yet; the day of
    the authorization stands for it.

    W §14.4: the last table of the day before. P §17.1: the one in force at 15:00 of the previous business day; for a
    transaction in euro itself that day's last one, §17.1.a.i names no hour.
    """
    rules = case.product.foreign
    if rules.table == "day_before":
        return moment_of(case.day)
    before = previous_business_day(case.day)
    if request.currency == EUR and request.kind not in CREDITS:
        return moment_of(next_day(before))
    return UnixMs(moment_of(before, rules.table_hour) + 1)


def becomes(reversal: Reversal, foreign: Foreign | None) -> Minor:
    """What DE95 of a reversal says, in grosze. In the transaction's own currency it is converted at the rate of its
    original, so that all of it gives back all of it."""
    amount = reversal.becomes or Minor(0)
    if foreign is None or reversal.currency == PLN:
        return amount
    return Minor(half_up(amount * foreign.pln, foreign.amount))


def notice(case: Case) -> None:
    """The first transaction of a month in each currency of the EU (S, W) or EEA (P) other than PLN, per card, is a fact
    to tell the user, with what the conversion cost (S §27.5 second, W §14.5, P §19)."""
    foreign, card = case.foreign, case.card
    if foreign is None or not card.margin_notices or not _is_of_area(case.product, foreign.currency):
        return
    month = case.day[:7]
    if card.noticed_month == month and foreign.currency in card.noticed:
        return
    margin = margin_hundredths(case, foreign)
    if margin is None:
        return
    case.changes.append(Noticed(card.id, foreign.currency, month, margin))
    case.passed("margin_notice", {"currency": foreign.currency, "month": month, "margin_hundredths": margin})


def set_notices(command: SetMarginNotices, card: Card, status: CardStatus, product: Product) -> Done:
    """Only P lets its users do without the notices (P §19); wanting them again is always allowed."""
    inputs: Inputs = {"enabled": command.enabled, "status": status.value}
    if status in FINAL or not (command.enabled or product.foreign.notice_declinable):
        return Done("margin_notices", inputs, reason=Reason.NOT_ALLOWED)
    return Done("margin_notices", inputs, CardSet(replace(card, margin_notices=command.enabled)))


def _is_of_area(product: Product, currency: str) -> bool:
    area = product.rates.area(currency)
    return area == "EU" or (area == "EEA" and product.foreign.notice == "EEA")


def margin_hundredths(case: Case, foreign: Foreign) -> int | None:
    """What the conversion costs above the newest ECB reference rate, in hundredths of a percent (negative: below it);
    None when the ECB has no rate."""
    rates = case.product.rates
    table = rates.reference(case.day)
    zloty = table.per_euro.get(PLN) if table else None
    units = MILLION if foreign.currency == EUR else (table.per_euro.get(foreign.currency) if table else None)
    if not zloty or not units:
        return None
    # amount / 10^decimals / units * zloty * 100 grosze, as one fraction
    over = foreign.amount * zloty * 10**PLN_DECIMALS
    under = units * 10 ** rates.decimals(foreign.currency)
    return half_up((foreign.pln * under - over) * WHOLE, over)
