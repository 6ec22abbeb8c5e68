"""What is asked for besides paying: cashback, deposits, refunds, a new PIN. Rule 8: is it offered, and lawful here?"""

from __future__ import annotations

from authsvc.model import PLN, POLAND, Authorization, Kind, Minor, PinChanged, Reason, Refused
from authsvc.rules.case import Case
from authsvc.rules.places import ATM, is_remote


def check(case: Case) -> Refused | None:
    """Refuse what the product does not offer."""
    request = case.request
    assert isinstance(request, Authorization)
    if request.kind is Kind.CASHBACK:
        return _cashback(case, request)
    if request.kind is Kind.DEPOSIT:
        return _deposit(case, request)
    return _pin_change(case, request) if request.kind is Kind.PIN_CHANGE else None


def _cashback(case: Case, request: Authorization) -> Refused | None:
    """In Poland, in PLN, in a shop, with a purchase, up to a maximum each time (W §2, §8.7, §10.1.3)."""
    rules, cash = case.product.cashback, request.cash
    inputs: dict[str, int | str | bool] = {"offered": rules.offered, "cashback": cash, "amount": request.amount}
    if not rules.offered:
        return case.refused("cashback", Reason.CASHBACK_NOT_ALLOWED, inputs)
    if request.currency != PLN or request.country not in ("", POLAND):
        inputs |= {"currency": request.currency, "country": request.country}
        return case.refused("cashback", Reason.CASHBACK_NOT_ALLOWED, inputs)
    if not cash or cash > request.amount:
        return case.refused("cashback", Reason.FORMAT_ERROR, {**inputs, "field": "DE54"})
    if cash == request.amount or is_remote(request) or request.mcc in case.product.mcc.cash:
        return case.refused("cashback", Reason.CASHBACK_NOT_ALLOWED, {**inputs, "purchase": False})
    if cash > rules.maximum:
        return case.refused("cashback", Reason.CASHBACK_ABOVE_MAXIMUM, {**inputs, "maximum": rules.maximum})
    case.cash = Minor(cash)
    case.passed("cashback", {**inputs, "maximum": rules.maximum})
    return None


def _deposit(case: Case, request: Authorization) -> Refused | None:
    """Cash into a machine, in PLN, where the product has it (W §11.1, §11.3)."""
    inputs: dict[str, int | str | bool] = {
        "offered": case.product.deposit_at_atm, "mcc": request.mcc, "currency": request.currency,
    }  # fmt: skip
    if not case.product.deposit_at_atm or request.mcc != ATM or request.currency != PLN:
        return case.refused("deposit", Reason.CHANNEL_OFF, inputs)
    case.passed("deposit", inputs)
    return None


def _pin_change(case: Case, request: Authorization) -> Refused | None:
    """At an ATM, with the old PIN: that it is right is the ATM rule's to say (S §13.2, W §13.5.1, P §7.5)."""
    inputs: dict[str, int | str | bool] = {"offered": case.product.pin.change_at_atm, "mcc": request.mcc}
    if not case.product.pin.change_at_atm or request.mcc != ATM:
        return case.refused("pin_change", Reason.CHANNEL_OFF, inputs)
    return None


def change_pin(case: Case, request: Authorization) -> None:
    """After an approval. Without a new PIN (DE125) the machine has asked for the check of the old one alone."""
    case.passed("pin_change", {"new": bool(request.new_pvv)})
    if request.new_pvv:
        case.changes.append(PinChanged(case.card.id, request.new_pvv))
