"""What an account remembers of past messages, and when that is not enough.

The document keeps the keys of the last 24 hours (capped), so a new message is known to be new without asking the
journal. What it cannot know (an answer given earlier, an original whose hold has ended) is fetched before deciding.
"""

from __future__ import annotations

from msgspec import Struct

from authsvc.model import (
    Account,
    Authorization,
    EarlyReversal,
    Hold,
    Key,
    KeyRemembered,
    Request,
    Reversal,
    UnixMs,
    names,
)
from authsvc.rules.calendar import DAY_MS

MAX_RECENT_KEYS = 64
"""Cap of remembered keys; above it the oldest leave and the journal is asked about messages it may have known."""
MAX_EARLY_REVERSALS = 32
"""Cap of remembered early reversals; above it the oldest leaves: a sender with 32 reversals without originals in a day
is not working."""


class Missing(Struct, frozen=True):
    """What has to be fetched from the journal before `decide`: the decision on this key; the original of a reversal."""

    earlier: bool
    original: bool


def missing(request: Request, key: Key | None, account: Account, now: UnixMs) -> Missing | None:
    """None in the usual case: the document knows enough."""
    earlier = key is not None and _may_be_a_repeat(request, key, account, now)
    original = isinstance(request, Reversal) and open_original(request, account) is None
    return Missing(earlier, original) if earlier or original else None


def _may_be_a_repeat(request: Request, key: Key, account: Account, now: UnixMs) -> bool:
    if account.seq == 0:
        return False
    if key in account.recent_keys:
        return True
    if not isinstance(request, Authorization | Reversal):
        return True  # commands are rare, and their idempotency keys hold for ever
    return request.origin.mti[3] == "1" or account.recent_since > now - DAY_MS


def open_original(reversal: Reversal, account: Account) -> Hold | None:
    """The open hold that a reversal names, newest first."""
    for hold in reversed(account.holds):
        if hold.card == reversal.card and names(
            reversal.original, reversal.origin.terminal, reversal.origin.merchant, hold.origin
        ):
            return hold
    return None


def early_reversal_of(request: Authorization, account: Account) -> EarlyReversal | None:
    """The reversal that came before this original, if one did."""
    for early in account.early_reversals:
        if early.card == request.card and names(early.original, early.terminal, early.merchant, request.origin):
            return early
    return None


def remember(account: Account, key: Key, now: UnixMs) -> KeyRemembered:
    """The change that adds `key` and drops keys older than 24 hours, or above the cap."""
    old = 0
    for at in account.recent_at:
        if at > now - DAY_MS:
            break
        old += 1
    forget = max(old, len(account.recent_at) + 1 - MAX_RECENT_KEYS)
    since = account.recent_at[forget - 1] + 1 if forget > old else 0
    return KeyRemembered(key, forget, UnixMs(since))


def reversals_to_forget(account: Account, now: UnixMs) -> int:
    """How many of the oldest early reversals leave: older than 24 hours, or above the cap."""
    old = sum(1 for early in account.early_reversals if early.at <= now - DAY_MS)
    return max(old, len(account.early_reversals) + 1 - MAX_EARLY_REVERSALS)
