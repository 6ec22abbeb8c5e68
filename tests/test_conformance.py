"""Every paragraph that decides something here has a test that names it; and this check can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import conformance
import pytest
from conformance import PAGE, ROOT, is_part_of, misplaced, page, paragraphs_in, shown, without_test

PRODUCT = """
id = "card"
[paragraphs]
pin = "S §12.3-4, W §2.52c"
"""
RULEBOOK = """
"S §9" = { steps = ["pin"] }
"P zał.3 §1.4" = { not_ours = "somebody else decides it" }
"""
TEST = """
def test_pin():
    \"\"\"{} A sentence.\"\"\"
"""


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("S §12.3", {("S", "12.3")}),
        ("S §12.3, §32.7", {("S", "12.3"), ("S", "32.7")}),
        ("W §13.2-4", {("W", "13.2"), ("W", "13.3"), ("W", "13.4")}),
        ("P zał.3 §1.3, zał.2", {("P", "zał.3 1.3"), ("P", "zał.2")}),
        ("P §4.6-7 and S §2.43", {("P", "4.6"), ("P", "4.7"), ("S", "2.43")}),
        ("S §2.37, §2.52c, §14.", {("S", "2.37"), ("S", "2.52.c"), ("S", "14")}),
        ("P §17.1.a.ii", {("P", "17.1.a")}),
        ("no paragraph here", set()),
    ],
)
def test_paragraphs_in_a_text(text: str, then: set[tuple[str, str]]) -> None:
    """Lists and ranges of paragraphs come out one by one."""
    assert paragraphs_in(text) == then


@pytest.mark.parametrize(
    ("part", "whole", "then"),
    [
        ("S §12.3", "S §12.3", True),
        ("S §12.3", "S §12", True),
        ("S §12", "S §12.3", False),  # who names the paragraph around it has not said which sentence
        ("S §12.30", "S §12.3", False),
        ("S §2.52c", "S §2.52", True),
        ("P zał.3 §1.4", "P zał.3", True),
        ("P zał.3 §1.4", "P §1", False),
        ("W §12.3", "S §12.3", False),
    ],
)
def test_what_is_a_witness_of_what(part: str, whole: str, then: bool) -> None:
    """A test stands for the paragraph it names and for those around it, not for its sentences."""
    ((one,), (other,)) = paragraphs_in(part), paragraphs_in(whole)
    assert is_part_of(one, other) is then
    assert shown(other) == whole.replace("§2.52c", "§2.52.c")


# ------------------------------------------------------------------------------------------------------- this repository


def test_every_paragraph_has_a_test() -> None:
    """What a decision can name, and what the rulebook says is decided here, is named by a test. This fails with the
    paragraphs: write a test for each that fails when its rule is broken, or take the reference out of the product file."""
    assert without_test() == []


def test_the_product_files_name_what_the_rulebook_names() -> None:
    """Each paragraph of the rulebook stands in the steps that decide it, so that a refusal names it."""
    assert misplaced() == []


def test_the_page_is_current() -> None:
    """Whoever adds a test or a paragraph runs `make conformance`, and the page shows it."""
    assert (ROOT / PAGE).read_text("utf-8") == page()


# ------------------------------------------------------------------------------------------------- that the check can fail


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of one product and one test that names all that is to be named."""
    for folder in ("config/products", "tests/data", "docs"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "config/products/card.toml").write_text(PRODUCT, "utf-8")
    (tmp_path / "tests/data/rulebook_paragraphs.toml").write_text(RULEBOOK, "utf-8")
    witness(tmp_path, "S §9.1, §12.3-4; W §2.52c.")
    return tmp_path


def witness(root: Path, docstring: str) -> None:
    (root / "tests" / "test_pin.py").write_text(TEST.format(docstring), "utf-8")


@pytest.mark.parametrize(
    ("docstring", "missing"),
    [
        ("S §9.1, §12.3-4; W §2.52c.", []),
        ("S §9, §12.3-4, §12.5; W §2.52c.", []),
        ("S §9.1, §12.3; W §2.52c.", ["S §12.4"]),
        ("S §9.1, §12; W §2.52.", ["S §12.3", "S §12.4", "W §2.52.c"]),  # the whole is no word of its sentences
        ("S §12.3-4; W §2.52c.", ["S §9"]),  # of the rulebook's list
        ("Nothing.", ["S §9", "S §12.3", "S §12.4", "W §2.52.c"]),
    ],
)
def test_a_paragraph_without_a_test_is_found(root: Path, docstring: str, missing: list[str]) -> None:
    """Of the product files and of the rulebook's list; what is not decided here needs none."""
    witness(root, docstring)
    assert without_test(root) == missing


def test_a_paragraph_in_no_step_of_its_own_is_found(root: Path) -> None:
    """The rulebook's list says "pin", and no product names S §9 there."""
    assert misplaced(root) == ["S §9: pin"]
    (root / "config/products/card.toml").write_text(PRODUCT.replace("S §12", "S §9.1, §12"), "utf-8")
    assert misplaced(root) == []


@pytest.mark.parametrize(("docstring", "code"), [("S §9.1, §12.3-4; W §2.52c.", 0), ("S §9.1, §12.3; W §2.52c.", 1)])
def test_the_program_ends_with_an_error(root: Path, docstring: str, code: int) -> None:
    """`make conformance` stops with the paragraphs on stderr; the page is written all the same, and says so."""
    witness(root, docstring)
    run = subprocess.run(
        [sys.executable, conformance.__file__, str(root)], capture_output=True, text=True, check=False, timeout=60
    )
    assert (run.returncode, run.stderr) == (code, "no test names S §12.4\n" if code else "")
    written = (root / PAGE).read_text("utf-8")
    assert f"Without a test: {'S §12.4' if code else 'none'}." in written
    assert "| S §12.3 | pin | `test_pin.py::test_pin` | card |" in written
    assert "| P zał.3 §1.4 | not decided here: somebody else decides it |  |" in written
