"""The command line against a real engine, running and stopped: wire.md section 5."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import apsw
import pytest
from click.testing import CliRunner, Result
from conftest import Start
from e2e_bank import Bank, Plastic
from e2e_process import EngineProcess, until
from e2e_wire import encode

from authsvc.cli import main


def run(*words: str, stdin: str | None = None) -> Result:
    """The program in this very process, which saves its start; tests/end_to_end/test_e2e_crash.py runs it for real."""
    done = CliRunner().invoke(main, words, input=stdin)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def test_explain_tells_a_payment_and_its_reversal(bank: Bank) -> None:
    """Beside a running engine: each rule with its paragraph, what came of it, oldest first, money in zloty."""
    card = bank.issue("prepaid-bps", load=100_00)
    card.pay_with_pin(12_34)
    rrn = card.sent["37"]
    card.reverse(card.sent)
    told = run("explain", rrn, *bank.engine.settings)
    assert told.exit_code == 0
    first, second = told.stdout.index("0100 purchase of 12.34 PLN by chip"), told.stdout.index("0400 reversal of")
    assert first < second
    assert "APPROVED, DE39 00, code" in told.stdout
    assert "W §13.2" in told.stdout
    assert card.pan not in told.stdout


def test_explain_tells_why(bank: Bank) -> None:
    card = bank.issue("credit-business")
    card.tap()
    told = run("explain", card.sent["37"], *bank.engine.settings).stdout
    assert "REFUSED CONTACT_FIRST, DE39 1A by rule 'contactless_first', S §16.5" in told


def test_explain_of_nothing(bank: Bank) -> None:
    """Exit 1: there is no such decision."""
    told = run("explain", "NO-SUCH-RRN", *bank.engine.settings)
    assert (told.exit_code, "NO-SUCH-RRN" in told.stderr) == (1, True)


def test_describe_hides_what_is_secret(bank: Bank, tmp_path: Path) -> None:
    """From hexadecimal and from a file, framed or not; exit 1 for a message that is broken."""
    card = bank.issue("prepaid-bps")
    message = card.message(12_34, pin="7391", f35="5575290000000019=28122010000000000", f48="9203123")
    payload = encode(message)
    file = tmp_path / "message.bin"
    file.write_bytes(len(payload).to_bytes(2, "big") + payload)
    for argument in (payload.hex(), str(file)):
        told = run("describe", argument)
        assert told.exit_code == 0, told.stderr
        assert f"{card.pan[:6]}******{card.pan[-4:]}" in told.stdout
        for secret in (card.pan, message["52"], message["35"], "2812201", "9203123"):
            assert secret not in told.stdout
    broken = run("describe", payload[:-3].hex())
    assert broken.exit_code == 1
    assert "broken at" in broken.stdout
    assert card.pan not in broken.stdout
    assert run("describe", "no message at all").exit_code == 1


def test_reconcile_beside_a_running_engine(bank: Bank) -> None:
    """Clean: 0; the copy is compared as well, and one that is ahead of the journal is named."""
    card = bank.issue("prepaid-bps")
    card.pay()
    clean = run("reconcile", *bank.engine.settings)
    assert clean.exit_code == 0, clean.stdout
    assert "Redis copy: compared" in clean.stdout
    decided = len(bank.api.get(f"/v1/accounts/{card.account}/journal"))
    until(lambda: copied(card) == decided)  # some seconds behind at most
    valkey, key = bank.engine.valkey(), f"acct:{{{card.account}}}"
    state = cast(bytes, valkey.hget(key, "s"))
    richer = state.replace(b'"balance":', b'"balance":9')
    for field, value, told in (("s", richer, "differs in balance"), ("h", "00" * 32, "has another hash")):
        valkey.hset(key, "s", state)
        valkey.hset(key, field, value)  # the copy of another history
        dirty = run("reconcile", *bank.engine.settings)
        assert (dirty.exit_code, f"{card.account} at {decided}: copy: {told}" in dirty.stdout) == (1, True)
    assert card.pay() == "00"  # which loses the race, and is thrown away
    assert card.held == 20_00
    until(lambda: copied(card) == decided + 1)
    assert run("reconcile", *bank.engine.settings).exit_code == 0


def copied(card: Plastic) -> int:
    """The decision that Redis has the account's state as of."""
    return int(card.bank.engine.valkey().hget(f"acct:{{{card.account}}}", "v") or 0)  # type: ignore[arg-type]


DAMAGES = {
    "a decision changed": "UPDATE journal SET decision = replace(decision, '1234', '4321') WHERE account = ? AND seq = 5",
    "a decision gone": "DELETE FROM journal WHERE account = ? AND seq = 3",
    "the head changed": "UPDATE states SET state = replace(state, 'prepaid-bps', 'prepaid-sgb') WHERE account = ?",
    "the head behind": "UPDATE head SET seq = seq - 1 WHERE account = ?",
    "a hold changed": "UPDATE holds SET amount = amount - 1 WHERE account = ?",
    "a hold gone": "DELETE FROM holds WHERE account = ?",
    "found under another RRN": "UPDATE journal SET rrn = 'X' WHERE account = ? AND seq = 5",
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[EngineProcess, str, str]:
    """An engine that has stopped, with two accounts: one that is going to be damaged, and one beside it."""
    engine = EngineProcess(tmp_path_factory.mktemp("reconcile") / "data").start()
    bank = Bank(engine)
    cards = [bank.issue("prepaid-bps", load=100_00) for _ in range(2)]
    for card in cards:
        assert card.pay(12_34) == "00"
    bank.close()
    engine.stop()
    return engine, cards[0].account, cards[1].account


def test_reconcile_of_a_stopped_engine(stopped: tuple[EngineProcess, str, str]) -> None:
    clean = run("reconcile", *stopped[0].settings)
    assert (clean.exit_code, "0 differences" in clean.stdout) == (0, True)
    assert "Redis copy: not running" in clean.stdout


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_reconcile_names_the_account(stopped: tuple[EngineProcess, str, str], damage: str) -> None:
    """Exit 1, and the account that is wrong, and no other."""
    engine, account, other = stopped
    ledger = engine.data_dir / "ledger.sqlite"
    sound = ledger.read_bytes()
    connection = apsw.Connection(str(ledger))
    connection.execute(damage, (account,))
    assert connection.changes() > 0
    connection.close()
    found = run("reconcile", *engine.settings)
    ledger.write_bytes(sound)
    assert found.exit_code == 1
    assert account in found.stdout
    assert other not in found.stdout


def test_no_ledger_to_look_at(tmp_path: Path) -> None:
    """Neither makes one."""
    for words in (("reconcile",), ("explain", "1")):
        done = run(*words, "--set", f"data_dir={tmp_path}/none")
        assert done.exit_code in (1, 2)
        assert "ledger.sqlite" in done.stderr
    assert not (tmp_path / "none").exists()


def test_accounts_and_cards_by_command(bank: Bank) -> None:
    """Open, load, issue, activate, limits, block, unblock, show: each is a call of the control API."""
    url = ("--url", bank.engine.url)

    def account(*words: str) -> dict[str, object]:
        return told("account", *url, "--json", *words)

    def card(*words: str) -> dict[str, object]:
        return told("card", *url, *words, "--json")  # behind everything, as a person types it

    def told(*words: str) -> dict[str, object]:
        done = run(*words)
        assert done.exit_code == 0, done.stderr
        answer: dict[str, object] = json.loads(done.stdout)
        return answer

    name = str(account("open", "prepaid-bps")["account"])
    assert account("load", name, "12345")["balance"] == 123_45
    issued = str(card("issue", name, "--pin", "1234")["card"])
    assert card("activate", issued)["status"] == "active"
    assert card("limits", issued, "--internet", "5000")["limits"] == {
        "cash": 500_000,
        "cashless": 500_000,
        "internet": 5_000,
    }
    assert card("block", issued)["status"] == "temporarily_blocked"
    assert card("unblock", issued)["status"] == "active"
    assert card("unblock-pin", issued)["pin_tries_left"] == 3
    shown = run("account", *url, "show", name)
    assert shown.exit_code == 0
    assert "123.45 PLN" in shown.stdout
    assert run("card", *url, "show", issued).exit_code == 0


def test_a_refused_command(bank: Bank) -> None:
    """Exit 1 and the engine's words, with the paragraph; exit 1 too when no engine answers."""
    card = bank.issue("prepaid-bps")
    url = ("--url", bank.engine.url)
    refused = run("card", *url, "limits", card.card, "--cash", "99999999")
    assert (refused.exit_code, "W §10" in refused.stderr) == (1, True)
    assert run("card", *url, "show", "card-none").exit_code == 1
    assert run("account", *url, "--token", "wrong", "show", card.account).exit_code == 1
    away = run("account", "--url", "http://127.0.0.1:1", "show", "x")
    assert (away.exit_code, "no engine answers" in away.stderr) == (1, True)


def test_the_pin_is_asked_for(bank: Bank) -> None:
    """Not echoed, so not in anyone's shell history."""
    account = bank.account("prepaid-bps")
    words = ("card", "--url", bank.engine.url, "--json", "issue", account)
    done = run(*words, stdin="1234\n")
    assert done.exit_code == 0, done.stderr
    assert "1234" not in done.stdout.replace(json.loads(done.stdout[done.stdout.index("{") :])["pan_masked"], "")


def test_serve_in_another_folder(start: Start) -> None:
    """Two engines share nothing but the program: their ledgers are told apart by --set data_dir."""
    engines = [start(data=name) for name in ("a", "b")]
    bank = Bank(engines[0])
    card = bank.issue("prepaid-bps")
    card.pay()
    found = [run("explain", card.sent["37"], *engine.settings).exit_code for engine in engines]
    assert found == [0, 1]
    bank.close()
