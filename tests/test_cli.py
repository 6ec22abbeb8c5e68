"""The command line without an engine: help, exit codes, wrong settings. With one: tests/end_to_end/test_e2e_cli.py."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import iso8583
import pytest
from click.testing import CliRunner, Result
from engine_parts import settings
from iso8583.specs import default_ascii

from authsvc import __version__, engine
from authsvc.cli import main
from authsvc.errors import ConfigError

PURCHASE = bytes(
    iso8583.encode(
        {"t": "0100", "2": "4111111111111111", "3": "000000", "4": "000000002500", "11": "000101", "41": "TERM0001",
         "42": "MERCHANT0000001"},
        default_ascii,
    )[0]
).hex()  # fmt: skip

COMMANDS = [
    (), ("serve",), ("check-config",), ("explain",), ("describe",), ("reconcile",), ("rebuild",), ("replay",), ("present",),
    ("audit",), ("decisions",), ("links",), ("log",), ("reload",), ("top",),
    ("token",), ("token", "new"), ("token", "list"), ("token", "revoke"),
    ("keys",), ("keys", "wrap"), ("keys", "wrap-file"),
    ("account",), *(("account", each) for each in (
        "open", "show", "load", "charge", "statement", "billing", "trial-balance", "status", "transfer", "import",
    )),
    ("card",), *(("card", each) for each in (
        "issue", "show", "block", "limits", "activate", "unblock", "unblock-pin", "pin", "contactless", "renew", "replace",
        "duplicate", "three-ds", "unlock-3ds", "trust",
    )),
]  # fmt: skip


def run(*words: str) -> Result:
    return CliRunner().invoke(main, words)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_everywhere(words: tuple[str, ...], flag: str) -> None:
    """Exit 0, with a sentence on what it does."""
    done = run(*words, flag)
    assert done.exit_code == 0
    assert "Usage:" in done.output
    assert len(done.output.splitlines()) > 4


def commands_of(group: click.Group) -> dict[str, click.Command]:
    """Those that are imported when they are asked for as well."""
    context = click.Context(group)
    found = {name: group.get_command(context, name) for name in group.list_commands(context)}
    return {name: command for name, command in found.items() if command is not None}


def test_every_command_is_in_the_list_above() -> None:
    groups = {name: set(getattr(command, "commands", ())) for name, command in commands_of(main).items()}
    listed = {
        words[0]: {pair[1] for pair in COMMANDS if len(pair) == 2 and pair[0] == words[0]}
        for words in COMMANDS
        if words
    }
    assert groups == listed


WITHOUT_JSON = {
    "serve": "it runs until it is stopped, and what it says from then on is its log",
    "wrap-file": "what it prints is a key file",
}


def leaves(group: click.Group) -> Iterator[click.Command]:
    for command in commands_of(group).values():
        if isinstance(command, click.Group):
            yield from leaves(command)
        else:
            yield command


def test_every_command_speaks_json() -> None:
    """A program can read what any of them prints, but for those of the list above."""
    silent = {each.name for each in leaves(main) if not any("--json" in option.opts for option in each.params)}
    assert silent == WITHOUT_JSON.keys()


def test_an_engine_does_not_carry_the_other_commands() -> None:
    """`serve` neither imports them nor what they alone need; 10 MB, and a start-up that is the shorter for it."""
    told = subprocess.run(
        [sys.executable, "-c", "import sys, authsvc.cli; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    loaded = {name for name in told if name.startswith("authsvc.cli")}
    assert loaded == {"authsvc.cli", "authsvc.cli_options"}
    assert not {"redis", "authsvc.replay", "authsvc.clearing", "authsvc.state.cluster"} & {*told}


def test_version() -> None:
    assert __version__ in run("--version").output


@pytest.mark.parametrize("words", [
    (), ("nonsense",), ("explain",), ("describe",), ("serve", "--nonsense"), ("account", "load", "a", "0"),
    ("card", "block", "c", "--kind", "slightly"), ("card", "limits", "c", "--cash", "-1"), ("describe", "00", "--dialect", "x"),
    ("reconcile", "--set", "colour=red"), ("explain", "1", "--config", "/nowhere.toml"),
])  # fmt: skip
def test_wrong_use(words: tuple[str, ...]) -> None:
    """Exit 2, and a word on why."""
    done = run(*words)
    assert done.exit_code == 2
    assert done.output.strip()


@pytest.mark.parametrize(("setting", "key"), [
    ("listeners.main.prot=1", "listeners.main.prot"),
    ("colour=red", "colour"),
    ("clock=sundial", "clock"),
    ("workers=0", "workers"),
    ("workers=2", "workers"),
    ("workers=two", "workers"),
    ("listeners.main.port=99999", "listeners.main.port"),
    ("listeners.extra.dialect=iso87-ascii", "listeners.extra.port"),
    ("listeners.extra.port=8583", "listeners.extra.port"),
    ("redis.url=http://localhost", "redis.url"),
    ("ledger.url=oracle://localhost", "ledger.url"),
    ("ledger.url=postgresql://localhost:high/a", "ledger.url"),
    ("ledger.partitions=-1", "ledger.partitions"),
    ("log.level=loud", "log.level"),
    ("control.tokens.x.role=king", "control.tokens.x"),
    ("answer_within_ms=0", "answer_within_ms"),
    ("max_frame", "max_frame"),
])  # fmt: skip
def test_a_wrong_setting_is_named(setting: str, key: str) -> None:
    """`serve` ends before it begins anything."""
    done = run("serve", "--set", setting)
    assert done.exit_code != 0
    assert key in done.output


@pytest.mark.parametrize(("more", "key"), [
    ({"listeners.main.dialect": "klingon"}, "listeners.main.dialect"),
    ({"listeners.main.framing": "3b"}, "listeners.main.framing"),
    ({"products_dir": "/nowhere"}, "/nowhere"),
    ({"response_codes_dir": "/nowhere"}, "/nowhere"),
    ({"key_file": "/nowhere"}, "/nowhere"),
    ({"data_dir": "/dev/null/x"}, "data_dir"),
])  # fmt: skip
async def test_what_is_found_when_it_is_built(tmp_path: Path, more: dict[str, object], key: str) -> None:
    """Files and names that settings point to; nothing listens yet."""
    with pytest.raises(ConfigError, match=key):
        engine.build(settings(tmp_path, **more))


def test_describe_of_hexadecimal_and_of_a_file(tmp_path: Path) -> None:
    done = run("describe", PURCHASE)
    assert done.exit_code == 0, done.output
    assert "411111******1111" in done.output
    file = tmp_path / "message.hex"
    file.write_text(PURCHASE + "\n")
    assert run("describe", str(file)).output == done.output


def test_describe_of_standard_input_and_as_json() -> None:
    """The same message by pipe, raw; the guess is told; as JSON it is said in the frame."""
    raw = bytes.fromhex(PURCHASE)
    piped = CliRunner().invoke(main, ["describe", "-"], input=raw)
    assert piped.exit_code == 0, piped.output
    assert piped.output == run("describe", PURCHASE).output
    assert piped.output.startswith("guessed: dialect iso87-ascii, framing none\n")
    (frame,) = json.loads(run("describe", "--json", PURCHASE).output)["frames"]
    assert (frame["dialect"], frame["framing"], frame["guessed"], frame["broken"]) == (
        "iso87-ascii",
        "none",
        True,
        None,
    )


def test_describe_of_what_was_named() -> None:
    """No guess then: another dialect or framing finds no message."""
    named = run("describe", PURCHASE, "--dialect", "iso87-ascii", "--framing", "none")
    assert named.exit_code == 0
    assert "guessed" not in named.output
    assert run("describe", PURCHASE, "--framing", "4b").exit_code == 1
    assert run("describe", PURCHASE, "--dialect", "iso87-ebcdic").exit_code == 1
    alone = run("describe", PURCHASE, "--tpdu")
    assert (alone.exit_code, "--tpdu needs --framing" in alone.output) == (2, True)


def test_describe_in_clear() -> None:
    """Only when asked for."""
    assert "4111111111111111" in run("describe", PURCHASE, "--clear").output
    assert "4111111111111111" not in run("describe", PURCHASE).output


def test_describe_of_a_capture() -> None:
    """A file of tshark's; exit 1, because one of its messages is broken."""
    done = run("describe", "tests/data/captures/engine.pcap")
    assert done.exit_code == 1
    assert "answers #9 after" in done.output
    assert run("describe", "tests/data/captures/engine.pcapng").exit_code == 0


@pytest.mark.parametrize("text", ["zzz", "00", "", "0" * 5000])
def test_describe_of_what_is_none(text: str) -> None:
    """Exit 1, one line, nothing of it repeated; longer than any name of a file is no fault either."""
    done = run("describe", text)
    assert done.exit_code == 1
    assert done.exception is None or isinstance(done.exception, SystemExit)


def test_describe_of_a_broken_message() -> None:
    """What could be read, and where reading stopped: exit 1."""
    done = run("describe", PURCHASE[:-8])
    assert done.exit_code == 1
    assert "broken at DE42" in done.output
    assert "4111111111111111" not in done.output


@pytest.mark.parametrize("words", [("reconcile",), ("explain", "123")])
def test_no_ledger(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Named, and not made."""
    done = run(*words, "--set", f"data_dir={tmp_path}/none")
    assert done.exit_code != 0
    assert "ledger.sqlite" in done.output
    assert not (tmp_path / "none").exists()


def test_no_engine() -> None:
    done = run("account", "--url", "http://127.0.0.1:1", "show", "acc-1")
    assert (done.exit_code, "no engine answers" in done.output) == (1, True)
