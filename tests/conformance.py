"""Writes docs/conformance.md: paragraph -> steps of a decision -> tests -> products.

Paragraphs and steps come from the product files, tests from the docstrings under tests/: a test that names a paragraph
is one of its witnesses. Run `python tests/conformance.py` to write the page; tests/test_conformance.py fails when the
page is old. The page ends with the paragraphs that decide something and have no test of their own yet.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "conformance.md"
ONE = r"(?:zał\.\d+(?:\s+§\d[\d.–-]*)?|§\d[\d.–-]*)"
PARAGRAPH = re.compile(rf"\b([SWP])\s+({ONE}(?:\s*,\s*{ONE})*)")
ITEM = re.compile(r"(zał\.\d+)?\s*(?:§(\d+(?:\.\d+)*)(?:[-–](\d+))?)?")

Paragraph = tuple[str, str]
"""Letter of the regulation, and "12.3" or "zał.2" or "zał.3 1.4"."""


def paragraphs_in(text: str) -> set[Paragraph]:
    """Every single paragraph that a text names; "S §12.3-4, §32.7" names three of S."""
    found: set[Paragraph] = set()
    for letter, items in PARAGRAPH.findall(text):
        for item in items.split(","):
            match = ITEM.search(item.strip())
            if match and (match[1] or match[2]):
                found |= {(letter, name) for name in _names(match[1] or "", match[2] or "", match[3] or "")}
    return found


def _names(annex: str, first: str, last: str) -> Iterator[str]:
    """One paragraph, or each of a range over its last number."""
    if not first or not last:
        yield f"{annex} {first}".strip()
        return
    head, _, start = first.rpartition(".")
    for number in range(int(start), int(last) + 1):
        yield f"{annex} {head + '.' if head else ''}{number}".strip()


def in_products() -> dict[Paragraph, dict[str, set[str]]]:
    """Paragraph -> product -> steps of a decision that name it."""
    found: dict[Paragraph, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for path in sorted((ROOT / "config" / "products").glob("*.toml")):
        product = tomllib.loads(path.read_text("utf-8"))
        for step, text in product["paragraphs"].items():
            for paragraph in paragraphs_in(text):
                found[paragraph][product["id"]].add(step)
    return found


def in_tests() -> dict[Paragraph, list[str]]:
    """Paragraph -> the tests whose docstring (or whose module's) names it."""
    found: dict[Paragraph, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
                for paragraph in paragraphs_in(ast.get_docstring(node) or ""):
                    found[paragraph].append(f"{path.relative_to(ROOT / 'tests')}::{node.name}")
    return found


def covered_by(paragraph: Paragraph, tests: dict[Paragraph, list[str]]) -> list[str]:
    """Tests that name the paragraph, a sentence of it, or the paragraph it is a sentence of."""
    letter, name = paragraph
    near = [
        witnesses
        for (other, said), witnesses in tests.items()
        if other == letter and (said == name or said.startswith(f"{name}.") or name.startswith(f"{said}."))
    ]
    return sorted({witness for witnesses in near for witness in witnesses})


def without_test() -> list[str]:
    """Paragraphs that a decision can name and no test does."""
    tests = in_tests()
    return sorted(_shown(paragraph) for paragraph in in_products() if not covered_by(paragraph, tests))


def page() -> str:
    """The whole of docs/conformance.md."""
    tests, products = in_tests(), in_products()
    lines = [
        "# Conformance", "",
        "Which paragraph decides where, and which tests hold it. Written by `python tests/conformance.py` from the",
        "`[paragraphs]` of the product files and the docstrings of the tests; `make check` fails when it is old.", "",
        "| paragraph | steps of a decision | products | tests |", "|---|---|---|---|",
    ]  # fmt: skip
    for paragraph in sorted(products, key=_order):
        steps = sorted({step for named in products[paragraph].values() for step in named})
        witnesses = covered_by(paragraph, tests)
        shown = "<br>".join(f"`{witness}`" for witness in witnesses[:6])
        more = f"<br>and {len(witnesses) - 6} more" if len(witnesses) > 6 else ""
        lines.append(
            f"| {_shown(paragraph)} | {', '.join(steps)} | {', '.join(sorted(products[paragraph]))} | {shown}{more} |"
        )
    lines += ["", f"No test names yet: {', '.join(without_test()) or 'none'}."]
    return "\n".join(lines) + "\n"


def _order(paragraph: Paragraph) -> tuple[str, list[int]]:
    return paragraph[0], [int(number) for number in re.findall(r"\d+", paragraph[1])]


def _shown(paragraph: Paragraph) -> str:
    letter, name = paragraph
    annex, _, rest = name.rpartition(" ")
    if name.startswith("zał") and not annex:
        return f"{letter} {name}"
    return f"{letter} {annex + ' ' if annex else ''}§{rest}"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    for missing in without_test():
        print(f"no test names {missing}")
