"""No PAN, PIN, PIN block, CVV2, track or key in anything the engine writes or says, whatever comes in.

Canaries go in by every door, in messages and bodies that are good, bad and broken; then every byte is looked at.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from e2e_bank import Bank, Plastic
from e2e_canaries import (
    EXPIRY,
    LONG_PIN,
    NEW_PIN,
    PAN,
    PIN,
    STRANGER,
    TOKEN,
    TRACK_REST,
    WRONG_PIN,
    every_file,
    everything_in,
    traces_in,
)
from e2e_process import EngineProcess
from e2e_wire import Fields, Wire, cvv2, encode, framed, pin_block


def good_messages(card: Plastic) -> Iterator[Fields]:
    """Understood, decided and answered, approved or not; of a card that is there and of one that is not."""
    secret = {"35": f"{card.pan}={EXPIRY}{TRACK_REST}", "48": f"42032109203{cvv2(card.pan, EXPIRY)}"}
    for pin in (PIN, WRONG_PIN):
        yield card.message(10_00, pin=pin)
        yield {**card.message(10_00, pin=pin), **secret}
    yield {**card.message(10_00, f2=None, f14=None, f22="901"), **secret}
    yield {**card.message(10_00, f22="812", f25="59"), **secret}
    for mti in ("0120", "0200", "0220"):
        yield {**card.message(10_00, t=mti, pin=PIN), **secret}
    yield {**card.message(10_00, f3="400000", pin=PIN), **secret}
    yield card.message(0, f3="920000", f18="6011", pin=PIN, f125=pin_block(PIN, card.pan))
    yield card.message(0, f3="920000", f18="6011", pin=PIN, f125=card.pan)
    yield {**card.message(10_00, f55="5A08" + card.pan + "5712" + f"{card.pan}D{EXPIRY}{TRACK_REST}F"), **secret}
    yield card.message(10_00, f48=f"4216{card.pan}")
    yield card.message(10_00, f48=f"6316{card.pan}2216{card.pan}")
    yield card.message(10_00, f43=f"SKLEP {card.pan}".ljust(40), f60=card.pan, f48=f"7716{card.pan}")
    yield card.reversal(card.message())


def broken_payloads(card: Plastic) -> Iterator[bytes]:
    """Wrong in one field, with the secrets in that field and beside it."""
    whole = {**card.message(10_00, pin=PIN), "35": f"{card.pan}={EXPIRY}{TRACK_REST}"}
    for field, value in {
        "2": f"{card.pan}X", "4": "00000000100A", "7": "9999999999", "14": "9999", "22": "A11",
        "35": f"{card.pan}&{TRACK_REST}", "45": f"B{card.pan}^A/B^{EXPIRY}{TRACK_REST}\n", "48": f"92{card.pan}",
        "49": "PLN", "52": pin_block(WRONG_PIN, STRANGER), "55": card.pan + "XY", "95": f"X{card.pan:<41}",
    }.items():  # fmt: skip
        yield encode({**whole, field: value})
    payload = encode(whole)
    yield from (payload[:size] for size in range(4, len(payload), 7))
    yield payload + card.pan.encode()
    yield card.pan.encode() * 3
    yield f"9999{card.pan}{PIN}".encode()
    yield payload.replace(b"0100", b"0110", 1)
    yield payload.replace(b"0100", b"0900", 1)


def bad_calls(bank: Bank, card: Plastic) -> Iterator[httpx.Response]:
    """Calls that fail, with secrets as names, values, ids, headers, in JSON and in what is none."""
    ask, path = bank.api.ask, f"/v1/accounts/{card.account}/cards"
    yield ask("POST", path, {"pin": LONG_PIN, "pan": STRANGER})
    yield ask("POST", path, {"pin": PIN, "pan": STRANGER[:-1] + "1"})
    yield ask("POST", path, {"pin": PIN, "pan": STRANGER, STRANGER: PIN})
    yield ask("POST", path, {"pin": PIN, "pan": PAN})
    yield ask("POST", path, {"pin": PIN, "pan": STRANGER})  # one card an account: refused, so not in the vault either
    yield ask("POST", path, {"pin": [PIN], "pan": {"x": STRANGER}})
    yield ask("PUT", f"/v1/cards/{card.card}/pin", {"pin": LONG_PIN})
    yield ask("PUT", f"/v1/cards/{card.card}/pin", {"pin": NEW_PIN, "old": PIN})
    yield ask("POST", f"/v1/cards/{card.card}/block", {"kind": STRANGER, "by": PIN})
    yield ask("POST", "/v1/accounts", {"product": STRANGER})
    claim = {
        "scheme": "visa", "rrn": "", "authorization_code": "", "pan_or_card": PAN, "amount": 1_00, "currency": "985",
        "merchant_id": "", "mcc": "5411",
    }  # fmt: skip
    yield ask("POST", "/v1/presentments", [claim, {**claim, "pan_or_card": STRANGER}])
    yield ask("POST", "/v1/presentments", [{**claim, "rrn": PAN, PAN: PIN}])
    yield ask("GET", f"/v1/cards/{PAN}")
    yield ask("GET", f"/v1/accounts/{PAN}/journal?after={STRANGER}")
    yield ask("GET", f"/v1/{PAN}/{LONG_PIN}")
    yield ask("GET", f"/v1/decisions?rrn={PAN}&pin={PIN}")
    yield ask("POST", "/v1/clock", {"now": STRANGER})
    loads = f"/v1/accounts/{card.account}/loads"
    for number in (PAN, " ".join((STRANGER[:4], STRANGER[4:8], STRANGER[8:12], STRANGER[12:]))):
        assert ask("POST", loads, {"amount": 1_00, "reference": f"card {number}, thanks"}).status_code == 201
    yield ask("POST", "/v1/accounts", {"product": "prepaid-bps", "holder": f"Anna Nowak {PAN}"})
    yield ask("POST", "/v1/presentments", [{**claim, "reference": f"ref-{PAN}"}])
    yield ask("POST", "/v1/presentments", [{**claim, "rrn": "1", "reversal": True, "decision": PAN}])
    yield bank.api.ask("POST", loads, {"amount": 1_00, "reference": "r"}, key=f"load {PAN}".replace(" ", "-"))
    for content in (f'{{"pin": "{PIN}", "pan": "{PAN}"', f"{PAN}", f'["{PAN}", "{PIN}"]', "\x00" + PAN):
        yield bank.api.raw("POST", path, content.encode(), "demo-operator")
        yield bank.api.raw("POST", path, content.encode(), TOKEN)


class Searched:
    """What the engine wrote and said, by where it was found. Filled once: it is the same for all tests here."""

    def __init__(self) -> None:
        self.places: dict[str, bytes] = {}
        self.codes: set[str] = set()
        self.statuses: set[int] = set()


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """An engine that logs all it can, fed with the canaries."""
    result = Searched()
    engine = EngineProcess(tmp_path_factory.mktemp("secrets") / "data", "log.level=debug", "log.messages=true").start()
    try:
        _feed(engine, result)
    finally:
        engine.stop()
    for name, data in every_file(engine.data_dir.parent):
        result.places[f"stopped: {name}"] = data
    return result


def _feed(engine: EngineProcess, result: Searched) -> None:
    bank = Bank(engine)
    card = bank.issue("prepaid-bps", pan=PAN, pin=PIN)
    _talk(bank, card, result)
    for number, answer in enumerate(bad_calls(bank, card)):
        result.statuses.add(answer.status_code)
        result.places[f"answer of call {number}"] = answer.content + str(answer.headers).encode()
    card.change("PUT", "pin", {"pin": NEW_PIN})
    result.places["journal"] = bank.api.ask("GET", f"/v1/accounts/{card.account}/journal").content
    for stray in range(16):
        journal = bank.api.ask("GET", f"/v1/accounts/stray-{stray:x}/journal")
        result.places[f"journal of strays {stray}"] = journal.content
    result.places["card"] = bank.api.ask("GET", f"/v1/cards/{card.card}").content
    result.places["decisions"] = bank.api.ask("GET", f"/v1/decisions?account={card.account}").content
    result.places["metrics"] = bank.api.ask("GET", "/metrics").content
    result.places["valkey"] = everything_in(engine.valkey())
    for name, data in every_file(engine.data_dir):
        result.places[f"running: {name}"] = data


def _talk(bank: Bank, card: Plastic, result: Searched) -> None:
    stranger = Plastic(bank, "", "", STRANGER, EXPIRY)
    for plastic in (card, stranger):
        for fields in good_messages(plastic):
            answer = bank.wire.ask(fields)
            result.codes.add(answer["39"])
            assert answer.keys().isdisjoint({"14", "35", "45", "52", "55"})
            assert traces_in("".join(value for name, value in answer.items() if name != "2").encode()) == []
        for payload in broken_payloads(plastic):
            with Wire(bank.engine.port) as wire:
                wire.send_bytes(framed(payload))
                wire.half_close()
                while not wire.is_closed_by_engine():  # whatever is answered, only DE2 may come back
                    pass
    with Wire(bank.engine.port) as wire:
        wire.send_bytes(b"\xff\xff" + PAN.encode() * 4000)
        assert wire.is_closed_by_engine()
    no_http(bank.engine.control_port)


def no_http(port: int) -> None:
    """To the control API: what is no HTTP at all."""
    wire = Wire(port)
    wire.send_bytes(f"{PAN} {PIN}\r\n\r\n".encode())
    wire.is_closed_by_engine()
    wire.close()


def test_it_was_fed(searched: Searched) -> None:
    """Approved, refused for PIN, card and kind, and broken: so that the search means something."""
    assert {"00", "12", "14", "30", "55"} <= searched.codes
    assert searched.statuses == {200, 201, 400, 401, 404, 409}
    assert any(name.endswith(".rdb") for name in searched.places)
    assert len(searched.places["stopped: data.err"]) > 1000
    assert b"issue_card" in searched.places["running: ledger.sqlite-wal"]


def test_no_secret_anywhere(searched: Searched) -> None:
    """Every byte of every file, answer, metric, key and value."""
    assert {place: found for place, data in searched.places.items() if (found := traces_in(data))} == {}


def test_the_search_finds_what_it_looks_for() -> None:
    """A search that finds nothing because it cannot would be worth nothing."""
    for text in (f'x"{PIN}"', f"..{PAN}..", f"9203{cvv2(PAN, EXPIRY)}", pin_block(PIN, PAN).lower(), TRACK_REST):
        assert traces_in(text.encode())
    assert traces_in(b"x" + bytes.fromhex(PAN)) == ["PAN"]
    assert traces_in(bytes.fromhex(f"1{PAN}F")) == ["PAN"]
    assert traces_in(PAN.encode("cp500")) == ["PAN"]
    assert all(traces_in(base64.b64encode(b"x" * before + PAN.encode() + b"yz")) == ["PAN"] for before in range(6))
    assert all(traces_in(base64.b64encode(b"x" * before + bytes.fromhex(PAN) + b"y")) == ["PAN"] for before in range(3))
    assert traces_in(b"5575 29135792 4682, 557529******4682") == []


def test_the_last_four_digits_are_all_there_is(searched: Searched) -> None:
    assert PAN[-4:].encode() in searched.places["card"]
    assert b"135792" not in b"".join(searched.places.values())


def test_no_pvv_in_the_journal_that_is_shown(searched: Searched) -> None:
    """Who has the key and the PVV has the PIN."""
    _no_name(searched.places["journal"], "pvv")
    assert b"pvv" not in searched.places["card"]


def _no_name(content: bytes, name: str) -> None:
    def walk(value: Any) -> None:
        if isinstance(value, dict):
            assert name not in value
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    walk(httpx.Response(200, content=content).json())


def test_files_are_for_their_owner_only(engine: EngineProcess) -> None:
    """The ledger and the Valkey socket."""
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "valkey/valkey.sock"):
        assert (engine.data_dir / name).stat().st_mode & 0o077 == 0, name
