"""What an account and its cards look like as of a moment, for the control API: computed, never a decision."""

from __future__ import annotations

from authsvc.model import Account, Hold, UnixMs
from authsvc.rules.card import effective_status
from authsvc.rules.funds import account_room as available
from authsvc.rules.funds import card_room as card_available
from authsvc.rules.funds import held
from authsvc.rules.limits import remaining_today, used_today
from authsvc.rules.pin import pin_tries_left

__all__ = [
    "available",
    "card_available",
    "effective_status",
    "held",
    "open_holds",
    "pin_tries_left",
    "remaining_today",
    "used_today",
]


def open_holds(account: Account, now: UnixMs) -> list[Hold]:
    """The holds that are open as of `now`, oldest first."""
    return [hold for hold in account.holds if hold.expires > now]
