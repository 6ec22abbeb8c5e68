"""The engine with its copy on a cluster (issue C): slots move under traffic, a master dies, and no answer is wrong."""

from __future__ import annotations

import threading
from pathlib import Path

from click.testing import CliRunner, Result
from cluster_servers import cluster
from conftest import Start
from e2e_bank import Bank
from redis.crc import key_slot

from authsvc.cli import main


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


def test_slots_move_and_a_master_dies_under_traffic(start: Start, tmp_path: Path) -> None:
    """Each payment is answered and held exactly once; what the copy says agrees with the journal, wherever it is."""
    with cluster(tmp_path / "cluster") as servers:
        bank = Bank(start(f"redis.url={servers.url}"))
        cards = [bank.issue("prepaid-bps", load=1_000_00) for _ in range(6)]
        slots = [key_slot(f"acct:{{{card.account}}}".encode()) for card in cards]

        def reshard() -> None:
            for slot in slots:
                source = next(
                    n for n in range(3) if servers.nodes[n].execute_command("CLUSTER", "COUNTKEYSINSLOT", slot)
                )
                servers.move(slot, source, (source + 1) % 3)

        mover = threading.Thread(target=reshard)
        mover.start()
        answers = [card.pay_with_pin(1_00) for _ in range(40) for card in cards]
        mover.join()
        assert set(answers) == {"00"}
        assert [card.held for card in cards] == [40_00] * 6
        compared = run("reconcile", *bank.engine.settings)
        assert compared.exit_code == 0, (compared.output, compared.exception)
        assert "Redis copy: compared" in compared.output
        rebuilt = run("rebuild", *bank.engine.settings)
        assert rebuilt.exit_code == 0, (rebuilt.output, rebuilt.exception)
        servers.kill(0)
        assert {card.pay_with_pin(1_00) for _ in range(5) for card in cards} == {"00"}
        assert [card.held for card in cards] == [45_00] * 6
        # The first node of the URL is the dead one; what it had is told as not compared, never as compared.
        compared = run("reconcile", *bank.engine.settings)
        assert compared.exit_code == 0, (compared.output, compared.exception)
        assert "copies were not compared" in compared.output
        bank.close()
