"""Where the time goes: py-spy beside a running process, its samples summed up by function. Optional: `pip install py-spy`."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SAMPLES_A_SECOND = 200
MOST = 25
_LINE = re.compile(r":\d+\)$")


class Profile:
    """`lines`: filled when the profile has ended."""

    def __init__(self) -> None:
        self.lines: list[str] = []


@contextmanager
def profiled(pid: int, seconds: float) -> Iterator[Profile]:
    """Sample what holds the interpreter lock, for so long, while the body runs; without py-spy, say so and go on."""
    found, profile = _py_spy(), Profile()
    if found is None:
        profile.lines = ["no profile: pip install py-spy"]
        yield profile
        return
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "raw"
        command = [
            found,
            "record",
            "-p",
            str(pid),
            "-d",
            str(max(1, int(seconds))),
            "-r",
            str(SAMPLES_A_SECOND),
            "--gil",
        ]
        sampling = subprocess.Popen(
            [*command, "-f", "raw", "-o", str(raw)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        yield profile
        sampling.wait(seconds + 30)
        profile.lines = summed(raw.read_text()) if raw.exists() else ["py-spy may not look at the process"]


def _py_spy() -> str | None:
    near = Path(sys.executable).with_name("py-spy")
    return str(near) if near.exists() else shutil.which("py-spy")


def summed(raw: str) -> list[str]:
    """Of lines "frame;frame;frame COUNT": each function with its own share and that of what it called."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = [_LINE.sub(")", frame) for frame in stack.split(";")]
        own[frames[-1]] += int(count)
        whole.update(dict.fromkeys(frames, int(count)))
    total = max(1, sum(own.values()))
    rows = [f"{'own':>6} {'with calls':>10}  function"]
    for frame, samples in own.most_common(MOST):
        rows.append(f"{samples / total:6.1%} {whole[frame] / total:10.1%}  {frame}")
    return rows
