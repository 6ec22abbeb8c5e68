"""What an account and its cards look like as of a moment, for the control API: computed, never a decision."""

from __future__ import annotations

from authsvc.model import Account, Card, Hold, UnixMs
from authsvc.products import Product
from authsvc.rules.calendar import day_of
from authsvc.rules.card import effective_status
from authsvc.rules.funds import account_room as available
from authsvc.rules.funds import card_room as card_available
from authsvc.rules.funds import held
from authsvc.rules.limits import remaining_today, used_today
from authsvc.rules.pending import as_of
from authsvc.rules.pin import pin_tries_left
from authsvc.rules.presentment import flags, matched
from authsvc.rules.three_ds import failures_of, is_locked

__all__ = [
    "as_of",
    "available",
    "card_available",
    "effective_status",
    "flags",
    "held",
    "matched",
    "open_holds",
    "pin_tries_left",
    "remaining_today",
    "three_ds",
    "used_today",
]


def three_ds(card: Card, product: Product, now: UnixMs) -> tuple[bool, int]:
    """Whether 3-D Secure is locked, and its failures in a row."""
    day = day_of(now)
    return is_locked(card.counters, product, day), failures_of(card.counters, product, day)


def open_holds(account: Account, now: UnixMs) -> list[Hold]:
    """The holds that are open as of `now`, oldest first."""
    return [hold for hold in account.holds if hold.expires > now]
