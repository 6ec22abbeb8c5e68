"""What the engine adds to its parts: a scrape that never hangs where the ledger does."""

from __future__ import annotations

import threading
from pathlib import Path

from engine_parts import settings

from authsvc import engine
from authsvc.ledger.sqlite import SqliteLedger


def holds_in(scrape: bytes) -> str:
    return next(line.split()[1] for line in scrape.decode().splitlines() if line.startswith("authsvc_holds_open "))


async def test_a_scrape_with_and_without_the_ledger(tmp_path: Path) -> None:
    """The number while the ledger answers; once it is closed no number, and all the other metrics all the same."""
    running = engine.build(settings(tmp_path, seed_demo="false"))
    await running.start()
    assert holds_in(await running.scrape()) == "0.0"
    await running.stop()
    without = await running.scrape()
    assert holds_in(without) == "NaN"
    assert b"authsvc_decisions_total{" in without


async def test_a_scrape_does_not_wait_for_a_ledger_that_hangs(tmp_path: Path) -> None:
    """A disk may take minutes, and the reading thread with it; Prometheus gives up after ten seconds."""
    running = engine.build(settings(tmp_path, seed_demo="false"))
    await running.start()
    answers = threading.Event()
    assert isinstance(running.ledger, SqliteLedger)
    running.ledger._reading.submit(answers.wait)
    assert holds_in(await running.scrape()) == "NaN"
    answers.set()
    assert holds_in(await running.scrape()) == "0.0"
    await running.stop()
