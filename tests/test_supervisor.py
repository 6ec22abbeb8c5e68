"""What systemd is told, and whether it takes our unit."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from authsvc import supervisor

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "config/systemd/authsvc.service"
MOST_EXPOSED = 30
"""Tenths, as `systemd-analyze security` counts: 0 is shut, 100 wide open; below 30 it says OK."""


@pytest.mark.parametrize("abstract", [False, True])
def test_ready_is_told(tmp_path: Path, abstract: bool) -> None:
    """To a socket in the file system, or to an abstract one."""
    path = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0{path}" if abstract else path)
        listening.settimeout(5)
        supervisor.tell(f"@{path}" if abstract else path, "READY=1")
        assert listening.recv(100) == b"READY=1"


def test_nobody_listens() -> None:
    """Started by hand, there is nobody to tell."""
    supervisor.tell("", "READY=1")


@pytest.fixture
def systemd_analyze() -> str:
    found = shutil.which("systemd-analyze")
    if found is None:
        pytest.skip("NOT TESTED: no systemd-analyze (Debian: package systemd)")
    return found


def test_systemd_takes_the_unit(systemd_analyze: str, tmp_path: Path) -> None:
    """Nothing unknown in it, every program is there; with this checkout in place of /opt/authsvc."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/authsvc/.venv/bin", str(Path(sys.executable).parent)))
    command = [systemd_analyze, "verify", "--man=no", copy]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, complaints) == (0, [])


def test_the_unit_is_shut(systemd_analyze: str) -> None:
    command = [systemd_analyze, "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", UNIT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout.splitlines()[-1]
