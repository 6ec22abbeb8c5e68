"""Ends holds whose time is over on accounts where nothing else happens (W §14.13, P §10.9).

The next decision of an account does it anyway, at the moment they were due; this is for idle ones, so that what is held
and told there is right too. It reads an index of open holds by their end, never the accounts.
"""

from __future__ import annotations

import asyncio
import time

from authsvc.decider import Decider
from authsvc.errors import AuthsvcError
from authsvc.ledger.journal import Ledger
from authsvc.logs import get_logger
from authsvc.metrics import Metrics
from authsvc.model import AccountId, ExpireHolds, UnixMs
from authsvc.rules.calendar import DAY_MS

log = get_logger(__name__)

HOLDS_A_SWEEP = 1_000
"""Most holds looked up at a time, so that a sweep after a long stop is many small ones."""


class Sweeper:
    """`every`: seconds between two sweeps, of the real clock, 0: none; what is due, the engine's clock says;
    `closed_holds_days`: how long ended holds are kept, 0: for ever."""

    def __init__(
        self, decider: Decider, ledger: Ledger, metrics: Metrics, every: float, closed_holds_days: int = 0
    ) -> None:
        self._decider = decider
        self._ledger = ledger
        self._metrics = metrics
        self._every = every
        self._closed_holds_days = closed_holds_days
        self._forgotten_at = UnixMs(0)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._metrics.gauges.swept(time.time(), self._every)
        if self._every:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def stop(self) -> None:
        """A sweep under way is left at the account it is at."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def sweep(self) -> int:
        """End what is due now; returns on how many accounts. Raises LedgerDownError, StaleAccountError, LateError."""
        swept = 0
        while accounts := await self._ledger.due(self._decider.now(), HOLDS_A_SWEEP):
            ended = [await self._expire(account) for account in accounts]
            swept += sum(ended)
            self._metrics.swept(sum(ended))
            if not any(ended):  # the clock was turned back meanwhile: nothing is due any more
                break
        return swept

    async def forget(self) -> int:
        """Ended holds that are old enough leave the table of holds, in small batches; once a day of the engine's clock. Returns
        how many. Raises LedgerDownError."""
        now = self._decider.now()
        if not self._closed_holds_days or abs(now - self._forgotten_at) < DAY_MS:
            return 0
        before = UnixMs(now - self._closed_holds_days * DAY_MS)
        forgotten = 0
        while (count := await self._ledger.forget_holds(before, HOLDS_A_SWEEP)) > 0:
            forgotten += count
        self._forgotten_at = now
        return forgotten

    async def _expire(self, account: AccountId) -> bool:
        """One decision of that account. It is never early: `decide` ends only what is due."""
        decision = await self._decider.decide(ExpireHolds(account))
        return bool(decision.changes)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.sweep()
                await self.forget()
                self._metrics.gauges.swept(time.time(), self._every)
            except AuthsvcError as error:  # the ledger is down, or an account is busy: the next sweep finds it again
                log.warning("sweep", problem=str(error))
