"""`authsvc explain`, `reconcile`, `rebuild` and `replay`: what reads a ledger, beside a running engine or without one."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import cast
from urllib.parse import unquote, urlsplit

import click
import msgspec
import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode
from redis.exceptions import RedisClusterException
from redis.retry import Retry

from authsvc import config
from authsvc.cli_options import as_json_option, settings
from authsvc.control.records import decision_view
from authsvc.engine import LEDGER_FILE
from authsvc.ledger.postgres_records import PostgresRecords
from authsvc.ledger.reconcile import reconcile as differences
from authsvc.ledger.sqlite_reader import SqliteReader, open_reader
from authsvc.model import AccountId, Head, UnixMs
from authsvc.products import load_products
from authsvc.rebuild import Done
from authsvc.rebuild import rebuild as write_copies
from authsvc.replay.again import Window
from authsvc.replay.report import OnPair, compare, csv_writer
from authsvc.replay.report import as_json as report_json
from authsvc.replay.report import as_text as report_text
from authsvc.replay.versions import always, recorded
from authsvc.rules.evolve import evolve
from authsvc.rules.explain import explain as tell
from authsvc.state.embedded import EmbeddedValkey
from authsvc.state.fields import FIELDS, head_in, key_of_account

PROGRESS_SECONDS = 1.0
REDIS_GONE = (redis.RedisError, RedisClusterException)  # the second is no kind of the first
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command()
@click.argument("rrn")
@as_json_option
@settings
def explain(rrn: str, file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Tell the decisions on the messages with this RRN, oldest first, each rule with its paragraph."""
    found = _open_ledger(config.load(file, overrides)).find(rrn, "", "", 100)
    if as_json and found:
        click.echo(msgspec.json.encode([decision_view(row.decision) for row in reversed(found)]))
        return
    for row in reversed(found):
        click.echo(tell(row.decision))
    if not found:
        raise click.ClickException(
            f"no decision on a message with RRN {rrn}; what was answered 30, 91 or 96 without one is in the log"
        )


@click.command()
@as_json_option
@settings
def reconcile(file: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Prove that heads, holds and the Redis copy agree with the journal; name every account that does not."""
    loaded = config.load(file, overrides)
    reader = _open_ledger(loaded)
    copy = _redis_copies(loaded)
    if as_json:
        _reconcile_as_json(reader, copy)
        return
    where = loaded.data_dir / LEDGER_FILE if loaded.ledger.url == config.EMBEDDED else "PostgreSQL"
    click.echo(f"ledger: {where}, Redis copy: {'compared' if copy else 'not running'}")
    count = 0
    for difference in differences(reader, evolve, copy):
        count += 1
        click.echo(f"{difference.account} at {difference.seq}: {difference.what.value}: {difference.detail}")
    click.echo(f"{sum(1 for _ in reader.every_account())} accounts, {count} differences")
    if copy is not None and copy.unread:
        click.echo(f"{copy.unread} copies were not compared: their node does not answer")
    if count:
        sys.exit(1)


def _reconcile_as_json(reader: SqliteReader | PostgresRecords, copy: _Copies | None) -> None:
    found = [
        {"account": each.account, "seq": each.seq, "what": each.what.value, "detail": each.detail}
        for each in differences(reader, evolve, copy)
    ]
    compared = {"redis_compared": copy is not None, "copies_unread": copy.unread if copy else 0}
    accounts = sum(1 for _ in reader.every_account())
    click.echo(json.dumps({"accounts": accounts, "differences": found, **compared}))
    if found:
        sys.exit(1)


@click.command()
@as_json_option
@settings
@click.option(
    "--per-second", type=click.IntRange(min=1), default=5_000, show_default=True, help="Most accounts a second."
)
def rebuild(file: Path, overrides: tuple[str, ...], per_second: int, as_json: bool) -> None:
    """Write every account's Redis copy from the ledger's heads, never over a newer one; beside a running engine too."""
    loaded = config.load(file, overrides)
    reader, client = _open_ledger(loaded), _redis(loaded)
    if client is None:
        raise click.ClickException("no Redis answers: nothing to rebuild")
    started = told = time.monotonic()
    done = Done()
    for done in write_copies(reader, client, per_second, time.monotonic, time.sleep):
        if time.monotonic() - told >= PROGRESS_SECONDS:
            told = time.monotonic()
            click.echo(f"{done.accounts} accounts, {done.accounts / (told - started):.0f} a second", err=True)
    rate = done.accounts / max(time.monotonic() - started, 0.001)
    if as_json:
        counts = {"accounts": done.accounts, "written": done.written, "kept": done.kept, "damaged": done.damaged}
        click.echo(json.dumps({**counts, "per_second": round(rate)}))
    else:
        _tell_rebuilt(done, rate)
    if done.damaged:
        sys.exit(1)


def _tell_rebuilt(done: Done, rate: float) -> None:
    click.echo(
        f"{done.accounts} accounts: {done.written} written, {done.kept} were as new or newer; {rate:.0f} a second"
    )
    for name in done.damaged:
        click.echo(f"{name}: its head cannot be read; see authsvc reconcile")


@click.command()
@settings
@click.option("--data", type=_FOLDER, help="Where the ledger is, instead of the settings' data_dir.")
@click.option("--products", type=_FOLDER, help="Product files to decide by; those that were in force, when not given.")
@click.option("--response-codes", type=_FOLDER, help="Tables of DE39, instead of the settings'.")
@click.option("--rates", type=_FOLDER, help="Exchange rates, instead of the settings'.")
@click.option("--from", "since", metavar="TIME", help="First moment to decide again, as 2026-06-15T12:00:00Z.")
@click.option("--to", "until", metavar="TIME", help="First moment not to decide again.")
@click.option("--account", "only", default="", metavar="ACCOUNT", help="This account only.")
@click.option("--csv", "rows_file", type=click.Path(dir_okay=False, path_type=Path), help="A row for each difference.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON.")
def replay(
    file: Path, overrides: tuple[str, ...], data: Path | None, products: Path | None, response_codes: Path | None,
    rates: Path | None, since: str | None, until: str | None, only: str, rows_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Decide the recorded requests again, by other product files or by those that were in force, and tell what would have
    turned out otherwise."""
    loaded = config.load(file, (*overrides, *([f"data_dir={data}"] if data else [])))
    if products is None and (response_codes or rates):
        raise click.UsageError("--products: needed with --response-codes or --rates")
    given = products and load_products(
        products, response_codes or loaded.response_codes_dir, rates or loaded.rates_dir, loaded.chart_file
    )
    window = Window(_moment("--from", since, Window().since), _moment("--to", until, Window().until))
    reader, started = _open_ledger(loaded), time.monotonic()
    rules = always(given) if given else recorded(reader)
    with _rows_to(rows_file) as on_pair:
        report = compare(reader, rules, window, only, on_pair)
    if only and not report.accounts:
        raise click.UsageError(f"--account: the ledger has no account {only!r}")
    seconds = max(time.monotonic() - started, 0.001)
    click.echo(
        f"{report.requests / seconds:.0f} decisions a second", err=True
    )  # apart: the report is the same each time
    click.echo(json.dumps(report_json(report), indent=2) if as_json else "\n".join(report_text(report)))
    if report.differs:
        sys.exit(1)


def _moment(option: str, text: str | None, otherwise: UnixMs) -> UnixMs:
    """RFC 3339, with its offset: a moment without one is an hour or two away from what was meant."""
    if text is None:
        return otherwise
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise click.UsageError(f"{option}: {text!r} is no time, as 2026-06-15T12:00:00Z") from error
    if moment.tzinfo is None:
        raise click.UsageError(f"{option}: {text!r} has no offset from UTC, as Z or +02:00")
    return UnixMs(round(moment.timestamp() * 1000))


@contextmanager
def _rows_to(file: Path | None) -> Iterator[OnPair | None]:
    if file is None:
        yield None
        return
    try:
        opened = file.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise click.UsageError(f"--csv: {file}: {error.strerror}") from error
    with opened:
        yield csv_writer(opened)


def _redis(loaded: config.Config) -> redis.Redis | None:
    """None when no Redis answers."""
    url = loaded.redis.url
    url = EmbeddedValkey(loaded.data_dir).url if url == config.EMBEDDED else url
    try:
        client = _client(url)
        if not config.is_cluster(url):  # of a cluster the map of slots is here; a ping would ask the dead nodes too
            client.ping()
    except REDIS_GONE:
        return None
    return client


def _client(url: str) -> redis.Redis:
    """Of one Redis, or of a cluster: both take the commands on an account's key. Raises RedisError."""
    if not config.is_cluster(url):
        return redis.Redis.from_url(url, socket_timeout=5, retry=Retry(NoBackoff(), 0))  # its own: 4 s of waiting
    addresses = config.cluster_addresses(url)  # any of them that lives will do
    nodes = [ClusterNode(host, port) for host, port in addresses]  # type: ignore[no-untyped-call]
    parts = urlsplit(url.partition(",")[0])
    cluster = redis.RedisCluster(
        startup_nodes=nodes, username=unquote(parts.username or "") or None, socket_timeout=5,
        retry=Retry(NoBackoff(), len(nodes)),  # a try for each: the first asked may be the dead one
        password=unquote(parts.password or "") or None, require_full_coverage=False,
    )  # fmt: skip
    return cast("redis.Redis", cluster)


class _Copies:
    """The copies of accounts, read one by one. `unread`: those whose node did not answer; they are nobody's difference, a copy
    may be gone at any moment, but it is told."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self.unread = 0

    def __call__(self, account: AccountId) -> Head | None:
        try:
            found = self._client.hmget(key_of_account(account), *FIELDS)
        except REDIS_GONE:
            self.unread += 1
            return None
        # One that does not pass its check is told by what differs: as one without a check, it is looked into whole.
        return head_in(account, found) or head_in(account, [*found[:-1], None])


def _redis_copies(loaded: config.Config) -> _Copies | None:
    """How to read the copies, None when no Redis answers: then there is nothing that could differ."""
    client = _redis(loaded)
    return None if client is None else _Copies(client)


def _open_ledger(loaded: config.Config) -> SqliteReader | PostgresRecords:
    """Read-only, beside a running engine or without one, until the command ends. Raises ConfigError."""
    embedded = loaded.ledger.url == config.EMBEDDED
    reader = open_reader(loaded.data_dir / LEDGER_FILE) if embedded else PostgresRecords(loaded.ledger.url)
    click.get_current_context().call_on_close(reader.close)
    return reader
