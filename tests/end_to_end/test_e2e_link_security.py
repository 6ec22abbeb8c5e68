"""What a bank's link is guarded by, over TCP: MACs checked and set, by psec and pyiso8583 on the other end."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psec
import pytest
from conftest import Start
from e2e_bank import Bank
from e2e_dialects import SPEECHES
from e2e_process import EngineProcess, free_port
from e2e_wire import _KEYS, Fields, Wire, clear_pin_block
from postgres_server import PostgresServer

MAC_KEY = bytes.fromhex(_KEYS["mac"])
OTHER_KEY = bytes.fromhex("FEDCBA98765432100123456789ABCDEF")
PLAIN_MAC = ("iso87-ascii", "iso87-ascii-binary", "iso87-bcd", "iso87-ebcdic")


def retail_mac(data: bytes, key: bytes = MAC_KEY) -> bytes:
    with warnings.catch_warnings(action="ignore"):  # TDES is what the standard says, and what cryptography dislikes
        return bytes(psec.mac.generate_retail_mac(key[:8], key[8:], data, 1))


def signed(dialect: str, fields: Fields, key: bytes = MAC_KEY) -> bytes:
    """The message with its MAC, which is the last thing in it: encoded with zeros there, over what stands before them."""
    number = "128" if any(name.isdigit() and int(name) > 64 for name in fields) else "64"
    width = 16 if dialect == "iso87-ascii" else 8
    encode = SPEECHES[dialect].encode
    mac = retail_mac(encode({**fields, number: "0" * 16})[:-width], key)
    return encode({**fields, number: mac.hex().upper()})


def opened(dialect: str, payload: bytes, key: bytes = MAC_KEY) -> Fields:
    """The answer, whose MAC must be right."""
    fields = SPEECHES[dialect].decode(payload)
    mac = fields.pop("128" if "128" in fields else "64")
    assert bytes.fromhex(mac) == retail_mac(payload[: -16 if dialect == "iso87-ascii" else -8], key)
    return fields


class Guarded(NamedTuple):
    bank: Bank
    ports: dict[str, int]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """An engine with a listener for each dialect that demands MACs, one that only checks them, one for one
    acquirer, and one for addresses that are not ours."""
    ports = {dialect: free_port() for dialect in PLAIN_MAC}
    words = []
    for dialect, port in ports.items():
        words += [f"listeners.{dialect}.{word}" for word in (f"port={port}", f"dialect={dialect}", "mac=required")]
    ports["checked"] = free_port()
    words += [f"listeners.checked.port={ports['checked']}", "listeners.checked.mac=checked"]
    ports["narrow"] = free_port()
    words += [f"listeners.narrow.port={ports['narrow']}", 'listeners.narrow.acquirers=["423456"]']
    ports["closed"] = free_port()
    words += [f"listeners.closed.port={ports['closed']}", 'listeners.closed.allow=["192.0.2.0/24"]']
    engine = EngineProcess(tmp_path_factory.mktemp("guarded") / "data", *words).start()
    bank = Bank(engine)
    yield Guarded(bank, ports)
    bank.close()
    engine.stop()


@pytest.mark.parametrize("dialect", PLAIN_MAC)
def test_messages_with_macs(guarded: Guarded, dialect: str) -> None:
    """Paid, repeated, reversed; each answer under a right MAC, in DE64 or DE128."""
    card = guarded.bank.issue("prepaid-bps")
    with Wire(guarded.ports[dialect]) as wire:

        def ask(fields: Fields) -> Fields:
            return opened(dialect, wire.ask_payload(signed(dialect, fields)))

        message = card.message(5_00)
        first = ask(message)
        assert first["39"] == "00"
        assert ask({**message, "t": "0101"}) == first
        assert card.held == 5_00
        assert ask(card.reversal(message))["39"] == "00"
        assert card.held == 0


@pytest.mark.parametrize("dialect", PLAIN_MAC)
def test_without_or_with_a_wrong_one(guarded: Guarded, dialect: str) -> None:
    """96 with a MAC of ours; nothing decided, and the same message with its right MAC is taken as new."""
    card = guarded.bank.issue("prepaid-bps")
    message = card.message(5_00)
    with Wire(guarded.ports[dialect]) as wire:
        for payload in (SPEECHES[dialect].encode(message), signed(dialect, message, OTHER_KEY)):
            answer = opened(dialect, wire.ask_payload(payload))
            assert (answer["39"], answer["11"], answer["37"]) == ("96", message["11"], message["37"])
        assert guarded.bank.decisions(rrn=message["37"]) == []
        assert opened(dialect, wire.ask_payload(signed(dialect, message)))["39"] == "00"
    assert card.held == 5_00


def test_checked_takes_both(guarded: Guarded) -> None:
    """A message without a MAC is answered without, one with a wrong one 96; another listener knows of no MAC at all."""
    card = guarded.bank.issue("prepaid-bps")
    with Wire(guarded.ports["checked"]) as wire:
        assert "64" not in wire.ask(card.message(1_00))
        answer = wire.ask_payload(signed("iso87-ascii", card.message(1_00)))
        assert opened("iso87-ascii", answer)["39"] == "00"
        refused = wire.ask_payload(signed("iso87-ascii", card.message(1_00), OTHER_KEY))
        assert opened("iso87-ascii", refused)["39"] == "96"
    ignored = guarded.bank.wire.ask_payload(signed("iso87-ascii", card.message(1_00), OTHER_KEY))
    assert SPEECHES["iso87-ascii"].decode(ignored)["39"] == "00"
    assert card.held == 3_00


def test_an_acquirer_that_is_not_the_links(guarded: Guarded) -> None:
    """58, nothing decided; the same message with the right acquirer is taken."""
    card = guarded.bank.issue("prepaid-bps")
    with Wire(guarded.ports["narrow"]) as wire:
        assert wire.ask(card.message(1_00, f32="999999"))["39"] == "58"
        assert card.held == 0
        assert wire.ask(card.message(1_00))["39"] == "00"


def test_an_address_that_is_not_on_the_list(guarded: Guarded) -> None:
    with Wire(guarded.ports["closed"]) as wire:
        assert wire.is_closed_by_engine()
    assert guarded.bank.wire.is_served()


def test_a_setting_that_is_none(start: Start) -> None:
    """It stops the start and is named."""
    with pytest.raises(AssertionError, match=r"listeners\.main\.mac: Invalid enum value 'yes'"):
        start("listeners.main.mac=yes")


# ------------------------------------------------------------------------------------------------------- key exchange

KEK = bytes(range(32))
MASTER = bytes(range(32, 64))
FIRST_MAC, FIRST_PIN, NEW_MAC, NEW_PIN, STRANGE = (
    bytes(psec.des.adjust_key_parity(bytes([number]) * 8 + bytes(8))) for number in (2, 4, 7, 8, 11)
)


def key_block(key: bytes, usage: str, kek: bytes = KEK) -> str:
    return str(
        psec.tr31.KeyBlock(kek, f"D0000{usage}TB00N0000" if usage == "P0" else f"D0000{usage}TC00N0000").wrap(key)
    )


def key_change(block: str | None, mti: str = "0800") -> Fields:
    fields = {"t": mti, "7": "0615100000", "11": "000161", "70": "161"}
    return fields if block is None else {**fields, "110": block}


def sealed_key_file(folder: Path) -> Path:
    """The demo's keys as key blocks, and the three of a bank: nothing in clear in it."""
    rows = []
    kinds = {
        "zone_pin": "P0TB", "pvv": "V2TC", "cvv": "C0TC", "mac": "M3TC", "issuer_master": "E0TX", "vault_hash": "M7HC",
        "vault_seal": "D0AB", "decision": "M7HC", "cavv": "M7HC", "zone_pin_keys.bank": "P0TB", "mac_keys.bank": "M3TC",
        "keks.bank": "K1AB",
    }  # fmt: skip
    own = {"zone_pin_keys.bank": FIRST_PIN, "mac_keys.bank": FIRST_MAC, "keks.bank": KEK}
    for name, kind in kinds.items():
        key = own[name] if name in own else bytes.fromhex(_KEYS[name])
        rows.append(f'{name} = "{psec.tr31.KeyBlock(MASTER, f"D0000{kind}00N0000").wrap(key)}"')
    path = folder / "keys.toml"
    path.write_text("\n".join([*rows, 'pvv_index = "1"', 'cvv2_expiry = "YYMM"']))
    return path


class BankLink:
    """A bank's end of its link, with the keys that it thinks are right."""

    def __init__(self, port: int) -> None:
        self.mac, self.pin = FIRST_MAC, FIRST_PIN
        self._wire = Wire(port)

    def ask(self, fields: Fields) -> Fields:
        return opened("iso87-ascii", self._wire.ask_payload(signed("iso87-ascii", fields, self.mac)), self.mac)

    def is_understood(self) -> bool:
        """Whether a message under our MAC key is taken; what is refused comes under the engine's."""
        payload = self._wire.ask_payload(signed("iso87-ascii", key_change(None) | {"70": "301"}, self.mac))
        return SPEECHES["iso87-ascii"].decode(payload)["39"] == "00"

    def pays_with_pin(self, bank: Bank) -> str:
        card = bank.issue("prepaid-bps")
        with warnings.catch_warnings(action="ignore"):
            block = psec.des.encrypt_tdes_ecb(self.pin, clear_pin_block("1234", card.pan))
        return self.ask(card.message(1_00, **{"52": block.hex().upper()}))["39"]

    def close(self) -> None:
        self._wire.close()


def counted(bank: Bank, outcome: str) -> float:
    name = f'authsvc_key_changes_total{{listener="bank",outcome="{outcome}"}}'
    lines = bank.api.ask("GET", "/metrics").text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(name))


def test_a_peer_changes_its_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MAC key and zone PIN key, each in use from the next message; a restart has them; each refusal has its reason."""
    monkeypatch.setenv("AUTHSVC_MASTER_KEY", MASTER.hex())
    port = free_port()
    engine = EngineProcess(
        tmp_path / "data", f"key_file={sealed_key_file(tmp_path)}", f"listeners.bank.port={port}",
        "listeners.bank.mac=required", "listeners.bank.mac_key=bank", "listeners.bank.zone_pin_key=bank",
        "listeners.bank.kek=bank", "limits.key_overlap_seconds=600",
    ).start()  # fmt: skip
    bank, link = Bank(engine), BankLink(port)
    assert link.pays_with_pin(bank) == "00"

    assert link.ask(key_change(key_block(NEW_PIN, "P0")))["39"] == "00"
    assert link.ask(key_change(key_block(NEW_PIN, "P0"), mti="0801"))["39"] == "00"
    assert link.pays_with_pin(bank) == "00"  # under way: the old key is good for a while
    link.pin = NEW_PIN
    assert link.pays_with_pin(bank) == "00"

    answer = link.ask(key_change(key_block(NEW_MAC, "M3")))  # under the old key, as it was asked
    assert answer == {"t": "0810", "39": "00", "7": "0615100000", "11": "000161", "70": "161"}
    assert link.is_understood()
    link.mac = NEW_MAC
    assert link.pays_with_pin(bank) == "00"

    refused = {
        "malformed": (key_change("D0112M3TC00N0000"), "30"),
        "not_ours": (key_change(key_block(STRANGE, "M3", bytes(32))), "96"),
        "wrong_usage": (key_change(key_block(STRANGE, "V2")), "96"),
        "wrong_key": (key_change(key_block(bytes.fromhex("20" * 16), "M3")), "96"),
        "used_before": (key_change(key_block(FIRST_MAC, "M3")), "96"),
    }
    for outcome, (fields, code) in refused.items():
        assert link.ask(fields)["39"] == code, outcome
        assert counted(bank, outcome) == 1
    assert link.ask(key_change(None))["39"] == "30"
    assert (counted(bank, "taken"), counted(bank, "repeated")) == (2, 1)
    assert link.pays_with_pin(bank) == "00"
    link.close()
    bank.close()

    engine.kill()
    engine.start()
    bank, link = Bank(engine), BankLink(port)
    link.mac, link.pin = NEW_MAC, NEW_PIN
    assert link.pays_with_pin(bank) == "00"
    link.mac = STRANGE
    assert not link.is_understood()
    link.close()
    bank.close()
    engine.stop()
    written = (
        b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
        + engine.said().encode()
    )
    for key in (FIRST_MAC, FIRST_PIN, NEW_MAC, NEW_PIN, STRANGE, KEK, MASTER):
        assert key not in written
        assert key.hex().encode() not in written.lower()


def test_a_key_change_reaches_every_worker(tmp_path: Path, start: Start, postgres: PostgresServer) -> None:
    """It comes to one of two workers; the other has it with the first message that needs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHSVC_MASTER_KEY", MASTER.hex())
        port = free_port()
        engine = start(
            f"key_file={sealed_key_file(tmp_path)}", f"listeners.bank.port={port}", "listeners.bank.mac=required",
            "listeners.bank.mac_key=bank", "listeners.bank.kek=bank", "limits.key_overlap_seconds=0",
            f"ledger.url={postgres.database()}", "workers=2", clock="system",
        )  # fmt: skip
    until = time.monotonic() + 20
    while "ready; Ctrl-C" not in engine.said():
        assert time.monotonic() < until
        time.sleep(0.01)
    links = [BankLink(port) for _ in range(12)]  # the kernel deals them: all to one worker once in two thousand times
    assert links[0].ask(key_change(key_block(NEW_MAC, "M3")))["39"] == "00"
    assert not any(link.is_understood() for link in links[:1])
    for link in links:
        link.mac = NEW_MAC
    assert all(link.is_understood() for link in links)
    for link in links:
        link.mac = FIRST_MAC
    assert not any(link.is_understood() for link in links)
    for link in links:
        link.close()


@pytest.mark.parametrize(("setting", "problem"), [
    ("listeners.main.mac_key=bank", "listeners.main.mac_key: the key file has no mac_keys.bank"),
    ("listeners.main.zone_pin_key=bank", "listeners.main.zone_pin_key: the key file has no zone_pin_keys.bank"),
    ("listeners.main.kek=bank", "listeners.main.kek: the key file has no keks.bank"),
])  # fmt: skip
def test_a_key_that_is_not_there(start: Start, setting: str, problem: str) -> None:
    """It stops the start and is named."""
    with pytest.raises(AssertionError, match=problem):
        start(setting)
