"""docs/conformance.md is what product files and tests say today."""

from __future__ import annotations

import pytest
from conformance import PAGE, page, paragraphs_in


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("S §12.3", {("S", "12.3")}),
        ("S §12.3, §32.7", {("S", "12.3"), ("S", "32.7")}),
        ("W §13.2-4", {("W", "13.2"), ("W", "13.3"), ("W", "13.4")}),
        ("P zał.3 §1.3, zał.2", {("P", "zał.3 1.3"), ("P", "zał.2")}),
        ("P §4.6-7 and S §2.43", {("P", "4.6"), ("P", "4.7"), ("S", "2.43")}),
        ("no paragraph here", set()),
    ],
)
def test_paragraphs_in_a_text(text: str, then: set[tuple[str, str]]) -> None:
    """Lists and ranges of paragraphs come out one by one."""
    assert paragraphs_in(text) == then


def test_the_page_is_current() -> None:
    """Whoever adds a test or a paragraph runs `make conformance`, and the page shows it."""
    assert PAGE.read_text("utf-8") == page()
