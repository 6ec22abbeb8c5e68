"""The fuzzer: any bytes at all, in any dialect; the compiled codec says what the reference says, or nothing.

    python tests/codec/fuzz_codec.py -runs=1000000 NEW_FINDS tests/data/fuzz      (make fuzz)

The first byte chooses the dialect, the rest is the payload. atheris (libFuzzer) watches which lines of the reference and of
pyiso8583 a payload reaches, and goes on from those that reach new ones.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["authsvc.codec", "iso8583"]):
    from codec_oracle import Oracle

    from authsvc.codec.layout import load_layouts

ORACLES = [Oracle(layout) for _, layout in sorted(load_layouts().items())]


def check(data: bytes) -> None:
    """One run."""
    if data:
        ORACLES[data[0] % len(ORACLES)].check(data[1:])


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
