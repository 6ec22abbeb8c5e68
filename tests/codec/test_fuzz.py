"""A short run of the fuzzer over the corpus that longer ones left in tests/data/fuzz. `make fuzz` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CORPUS = HERE.parent / "data" / "fuzz"
RUNS = 10_000


@pytest.mark.skipif(sys.platform != "linux" or sys.version_info >= (3, 14), reason="atheris has wheels for Linux alone")
def test_no_bytes_make_the_compiled_codec_differ_from_the_reference(tmp_path: Path) -> None:
    """Every payload of the corpus, then thousands grown from them."""
    words = [sys.executable, HERE / "fuzz_codec.py", f"-runs={RUNS}", "-seed=1", "-max_len=700", tmp_path, CORPUS]
    run = subprocess.run(words, cwd=HERE, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stderr[-3000:]
    assert f"Done {RUNS} runs" in run.stderr


def test_the_corpus_is_there() -> None:
    """Without it the run above would begin from nothing, and soon end there."""
    assert len(list(CORPUS.iterdir())) > 100
