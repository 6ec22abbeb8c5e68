"""What the writing process reads of a decision is what the decision says."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from msgspec import Raw, Struct
from msgspec.structs import fields

from authsvc.ledger.entries import entries_of
from authsvc.ledger.extract import Extract, extract
from authsvc.ledger.extract import _Origin as Origin_
from authsvc.ledger.holds import Decided, HoldRows, hold_rows
from authsvc.ledger.journal import columns
from authsvc.model import AccountId, CardId, Decision, Key, Minor, Origin, Original, Reason, Refused, Reversal, UnixMs

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


@pytest.mark.parametrize(("extracted", "model"), [(Extract, Decision), (Origin_, Origin)])
def test_what_a_decision_may_leave_out_is_not_asked_for(extracted: type[Struct], model: type[Struct]) -> None:
    """As DE37, which a message need not have: a field that is not written because it has its default."""
    required = {field.name for field in fields(model) if field.required}
    assert {field.name for field in fields(extracted) if field.required} <= required


def test_a_message_with_nothing_optional(encoded: bytes) -> None:
    """Given an original without DE32, DE37, DE41, DE42, then its columns are empty."""
    assert (extract(encoded).columns.rrn, extract(encoded).columns.stan) == ("", "000001")


@pytest.fixture
def encoded() -> bytes:
    request = Reversal(
        AccountId("acc"),
        CardId("card"),
        Origin("0400", "1121120000", "000001"),
        "f" * 16,
        original=Original(rrn="1"),
        amount=Minor(1),
        currency="985",
    )
    decision = Decision(
        AccountId("acc"), 1, UnixMs(1), "none", request, Refused(Reason.UNKNOWN_CARD, "card", "S §1"), (), (), Key(1)
    )
    return msgspec.json.encode(decision)


def _holds(decision: Decided) -> HoldRows:
    return hold_rows([decision])


@pytest.mark.parametrize("damaged", [b"", b"{}", b"[1]", b'{"account":"a","seq":1,"at":1,"request":{},"changes":[]}'])
def test_bytes_that_are_no_decision_are_not_taken(damaged: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        extract(damaged)
