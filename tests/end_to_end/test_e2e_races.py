"""Law 3 from outside: many at once, and a foreign writer, and still not a grosz too much."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path

import apsw
import msgspec
import pytest
from e2e_bank import Bank
from e2e_wire import Fields, Wire

from authsvc.ledger.entries import entries_of
from authsvc.ledger.journal import chain
from authsvc.ledger.sqlite_reader import open_reader
from authsvc.model import AccountId, BlockCard, BlockKind, By, CardId, Command, Load, Minor, PostingKind, UnixMs
from authsvc.products import load_products
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve

ROOT = Path(__file__).parents[2]


def on_links(port: int, messages: list[Fields], links: int) -> dict[str, Fields]:
    """Dealt out to several links, all sent before any answer is read."""
    wires = [Wire(port) for _ in range(links)]
    answers: dict[str, Fields] = {}
    threads = [
        threading.Thread(target=lambda wire=wire, turn=turn: answers.update(wire.ask_all(messages[turn::links])))  # type: ignore[misc]
        for turn, wire in enumerate(wires)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    for wire in wires:
        wire.close()
    assert len(answers) == len(messages)
    return answers


@pytest.mark.parametrize("load", [100_00, 77_50, 0])
def test_two_hundred_at_once_never_overspend(bank: Bank, load: int) -> None:
    """8 links, one account: as many are approved as there is money for, and answers and hold agree to the grosz."""
    card = bank.issue("prepaid-bps", load=load)
    answers = on_links(bank.engine.port, [card.message(1_00) for _ in range(200)], links=8)
    codes = Counter(answer["39"] for answer in answers.values())
    assert codes == Counter({"00": load // 1_00, "51": 200 - load // 1_00}) - Counter()
    assert card.money() == (load // 1_00 * 1_00, load % 1_00)


def test_a_day_limit_and_a_count_hold_too(bank: Bank) -> None:
    card = bank.issue("prepaid-sgb")
    answers = on_links(bank.engine.port, [card.message(1_00) for _ in range(60)], links=8)
    assert Counter(answer["39"] for answer in answers.values()) == {"00": 15, "61": 45}


def test_two_cards_of_one_credit_account(bank: Bank) -> None:
    """Each has its limit, and both together the account's."""
    account = bank.account("credit-business", credit_limit=100_00)
    cards = [bank.card("credit-business", account, individual_limit=limit) for limit in (60_00, 40_00)]
    messages = [card.message(1_00) for _ in range(100) for card in cards]
    answers = on_links(bank.engine.port, messages, links=8)
    approved = Counter(message["2"] for message in messages if answers[message["11"]]["39"] == "00")
    assert approved == {cards[0].pan: 60, cards[1].pan: 40}
    assert cards[0].money() == (100_00, 0)


def test_wrong_pins_at_once_are_three_tries(bank: Bank) -> None:
    """Sending many at once is no way to try more PINs."""
    card = bank.issue("prepaid-bps")
    messages = [card.message(1_00, pin=f"{pin:04}") for pin in range(40)]
    answers = on_links(bank.engine.port, messages, links=8)
    assert Counter(answer["39"] for answer in answers.values()) == {"55": 2, "75": 38}


def test_repeats_and_reversals_on_different_links(bank: Bank) -> None:
    """Original, two repeats and a reversal of each of 40 payments, all at once: in the end nothing is held."""
    card = bank.issue("prepaid-bps")
    originals = [card.message(1_00) for _ in range(40)]
    reversals = [card.reversal(original) for original in originals]
    bank_answers = on_links(bank.engine.port, originals + reversals, links=8)
    pairs = {
        (bank_answers[original["11"]]["39"], bank_answers[reversal["11"]]["39"])
        for original, reversal in zip(originals, reversals, strict=True)
    }
    assert pairs <= {("00", "00"), ("05", "25")}
    assert card.held == 0
    for original in originals:
        again = bank.wire.ask({**original, "t": "0101"})
        assert again["39"] == bank_answers[original["11"]]["39"]
    assert card.held == 0


def _plain(value: str | int) -> str | int:
    return value.value if isinstance(value, PostingKind) else value


class ForeignWriter:
    """Another process that decides on our ledger: what a second worker, or a fail-over, would do."""

    def __init__(self, ledger: Path) -> None:
        self._ledger = ledger
        self._connection = apsw.Connection(str(ledger))
        self._connection.set_busy_timeout(5000)
        self._products = load_products(ROOT / "config/products", ROOT / "config/response_codes")

    def decide(self, account_id: str, command: Command) -> None:
        """Journal and head move in one transaction, as the engine does it."""
        self._connection.execute("BEGIN IMMEDIATE")  # not deferred: it would read first, and then be too late to write
        try:
            self._decide(account_id, command)
        finally:
            self._connection.execute("COMMIT")

    def _decide(self, account_id: str, command: Command) -> None:
        head = open_reader(self._ledger).head(AccountId(account_id), evolve)
        assert head is not None
        before, before_hash = head.account, head.hash
        decision = decide(command, before, self._products[before.product], UnixMs(before.at))
        after, encoded = evolve(before, decision), msgspec.json.encode(decision)
        new_hash = chain(before_hash, encoded)
        kind = str(command.__struct_config__.tag)
        self._connection.execute(
            "INSERT INTO journal (account, seq, at, kind, key, rrn, stan, decision, hash) VALUES (?,?,?,?,?,?,?,?,?)",
            (account_id, after.seq, decision.at, kind, 0, "", "", encoded.decode(), new_hash),
        )
        self._connection.executemany(
            "INSERT INTO entries VALUES (?,?,?,?,?,?,?,?,?,?)",
            [tuple(map(_plain, msgspec.structs.astuple(entry))) for entry in entries_of(decision)],
        )
        self._connection.execute(
            "UPDATE head SET seq = ?, hash = ? WHERE account = ?", (after.seq, new_hash, account_id)
        )

    def close(self) -> None:
        self._connection.close()


def conflicts(bank: Bank) -> float:
    lines = bank.api.ask("GET", "/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("authsvc_conflicts_total"))


def test_a_foreign_writer_moves_the_head(bank: Bank) -> None:
    """The engine's copy is behind: it loses, reads the journal, decides again, and answers by what is true now."""
    card = bank.issue("prepaid-bps", load=10_00)
    other = bank.issue("prepaid-bps", load=10_00)
    assert [card.pay(10_00), card.pay(5_00), other.pay(1_00)] == ["00", "51", "00"]
    foreign = ForeignWriter(bank.engine.data_dir / "ledger.sqlite")
    before = conflicts(bank)
    foreign.decide(card.account, Load(card.account, Minor(5_00), "from elsewhere"))  # type: ignore[arg-type]
    assert card.pay(5_00) == "00"
    foreign.decide(other.account, BlockCard(other.account, CardId(other.card), BlockKind.STOLEN, By.HOLDER))  # type: ignore[arg-type]
    assert other.pay(1_00) == "43"
    assert conflicts(bank) - before == 2
    assert (card.money(), other.held) == ((15_00, 0), 1_00)
    foreign.close()
    assert bank.engine.run("reconcile", *bank.engine.settings).returncode == 0


def test_a_foreign_writer_all_the_time(bank: Bank) -> None:
    """It loads a grosz again and again while payments flow: every payment is answered rightly, every grosz arrives."""
    card = bank.issue("prepaid-bps", load=40_00)
    foreign = ForeignWriter(bank.engine.data_dir / "ledger.sqlite")
    stopping, loaded = threading.Event(), 0

    def disturb() -> None:
        nonlocal loaded
        while not stopping.wait(0.005):
            foreign.decide(card.account, Load(card.account, Minor(1), "from elsewhere"))  # type: ignore[arg-type]
            loaded += 1

    thread = threading.Thread(target=disturb)
    thread.start()
    codes = Counter(card.pay(1_00) for _ in range(50))
    stopping.set()
    thread.join()
    foreign.close()
    assert loaded > 0
    assert codes == {"00": 40, "51": 10}
    card.pay(1_00)  # the copy may be behind what was loaded last
    assert card.money() == (40_00, loaded)
    assert bank.engine.run("reconcile", *bank.engine.settings).returncode == 0
