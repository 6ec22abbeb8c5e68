"""The modules on the way of a message, compiled to C by mypyc where somebody has built them (`build`), else as they stand; and
what is written in C (`codec/cut.c`), which is nowhere else.

What is compiled is what stands in the source: a build remembers its sources, and one that does not match them any more is
left aside, so nobody ever runs what he no longer sees. `AUTHSVC_NATIVE=0` leaves it aside as well. Tests run inside of their
process on the source; the servers they start run compiled.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

SOURCES = Path(__file__).parents[1]
BUILT = Path(__file__).with_name("built.d")
STAMP = "STAMP"
SUFFIX = EXTENSION_SUFFIXES[0]
MODULES = (
    "codec/amounts.py",
    "codec/answers.py",
    "codec/card_present.py",
    "codec/compiled.py",
    "codec/dialects.py",
    "codec/framing.py",
    "codec/network.py",
    "codec/originals.py",
    "codec/pan.py",
    "codec/subfields.py",
    "codec/track.py",
    "codec/translate.py",
    "decider.py",
    "ledger/append.py",
    "ledger/sqlite.py",
    "link.py",
    "metrics.py",
    "model/documents.py",
    "model/hold_list.py",
    "model/keys.py",
    "model/numbers.py",
    "model/posting_list.py",
    "payment_series.py",
    "pipeline.py",
    "rules/*.py",
    "security/draws.py",
    "security/hsm.py",
    "security/vault.py",
    "series.py",
    "server.py",
    "state/connection.py",
    "state/copy.py",
    "state/fields.py",
    "state/recent.py",
    "state/redis_link.py",
    "state/resting.py",
    "stepping.py",
    "tally.py",
)
"""What a message goes through, below `authsvc`. Not `model`: msgspec makes those classes in C already."""

APART = frozenset({"clearing", "control", "reading", "replay"})
"""Packages that nothing of `MODULES` imports, nor the command line: a change there leaves a build what it is."""


def sources() -> list[Path]:
    """The files of `MODULES`."""
    found = {path for pattern in MODULES for path in SOURCES.glob(pattern)}
    return sorted(path for path in found if path.name != "__init__.py")


def by_hand() -> list[Path]:
    """The modules that are written in C."""
    return sorted(SOURCES.rglob("*.c"))


def stamp() -> str:
    """Of the interpreter that runs, the sources as they stand, and all that they may import: its types are compiled in."""
    known = hashlib.sha256(f"{sys.version} {SUFFIX}".encode())
    for path in sorted((*SOURCES.rglob("*.py"), *SOURCES.rglob("*.h"), *by_hand())):
        name = path.relative_to(SOURCES)
        if not (name.parts[0] in APART or name.name.startswith("cli")):
            known.update(f"\0{name}\0".encode() + path.read_bytes())
    return known.hexdigest()


def is_current() -> bool:
    """Whether there is a build, of the sources as they are now."""
    try:
        return (BUILT / STAMP).read_text() == stamp()
    except FileNotFoundError:
        return False


def use() -> bool:
    """From now on import what was built, where it is current; to be called before any of it is imported."""
    if os.environ.get("AUTHSVC_NATIVE") == "0" or not is_current():
        return False
    if not in_use():
        sys.meta_path.insert(0, _Built())
    return True


def state() -> str:
    """Which program a command of this installation runs, in words: the sources take about twice as long for a message."""
    if os.environ.get("AUTHSVC_NATIVE") == "0":
        return "not compiled: AUTHSVC_NATIVE=0"
    if is_current():
        return "compiled"
    if (BUILT / STAMP).exists():
        return "NOT compiled: what was built is of other sources, make setup builds it again"
    return "NOT compiled: nothing has been built here, make setup does where there is a C compiler"


def in_use() -> bool:
    """Whether this process runs the compiled modules."""
    return any(isinstance(finder, _Built) for finder in sys.meta_path)


class _Built(MetaPathFinder):
    """Finds the compiled modules before their sources."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        file = BUILT / (fullname.replace(".", "/") + SUFFIX)
        return spec_from_file_location(fullname, file) if file.exists() else None
