"""What a bank's link is guarded by, over TCP: MACs checked and set, by psec and pyiso8583 on the other end."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import NamedTuple

import psec
import pytest
from conftest import Start
from e2e_bank import Bank
from e2e_dialects import SPEECHES
from e2e_process import EngineProcess, free_port
from e2e_wire import _KEYS, Fields, Wire

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
    """An engine with a listener for each dialect that demands MACs, and one that only checks them."""
    ports = {dialect: free_port() for dialect in PLAIN_MAC}
    words = []
    for dialect, port in ports.items():
        words += [f"listeners.{dialect}.{word}" for word in (f"port={port}", f"dialect={dialect}", "mac=required")]
    ports["checked"] = free_port()
    words += [f"listeners.checked.port={ports['checked']}", "listeners.checked.mac=checked"]
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


def test_a_setting_that_is_none(start: Start) -> None:
    """It stops the start and is named."""
    with pytest.raises(AssertionError, match=r"listeners\.main\.mac: Invalid enum value 'yes'"):
        start("listeners.main.mac=yes")
