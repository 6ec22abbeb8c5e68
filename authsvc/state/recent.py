"""Accounts that were decided on lately, as of their newest durable decision, so that a busy one need not be read again.

Only where nobody else decides: with one worker what is here is the head of the journal. Were it not, the journal's
compare-and-set would refuse what is decided on it, and whoever lost reads the journal.
"""

from __future__ import annotations

from collections import OrderedDict

from msgspec.structs import replace

from authsvc.model import Account, AccountId, Head

BARE, CARD, KEY, POSTING = 1_000, 1_000, 16, 1_000
"""Bytes of memory that an account takes, with each of its cards, keys of the day and postings. As measured: 1 200 with one card
and 5 keys, 2 100 with 64. Holds take what their JSON takes."""


def size_of(account: Account) -> int:
    """Bytes of memory, by reckoning."""
    known = CARD * len(account.cards) + KEY * len(account.recent_keys) + POSTING * len(account.posted)
    return BARE + known + account.holds.size


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

    def put(self, head: Head) -> None:
        """A durable head with its document, newer than what is here."""
        account = head.account
        size = size_of(account)
        before = self._heads.pop(account.id, None)
        if before is not None:
            self._room += before[1]
        self._heads[account.id] = (replace(head, state=b""), size)  # written anew with the next decision
        self._room -= size
        while self._room < 0:
            _, (_, size) = self._heads.popitem(last=False)
            self._room += size

    def drop(self, account: AccountId) -> None:
        """It lost a race, or its time is over."""
        found = self._heads.pop(account, None)
        if found is not None:
            self._room += found[1]
