"""`authsvc keys wrap | wrap-file`: keys in clear into TR-31 key blocks.

A key comes by stdin or is made here, never by argument: arguments are seen by everybody on the machine.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import tomllib
import warnings
from pathlib import Path

import click
import psec

from authsvc.cli_options import as_json_option
from authsvc.config import load
from authsvc.errors import ConfigError
from authsvc.security.key_block import KEK, KINDS, NAMED, BlockError, Kek, Kind, is_block, wrapped
from authsvc.security.keys import DEMO, MASTER_VARIABLE, load_keys, master_key
from authsvc.security.secret import Secret

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
CHECK_DIGITS = 6


@click.group()
def keys() -> None:
    """Make key blocks (TR-31) for the key file, or for a peer."""


@keys.command()
@click.argument("name")
@click.option("--generate", is_flag=True, help="Make a new key, in place of one from stdin.")
@click.option("--aes", is_flag=True, help="A key of keks that is AES: 32 bytes where one is made.")
@click.option("--under", default="", metavar="KEK", help="For a peer: under this key of the key file's [keks].")
@click.option("--config", "settings", type=FILE, help="Settings, which name the key file; for --under.")
@as_json_option
def wrap(name: str, generate: bool, aes: bool, under: str, settings: Path | None, as_json: bool) -> None:
    """A line for the key file: NAME, as mac, zone_pin or mac_keys.BANK, and its key in a block. The key is read from stdin in
    hexadecimal; the block is under AUTHSVC_MASTER_KEY. Its check value goes to stderr."""
    kind = _kind(name)
    algorithm = "A" if aes else next(iter(kind.lengths))
    if algorithm not in kind.lengths:
        raise click.UsageError(f"--aes: {name} is no AES key")
    above = _under(under, settings) if under else _master()
    value = _new(kind, algorithm) if generate else _from_stdin()
    try:
        block = wrapped(value, kind, algorithm, above)
    except BlockError as error:
        raise click.ClickException(f"{name} {error}") from None
    checked = check_value(value) if algorithm == "T" else None
    if as_json:
        click.echo(json.dumps({"name": name, "block": block, "check_value": checked}))
        return
    click.echo(block if under else f'{name} = "{block}"')
    if checked:
        click.echo(f"{name}: check value {checked}", err=True)


@keys.command("wrap-file")
@click.argument("file", type=FILE)
def wrap_file(file: Path) -> None:
    """FILE, a key file with keys in clear, with key blocks under AUTHSVC_MASTER_KEY in their place, to stdout."""
    master = _master()
    load_keys(file, master)  # whatever is wrong with it is said here
    table = tomllib.loads(file.read_text("utf-8"))
    for name, value in table.items():
        if isinstance(value, str):
            click.echo(f'{name} = "{_again(value, KINDS[name], master) if name in KINDS else value}"')
    for name, entries in table.items():
        if isinstance(entries, dict):
            for entry, value in entries.items():  # dotted, so that more lines can be put behind it
                click.echo(f'{name}.{entry} = "{_again(value, NAMED[name], master)}"')
    click.echo(f"wrapped without {DEMO}: from now on the engine needs {MASTER_VARIABLE}", err=True)


def check_value(key: bytes) -> str:
    """What two people compare by telephone: the first digits of zeros under the key (ANSI X9.24)."""
    with warnings.catch_warnings(action="ignore"):  # TDES is what the standard says, and what cryptography dislikes
        return str(psec.des.generate_kcv(key, CHECK_DIGITS // 2).hex().upper())


def _again(text: str, kind: Kind, master: Kek) -> str:
    if is_block(text):
        return text
    value = bytes.fromhex(text)
    algorithm = Kek.of(Secret(value)).algorithm if kind is KEK else next(iter(kind.lengths))
    return wrapped(value, kind, algorithm, master)


def _kind(name: str) -> Kind:
    table, dot, _ = name.partition(".")
    kind = (NAMED if dot else KINDS).get(table)
    if kind is None:
        raise click.UsageError(
            f"{name!r} is no key: one of {', '.join(KINDS)}, {', '.join(f'{each}.NAME' for each in NAMED)}"
        )
    return kind


def _master() -> Kek:
    master = master_key(os.environ)
    if master is None:
        raise ConfigError(f"{MASTER_VARIABLE} is not set: 64 hexadecimal digits, as from openssl rand -hex 32")
    return master


def _under(name: str, settings: Path | None) -> Kek:
    if settings is None:
        raise click.UsageError("--under needs --config")
    keks = load_keys(load(settings).key_file, master_key(os.environ)).keks
    if name not in keks:
        raise ConfigError(f"--under: the key file has no keks.{name}")
    return keks[name]


def _new(kind: Kind, algorithm: str) -> bytes:
    value = secrets.token_bytes(max(kind.lengths[algorithm]))
    return bytes(psec.des.adjust_key_parity(value)) if algorithm == "T" else value


def _from_stdin() -> bytes:
    asked: str = (
        click.prompt("Key (hexadecimal)", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    )
    try:
        return bytes.fromhex(asked.strip())
    except ValueError:
        raise click.ClickException("the key must be hexadecimal") from None
