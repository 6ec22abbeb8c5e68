"""Every dialect and every framing on a port of its own of one real engine: the same purchase, the same answer."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import psec
import pytest
from e2e_bank import Bank, Plastic
from e2e_dialects import FRAMINGS, SPEECHES, DialectPeer
from e2e_process import EngineProcess, free_port
from e2e_wire import ZONE_PIN_KEY, Fields

PAIRS = [(dialect, "2b") for dialect in SPEECHES] + [("iso87-bcd", framing) for framing in FRAMINGS if framing != "2b"]
SLIM = ("t", "2", "3", "4", "7", "11", "14", "22", "32", "41", "49", "52", "90")
"""What fits into the 99 bytes that two ASCII digits can name, packed."""
WIRE = Path(__file__).parents[1] / "data" / "wire"
FILES = {path.stem: tomllib.loads(path.read_text()) for path in WIRE.glob("*.toml")}
OTHERS = {name: file for name, file in FILES.items() if file["dialect"] != "iso87-ascii"}


@pytest.fixture(scope="module")
def ports() -> dict[tuple[str, str], int]:
    """A free port for each pair, no two the same."""
    return {pair: free_port() for pair in PAIRS}


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory, ports: dict[tuple[str, str], int]) -> Iterator[Bank]:
    """One engine that listens to all of them."""
    overrides = []
    for number, ((dialect, framing), port) in enumerate(ports.items()):
        settings = {"port": port, "dialect": dialect, **FRAMINGS[framing]}
        for key, value in settings.items():
            text = str(value).lower() if isinstance(value, bool) else value
            overrides.append(f"listeners.l{number}.{key}={text}")
    engine = EngineProcess(tmp_path_factory.mktemp("dialects") / "data", *overrides).start()
    bank = Bank(engine)
    yield bank
    bank.close()
    engine.stop()


@pytest.fixture(scope="module")
def card(bank: Bank) -> Plastic:
    return bank.issue("prepaid-bps")


def slim(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name in SLIM}


@pytest.mark.parametrize(("dialect", "framing"), PAIRS)
def test_a_purchase_with_pin_its_repeat_and_its_reversal(
    ports: dict[tuple[str, str], int], card: Plastic, dialect: str, framing: str
) -> None:
    """Approved and held; the repeat gets the same bytes; the reversal leaves nothing held."""
    with DialectPeer(ports[dialect, framing], dialect, framing) as peer:
        purchase = slim(card.message(25_00, pin="1234"))
        answer, sent = peer.ask(purchase)
        echoed = {name: purchase[name] for name in ("2", "3", "4", "7", "11", "32", "41", "49")}
        assert answer == {"t": "0110", "39": "00", "38": answer["38"], **echoed}
        assert card.held == 25_00
        assert peer.ask(purchase)[1] == sent
        assert peer.ask({**purchase, "t": "0101"})[1] == sent
        reversed_, _ = peer.ask(slim(card.reversal(purchase)))
        assert (reversed_["t"], reversed_["39"]) == ("0410", "00")
        assert card.held == 0


@pytest.mark.parametrize("dialect", SPEECHES)
def test_a_wrong_pin_and_a_wrong_field_are_refused_in_the_same_dialect(
    ports: dict[tuple[str, str], int], bank: Bank, dialect: str
) -> None:
    """55 for the PIN; 30, with the STAN to find it by, for a month that there is not."""
    card = bank.issue("prepaid-bps")
    with DialectPeer(ports[dialect, "2b"], dialect, "2b") as peer:
        refused, _ = peer.ask(slim(card.message(1_00, pin="4321")))
        assert refused["39"] == "55"
        wrong = slim(card.message(1_00, f7="1301000000"))
        refused, _ = peer.ask(wrong)
        assert (refused["t"], refused["39"], refused["11"]) == ("0110", "30", wrong["11"])


ANSWERED = {
    "iso8583sim-ascii-binary-0800-echo": "00",
    "iso8583sim-bcd-0800-echo": "00",
    "iso8583sim-ebcdic-0800-echo": "00",
    "iso8583sim-bcd-0100-no-currency": "30",
    "jpos-bcd-0800-every-field": "30",  # network management without DE70
    "jpos-bcd-0800-to-field-64": "30",
    "iso8583sim-ascii-binary-0100-chip": "30",  # a PIN block under no key of ours
    "iso8583sim-ebcdic-0100-chip": "30",
    "moov-0100-pin": "30",
    "moov-0100-iso4": "30",
    "iso8583sim-ascii-binary-0400": "14",  # a card of nobody's
    "iso8583sim-ebcdic-0400": "14",
    "moov-0400": "14",
}


@pytest.mark.parametrize("name", ANSWERED)
def test_messages_of_other_software_are_answered(ports: dict[tuple[str, str], int], bank: Bank, name: str) -> None:
    """tests/data/wire in the other dialects: understood, and answered in the words that their sender understands."""
    assert bank.engine.is_running
    file, dialect = OTHERS[name], OTHERS[name]["dialect"]
    with DialectPeer(ports[dialect, "2b"], dialect, "2b") as peer:
        answer = peer.speech.decode(peer.ask_payload(bytes.fromhex(file["hex"])))
        asked = file["fields"]
        assert (answer["t"], answer["39"]) == (f"{asked['t'][:2]}10", ANSWERED[name])
        assert answer["11"] == asked["11"]


def test_every_file_of_another_dialect_is_here() -> None:
    """A message added to the folder has to be expected above; moov's 0110 is an answer, which is never answered."""
    assert OTHERS.keys() == ANSWERED.keys() | {"moov-0110"}


def test_a_pin_block_of_16_bytes(ports: dict[tuple[str, str], int], bank: Bank) -> None:
    """ISO-4 where the dialect gives DE52 sixteen bytes: moov's, with the bytes as they are."""
    card = bank.issue("prepaid-bps")
    with DialectPeer(ports["moov87-wide", "2b"], "moov87-wide", "2b") as peer:
        for pin, then in (("1234", "00"), ("4321", "55")):
            message = slim(card.message(1_00))
            payload = peer.speech.encode({**message, "52": "0" * 16})
            block = psec.pinblock.encipher_pinblock_iso_4(ZONE_PIN_KEY, pin, card.pan).hex().upper().encode()
            payload = payload.replace(b"30" * 16, block)
            assert peer.speech.decode(peer.ask_payload(payload))["39"] == then
