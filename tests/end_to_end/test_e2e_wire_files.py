"""tests/data/wire over a real socket into a real engine: messages made by software that none of us wrote.

What is expected is written out field by field: the answer must be these bytes and no others.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from e2e_bank import Bank, Plastic
from e2e_wire import Fields, Wire, decode, encode

FOLDER = Path(__file__).parents[1] / "data" / "wire"
EVERY = {path.stem: tomllib.loads(path.read_text()) for path in FOLDER.glob("*.toml")}
FILES = {name: file for name, file in EVERY.items() if file["dialect"] == "iso87-ascii"}
"""The other dialects are in `test_e2e_dialects`."""
ECHOED = ("2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49", "70", "90")
"""What an answer gives back byte for byte (wire.md section 3)."""


def payload_of(name: str) -> bytes:
    return bytes.fromhex(FILES[name]["hex"])


def echo_of(name: str) -> Fields:
    """The fields that were right in the message and have to come back."""
    fields = FILES[name]["fields"]
    return {field: fields[field] for field in ECHOED if field in fields}


@pytest.fixture
def wire(bank: Bank) -> Iterator[Wire]:
    """A link of its own for each message: some of them sign off."""
    with Wire(bank.engine.port) as link:
        yield link


ANSWERED = {
    # 0800: echo, sign-on, sign-off
    "android-0800-sign-on": ("0810", "00"),
    "iso8583sim-0800-echo": ("0810", "00"),
    "jpos-0800-echo": ("0810", "00"),
    "jpos-0800-echo-guide": ("0810", "00"),
    "jpos-0800-sign-off": ("0810", "00"),
    # 0800 without DE70
    "jpos-ascii-0800-every-field": ("0810", "30"),
    "jpos-ascii-0800-to-field-64": ("0810", "30"),
    # a field that is wrong
    "android-0400-cut-short": ("0410", "30"),
    "go-0100-strange-track": ("0110", "30"),
    "jpos-0200-impossible-time": ("0210", "30"),
    "pyiso8583-0200-howto-json": ("0210", "30"),
    "pyiso8583-0200-readme": ("0210", "30"),
    # a mandatory field that is not there
    "iso8583sim-0100-template": ("0110", "30"),
    "iso8583sim-0400-template": ("0410", "30"),
    "jpos-0100-example": ("0110", "30"),
    "pyiso8583-0200-docstring": ("0210", "30"),
    "pyiso8583-0200-howto-mandatory": ("0210", "30"),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_it_is_answered_with_what_it_said(wire: Wire, name: str) -> None:
    """The response code, what was right in the message byte for byte, and nothing else; the link goes on."""
    mti, code = ANSWERED[name]
    answer = wire.ask_payload(payload_of(name))
    assert decode(answer) == {"t": mti, "39": code, **echo_of(name)}
    assert answer == encode({"t": mti, "39": code, **echo_of(name)})
    assert wire.is_served()


def test_an_answer_is_never_answered(wire: Wire) -> None:
    """jPOS's 0810: two switches that answer each other's answers would never stop."""
    wire.send_bytes(len(payload_of("jpos-0810-echo")).to_bytes(2, "big") + payload_of("jpos-0810-echo"))
    assert wire.is_served()  # the first thing that comes back is the answer to the echo


def issue_as_named(bank: Bank, product: str, name: str) -> Plastic:
    """The card that the message means, on an account of its own. A card of this number may be there already."""
    fields = FILES[name]["fields"]
    return bank.issue(product, pan=fields["2"], expiry=fields["14"])


def test_a_chip_purchase_and_its_reversal_from_iso8583sim(bank: Bank, wire: Wire) -> None:
    """Approved, held, repeated with the same bytes, reversed: nothing is held any more."""
    card = issue_as_named(bank, "prepaid-bps", "iso8583sim-0100-chip")
    first = wire.ask_payload(payload_of("iso8583sim-0100-chip"))
    code = decode(first)["38"]
    assert len(code.strip()) == 6
    assert first == encode({"t": "0110", "39": "00", "38": code, **echo_of("iso8583sim-0100-chip")})
    assert wire.ask_payload(payload_of("iso8583sim-0100-chip")) == first
    assert card.held == 25_00
    reversed_ = wire.ask_payload(payload_of("iso8583sim-0400"))
    assert reversed_ == encode({"t": "0410", "39": "00", **echo_of("iso8583sim-0400")})
    assert card.held == 0


def test_an_internet_purchase_with_a_wrong_cvv2_from_iso8583sim(bank: Bank, wire: Wire) -> None:
    """CVV2_WRONG of a Mastercard card, with the result of the check in DE48.87."""
    card = issue_as_named(bank, "prepaid-sgb", "iso8583sim-0100-web")
    answer = wire.ask_payload(payload_of("iso8583sim-0100-web"))
    assert answer == encode({"t": "0110", "39": "63", "48": "8701N", **echo_of("iso8583sim-0100-web")})
    (decision,) = bank.decisions(rrn="616610000103", account=card.account)
    assert decision["reason"] == "CVV2_WRONG"


@pytest.mark.parametrize("name", ["go-0100-strange-track", "iso8583sim-0100-template"])
def test_what_could_not_be_understood_is_not_remembered(bank: Bank, wire: Wire, name: str) -> None:
    """A message with an error of form is refused without a decision: there is nothing it could be a repeat of."""
    wire.ask_payload(payload_of(name))
    assert bank.decisions(stan=FILES[name]["fields"]["11"]) == []


def test_every_file_is_here() -> None:
    """A message added to the folder has to be expected above."""
    told = {"iso8583sim-0100-chip", "iso8583sim-0400", "iso8583sim-0100-web", "jpos-0810-echo"}
    assert FILES.keys() == ANSWERED.keys() | told
