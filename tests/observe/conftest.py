"""The programs of Debian's package `prometheus`. Where they cannot be had, these tests are skipped, and say why."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtest.observe.prometheus import PrometheusError, program


def _program(name: str) -> Path:
    try:
        return program(name)
    except PrometheusError as error:
        pytest.skip(f"NOT TESTED: {error}")


@pytest.fixture(scope="session")
def promtool() -> Path:
    return _program("promtool")


@pytest.fixture(scope="session")
def prometheus() -> Path:
    return _program("prometheus")
