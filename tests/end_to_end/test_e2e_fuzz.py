"""A running engine under a siege: a good link goes on being answered, nothing fails inside, nothing is left behind."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

from e2e_bank import Bank
from e2e_process import EngineProcess
from fuzz_server import ATTACKS, LINKS, Siege, start_engine

ROUNDS = 40
SETTLED_SECONDS = 10
MEMORY_KB = 200_000
"""More than a flood may leave behind, less than a leak of every attack would."""


def memory_kb(engine: EngineProcess) -> int:
    lines = Path(f"/proc/{engine.pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS")))


def open_links(bank: Bank) -> float:
    """On all listeners but the good one."""
    lines = bank.api.ask("GET", "/metrics").text.splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("authsvc_connections{") and '"main"' not in line
    )


def test_a_siege(tmp_path: Path) -> None:
    """Every kind of attack, at every listener: each dialect, MACs demanded, mutual TLS from outside and inside, small limits.

    Afterwards it is ready, its log tells of no fault and holds no PAN, no link is left open, and memory is where it was.
    """
    seed = random.randrange(1_000_000)
    engine, targets = start_engine(tmp_path)
    bank = Bank(engine)
    before = memory_kb(engine)
    siege = Siege(bank, targets, seed)
    asyncio.run(siege.run(ROUNDS))
    assert set(siege.attacks) == set(ATTACKS), f"seed {seed}"
    assert siege.paid > LINKS
    assert engine.is_ready()
    until = time.monotonic() + SETTLED_SECONDS
    while open_links(bank) and time.monotonic() < until:
        time.sleep(0.05)
    assert open_links(bank) == 0, f"seed {seed}"
    assert memory_kb(engine) - before < MEMORY_KB, f"seed {seed}"
    bank.close()
    engine.stop()
    said = engine.said()
    assert '"event":"fault"' not in said, f"seed {seed}: {said[-3_000:]}"
    assert "Traceback" not in said, f"seed {seed}: {said[-3_000:]}"
    assert all(card.pan not in said for card in siege.cards)
