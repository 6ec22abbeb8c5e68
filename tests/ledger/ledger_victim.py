"""A program that appends as fast as it can and says on stdout what was acknowledged, until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from ledger_story import approve, end, load, opened, queue, unborn

from authsvc.ledger.journal import Ledger


async def one_account(ledger: Ledger, name: str) -> None:
    head, turn = unborn(name), 0
    while True:
        turn += 1
        waiting = []
        stan = f"{turn:06}"
        for made in (load, partial(approve, stan=stan), partial(end, stan=stan)):
            head, durable = queue(ledger, head, made(head))
            waiting.append(durable)
        for durable in waiting:
            await durable
        os.write(1, f"{name} {head.account.seq}\n".encode())


async def main(path: Path) -> None:
    async with opened(path) as ledger:
        await asyncio.gather(*(one_account(ledger, f"acc{number}") for number in range(20)))


asyncio.run(main(Path(sys.argv[1])))
