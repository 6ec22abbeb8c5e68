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
from authsvc.model import AccountId, ExpireHolds

log = get_logger(__name__)

HOLDS_A_SWEEP = 1_000
"""Most holds looked up at a time, so that a sweep after a long stop is many small ones."""


class Sweeper:
    """`every`: seconds between two sweeps, of the real clock; what is due, the engine's clock says."""

    def __init__(self, decider: Decider, ledger: Ledger, metrics: Metrics, every: float) -> None:
        self._decider = decider
        self._ledger = ledger
        self._metrics = metrics
        self._every = every
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

    async def _expire(self, account: AccountId) -> bool:
        """One decision of that account. It is never early: `decide` ends only what is due."""
        decision = await self._decider.decide(ExpireHolds(account))
        return bool(decision.changes)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            try:
                await self.sweep()
                self._metrics.gauges.swept(time.time(), self._every)
            except AuthsvcError as error:  # the ledger is down, or an account is busy: the next sweep finds it again
                log.warning("sweep", problem=str(error))
