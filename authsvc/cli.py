"""The command line. Exit 0 done, 1 refused or found a difference, 2 wrong use.

`serve` runs the engine. `explain` and `reconcile` read its ledger, beside it or without it; `describe` reads a message.
`account` and `card` (module `cli_cards`) and `present` (`cli_present`) ask a running engine through its control API.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import click
import redis
import uvloop
from redis.backoff import NoBackoff
from redis.retry import Retry

from authsvc import __version__, config, engine, logs, workers
from authsvc import cli_books as _books  # noqa: F401 - its commands join `account`
from authsvc.cli_cards import account, card
from authsvc.cli_present import present
from authsvc.codec.describe import describe as describe_message
from authsvc.codec.describe import payload_from_text, rows
from authsvc.codec.dialects import DIALECTS
from authsvc.errors import AuthsvcError, ConfigError, PeerError
from authsvc.ledger.postgres_records import PostgresRecords
from authsvc.ledger.reconcile import Copy
from authsvc.ledger.reconcile import reconcile as differences
from authsvc.ledger.sqlite_reader import SqliteReader, open_reader
from authsvc.model import AccountId, Head
from authsvc.rules.evolve import evolve
from authsvc.rules.explain import explain as tell
from authsvc.state.copy import head_in, key_of_account
from authsvc.state.embedded import EmbeddedValkey

F = TypeVar("F", bound=Callable[..., object])


def settings(command: F) -> F:
    """The options that say which engine: its settings file and what to put over it."""
    path = click.Path(dir_okay=False, path_type=Path)
    command = click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a setting.")(
        command
    )
    option = click.option("--config", "file", type=path, default=Path("config/demo.toml"), show_default=True)
    return option(command)


class _Group(click.Group):
    """Errors of ours are one line and exit 1, wherever they come from."""

    def invoke(self, context: click.Context) -> object:
        try:
            return super().invoke(context)
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
    for demo in started[0].seeded:
        click.echo(
            f"  demo card    {demo.pan}  PIN {demo.pin}  expiry {demo.expiry}  {demo.product}  account {demo.account}"
        )
    if started[0].seeded:
        click.echo("  try          make demo     (in another terminal; plays a story and explains each answer)")
    click.echo("ready; Ctrl-C stops everything")
    sys.stdout.flush()


@main.command()
@click.argument("rrn")
@settings
def explain(rrn: str, file: Path, overrides: tuple[str, ...]) -> None:
    """Tell the decisions on the messages with this RRN, oldest first, each rule with its paragraph."""
    found = _open_ledger(config.load(file, overrides)).find(rrn, "", "", 100)
    for row in reversed(found):
        click.echo(tell(row.decision))
    if not found:
        raise click.ClickException(f"no decision on a message with RRN {rrn}")


@main.command()
@click.argument("message")
@click.option("--dialect", type=click.Choice(list(DIALECTS)), default="iso87-ascii", show_default=True)
def describe(message: str, dialect: str) -> None:
    """Show a message field by field, secrets masked. MESSAGE: hexadecimal, raw text, or a file of either."""
    try:
        payload = payload_from_text(_text_of(message), DIALECTS[dialect])
    except PeerError as error:
        raise click.ClickException(str(error)) from error
    click.echo(describe_message(payload, DIALECTS[dialect]))
    if rows(payload, DIALECTS[dialect])[1]:
        sys.exit(1)


def _text_of(message: str) -> str:
    """What is in the file of this name; without one, `message` itself. A long message cannot even be a name."""
    try:
        return Path(message).read_text("latin-1")
    except OSError:
        return message


@main.command()
@settings
def reconcile(file: Path, overrides: tuple[str, ...]) -> None:
    """Prove that heads, holds and the Redis copy agree with the journal; name every account that does not."""
    loaded = config.load(file, overrides)
    reader = _open_ledger(loaded)
    copy = _redis_copy(loaded)
    where = loaded.data_dir / engine.LEDGER_FILE if loaded.ledger.url == config.EMBEDDED else "PostgreSQL"
    click.echo(f"ledger: {where}, Redis copy: {'compared' if copy else 'not running'}")
    count = 0
    for difference in differences(reader, evolve, copy):
        count += 1
        click.echo(f"{difference.account} at {difference.seq}: {difference.what.value}: {difference.detail}")
    click.echo(f"{sum(1 for _ in reader.every_account())} accounts, {count} differences")
    if count:
        sys.exit(1)


def _redis_copy(loaded: config.Config) -> Copy | None:
    """How to read the copy, None when no Redis answers: then there is nothing that could differ."""
    url = loaded.redis.url
    url = EmbeddedValkey(loaded.data_dir).url if url == config.EMBEDDED else url
    client = redis.Redis.from_url(url, socket_timeout=5, retry=Retry(NoBackoff(), 0))  # its own: 4 s of waiting
    try:
        client.ping()
    except redis.RedisError:
        return None

    def copy(account: AccountId) -> Head | None:
        return head_in(account, client.hmget(key_of_account(account), "v", "s", "h"))

    return copy


def _open_ledger(loaded: config.Config) -> SqliteReader | PostgresRecords:
    """Read-only, beside a running engine or without one. Raises ConfigError."""
    if loaded.ledger.url == config.EMBEDDED:
        return open_reader(loaded.data_dir / engine.LEDGER_FILE)
    return PostgresRecords(loaded.ledger.url)


main.add_command(account)
main.add_command(card)
main.add_command(present)
