"""What it takes to keep: `python -m bench.capacity`. Prints the table of docs/capacity.md.

A private engine on SQLite and its own Valkey: disk and memory before, with accounts, after messages of the demo mix. Growth is
what the ledger's pages say (`dbstat`), table by table, not what the file system rounds it to.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import apsw
import click
import redis
import uvloop

from bench import cpu, page
from loadtest import accounts, mix
from loadtest.__main__ import DEMO_MIX, Target, run
from loadtest.engine import HOST, ROOT, PrivateEngine
from loadtest.generator import Plan
from loadtest.messages import zone_key
from loadtest.traffic import payers_of

PAGES = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"
TABLE_OF = "SELECT name, tbl_name FROM sqlite_schema"


class Taken(NamedTuple):
    """At one moment. `tables`: bytes by table, its indexes with it; `decisions`: rows of the journal; `copies`: bytes that
    Valkey uses; `engine_mb`: resident memory of the engine and the process that writes for it."""

    tables: Mapping[str, int]
    decisions: int
    copies: int
    engine_mb: float

    @property
    def disk(self) -> int:
        return sum(self.tables.values())


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--accounts", "count", type=click.IntRange(1, 100_000), default=1_000, help="Accounts, a card each.")
@click.option("--messages", type=click.IntRange(1, 10_000_000), default=50_000, help="Of the demo mix.")
def main(count: int, messages: int) -> None:
    """Measure disk and memory."""
    made_of, zone = mix.load(DEMO_MIX), zone_key(ROOT / "config/keys/demo.toml")
    plan = Plan(links=4, seconds=3_600, most=messages, under_way=32)
    with PrivateEngine(clock="system") as engine:
        empty = _taken(engine)
        cards = accounts.prepare(engine.api, made_of.accounts, "capacity", count, lambda _done: None)
        opened = _taken(engine)
        payers = payers_of(cards, zone, accounts.fresh(made_of.accounts, cards))
        result = uvloop.run(run(Target(HOST, engine.iso_port, zone), plan, made_of, payers))
        busy = _taken(engine)
    _print(count, result.answered, empty, opened, busy)
    sys.exit(0 if result.clean else 1)


def _taken(engine: PrivateEngine) -> Taken:
    ledger = apsw.Connection(str(engine.data_dir / "ledger.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
    owners = dict(ledger.execute(TABLE_OF))
    tables: dict[str, int] = defaultdict(int)
    for name, size in ledger.execute(PAGES):
        tables[str(owners.get(name, name))] += int(size)
    decisions = int(ledger.execute("SELECT count(*) FROM journal").get)
    ledger.close()
    with redis.Redis(unix_socket_path=str(engine.data_dir / "valkey" / "valkey.sock")) as valkey:
        copies = int(valkey.info("memory")["used_memory"])
    family = [engine.pid, *(pid for pid in _children(engine.pid) if pid != engine.valkey_pid)]
    return Taken(dict(tables), decisions, copies, sum(map(cpu.memory_mb, family)))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _print(count: int, answered: int, empty: Taken, opened: Taken, busy: Taken) -> None:
    grown = busy.disk - opened.disk
    rows = [
        ("disk per account (opened, loaded, a card, its limits)", (opened.disk - empty.disk) / count),
        ("Valkey per account, new", (opened.copies - empty.copies) / count),
        (f"Valkey per account, after {answered / count:.0f} messages each", (busy.copies - empty.copies) / count),
        ("disk per message", grown / answered),
    ]
    tables = [(name, (size - opened.tables.get(name, 0)) / answered) for name, size in busy.tables.items()]
    rows += [(f"… of it `{name}` with its indexes", size) for name, size in sorted(tables, key=lambda each: -each[1])]
    click.echo(page.machine())
    click.echo(
        f"{count} accounts, {answered} messages of the demo mix, {busy.decisions - opened.decisions} decisions\n"
    )
    click.echo("| what | bytes |\n|---|---|")
    for what, size in rows:
        if size >= 1:
            click.echo(f"| {what} | {size:.0f} |")
    click.echo(f"\ndisk per million messages: {grown / answered / 1000:.2f} GB")
    megabytes = f"{empty.engine_mb:.0f} MB empty, {opened.engine_mb:.0f} with accounts, {busy.engine_mb:.0f} after"
    click.echo(f"memory of the engine: {megabytes}")


if __name__ == "__main__":
    main()
