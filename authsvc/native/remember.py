"""Put `remember.h` into what mypyc has written, before it is compiled: the asking for an attribute, which mypyc writes as
two lines, and for a global, as three, becomes one that remembers. What is written otherwise stays as it is, and so does an
attribute whose name is no literal: the next time another may be asked for at the same place."""

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
_ATTRIBUTE = re.compile(
    r"(?P<before>    (?P<name>cpy_r_\w+) = CPyStatics\[\d+\];[^\n]*\n"
    r"    cpy_r_\w+ = )CPyObject_GetAttr\((?P<object>cpy_r_\w+), (?P=name)\);"
)


def put_into(work: Path) -> tuple[int, int]:
    """Into each C file of a module below `work`; returns how many attributes and globals are remembered.

    Raises ValueError where mypyc writes otherwise than we know it.
    """
    shutil.copy(HEADER, work)
    attributes = globals_ = 0
    for path in sorted(work.rglob("__native*.c")):
        written, here = _GLOBAL.subn(r"\g<before>AUTHSVC_GLOBAL(\g<globals>, \g<name>);", path.read_text())
        globals_ += here
        written, here = _ATTRIBUTE.subn(r"\g<before>AUTHSVC_ATTRIBUTE(\g<object>, \g<name>);", written)
        attributes += here
        written, included = _INCLUDED.subn(rf'\g<0>#include "{HEADER.name}"\n', written, count=1)
        if not included:
            raise ValueError(f"{path.name}: includes no header of mypyc")
        path.write_text(written)
    if not globals_ or not attributes:
        raise ValueError("mypyc asks for no attribute, or for no global, as it used to")
    return attributes, globals_
