"""`make demo`: play the story against a running engine, and say why it answered as it did. Also a test: exit 1 if not
every answer was the expected one.

It plays on the engine at --iso and --api. Two scenes move the clock; where the engine there runs on the system's clock,
they are played on a private engine with a simulated one, started for them and stopped afterwards. Where no engine
answers at the default addresses, all of it is played on the private one. A simulated clock is put back at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from loadtest.api import Api, ApiError
from loadtest.engine import DEMO_TOKEN, HOST, ROOT, EngineError, PrivateEngine
from loadtest.messages import zone_key
from loadtest.scenes import STORY, Scene
from loadtest.stage import WIDTH, Stage
from loadtest.wire import Link, WireError

DEFAULT_ISO = "127.0.0.1:8583"
DEFAULT_API = "http://127.0.0.1:8580"
KEYS = ROOT / "config/keys/demo.toml"
LEGEND = (
    "Each line is one ISO 8583 message over TCP and its answer (DE39). Below it the rule that decided,\n"
    "from the engine's journal (GET /v1/decisions), and its paragraph; S, W, P: the banks' regulations."
)


class Player:
    """Plays scenes and keeps the score. `scenes`: how many were played."""

    def __init__(self, console: Console, zone: bytes) -> None:
        self.scenes = self.messages = self.surprises = 0
        self._console = console
        self._zone = zone

    def play(self, scenes: Iterable[Scene], host: str, port: int, api: Api) -> None:
        """All `scenes` on one link to one engine. Raises WireError, ApiError, OSError when it cannot go on."""
        with Link(host, port) as link, _clock_put_back(api):
            stage = Stage(self._console, api, link, self._zone)
            try:
                for scene in scenes:
                    self.scenes += 1
                    self._console.print()
                    self._console.print(Rule(Text(f"{self.scenes}  {scene.title}", style="bold"), align="left"))
                    scene.play(stage)
            finally:
                self.messages += stage.messages
                self.surprises += stage.surprises

    def play_privately(self, scenes: Iterable[Scene], reason: str) -> None:
        """On an engine of our own with a simulated clock."""
        self._console.print()
        self._console.print(
            f"{reason}\nA private one with a simulated clock is started for the scenes below.", style="italic"
        )
        with PrivateEngine() as engine:
            self.play(scenes, HOST, engine.iso_port, engine.api)

    def score(self) -> str:
        verdict = "every answer as expected" if not self.surprises else f"{self.surprises} NOT AS EXPECTED"
        return f"{self.scenes} scenes, {self.messages} messages: {verdict}"


@contextmanager
def _clock_put_back(api: Api) -> Iterator[None]:
    """Whoever else uses a simulated clock finds it where it was."""
    before = api.simulated_now()
    try:
        yield
    finally:
        if before is not None:
            api.set_clock(before)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--iso", metavar="HOST:PORT", help=f"Where the engine speaks ISO 8583.  [default: {DEFAULT_ISO}]")
@click.option("--api", "base", metavar="URL", help=f"Its control API.  [default: {DEFAULT_API}]")
@click.option("--token", default=DEMO_TOKEN, help="Of a role that may do everything.  [default: the demo's operator]")
@click.option("--keys", type=click.Path(path_type=Path), default=KEYS, help="Key file with the zone PIN key.")
def main(iso: str | None, base: str | None, token: str, keys: Path) -> None:
    """Play a story against a running engine and explain each answer."""
    console = Console(width=WIDTH, highlight=False)
    host, port = _address(iso or DEFAULT_ISO)
    try:
        player = Player(console, zone_key(keys))
        _play_all(player, console, host, port, Api(base or DEFAULT_API, token), must_run=bool(iso or base))
    except (WireError, ApiError, EngineError, OSError, ValueError) as error:
        raise click.ClickException(f"the story stops: {error}") from error
    console.print()
    console.print(player.score(), style="bold")
    sys.exit(1 if player.surprises else 0)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise click.UsageError(f"--iso {text}: expected HOST:PORT, as in {DEFAULT_ISO}")
    return host, int(port)


def _play_all(player: Player, console: Console, host: str, port: int, api: Api, must_run: bool) -> None:
    """On the running engine what it can, the rest on a private one."""
    console.print(LEGEND, style="dim")
    if not api.ready():
        if must_run:
            raise ApiError(f"no engine answers at {api.base}")
        player.play_privately(STORY, f"No engine runs at {host}:{port} (make run starts one).")
        return
    console.print(f"Engine: {host}:{port}, control API {api.base}")
    if api.simulated_now() is not None:
        player.play(STORY, host, port, api)
        return
    player.play([scene for scene in STORY if not scene.moves_clock], host, port, api)
    rest = [scene for scene in STORY if scene.moves_clock]
    player.play_privately(rest, "The next scenes move the clock, and the engine above runs on the system's.")


if __name__ == "__main__":
    main()
