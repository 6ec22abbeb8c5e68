"""What the writing process reads of a decision is what the decision says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec import Raw, Struct

from authsvc.ledger.entries import entries_of
from authsvc.ledger.extract import extract
from authsvc.ledger.holds import Decided, HoldRows, hold_rows
from authsvc.ledger.journal import columns
from authsvc.model import Decision

JOURNALS = sorted((Path(__file__).parents[1] / "data/golden").glob("v*.jsonl"))


class Line(Struct):
    decision: Raw


@pytest.mark.parametrize("file", JOURNALS, ids=lambda file: file.stem)
def test_the_extract_makes_the_rows_of_the_whole_decision(file: Path) -> None:
    """For every kind of request and change there is (the golden journals have all of them): the same columns, holds and
    entries."""
    for line in file.read_bytes().splitlines():
        encoded = msgspec.json.decode(line, type=Line).decision
        whole, extracted = msgspec.json.decode(encoded, type=Decision), extract(encoded)
        assert extracted.columns == columns(whole)
        assert _holds(extracted) == _holds(whole)
        assert list(entries_of(extracted)) == list(entries_of(whole))


def _holds(decision: Decided) -> HoldRows:
    return hold_rows([decision])


@pytest.mark.parametrize("damaged", [b"", b"{}", b"[1]", b'{"account":"a","seq":1,"at":1,"request":{},"changes":[]}'])
def test_bytes_that_are_no_decision_are_not_taken(damaged: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        extract(damaged)
