"""`authsvc account import` as an operator runs it: what it says, where, and with which exit code."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from importing_parts import line, text

from authsvc.cli import main

HEADER = "product,pan,expiry,pin\n"
GOOD, WRONG = "prepaid-bps,5575290000000019,4912,1234\n", "prepaid-bps,5575290000000018,4912,1234\n"


def ran(folder: Path, file: str, content: bytes | str, *options: str) -> Result:
    path = folder / file
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return CliRunner().invoke(main, ["account", "import", str(path), *options, "--set", f"data_dir={folder}"])


def test_what_was_done_is_told(tmp_path: Path) -> None:
    done = ran(tmp_path, "cards.jsonl", text(line(1), line(2)), "--pins")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("2 accounts taken with 2 cards, 0 were there, 0 refused; ")


def test_a_csv_file_is_known_by_its_name_and_a_wrong_line_told_by_number_and_field(tmp_path: Path) -> None:
    done = ran(tmp_path, "cards.csv", HEADER + GOOD + WRONG, "--pins")
    assert done.exit_code == 1
    assert done.stderr == "line 3: cards[0].pan: the last digit is not its check digit\n"


@pytest.mark.parametrize("file", ["cards.csv", "cards.txt"])
def test_as_json_for_a_program(tmp_path: Path, file: str) -> None:
    """A line for each problem, and one for all; twice the same file takes nothing the second time."""
    for taken, there in ((1, 0), (0, 1)):
        done = ran(tmp_path, file, HEADER + WRONG + GOOD, "--pins", "--json", "--csv")
        problem, summary = map(msgspec.json.decode, done.stdout.splitlines())
        assert problem == {"line": 2, "field": "cards[0].pan", "why": "the last digit is not its check digit"}
        assert {**summary, "seconds": 0} == {"taken": taken, "cards": taken, "there": there, "refused": 1, "seconds": 0}


def test_a_column_that_there_is_not(tmp_path: Path) -> None:
    done = ran(tmp_path, "cards.csv", "product,pin,colour\n")
    assert (done.exit_code, done.stderr) == (
        1,
        "Error: line 1: column 3: there is no such column, or it is there twice\n",
    )
