"""docs/links.md, tried as it is written: its shell, its settings, its peer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from e2e_process import ROOT, EngineProcess, free_port

PAGE = (ROOT / "docs/links.md").read_text()


def blocks(language: str) -> str:
    return "\n".join(re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the page makes its certificates with openssl")
def test_the_page_works_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every block in its order; only ports are other ones, and the folder is this test's own."""
    (tmp_path / "config").symlink_to(ROOT / "config")
    port = free_port()
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    shell = f"set -eu\n{blocks('sh').replace('9583', str(port))}\necho master $AUTHSVC_MASTER_KEY\n"
    done = subprocess.run(["bash", "-c", shell], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "keys are right" in done.stdout
    monkeypatch.setenv("AUTHSVC_MASTER_KEY", done.stdout.split()[-1])

    settings = (tmp_path / "var/bank/settings.toml").read_text().partition("[listeners.bank-a]")[2].splitlines()
    rows = [line.partition("#")[0].strip().partition(" = ") for line in settings if " = " in line]
    words = [
        f"listeners.bank-a.{name}={value.replace('var/bank', str(tmp_path / 'var/bank'))}" for name, _, value in rows
    ]
    engine = EngineProcess(tmp_path / "data", f"key_file={tmp_path / 'var/bank/keys.toml'}", *words).start()
    peer = blocks("python").replace("9583", str(port))
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", peer],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert said.stdout.splitlines() == ["echo 00", "new MAC key 00", "echo under it 00"], said.stderr
    engine.stop()
