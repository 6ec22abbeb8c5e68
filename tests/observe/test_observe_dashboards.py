"""The dashboards in config/grafana are those of the code, and Grafana can tell their panels apart."""

from __future__ import annotations

import json

import pytest

from loadtest.observe.dashboards import DASHBOARDS, FOLDER, text_of


def test_no_other_file() -> None:
    """Every dashboard has its file, and every file its code."""
    assert {path.stem for path in FOLDER.glob("*.json")} == set(DASHBOARDS)


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_current(uid: str) -> None:
    """`make dashboards` would change nothing."""
    assert (FOLDER / f"{uid}.json").read_text() == text_of(uid)


@pytest.mark.parametrize("uid", DASHBOARDS)
def test_panels(uid: str) -> None:
    """Each has a number of its own, a place inside the 24 columns that no other has, and reads the chosen Prometheus."""
    panels = json.loads(text_of(uid))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
    graphs = [panel for panel in panels if panel["type"] != "row"]
    assert {panel["datasource"]["uid"] for panel in graphs} == {"${source}"}
    assert all("$" not in target["expr"] for panel in graphs for target in panel["targets"])
