"""What an account remembers of past messages, and when that is not enough.

The document keeps the keys of the last 24 hours (capped), so a new message is known to be new without asking the
journal. What it cannot know (an answer given earlier, an original whose hold has ended) is fetched before deciding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from authsvc.model import (
    PLN,
    Account,
    Authorization,
    EarlyReversal,
    Hold,
    Increment,
    Key,
    KeyRemembered,
    Message,
    Origin,
    Posting,
    Presentment,
    Request,
    Reversal,
    UnixMs,
    names,
)
from authsvc.model.values import Value
from authsvc.rules.calendar import DAY_MS
from authsvc.rules.currency import CREDITS

MAX_RECENT_KEYS = 64
"""Cap of remembered keys; above it the oldest leave and the journal is asked about messages it may have known."""
MAX_EARLY_REVERSALS = 32
"""Cap of remembered early reversals; above it the oldest leaves: a sender with 32 reversals without originals in a day
is not working."""


class Missing(Value, frozen=True, gc=False):
    """What has to be fetched from the journal before `decide`: the decision on this key; the original of a reversal."""

    earlier: bool
    original: bool


def missing(request: Request, key: Key | None, account: Account, now: UnixMs) -> Missing | None:
    """None in the usual case: the document knows enough."""
    earlier = key is not None and _may_be_a_repeat(request, key, account, now)
    original = _lacks_original(request, account)
    return Missing(earlier, original) if earlier or original else None


def _lacks_original(request: Request, account: Account) -> bool:
    if isinstance(request, Reversal):
        return open_original(request, account) is None and posted_original(request, account) is None
    return isinstance(request, Presentment) and hold_presented(request, account) is None


def _may_be_a_repeat(request: Request, key: Key, account: Account, now: UnixMs) -> bool:
    if account.seq == 0:
        return False
    if key in account.recent_keys:
        return True
    if not isinstance(request, Message) or not request.origin.stan:
        return True  # commands are rare, and their idempotency keys hold for ever
    return request.origin.mti[3] == "1" or account.recent_since > now - DAY_MS


def open_original(reversal: Reversal, account: Account) -> Hold | None:
    """The open hold that a reversal names, itself or one of its increments, newest first."""
    if reversal.undoes_claim:
        return None
    original = reversal.original
    for hold in account.holds.having(original.stan or original.rrn):
        if hold.card == reversal.card and (
            is_named(reversal, hold.origin) or increment_named(reversal, hold) is not None
        ):
            return hold
    return None


def is_named(reversal: Reversal, origin: Origin) -> bool:
    """Whether a reversal names the message of `origin`."""
    return names(reversal.original, reversal.origin.terminal, reversal.origin.merchant, origin)


def increment_named(reversal: Reversal, hold: Hold) -> Increment | None:
    """The increment of a hold that a reversal names; None when it names the hold itself."""
    if is_named(reversal, hold.origin):
        return None
    return next((one for one in reversed(hold.increments) if is_named(reversal, one.origin)), None)


def posted_original(reversal: Reversal, account: Account) -> Posting | None:
    """The posting that a reversal names: of an 0200, or of an 0220 that its DE90 says. By the RRN alone a reversal undoes the
    authorization, not the presentment, which carries the same one. One that came by no message undoes a presentment."""
    if reversal.undoes_claim:
        return claim_undone(reversal, reversed(account.posted))
    original = reversal.original
    for posting in account.posted.having(original.stan or original.rrn):
        by_message = posting.origin.mti[:3] == "020" or bool(original.stan)
        if posting.card == reversal.card and by_message and is_named(reversal, posting.origin):
            return posting
    return None


def claim_undone(reversal: Reversal, newest_first: Iterable[Posting]) -> Posting | None:
    """The posting of the presentment that a reversal by file or API names; of equal ones the newest that is still whole."""
    return next((posting for posting in newest_first if _is_claim_named(reversal, posting)), None)


def _is_claim_named(reversal: Reversal, posting: Posting) -> bool:
    foreign = posting.foreign
    # What was presented, in its own currency. A posting that was reversed in part is no longer what was presented.
    whole, money = (foreign.pln, foreign.amount) if foreign else (abs(posting.amount), abs(posting.amount))
    return (
        posting.origin.mti[:3] == "022"
        and posting.card == reversal.card
        and abs(posting.amount) == whole
        and (money, foreign.currency if foreign else PLN) == (reversal.amount, reversal.currency)
        and (posting.amount < 0) == (reversal.kind in CREDITS)
        and reversal.original.rrn in ("", posting.origin.rrn)
        and reversal.code in ("", posting.authorization_code)
        and reversal.posting in ("", posting.id)
    )


def hold_to_add_to(request: Authorization, account: Account) -> Hold | None:
    """The hold of the same card that an incremental authorization names: by DE90, else by DE48.63."""
    original, origin = request.adds_to, request.origin
    for hold in account.holds.having(request.link if original is None else original.stan or original.rrn):
        if hold.card != request.card:
            continue
        if original is not None:
            if names(original, origin.terminal, origin.merchant, hold.origin):
                return hold
        elif request.link and hold.link == request.link:
            return hold
    return None


def hold_presented(request: Presentment, account: Account) -> Hold | None:
    """The hold that a presentment claims: by DE90; else by its link (DE48.63); else by authorization code, with the RRN to tell
    two of them apart; else by RRN alone."""
    origin, original = request.origin, request.original

    def holds(having: str) -> Iterator[Hold]:
        return (hold for hold in account.holds.having(having) if hold.card == request.card) if having else iter(())

    if original.stan:
        named = (hold for hold in holds(original.stan) if names(original, "", origin.merchant, hold.origin))
        return next(named, None)
    linked = next((hold for hold in holds(request.link) if hold.link == request.link), None)
    if linked is not None:
        return linked
    coded = [hold for hold in holds(request.code) if hold.authorization_code == request.code]
    if len(coded) == 1:
        return coded[0]
    return next((hold for hold in coded or holds(original.rrn) if hold.origin.rrn == original.rrn != ""), None)


def early_reversal_of(request: Authorization | Presentment, account: Account) -> EarlyReversal | None:
    """The reversal that came before this original, if one did."""
    for early in account.early_reversals:
        if early.card == request.card and names(early.original, early.terminal, early.merchant, request.origin):
            return early
    return None


def remember(account: Account, key: Key, now: UnixMs) -> KeyRemembered:
    """The change that adds `key` and drops keys older than 24 hours, or above the cap."""
    times, old = account.recent_at, 0
    while old < len(times) and times[old] <= now - DAY_MS:
        old += 1
    forget = max(old, len(times) + 1 - MAX_RECENT_KEYS)
    since = times[forget - 1] + 1 if forget > old else 0
    return KeyRemembered(key, forget, UnixMs(since))


def reversals_to_forget(account: Account, now: UnixMs) -> int:
    """How many of the oldest early reversals leave: older than 24 hours, or above the cap."""
    old = sum(1 for early in account.early_reversals if early.at <= now - DAY_MS)
    return max(old, len(account.early_reversals) + 1 - MAX_EARLY_REVERSALS)
