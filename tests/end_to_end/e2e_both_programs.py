"""All that the two programs, compiled and from source, make of a journal: `python e2e_both_programs.py LEDGER`, line by line.

What is compiled has to be what stands in the source. Tests ask for what somebody thought of; here is whatever a decision
becomes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from difflib import unified_diff
from itertools import islice
from pathlib import Path

from authsvc import native


def difference(ledger: Path) -> str:
    """Between what the two make of it, the first lines; "" where they agree, or where nothing is compiled."""
    ours, theirs = (_told_by(program, ledger) for program in ("1", "0"))
    return "\n".join(islice(unified_diff(ours, theirs, "compiled", "source", n=0, lineterm=""), 20))


def _told_by(program: str, ledger: Path) -> list[str]:
    command, environment = [sys.executable, __file__, str(ledger)], {**os.environ, "AUTHSVC_NATIVE": program}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=True).stdout
    return told.splitlines()


def _tell(ledger: Path) -> Iterator[object]:
    from authsvc.ledger.sqlite_file import open_reader_connection
    from authsvc.ledger.sqlite_reader import SqliteReader
    from authsvc.model import Account, AccountId, Head, Operate
    from authsvc.model.documents import as_json, document_of
    from authsvc.rules.audit import audited
    from authsvc.rules.billing import lines
    from authsvc.rules.events import events_of
    from authsvc.rules.evolve import evolve
    from authsvc.rules.explain import explain
    from authsvc.state.fields import fields_of, head_in

    accounts: dict[AccountId, Account] = {}
    position, reader = 0, SqliteReader(open_reader_connection(ledger))
    while rows := reader.since(position, 1000):
        for row in rows:
            position, decision = row.position, row.decision
            before = accounts.get(decision.account, Account(id=decision.account))
            after = accounts[decision.account] = evolve(before, decision)
            fields = fields_of(Head(after, bytes(32)))
            yield decision
            yield as_json(decision)
            yield document_of(after)
            yield fields
            yield head_in(after.id, fields) == Head(after, bytes(32))
            yield list(lines(decision))
            yield events_of(decision)
            if decision.audit is not None:
                yield audited(decision, decision.audit.actor, before, after).audit == decision.audit
            if not isinstance(decision.request, Operate):  # about the engine, and nobody asks why
                yield explain(decision).splitlines()
    reader.close()


if __name__ == "__main__":
    native.use()
    for told in _tell(Path(sys.argv[1])):
        print(told)
