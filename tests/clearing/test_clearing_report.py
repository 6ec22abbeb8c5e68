"""What is told of a file: every record once among the outcomes, every flag beside it, and no card number."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clearing_files import HEADER, PAN, ipm, record
from hypothesis import given
from hypothesis import strategies as st

from authsvc.clearing import reading
from authsvc.clearing.posting import Result
from authsvc.clearing.report import as_csv, as_json, report
from authsvc.control.money import PresentmentOutcome
from authsvc.model import Reason

FILE = reading.read(ipm(HEADER, record(), record(DE38="a b"), record(), record(DE24="205"), record()))
"""Line 1 a header, 2, 4 and 6 presentments, 3 unreadable, 5 a second presentment."""


def told(*outcomes: PresentmentOutcome, stopped: str = "") -> tuple[dict[str, Any], bool]:
    results = [Result(line, outcome) for line, outcome in zip(FILE.lines, outcomes, strict=False)]
    made = report("day.ipm", FILE, results, stopped)
    return {group.name: (group.amount, group.lines) for group in made.groups}, made.done


def posted(matched: str = "open hold", amount: int = 100, **but: Any) -> PresentmentOutcome:
    return PresentmentOutcome("posted", "acc-1:2", "acc-1", "card-1", amount=amount, matched=matched, **but)


def test_each_record_is_somewhere() -> None:
    groups, done = told(posted(), PresentmentOutcome("refused", reason=Reason.UNKNOWN_CARD))
    assert groups == {
        "matched": (100, (2,)), "refused": (0, (4,)), "unreadable": (0, (3,)), "left": (0, (5,)), "unsent": (0, (6,)),
    }  # fmt: skip
    assert not done


@pytest.mark.parametrize(
    ("outcome", "groups"),
    [
        (posted("expired hold", flags=("late",)), {"matched", "late"}),
        (posted("authorization without hold"), {"matched"}),
        (posted("no authorization", flags=("no_authorization", "overdrawn")), {"unmatched", "no_authorization", "overdrawn"}),
        (posted("refund", -100), {"credits"}),
        (posted(repeated=True), {"matched", "before"}),
        (PresentmentOutcome("reversed", "acc-1:2", amount=-100, matched="presentment"), {"reversed"}),
        (PresentmentOutcome("refused", "acc-1:2", reason=Reason.DUPLICATE, repeated=True), {"refused"}),
    ],
)  # fmt: skip
def test_which_groups_it_is_in(outcome: PresentmentOutcome, groups: set[str]) -> None:
    """Exit 0 needs every presentment posted, now or before; suspicious ones are posted."""
    found, done = told(*[outcome] * 3)
    assert {name for name, (_, lines) in found.items() if 2 in lines} == groups
    clean = reading.read(ipm(record()))
    alone = report("day.ipm", clean, [Result(clean.lines[0], outcome)])
    assert (alone.done, done) == (outcome.outcome != "refused", False)


def test_what_stopped_it_is_not_done() -> None:
    clean = reading.read(ipm(record()))
    assert not report("day.ipm", clean, [Result(clean.lines[0], posted())], "no engine answers").done


@given(st.text("0123456789 -", min_size=11, max_size=25))
def test_no_card_number_is_told(pan: str) -> None:
    """Also of one that is written with spaces, and is therefore no card number."""
    text = json.dumps({**OBJECT, "pan_or_card": pan})
    made = report("day.jsonl", reading.read(text.encode()), ())
    for content in (as_json(made), as_csv(made)):
        assert pan.encode() not in content


OBJECT = {
    "scheme": "visa", "rrn": "", "authorization_code": "", "amount": 1, "currency": "PLN", "merchant_id": "", "mcc": "5411",
}  # fmt: skip


def test_of_an_ipm_file_neither() -> None:
    made = report("day.ipm", FILE, ())
    assert all(PAN.encode() not in content for content in (as_json(made), as_csv(made)))
