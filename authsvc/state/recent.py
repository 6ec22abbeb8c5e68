"""Accounts that were decided on lately, as of their newest durable decision, so that a busy one need not be read again.

Only where nobody else decides: with one worker what is here is the head of the journal. Were it not, the journal's
compare-and-set would refuse what is decided on it, and whoever lost reads the journal.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

from msgspec.structs import replace

from authsvc.model import Account, AccountId, Head
from authsvc.model.hold_list import PART

BARE, CARD, KEY, POSTING = 1_500, 1_000, 16, 50
HOLDING, HOLD, ALONE = 600, 10, 80
"""Bytes of memory that an account takes, with each of its cards, keys of the day and postings; with holds, with each of them,
and with each of the newest `PART`, which lie one by one; JSON comes on top. As measured (tracemalloc): 1 750 with one card,
7 200 with 14 keys, 2.5 postings and 6 holds besides; some 500 more for its places here and in `resting`."""


def size_of(account: Account) -> int:
    """Bytes of memory, by reckoning."""
    posted, holds = account.posted, account.holds
    size = BARE + CARD * len(account.cards) + KEY * len(account.recent_keys) + POSTING * len(posted) + posted.size
    if not holds:
        return size
    count = len(holds)
    return size + HOLDING + HOLD * count + ALONE * min(count, PART) + holds.size


class RecentHeads:
    """Bounded by the bytes of memory they take; whoever was not decided on for the longest time leaves first."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: in all; 0 keeps nothing."""
        # Not a dict: to find its oldest, one would walk over the places of all that left since it last grew (8 % of the
        # event loop with 8 000 accounts in turn).
        self._heads: OrderedDict[AccountId, tuple[Head, int]] = OrderedDict()
        self._room = most_bytes

    def __len__(self) -> int:
        return len(self._heads)

    def get(self, account: AccountId) -> Head | None:
        found = self._heads.get(account)
        return None if found is None else found[0]

    def put(self, head: Head) -> Sequence[AccountId]:
        """A durable head, newer than what is here. Returns who had to leave for it, maybe its own account."""
        account = head.account
        size = size_of(account)
        before = self._heads.pop(account.id, None)
        if before is not None:
            self._room += before[1]
        kept = replace(head, state=b"") if head.state else head  # a document is written anew with the next decision
        self._heads[account.id] = (kept, size)
        self._room -= size
        return self._make_room() if self._room < 0 else ()

    def _make_room(self) -> list[AccountId]:
        left = []
        while self._room < 0:
            oldest, (_, size) = self._heads.popitem(last=False)
            self._room += size
            left.append(oldest)
        return left

    def drop(self, account: AccountId) -> None:
        """It lost a race, or its time is over."""
        found = self._heads.pop(account, None)
        if found is not None:
            self._room += found[1]
