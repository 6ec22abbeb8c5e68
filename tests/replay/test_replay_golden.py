"""Journals of earlier versions, kept for ever: folding them gives the accounts they gave when they were written (law 2)."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from data.golden.make import digest
from msgspec import Raw, Struct

from authsvc.ledger.journal import ZERO_HASH, chain
from authsvc.model import Account, AccountId, Change, Decision, Request
from authsvc.rules.evolve import evolve

FOLDER = Path(__file__).parents[1] / "data/golden"
JOURNALS = sorted(FOLDER.glob("v*.jsonl"))
HOW = (
    "{names}: in no golden journal. Let tests/data/golden/make.py make one, run it with a NEW file name (see its docstring), "
    "and commit both files it writes. Never rewrite a golden journal that is there: it stands for data that is out there."
)


class Line(Struct):
    hash: str
    decision: Raw


class End(Struct):
    """`state`: SHA-256 of the encoded document."""

    seq: int
    hash: str
    state: str


def lines(file: Path) -> list[Line]:
    return msgspec.json.decode(b"[" + b",".join(file.read_bytes().splitlines()) + b"]", type=list[Line])


def decisions(file: Path) -> list[Decision]:
    return [msgspec.json.decode(line.decision, type=Decision) for line in lines(file)]


def test_there_is_one() -> None:
    assert JOURNALS
    assert all(len(lines(file)) >= 300 for file in JOURNALS)


@pytest.mark.parametrize("file", JOURNALS, ids=lambda file: file.stem)
def test_a_golden_journal_folds_to_the_same_accounts(file: Path) -> None:
    """Every decision has the hash it had, and every account the document it had."""
    accounts: dict[AccountId, Account] = {}
    hashes: dict[AccountId, bytes] = {}
    for line in lines(file):
        decision = msgspec.json.decode(line.decision, type=Decision)
        name = decision.account
        hashes[name] = chain(hashes.get(name, ZERO_HASH), bytes(line.decision))
        assert hashes[name].hex() == line.hash, decision.id
        accounts[name] = evolve(accounts.get(name, Account(id=name)), decision)
    ends = {name: End(account.seq, hashes[name].hex(), digest(account)) for name, account in accounts.items()}
    assert ends == msgspec.json.decode(file.with_suffix(".accounts.json").read_bytes(), type=dict[AccountId, End])


@pytest.mark.parametrize("file", JOURNALS, ids=lambda file: file.stem)
def test_nothing_of_a_golden_journal_is_lost_in_reading(file: Path) -> None:
    """A field that the model no longer has would be dropped in silence: everything read is there when written again."""
    for line in lines(file):
        read = msgspec.to_builtins(msgspec.json.decode(line.decision, type=Decision))
        assert lost(msgspec.json.decode(line.decision), read) == [], read["seq"]


def lost(old: Any, new: Any, at: str = "$") -> list[str]:
    """Where `old` says something that `new` does not; `new` may say more, and leave out what is a default by now."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [place for key in old for place in lost(old[key], new.get(key), f"{at}.{key}")]
    if isinstance(old, list) and isinstance(new, list | tuple) and len(old) == len(new):
        return [place for index, one in enumerate(old) for place in lost(one, new[index], f"{at}[{index}]")]
    return [] if old == new else [at]


@pytest.mark.parametrize("union", [Change, Request], ids=["changes", "requests"])
def test_every_kind_of_change_and_request_is_in_a_golden_journal(union: types.UnionType) -> None:
    kept: set[type] = set()
    for file in JOURNALS:
        for decision in decisions(file):
            kept |= {type(decision.request)} | {type(change) for change in decision.changes}
    missing = sorted(kind.__name__ for kind in set(get_args(union)) - kept)
    assert not missing, HOW.format(names=", ".join(missing))
