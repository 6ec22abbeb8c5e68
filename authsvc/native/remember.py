"""Put `remember.h` into what mypyc has written, before it is compiled: it redefines how an attribute is asked for, and the
asking for a global, which mypyc writes as three lines, becomes one that remembers. What is written otherwise stays as it is."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

HEADER = Path(__file__).with_name("remember.h")
_INCLUDED = re.compile(r'(?:#include "__native[^\n]*\n)+')
_GLOBAL = re.compile(
    r"(?P<before>    (?P<globals>cpy_r_\w+) = CPyStatic_\w*globals;\n"
    r"    (?P<name>cpy_r_\w+) = CPyStatics\[\d+\];[^\n]*\n"
    r"    cpy_r_\w+ = )CPyDict_GetItem\((?P=globals), (?P=name)\);"
)


def put_into(work: Path) -> int:
    """Into each C file of a module below `work`; returns how many globals are remembered.

    Raises ValueError where mypyc writes otherwise than we know it.
    """
    shutil.copy(HEADER, work)
    asked = 0
    for path in sorted(work.rglob("__native*.c")):
        written, here = _GLOBAL.subn(r"\g<before>AUTHSVC_GLOBAL(\g<globals>, \g<name>);", path.read_text())
        written, included = _INCLUDED.subn(rf'\g<0>#include "{HEADER.name}"\n', written, count=1)
        if not included:
            raise ValueError(f"{path.name}: includes no header of mypyc")
        path.write_text(written)
        asked += here
    if not asked:
        raise ValueError("mypyc asks for no global as it used to")
    return asked
