"""docs/performance.md: what is measured stands between markers, and is written by whoever measured it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"


def write(name: str, lines: Sequence[str], page: Path = PAGE) -> None:
    """Put `lines` between `<!-- NAME -->` and `<!-- /NAME -->`."""
    text = page.read_text("utf-8")
    between = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    assert between.search(text), f"{page} has no place for {name}"
    page.write_text(between.sub(lambda found: found[1] + "\n".join(lines) + "\n" + found[2], text), "utf-8")
