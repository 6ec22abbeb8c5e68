"""Rule 13: is there enough money? Prepaid: balance less holds. Credit: the smaller of two rooms (rulebook 1)."""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import Account, Authorization, Bucket, Card, CardId, Kind, Minor, Reason, Refused, UnixMs
from authsvc.products import Product
from authsvc.rules.case import Case


def check(case: Case) -> Refused | None:
    """Refuse an amount above the available funds (S §19.2, §27.5; W §10.1, §14.15; P §10.10); of a purchase at a terminal
    that takes a part, approve what there is."""
    if case.bucket is Bucket.NONE:
        case.not_applicable("funds")
        return None
    account = case.account
    credit = account_room(account, case.now)
    if case.product.funds == "prepaid":
        return _enough(case, Reason.INSUFFICIENT_FUNDS, credit)
    individual = individual_room(account, case.card, case.now)
    if individual < credit:
        return _enough(case, Reason.INDIVIDUAL_LIMIT, individual)
    return _enough(case, Reason.CREDIT_LIMIT, credit)


def _enough(case: Case, reason: Reason, available: Minor) -> Refused | None:
    request = case.request
    assert isinstance(request, Authorization)
    amount = request.amount
    if amount <= available:
        case.passed("funds", {"available": available, "amount": amount})
        return None
    if available <= 0 or not _takes_part(case, request):
        return case.refused("funds", reason, {"available": available, "amount": amount, "missing": amount - available})
    case.passed("funds", {"available": available, "amount": amount, "part": available})
    case.asked, case.request = amount, replace(request, amount=available)
    return None


def _takes_part(case: Case, request: Authorization) -> bool:
    """Only a purchase in zloty: of cash nothing is paid out in part, and DE4 of a foreign one is in another currency."""
    return (
        request.takes_part
        and request.kind is Kind.PURCHASE
        and case.bucket is not Bucket.CASH
        and case.foreign is None
        and case.adds_to is None
    )


def held(account: Account, now: UnixMs) -> Minor:
    """Sum of the holds that are open as of `now`, grosze."""
    return account.holds.total(now)


def held_by(account: Account, card: CardId, now: UnixMs) -> Minor:
    """Sum of one card's open holds, grosze."""
    return account.holds.of_card(card, now)


def account_room(account: Account, now: UnixMs) -> Minor:
    """What the account can still pay, grosze: prepaid balance, or credit limit less debt (an overpayment is a negative
    debt: it adds to the funds, S §26.5), less all holds."""
    return Minor(account.credit_limit + account.balance - held(account, now))


def individual_room(account: Account, card: Card, now: UnixMs) -> Minor:
    """Individual limit less that card's debt and holds, grosze (S §19.2); an overpayment does not raise it (S §26.5)."""
    room = card.individual_limit
    line: Card | None = card
    while line is not None:  # what the cards owe whose place it took has its individual limit to answer for it too
        room = Minor(room - line.debt - held_by(account, line.id, now))
        line = (
            account.cards.get(line.replaces) if line.replaces else None
        )  # "" is nobody, even where a card is called so
    return room


def card_room(account: Account, card: Card, product: Product, now: UnixMs) -> Minor:
    """What one card can still pay, grosze, before its day limits."""
    room = account_room(account, now)
    return room if product.funds == "prepaid" else min(room, individual_room(account, card, now))
