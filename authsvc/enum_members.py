"""Members of enums are found at once, as they are in Python 3.12.

In 3.11 they stand in their class already, but the metaclass still has the `__getattr__` of before, and with one each lookup in
such a class takes the long way: 160 ns for `Kind.PURCHASE` instead of 30. 78 lookups a message were a tenth of the event loop.
"""

from __future__ import annotations

import sys
from enum import EnumType


def find_at_once() -> None:
    """For all enums of this process, from now on. Changes nothing in Python 3.12 and later."""
    if sys.version_info < (3, 12) and "__getattr__" in vars(EnumType):
        del EnumType.__getattr__  # type: ignore[attr-defined]
