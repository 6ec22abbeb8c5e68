"""Tokens in a file: made, rotated and ended while the engine runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from authsvc.config import Token as ConfiguredToken
from authsvc.control import token_file
from authsvc.control.roles import Role, Token
from authsvc.control.token_file import token_hash
from authsvc.control.tokens import Tokens
from authsvc.errors import ConfigError
from authsvc.model import UnixMs

NOON = UnixMs(1_781_517_600_000)
HOUR = 3_600_000


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> UnixMs:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.json"


def new(path: Path, name: str = "anna", role: str = "branch", hours: int = 1) -> tuple[str, str]:
    kept, text = token_file.new(path, name, role, NOON, UnixMs(NOON + hours * HOUR))  # type: ignore[arg-type]
    return kept.id, text


def test_tokens_of_the_settings() -> None:
    """The settings name tokens; each is found by its text."""
    configured = {"demo": ConfiguredToken(role="operator", sha256=token_hash("demo-operator"))}
    tokens = Tokens(configured, None, Clock())
    assert tokens.find("demo-operator") == Token("demo", Role.OPERATOR)
    assert tokens.find("demo") is None


def test_a_token_is_rotated_without_a_restart(path: Path) -> None:
    """Old and new are good together; the old one ends when it was said, the new one goes on."""
    clock = Clock()
    tokens = Tokens({}, path, clock)
    first_id, first = new(path)
    assert tokens.find(first) == Token("anna.1", Role.BRANCH)
    second_id, second = new(path)
    assert (first_id, second_id) == ("anna.1", "anna.2")
    assert token_file.revoke(path, "anna.1", UnixMs(NOON + 60_000))
    assert tokens.find(first)
    assert tokens.find(second) == Token("anna.2", Role.BRANCH)
    clock.now = UnixMs(NOON + 60_000)
    assert tokens.find(first) is None
    assert tokens.find(second)


def test_a_token_ends_by_itself(path: Path) -> None:
    """At its time, not after it; and it cannot be revoked to later than that."""
    clock = Clock()
    _, text = new(path, hours=1)
    token_file.revoke(path, "anna.1", UnixMs(NOON + 9 * HOUR))
    tokens = Tokens({}, path, clock)
    clock.now = UnixMs(NOON + HOUR - 1)
    assert tokens.find(text)
    clock.now = UnixMs(NOON + HOUR)
    assert tokens.find(text) is None


def test_the_file_does_not_hold_the_token(path: Path) -> None:
    """Only its hash, in a file that nobody else reads; no two texts are the same."""
    texts = {new(path)[1] for _ in range(20)}
    assert len(texts) == 20
    assert not any(text in path.read_text() for text in texts)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [kept.id for kept in token_file.read(path)] == [f"anna.{number}" for number in range(1, 21)]


def test_a_file_that_goes_wrong_changes_nothing(path: Path) -> None:
    """Tokens read before stay good; with a right file again, the change holds."""
    tokens = Tokens({}, path, Clock())
    _, first = new(path)
    assert tokens.find(first)
    right = path.read_bytes()
    path.write_text('[{"id": "x"')
    assert tokens.find(first)
    path.write_bytes(right)
    _, second = new(path)
    assert tokens.find(second)


@pytest.mark.parametrize(
    "text", ["{}", "[1]", '[{"id":"anna","role":"branch","sha256":"00","created":1}]', '[{"id":"anna.1","role":"king"}]'],
)  # fmt: skip
def test_a_wrong_file_stops_the_start(path: Path, text: str) -> None:
    """And the setting is named."""
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"^control\.token_file: "):
        Tokens({}, path, Clock())


def test_nobody_of_this_id(path: Path) -> None:
    assert not token_file.revoke(path, "anna.1", NOON)
