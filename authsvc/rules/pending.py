"""Limits ordered ahead: they wait on the card and apply from their own moment on, with no decision of their own.

S §23.3, W §10.4: a changed limit takes effect within two business days; S §9.7: an individual limit on the next one.
The moment is given with the order (`effective_at`); without it the order applies at once.
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import (
    Account,
    Card,
    CardSet,
    CardStatus,
    Limits,
    Minor,
    PendingLimits,
    Reason,
    SetLimits,
    UnixMs,
)
from authsvc.products import Product
from authsvc.rules.blocks import effective_status
from authsvc.rules.done import FINAL, Done, Inputs

MOST = 8
"""Orders that may wait on one card, so that its document stays bounded."""


def as_of(card: Card, now: UnixMs) -> Card:
    """The card with every limit that is due by `now` in effect, and only the others still waiting."""
    if not card.pending:
        return card
    for order in card.pending:
        if order.at <= now:
            card = _applied(card, order)
    return replace(card, pending=tuple(order for order in card.pending if order.at > now))


def _applied(card: Card, order: PendingLimits) -> Card:
    old = card.limits
    limits = Limits(
        cash=old.cash if order.cash is None else order.cash,
        cashless=old.cashless if order.cashless is None else order.cashless,
        internet=old.internet if order.internet is None else order.internet,
    )
    return replace(
        card, limits=limits, individual_limit=card.individual_limit if order.individual is None else order.individual
    )


def highest_individual(card: Card) -> Minor:
    """The most its individual limit is or is going to be, grosze: what it takes of the credit limit."""
    coming = [order.individual for order in card.pending if order.individual is not None]
    return max(card.individual_limit, *coming) if coming else card.individual_limit


def free_for(card: Card | None, account: Account, product: Product, now: UnixMs) -> Minor:
    """What is left of the credit limit for the individual limit of `card` (None: a new one), grosze (S §4.5, §25.4)."""
    living = (one for one in account.cards.values() if effective_status(one, product, now) not in FINAL)
    others = sum(highest_individual(as_of(one, now)) for one in living if card is None or one.id != card.id)
    return Minor(account.credit_limit - others)


def set_limits(
    command: SetLimits, card: Card, status: CardStatus, account: Account, product: Product, now: UnixMs
) -> Done:
    """New limits, at once or at `effective`; zero switches a kind off; what is used today stays used. A ceiling binds
    what is asked for, not a limit of old that it has come to lie below."""
    at = max(command.effective, now)
    order = PendingLimits(at, command.cash, command.cashless, command.internet, command.individual)
    inputs = {**_asked(order), "status": status.value}
    if command.effective > now:
        inputs["effective"] = command.effective
    if status in FINAL:
        return Done("limits", inputs, reason=Reason.NOT_ALLOWED)
    if not _within_ceilings(order, product):
        return Done("limits", inputs, reason=Reason.ABOVE_CEILING)
    if command.individual is not None:
        if product.funds != "credit":
            return Done("individual_limit", inputs, reason=Reason.NOT_ALLOWED)
        free = free_for(card, account, product, now)
        if command.individual > free:
            return Done("individual_limit", {**inputs, "free": free}, reason=Reason.ABOVE_CEILING)
    if at <= now:
        return Done("limits", inputs, CardSet(_applied(card, order)))
    if len(card.pending) >= MOST:
        return Done("limits", {**inputs, "waiting": len(card.pending)}, reason=Reason.NOT_ALLOWED)
    waiting = tuple(sorted((*card.pending, order), key=lambda one: one.at))
    return Done("limits", inputs, CardSet(replace(card, pending=waiting)))


def _asked(order: PendingLimits) -> Inputs:
    named = (("cash", order.cash), ("cashless", order.cashless), ("internet", order.internet))
    asked: Inputs = {name: value for name, value in named if value is not None}
    return asked if order.individual is None else {**asked, "individual_limit": order.individual}


def _within_ceilings(order: PendingLimits, product: Product) -> bool:
    rules = product.limits
    pairs = ((order.cash, rules.cash), (order.cashless, rules.cashless), (order.internet, rules.internet))
    return all(limit is None or rule.ceiling is None or limit <= rule.ceiling for limit, rule in pairs)
