"""`make demo` and `make load` against a real engine: a process of its own, real Valkey, real SQLite."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from click.testing import CliRunner, Result

from loadtest import __main__ as load
from loadtest import scenes, story
from loadtest.engine import PrivateEngine
from loadtest.messages import Kind
from loadtest.stage import WIDTH, Stage

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning:psec")


@pytest.fixture(scope="module")
def engine() -> Iterator[PrivateEngine]:
    with PrivateEngine() as started:
        yield started


def address(engine: PrivateEngine) -> list[str]:
    return ["--iso", f"127.0.0.1:{engine.iso_port}", "--api", engine.api.base]


def put_load(engine: PrivateEngine, *options: str) -> Result:
    some = ("--seconds", "20", "--accounts", "60", "--every", "0.2", "--most", "600")
    return CliRunner().invoke(load.main, [*address(engine), *some, *options])


def test_the_story_holds(engine: PrivateEngine) -> None:
    """Every scene is played, every answer is the expected one, and the clock is where it was."""
    before = engine.api.simulated_now()
    told = CliRunner().invoke(story.main, address(engine))
    assert told.exit_code == 0, told.output
    assert told.output.endswith(": every answer as expected\n")
    assert all(scene.title in told.output for scene in scenes.STORY)
    assert max(map(len, told.output.splitlines())) <= WIDTH
    assert engine.api.simulated_now() == before


def test_an_unexpected_answer_is_marked_and_is_exit_code_1(
    engine: PrivateEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The story is a test: a scene that expects what does not happen is told."""

    def play(stage: Stage) -> None:
        card = stage.card("prepaid-sgb", load=100)
        stage.pay(Kind.CHIP_PIN, card, 200, "00")
        stage.pay(Kind.CHIP_PIN, card, 50, "00", held=51)

    monkeypatch.setattr(story, "STORY", (scenes.Scene("A wrong expectation", play),))
    told = CliRunner().invoke(story.main, address(engine))
    assert told.exit_code == 1
    assert "UNEXPECTED: there should be 00" in told.output
    assert "UNEXPECTED: there should be held 0.51, not 0.50" in told.output
    assert told.output.endswith("2 NOT AS EXPECTED\n")


@pytest.mark.parametrize("loop", [("--rate", "1500"), ("--closed", "8")])
def test_load_is_answered_and_reported(engine: PrivateEngine, loop: tuple[str, ...]) -> None:
    """Open and closed loop; the second run finds the accounts of the first."""
    done = put_load(engine, *loop)
    assert done.exit_code == 0, done.output
    assert "sent 600, answered 600" in done.output
    assert "unanswered 0, garbled 0, wrong 0, links lost 0" in done.output


def test_no_card_number_or_pin_is_shown(engine: PrivateEngine) -> None:
    """Neither the story nor the load prints a PAN."""
    shown = CliRunner().invoke(story.main, address(engine)).output + put_load(engine).output
    assert "418039" not in shown
    assert "557529" not in shown


@pytest.mark.parametrize(
    ("options", "then"),
    [
        (["--iso", "192.0.2.1:8583"], "192.0.2.1 is not this machine; --allow-remote allows it"),
        (["--api", "http://192.0.2.1:8580"], "192.0.2.1 is not this machine; --allow-remote allows it"),
        (["--iso", "8583"], "expected HOST:PORT"),
        (["--mix", "none.toml"], "none.toml: No such file or directory"),
        (["--keys", "none.toml"], "none.toml: zone_pin cannot be read: FileNotFoundError"),
        (["--rate", "0"], "--rate"),
    ],
)
def test_wrong_use_is_exit_code_2(options: list[str], then: str) -> None:
    """Said in one line, before anything is sent."""
    refused = CliRunner().invoke(load.main, options)
    assert refused.exit_code == 2
    assert then in refused.output


@pytest.mark.parametrize("command", [load.main, story.main])
def test_no_engine_is_exit_code_1(command: object) -> None:
    """An address that was asked for and does not answer ends it; no other engine is started instead."""
    nobody = ["--iso", "127.0.0.1:1", "--api", "http://127.0.0.1:1"]
    refused = CliRunner().invoke(command, nobody)  # type: ignore[arg-type]
    assert refused.exit_code == 1
    assert "no engine answers at http://127.0.0.1:1" in refused.output
