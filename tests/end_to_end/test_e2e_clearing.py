"""Clearing files into a real engine by `authsvc present`, and what happens when either is killed half-way."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from cardutil import iso8583
from cardutil.mciipm import IpmWriter, VbsReader, unblock_1014
from click.testing import CliRunner, Result
from conftest import Start
from e2e_bank import Bank, Plastic
from e2e_process import AUTHSVC, ROOT, EngineProcess, until

from authsvc.cli import main

OWN = Path(__file__).parents[1] / "data/clearing/cardutil-ascii-1014.ipm"
STRANGER = "4444555544445555"
"""The card number in cardutil's own test message."""


def claim(card: Plastic, amount: int, **but: object) -> dict[str, object]:
    """A line of a file, as the API takes it."""
    return {
        "scheme": "mastercard", "rrn": "", "authorization_code": "", "pan_or_card": card.pan, "amount": amount,
        "currency": "985", "merchant_id": "SHOP00000000042", "mcc": "5411", **but,
    }  # fmt: skip


def jsonl(path: Path, *claims: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in claims))
    return path


def present(bank: Bank, file: Path, *words: str) -> Result:
    """The program in this very process, which saves its start."""
    done = CliRunner().invoke(main, ["present", str(file), "--url", bank.engine.url, *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def told(bank: Bank, file: Path, *words: str) -> tuple[int, dict[str, list[int]], Any]:
    """Exit code, the lines of each group, and the whole report."""
    to = file.with_suffix(".report.json")
    done = present(bank, file, "--report", str(to), "--json", *words)
    report = json.loads(to.read_bytes())
    assert json.loads(done.stdout) == report
    return done.exit_code, {group["name"]: group["lines"] for group in report["groups"]}, report


def test_a_file_of_everything(bank: Bank, tmp_path: Path) -> None:
    """Matched, unmatched, suspicious: each line is in its groups; the account has what is left."""
    card = bank.issue("prepaid-bps", load=1_000_00)
    paid = [card.ask(amount, pin="1234") for amount in (60_00, 40_00, 30_00)]
    file = jsonl(
        tmp_path / "day.jsonl",
        claim(card, 60_00, rrn=paid[0]["37"]),
        claim(card, 45_00, authorization_code=paid[1]["38"]),
        claim(card, 30_00, rrn=paid[2]["37"], final=False),
        claim(card, 30_00, rrn=paid[2]["37"]),
        claim(card, 7_00, rrn="NOBODYSRRN01"),
        claim(card, 5_00, kind="refund"),
        claim(card, 7_00, rrn="NOBODYSRRN01", reversal=True),
    )
    code, groups, report = told(bank, file)
    assert (code, groups) == (
        0,
        {
            "matched": [1, 2, 3, 4], "unmatched": [5], "credits": [6], "reversed": [7],
            "above_hold": [2], "no_authorization": [5], "twice": [4],
        },
    )  # fmt: skip
    assert {group["name"]: group["amount"] for group in report["groups"]}["matched"] == 165_00
    assert card.money() == (0, 1_000_00 - 165_00 + 5_00)
    assert card.pan not in json.dumps(report)
    explained = CliRunner().invoke(main, ["explain", "NOBODYSRRN01", *bank.engine.settings]).stdout
    assert "posting" in explained
    assert "reversed by 7.00 PLN" in explained
    assert report["rows"][0]["card"] == f"{card.pan[:6]}******{card.pan[-4:]}"


def test_the_same_file_again_posts_nothing(bank: Bank, tmp_path: Path) -> None:
    """It says how many were posted before. Two equal lines are two presentments; in another file they are two more."""
    card = bank.issue("prepaid-bps", load=1_000_00)
    file = jsonl(tmp_path / "day.jsonl", *[claim(card, 10_00)] * 3)
    assert "before" not in told(bank, file)[1]
    code, groups, _ = told(bank, file)
    assert (code, groups["before"]) == (0, [1, 2, 3])
    assert card.money() == (0, 970_00)
    told(bank, jsonl(tmp_path / "next.jsonl", *[claim(card, 10_00)] * 2))
    assert card.money() == (0, 950_00)


def test_an_unreadable_line_stops_the_file(bank: Bank, tmp_path: Path) -> None:
    """Nothing is posted, since the corrected file will be another one; unless the rest is asked for."""
    card = bank.issue("prepaid-bps", load=1_000_00)
    file = jsonl(tmp_path / "day.jsonl", claim(card, 10_00), claim(card, 0), claim(card, 10_00))
    done = present(bank, file)
    assert (done.exit_code, "line 2: unreadable: amount" in done.stdout, card.money()) == (1, True, (0, 1_000_00))
    code, groups, _ = told(bank, file, "--skip-unreadable")
    assert (code, groups["unreadable"], groups["unmatched"]) == (1, [2], [1, 3])
    assert card.money() == (0, 980_00)


def test_cardutil_s_own_message(bank: Bank, tmp_path: Path) -> None:
    """As it is, it is no presentment. Made one, of a card of ours and of its own card, which nobody here knows: refused, named,
    not lost."""
    assert told_of(bank, tmp_path, OWN.read_bytes())[1] == {"left": list(range(1, 16))}
    card = bank.issue("prepaid-bps", load=10_000_00)
    plain = io.BytesIO()
    unblock_1014(io.BytesIO(OWN.read_bytes()), plain)
    mapped = {"MTI": "1240", "DE3": "000000", "DE24": "200", "DE49": "985", "DE26": 5812}
    messages = [iso8583.loads(raw) | mapped for raw in VbsReader(plain)]
    content = ebcdic([{**one, "DE2": card.pan if n % 2 else STRANGER} for n, one in enumerate(messages)])
    code, groups, report = told_of(bank, tmp_path, content)
    assert (code, groups["unmatched"], groups["refused"]) == (1, list(range(2, 16, 2)), list(range(1, 16, 2)))
    assert {row["reason"] for row in report["rows"] if row["outcome"] == "refused"} == {"UNKNOWN_CARD"}
    assert card.money() == (0, 10_000_00 - 7 * 99_99)
    assert STRANGER not in json.dumps(report)
    assert report["form"] == "IPM cp500, 1014-blocked"


def ebcdic(messages: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    with IpmWriter(out, encoding="cp500", blocked=True) as writer:
        writer.write_many(messages)
    return out.getvalue()


def told_of(bank: Bank, folder: Path, content: bytes) -> tuple[int, dict[str, list[int]], Any]:
    file = folder / "clearing.ipm"
    file.write_bytes(content)
    return told(bank, file)


def test_a_report_as_csv(bank: Bank, tmp_path: Path) -> None:
    card = bank.issue("prepaid-bps", load=1_000_00)
    to = tmp_path / "report.csv"
    assert present(bank, jsonl(tmp_path / "day.jsonl", claim(card, 2_000_00)), "--report", str(to)).exit_code == 0
    (row,) = csv.DictReader(to.read_text().splitlines())
    assert (row["outcome"], row["posted"], row["flags"]) == ("posted", "200000", "no_authorization overdrawn")


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("none.jsonl",), 2, "none.jsonl"),
        (("FILE", "--format", "visa"), 2, "--format"),
        (("FILE", "--report", "report.txt"), 2, "--report"),
        (("FILE", "--report", "nowhere/report.csv"), 2, "nowhere"),
        (("FILE", "--format", "ipm"), 1, "no IPM file"),
        (("FILE", "--token", "wrong"), 1, "401"),
        (("FILE", "--token", "demo-auditor"), 1, "403"),
        (("FILE", "--url", "http://127.0.0.1:1"), 1, "no engine answers"),
    ],
)
def test_wrong_use_and_refusals(bank: Bank, tmp_path: Path, words: tuple[str, ...], code: int, named: str) -> None:
    """Exit 2 for what the operator has to write otherwise, 1 for what the file or the engine says no to."""
    card = bank.issue("prepaid-bps", load=1_000_00)
    file = jsonl(tmp_path / "day.jsonl", claim(card, 10_00))
    given = [str(file) if word == "FILE" else word for word in words]
    done = CliRunner().invoke(main, ["present", "--url", bank.engine.url, *given])
    assert (done.exit_code, named in done.stderr) == (code, True), done.output
    assert card.money() == (0, 1_000_00)


# ------------------------------------------------------------------------------------------------------ kill -9

CARDS, EACH = 8, 300


def begin(engine: EngineProcess, file: Path, to: Path) -> subprocess.Popen[bytes]:
    words = [AUTHSVC, "present", str(file), "--url", engine.url, "--report", str(to)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def posted(cards: list[Plastic]) -> int:
    """How many presentments of 1.00 have left the accounts."""
    return sum(10_000_00 - card.money()[1] for card in cards) // 1_00


def presented(card: Plastic) -> int:
    """How many are in the journal."""
    after, found = 0, 0
    while page := card.bank.api.get(f"/v1/accounts/{card.account}/journal?after={after}&limit=1000"):
        found += sum(1 for entry in page if entry["kind"] == "presentment")
        after = page[-1]["seq"]
    return found


def test_killed_half_way_and_run_again(start: Start, tmp_path: Path) -> None:
    """kill -9 of the engine, then of `present`, then a run to the end: every record is posted once, and the ledger agrees."""
    engine = start()
    bank = Bank(engine)
    cards = [bank.issue("prepaid-bps", load=10_000_00) for _ in range(CARDS)]
    total = CARDS * EACH
    file = jsonl(tmp_path / "day.jsonl", *[claim(cards[n % CARDS], 1_00) for n in range(total)])
    to = tmp_path / "report.json"

    running = begin(engine, file, to)
    until(lambda: posted(cards) > 0)
    engine.kill()
    assert running.wait(60) == 1
    assert "nothing is posted twice" in json.loads(to.read_bytes())["stopped"]
    bank.close()
    bank = Bank(engine.start())
    for card in cards:
        card.bank = bank
    first = posted(cards)
    assert 0 < first < total

    running = begin(engine, file, to)
    until(lambda: posted(cards) > first)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(60)
    second = posted(cards)
    assert first < second < total

    code, groups, _ = told(bank, file)
    assert (code, groups["unmatched"]) == (0, list(range(1, total + 1)))
    assert len(groups["before"]) >= second
    assert [card.money() for card in cards] == [(0, 10_000_00 - EACH * 1_00)] * CARDS
    assert [presented(card) for card in cards] == [EACH] * CARDS
    bank.close()
    done = engine.run("reconcile", *engine.settings)
    assert (done.returncode, "0 differences" in done.stdout) == (0, True), done.stdout
