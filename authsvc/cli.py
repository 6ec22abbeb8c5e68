"""The command line. Exit 0 done, 1 refused or found a difference, 2 wrong use.

`serve` runs the engine. `explain`, `reconcile`, `rebuild` and `replay` (`cli_ledger`) read its ledger, beside it or without it;
`describe` reads a message; `keys` (`cli_keys`) makes key blocks. `account` and `card` (`cli_cards`) and `present`
(`cli_present`) ask a running engine through its control API. What `serve` does without is imported when it is asked for: an
engine would carry all of it in its memory.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click
import uvloop

from authsvc import __version__, check, config, logs, native, supervisor, workers
from authsvc.cli_options import as_json_option, settings
from authsvc.errors import AuthsvcError, ConfigError, NotThereError

ELSEWHERE = {
    "account": ("cli_cards", "cli_books", "cli_import", "cli_plastic"),
    "audit": ("cli_watch",),
    "card": ("cli_cards", "cli_plastic"),
    "decisions": ("cli_watch",),
    "describe": ("cli_describe",),
    "explain": ("cli_ledger",),
    "keys": ("cli_keys",),
    "links": ("cli_watch",),
    "log": ("cli_change",),
    "present": ("cli_present",),
    "rebuild": ("cli_ledger",),
    "reconcile": ("cli_ledger",),
    "reload": ("cli_change",),
    "replay": ("cli_ledger",),
    "token": ("cli_tokens",),
    "top": ("cli_top",),
}
"""Commands by the modules that make them: the first has it, the others add to it."""


class _Group(click.Group):
    """Errors of ours are one line and exit 1, wherever they come from."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *ELSEWHERE})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in ELSEWHERE:
            return super().get_command(context, name)
        made, *_ = [import_module(f"authsvc.{module}") for module in ELSEWHERE[name]]
        command: click.Command = getattr(made, name)
        return command

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
        except NotThereError as error:
            raise click.ClickException(str(error)) from error
        except ConfigError as error:
            raise click.UsageError(str(error)) from error
        except AuthsvcError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """A real-time card authorization engine: an ISO 8583 issuer switch."""
    if not __debug__:
        raise click.UsageError("authsvc does not run under python -O: its assertions are part of it")


@main.command()
@settings
def serve(file: Path, overrides: tuple[str, ...]) -> None:
    """Run the engine until SIGTERM or Ctrl-C."""
    loaded = config.load(file, overrides)
    logs.configure(loaded.log.level)
    sys.exit(uvloop.run(workers.serve(loaded, _announce)))


@main.command("check-config")
@as_json_option
@settings
def check_config(file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Check everything a start would, without starting. Exit 0: it would start; 1: each problem on a line."""
    try:
        found = list(check.problems(config.load(file, overrides)))
    except ConfigError as error:
        found = [str(error)]
    if as_json:
        click.echo(json.dumps({"file": str(file), "problems": found}))
        sys.exit(1 if found else 0)
    for problem in found:
        click.echo(problem, err=True)
    if found:
        sys.exit(1)
    click.echo(f"{file}: settings, products, response codes, rates, chart and keys are right")


def _announce(loaded: config.Config, started: Sequence[workers.Started]) -> None:
    """Where to look, and a line to try."""
    for name, listener in loaded.listeners.items():
        port = started[0].ports[name]
        framing = " ".join([listener.framing, *(key for key in ("inclusive", "tpdu", "vap") if getattr(listener, key))])
        click.echo(f"  ISO 8583     {listener.host}:{port}  {listener.dialect}, framing {framing}  (listener {name})")
    for each in started:
        control = f"http://{loaded.control.host}:{each.ports['control']}"
        click.echo(f"  control API  {control}/v1   schema at /schema, also /healthz /readyz /metrics")
    click.echo(f"  data         {loaded.data_dir.resolve()}   clock: {loaded.clock}   workers: {loaded.workers}")
    click.echo(f"  program      {native.state()}")
    for demo in started[0].seeded:
        click.echo(
            f"  demo card    {demo.pan}  PIN {demo.pin}  expiry {demo.expiry}  {demo.product}  account {demo.account}"
        )
    supervisor.tell(os.environ.get("NOTIFY_SOCKET", ""), "READY=1")
    if started[0].seeded:
        click.echo("  try          make demo     (in another terminal; plays a story and explains each answer)")
    click.echo("ready; Ctrl-C stops everything")
    sys.stdout.flush()
