"""`python -m authsvc.native MODULE ARGUMENT...`: run a module on what is compiled; how our processes start others."""

from __future__ import annotations

import runpy
import sys

from authsvc import native

if __name__ == "__main__":
    native.use()
    sys.argv = sys.argv[1:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
