"""Recording rules and alerts: what promtool says of them, and that each alert leads to its page of the runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RULES = ROOT / "config/prometheus"
ALERTS = re.findall(r"alert: (\w+)", (RULES / "alerts.yml").read_text())


@pytest.mark.parametrize("words", [
    ("check", "config", "prometheus.yml"), ("check", "rules", "recording.yml", "alerts.yml"),
    ("test", "rules", "rules_test.yml"),
])  # fmt: skip
def test_promtool_accepts_them(promtool: Path, words: tuple[str, ...], tmp_path: Path) -> None:
    """The files are valid, and every alert is quiet on a healthy series and fires on a bad one; by themselves, as on a machine
    that never saw the project."""
    alone = shutil.copytree(RULES, tmp_path / "rules")
    done = subprocess.run([promtool, *words], cwd=alone, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_tested_and_explained(alert: str) -> None:
    """Both ways in rules_test.yml; in the runbook what it means, what to look at, what to do, where its link leads."""
    tests = (RULES / "rules_test.yml").read_text()
    assert len(re.findall(rf"alertname: {alert}\n", tests)) >= 2
    assert f"runbook_url: docs/runbook.md#{alert.lower()}\n" in (RULES / "alerts.yml").read_text()
    page = (ROOT / "docs/runbook.md").read_text().split(f"## {alert}\n", 1)[1].split("\n## ", 1)[0]
    assert [line.split(":", 1)[0] for line in page.splitlines() if line.startswith("**")] == [
        "**Means**", "**Look at**", "**Do**",
    ]  # fmt: skip


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_is_fired_by_its_fault(alert: str) -> None:
    """By a real engine and a real Prometheus, in one of the tests beside this one."""
    tests = "".join((Path(__file__).parent / f"test_observe_{name}.py").read_text() for name in ("live", "faults"))
    assert re.search(rf'until_firing\([^)]*"{alert}"|then\("{alert}"\)', tests)


def test_the_runbook_has_no_page_without_an_alert() -> None:
    """A page that nothing leads to is out of date."""
    assert re.findall(r"^## (Authsvc\w+)$", (ROOT / "docs/runbook.md").read_text(), re.MULTILINE) == ALERTS
