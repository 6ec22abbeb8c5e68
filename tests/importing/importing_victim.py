"""An import that is killed: `importing_victim.py FILE`, into the ledger beside it, in orders of 40, until one is told."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from importing_parts import opener

from authsvc.importing.reading import read
from authsvc.importing.run import Imported, run
from authsvc.ledger.sqlite_bulk import SqliteBulk


def die(_: Imported) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    path = Path(sys.argv[1])
    with path.open("rb") as file:
        run(read(file, is_csv=False), opener(), SqliteBulk(path.parent / "ledger.sqlite"), print, die, order=40)
