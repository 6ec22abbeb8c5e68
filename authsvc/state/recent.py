"""Accounts that were decided on lately, as of their newest durable decision, so that a busy one need not be read again.

Only where nobody else decides: with one worker what is here is the head of the journal. Were it not, the journal's
compare-and-set would refuse what is decided on it, and whoever lost reads the journal.

An account as objects takes about five times the memory of its document. So only the latest stay as they are; those before
them are kept as documents, which are read again in a fifth of the time that Redis takes to bring them.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec
from msgspec import Struct

from authsvc.model import Account, AccountId, Head

READY_PART = 4
"""One byte in so many is of an account that stays as it is."""
_decode = msgspec.json.Decoder(Account).decode


class _Folded(Struct, frozen=True, gc=False):
    """A head without its account."""

    state: bytes
    hash: bytes
    holds_at: int


class RecentHeads:
    """Bounded by the bytes of the accounts' documents; whoever was not decided on for the longest time leaves first."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: in all; in memory a quarter of them counts five times. 0 keeps nothing."""
        # Not dicts: to find its oldest, one would walk over the places of all that left since it last grew (8 % of the
        # event loop with 8 000 accounts in turn).
        self._ready: OrderedDict[AccountId, Head] = OrderedDict()
        self._folded: OrderedDict[AccountId, _Folded] = OrderedDict()
        self._ready_room = most_bytes // READY_PART
        self._folded_room = most_bytes - self._ready_room

    def __len__(self) -> int:
        return len(self._ready) + len(self._folded)

    def get(self, account: AccountId) -> Head | None:
        head = self._ready.get(account)
        if head is not None or (folded := self._folded.get(account)) is None:
            return head
        head = Head(_decode(folded.state), folded.hash, folded.state, folded.holds_at)
        self.put(head)
        return head

    def put(self, head: Head) -> None:
        """A durable head with its document, newer than what is here."""
        account = head.account.id
        self.drop(account)
        self._ready[account] = head
        self._ready_room -= len(head.state)
        while self._ready_room < 0:
            self._fold()

    def drop(self, account: AccountId) -> None:
        """It lost a race, or its time is over."""
        head = self._ready.pop(account, None)
        if head is not None:
            self._ready_room += len(head.state)
        elif (folded := self._folded.pop(account, None)) is not None:
            self._folded_room += len(folded.state)

    def _fold(self) -> None:
        """The oldest of those that are ready."""
        account, head = self._ready.popitem(last=False)
        self._ready_room += len(head.state)
        self._folded[account] = _Folded(head.state, head.hash, head.holds_at)
        self._folded_room -= len(head.state)
        while self._folded_room < 0:
            _, gone = self._folded.popitem(last=False)
            self._folded_room += len(gone.state)
