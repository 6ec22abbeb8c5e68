"""`authsvc present FILE`: a clearing file into a running engine, and what became of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from authsvc.api_client import ApiClient, RefusedError
from authsvc.clearing import posting, reading
from authsvc.clearing.records import ClearingFile
from authsvc.clearing.report import Report, as_csv, as_json, report
from authsvc.rules.explain import money

FORMS: dict[str, Callable[[Report], bytes]] = {".json": as_json, ".csv": as_csv}
SHOWN = 12
"""Lines named in a row of the table; the report file has all."""


def _report_path(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    """Wrong use is found before anything is posted, not after."""
    if path is None:
        return None
    if path.suffix not in FORMS:
        raise click.BadParameter(f"must end in {' or '.join(FORMS)}")
    try:
        path.touch()
    except OSError as error:
        raise click.BadParameter(f"{path}: {error.strerror}") from error
    return path


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "form", type=click.Choice(["auto", "ipm", "csv", "jsonl"]), default="auto", show_default=True)
@click.option("--url", default="http://127.0.0.1:8580", show_default=True, envvar="AUTHSVC_URL")
@click.option("--token", default="demo-operator", envvar="AUTHSVC_TOKEN", help="Bearer token.")
@click.option("--ca", default="", envvar="AUTHSVC_CA", help="PEM file of who signed the engine's certificate.")
@click.option(
    "--report", "to", type=click.Path(path_type=Path), callback=_report_path, help="Every record; .csv or .json."
)
@click.option("--skip-unreadable", is_flag=True, help="Post the rest of a file that has unreadable records.")
@click.option("--json", "json_wanted", is_flag=True, help="Print every record as JSON, as --report does.")
def present(
    file: Path, form: reading.Form, url: str, token: str, ca: str, to: Path | None, skip_unreadable: bool,
    json_wanted: bool,
) -> None:  # fmt: skip
    """Post the presentments of a clearing file: Mastercard IPM, CSV or JSON Lines.

    Each record is posted once, however often the file is presented. Exit 0: all of it is posted; 1: something was
    refused, could not be read, or needs a person; 2: wrong use.
    """
    clearing = reading.read(file.read_bytes(), form)
    if clearing.wrong and not skip_unreadable:
        told = report(file.name, clearing, (), "nothing was posted: correct these lines, or --skip-unreadable")
    else:
        told = _post(file.name, clearing, ApiClient(url, token, ca))
    if to is not None:
        to.write_bytes(FORMS[to.suffix](told))
    if json_wanted:
        click.echo(as_json(told))
    else:
        _show(told)
    if not told.done:
        sys.exit(1)


def _post(name: str, clearing: ClearingFile, client: ApiClient) -> Report:
    """With progress on a terminal. An engine that goes away ends it; what was answered until then is told."""
    results: list[posting.Result] = []
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(name, total=len(clearing.lines))
        try:
            for chunk in posting.post(clearing, client):
                results += chunk
                progress.advance(task, len(chunk))
        except RefusedError as error:
            return report(name, clearing, results, f"{error}; run it again, nothing is posted twice")
    return report(name, clearing, results)


def _show(told: Report) -> None:
    click.echo(f"{told.file}: {told.form}, {len(told.rows)} records, sha256 {told.sha256}")
    table = Table("", "count", "posted", "lines", box=None, pad_edge=False)
    for group in told.groups:
        more = " …" if group.count > SHOWN else ""
        lines = " ".join(map(str, group.lines[:SHOWN]))
        table.add_row(group.name.replace("_", " "), str(group.count), money(group.amount), lines + more)
    Console().print(table)
    for row in [row for row in told.rows if row.reason or row.problem][:SHOWN]:
        click.echo(f"line {row.line}: {row.outcome}: {row.reason or row.problem}")
    if told.stopped:
        click.echo(told.stopped, err=True)
