"""Writes docs/conformance.md: paragraph -> rule (step of a decision) -> tests -> products; fails when one has no test.

Paragraphs and steps come from the product files, and from `tests/data/rulebook_paragraphs.toml`, which is what the
rulebook names; tests come from the docstrings under tests/. A test that names a paragraph, or a sentence of it, is a
witness of that paragraph; a test that names only the paragraph around it is none.

Run `python tests/conformance.py` to write the page. It ends with 1, naming them, when paragraphs have no witness;
tests/test_conformance.py is the same check within `make check`.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = Path("docs") / "conformance.md"
RULEBOOK = Path("tests") / "data" / "rulebook_paragraphs.toml"
SENTENCE = r"\d+(?:\.\d+)*(?:\.?[a-z]\b)?(?:[-–]\d+)?"
ONE = rf"(?:zał\.\d+(?:\s+§{SENTENCE})?|§{SENTENCE})"
PARAGRAPH = re.compile(rf"\b([SWP])\s+({ONE}(?:\s*,\s*{ONE})*)")
ITEM = re.compile(r"(zał\.\d+)?\s*(?:§(\d+(?:\.\d+)*)(?:\.?([a-z])\b)?(?:[-–](\d+))?)?")

Paragraph = tuple[str, str]
"""Letter of the regulation, and "12.3" or "2.52.c" or "zał.2" or "zał.3 1.4"."""
Named = dict[Paragraph, dict[str, set[str]]]
Witnesses = dict[Paragraph, list[str]]


def paragraphs_in(text: str) -> set[Paragraph]:
    """Every single paragraph that a text names; "S §12.3-4, §32.7" names three of S."""
    found: set[Paragraph] = set()
    for letter, items in PARAGRAPH.findall(text):
        for item in items.split(","):
            match = ITEM.search(item.strip())
            if match and (match[1] or match[2]):
                first = ".".join(part for part in (match[2], match[3]) if part)
                found |= {(letter, name) for name in _names(match[1] or "", first, match[4] or "")}
    return found


def _names(annex: str, first: str, last: str) -> Iterator[str]:
    """One paragraph, or each of a range over its last number."""
    if not first or not last:
        yield f"{annex} {first}".strip()
        return
    head, _, start = first.rpartition(".")
    for number in range(int(start), int(last) + 1):
        yield f"{annex} {head + '.' if head else ''}{number}".strip()


def in_products(root: Path = ROOT) -> Named:
    """Paragraph -> product -> steps of a decision that name it."""
    found: Named = defaultdict(lambda: defaultdict(set))
    for path in sorted((root / "config" / "products").glob("*.toml")):
        product = tomllib.loads(path.read_text("utf-8"))
        for step, text in product["paragraphs"].items():
            for paragraph in paragraphs_in(text):
                found[paragraph][product["id"]].add(step)
    return found


def in_rulebook(root: Path = ROOT) -> dict[Paragraph, dict[str, Any]]:
    """Paragraph -> how the list tells where it is decided: `steps`, `parameter`, or `not_ours`."""
    found: dict[Paragraph, dict[str, Any]] = {}
    for text, where in tomllib.loads((root / RULEBOOK).read_text("utf-8")).items():
        found |= dict.fromkeys(paragraphs_in(text), where)
    return found


def in_tests(root: Path = ROOT) -> Witnesses:
    """Paragraph -> the tests whose docstring names it."""
    found: Witnesses = defaultdict(list)
    for path in sorted((root / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test"):
                for paragraph in paragraphs_in(ast.get_docstring(node) or ""):
                    found[paragraph].append(f"{path.relative_to(root / 'tests')}::{node.name}")
    return found


def is_part_of(part: Paragraph, whole: Paragraph) -> bool:
    """Whether `part` is `whole` itself or a sentence of it: §12.3 of §12, zał.3 §1.4 of zał.3."""
    return part[0] == whole[0] and (part[1] == whole[1] or part[1].startswith((f"{whole[1]}.", f"{whole[1]} ")))


def covered_by(paragraph: Paragraph, tests: Mapping[Paragraph, list[str]]) -> list[str]:
    """The witnesses of a paragraph."""
    return sorted({one for named, witnesses in tests.items() if is_part_of(named, paragraph) for one in witnesses})


def to_be_tested(root: Path = ROOT) -> set[Paragraph]:
    """What a decision can name, and what the rulebook says is decided here."""
    ours = {paragraph for paragraph, where in in_rulebook(root).items() if "not_ours" not in where}
    return set(in_products(root)) | ours


def without_test(root: Path = ROOT) -> list[str]:
    """Paragraphs that ought to have a witness and have none."""
    tests = in_tests(root)
    found = sorted(to_be_tested(root), key=order)
    return [shown(paragraph) for paragraph in found if not covered_by(paragraph, tests)]


def misplaced(root: Path = ROOT) -> list[str]:
    """Paragraphs of the rulebook that no product names in the step that the list names, as "S §12.3: pin"."""
    products = in_products(root)
    return [
        f"{shown(paragraph)}: {step}"
        for paragraph, where in in_rulebook(root).items()
        for step in where.get("steps", ())
        if not _is_named_in(paragraph, step, products)
    ]


def _is_named_in(paragraph: Paragraph, step: str, products: Named) -> bool:
    return any(
        step in steps
        for named, by_product in products.items()
        if is_part_of(named, paragraph) or is_part_of(paragraph, named)
        for steps in by_product.values()
    )


HEAD = """\
# Conformance

Which paragraph decides where, and which tests hold it. Written by `make conformance` from the `[paragraphs]` of the
product files, the list of what the rulebook names (`tests/data/rulebook_paragraphs.toml`), and the docstrings of the
tests; `make check` fails when it is old, and when a paragraph of either has no test.
"""


def page(root: Path = ROOT) -> str:
    """The whole of docs/conformance.md."""
    tests, products, rulebook = in_tests(root), in_products(root), in_rulebook(root)
    lines = [HEAD, "| paragraph | rule (step) | tests | products |", "|---|---|---|---|"]
    lines += [_row(paragraph, products[paragraph], tests) for paragraph in sorted(products, key=order)]
    lines += ["", "## Named by the rulebook alone", "", "| paragraph | where | tests |", "|---|---|---|"]
    for paragraph in sorted(set(rulebook) - set(products), key=order):
        lines.append(f"| {shown(paragraph)} | {_where(rulebook[paragraph])} | {_cell(paragraph, tests)} |")
    lines += ["", f"Without a test: {', '.join(without_test(root)) or 'none'}."]
    return "\n".join(lines) + "\n"


def _row(paragraph: Paragraph, named: Mapping[str, set[str]], tests: Witnesses) -> str:
    steps = ", ".join(sorted({step for steps in named.values() for step in steps}))
    return f"| {shown(paragraph)} | {steps} | {_cell(paragraph, tests)} | {', '.join(sorted(named))} |"


def _cell(paragraph: Paragraph, tests: Witnesses, most: int = 6) -> str:
    witnesses = covered_by(paragraph, tests)
    more = f"<br>and {len(witnesses) - most} more" if len(witnesses) > most else ""
    return "<br>".join(f"`{witness}`" for witness in witnesses[:most]) + more


def _where(where: Mapping[str, Any]) -> str:
    if "not_ours" in where:
        return f"not decided here: {where['not_ours']}"
    return f"parameter `{where['parameter']}`" if "parameter" in where else ", ".join(where["steps"])


def order(paragraph: Paragraph) -> tuple[str, bool, list[int], str]:
    """As the regulation is read: its paragraphs, then its annexes."""
    letter, name = paragraph
    return letter, name.startswith("zał"), [int(number) for number in re.findall(r"\d+", name)], name


def shown(paragraph: Paragraph) -> str:
    """("P", "zał.3 1.4") -> "P zał.3 §1.4"."""
    letter, name = paragraph
    words = name.split(" ")
    return " ".join([letter, *(word if word.startswith("zał") else f"§{word}" for word in words)])


def main(root: Path = ROOT) -> int:
    """Write the page; 1 and the paragraphs on stderr when some have no test."""
    (root / PAGE).write_text(page(root), "utf-8")
    missing = without_test(root)
    for paragraph in missing:
        print(f"no test names {paragraph}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT))
