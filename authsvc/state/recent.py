"""Accounts that were decided on lately, as of their newest durable decision, so that a busy one need not be read again.

Only where nobody else decides: with one worker what is here is the head of the journal. Were it not, the journal's
compare-and-set would refuse what is decided on it, and whoever lost reads the journal.
"""

from __future__ import annotations

from collections import OrderedDict

from authsvc.model import AccountId, Head


class RecentHeads:
    """Bounded by the bytes of the accounts' documents; whoever was not decided on for the longest time leaves first."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: in memory an account takes about five times its document. 0 keeps nothing."""
        self._most = most_bytes
        self._bytes = 0
        # Not a dict: to find its oldest it would walk over the places of all that left since it last grew (8 % of the
        # event loop with 8 000 accounts in turn).
        self._heads: OrderedDict[AccountId, Head] = OrderedDict()

    def __len__(self) -> int:
        return len(self._heads)

    def get(self, account: AccountId) -> Head | None:
        return self._heads.get(account)

    def put(self, head: Head) -> None:
        """A durable head, newer than what is here."""
        if not self._most:
            return
        heads, account = self._heads, head.account.id
        before = heads.pop(account, None)  # so that it becomes the last
        self._bytes += len(head.state) - (len(before.state) if before is not None else 0)
        heads[account] = head
        while self._bytes > self._most:
            self.drop(next(iter(heads)))

    def drop(self, account: AccountId) -> None:
        """It lost a race, or its time is over."""
        gone = self._heads.pop(account, None)
        if gone is not None:
            self._bytes -= len(gone.state)
