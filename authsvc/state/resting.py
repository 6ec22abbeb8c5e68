"""When Redis gets what, where nobody else decides: the first state of an account soon, then the newest after each rest. What
waits is what `load` finds first, so it is as good as written; and it takes memory, so it can be called for."""

from __future__ import annotations

from collections import OrderedDict
from zlib import crc32

from authsvc.model import AccountId, Head

LOOK_SECONDS = 0.02
"""From one look at the states that wait to the next: they leave together, and Redis and we wake once for all of them."""
RESTED_BYTES = 8 * 1024
"""An account rests once more for each so many bytes of holds."""
LONGEST_REST = 16
"""Rests of an account that never comes to rest, each time twice as many as the last."""
LOOK_BYTES = 192 * 1024
"""Of states that leave together, about; the others stay, the newest of each. A socket takes some 200 kB at a time, and what has
no room there waits before every question: 10 000 accounts of 7 kB that woke together made each load wait for a second."""
BARE_BYTES = 1024
"""Of a state without holds and postings."""


class _Rest:
    """Of an account that Redis got not long ago. `head`: the newest state since; `until`: the look after which that one may
    follow; `rests`: its length."""

    __slots__ = ("head", "rests", "until")

    def __init__(self, until: int, rests: int) -> None:
        self.head: Head | None = None
        self.until = until
        self.rests = rests


class Resting:
    """Time is in seconds of the event loop. `patience`: seconds of one rest."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._next: OrderedDict[AccountId, tuple[Head, int]] = OrderedDict()  # with the rests that are to follow
        self._rests: dict[AccountId, _Rest] = {}
        self._ends: dict[int, list[AccountId]] = {}  # by look: thousands of accounts rest, and a heap sorts them all
        self._looked = 0

    def __bool__(self) -> bool:
        """Whether anything waits, or rests: somebody has to look again."""
        return bool(self._next or self._ends)

    def wait(self, head: Head) -> None:
        """For its time; what waited of this account is older."""
        rest = self._rests.get(head.account.id)
        if rest is not None:
            rest.head = head
            return
        before = self._next.get(head.account.id)
        self._next[head.account.id] = (head, 1 if before is None else before[1])

    def waiting(self, account: AccountId) -> Head | None:
        """What Redis does not have yet."""
        rest = self._rests.get(account)
        if rest is not None:
            return rest.head
        found = self._next.get(account)
        return None if found is None else found[0]

    def forget(self, account: AccountId) -> None:
        """What waits of this account is not what Redis should get."""
        self._next.pop(account, None)
        self._rests.pop(account, None)

    def called_for(self, account: AccountId) -> Head | None:
        """What waits of this account, to be written now; None when nothing does. One that rests does so on."""
        rest = self._rests.get(account)
        if rest is None:
            found = self._next.pop(account, None)
            return None if found is None else found[0]
        head, rest.head = rest.head, None
        return head

    def due(self, now: float) -> list[Head]:
        """Who waited for the longest time first: what came since the last look, but for accounts that rest, and what waited
        for a rest that is over. They rest now."""
        self._end_rests(int(now / LOOK_SECONDS))
        due, room = [], LOOK_BYTES
        while room > 0 and self._next:
            _, (head, rests) = self._next.popitem(last=False)
            room -= BARE_BYTES + head.account.holds.size + head.account.posted.size
            due.append(head)
            self._rest(head, now, rests)
        return due

    def all(self) -> list[Head]:
        """All that waits. Nothing does any more."""
        rested = [rest.head for rest in self._rests.values() if rest.head is not None]
        heads = [*(head for head, _ in self._next.values()), *rested]
        self._next, self._rests, self._ends = OrderedDict(), {}, {}
        return heads

    def _end_rests(self, look: int) -> None:
        """Of those whose rest is over by this look; what waited for that is next."""
        for ended in range(self._looked + 1, look + 1) if self._ends else ():
            for account in self._ends.pop(ended, ()):
                rest = self._rests.get(account)
                if rest is None or rest.until != ended:
                    continue  # it was forgotten, and rests anew maybe
                del self._rests[account]
                if rest.head is not None:
                    self._next[account] = (rest.head, min(2 * rest.rests, LONGEST_REST))
        self._looked = look

    def _rest(self, head: Head, now: float, rests: int) -> None:
        """Longer after much: no more than some megabytes a second are worth it, however many holds there are. `rests`: at
        least. Each account at its own pace, half as long to half as long again: those that became busy together would else be
        written together, time and again."""
        account = head.account
        pace = 0.5 + crc32(account.id.encode()) / 2**32
        length = self._patience * max(rests, 1 + account.holds.size // RESTED_BYTES) * pace
        until = int((now + length) / LOOK_SECONDS) + 1
        self._rests[account.id] = _Rest(until, rests)
        self._ends.setdefault(until, []).append(account.id)
