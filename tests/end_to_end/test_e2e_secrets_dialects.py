"""The same search behind every dialect and framing: good messages, wrong fields, frames cut anywhere, and what `describe`
says of each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count

import e2e_bank
import pytest
from e2e_bank import NOON, Bank, Plastic
from e2e_canaries import (
    EXPIRY,
    PAN,
    PIN,
    STRANGER,
    TRACK_REST,
    WRONG_PIN,
    every_file,
    everything_in,
    traces_in,
)
from e2e_dialects import FRAMINGS, SPEECHES, DialectPeer
from e2e_process import ROOT, EngineProcess, free_port
from e2e_wire import Fields, cvv2

from authsvc.codec.dialects import DIALECTS, Dialect
from authsvc.codec.pan import PanDisplay
from authsvc.codec.translate import to_request
from authsvc.errors import PeerError
from authsvc.model import AccountId, CardId, CardRef
from authsvc.reading.conversations import SourceError
from authsvc.reading.frames import read
from authsvc.reading.shown import as_json, as_text
from authsvc.reading.spoken import every_framing
from authsvc.security.hsm import SoftHsm
from authsvc.security.keys import load_keys

NAMES = list(SPEECHES)
PAIRS = [(name, "2b") for name in NAMES] + [
    (NAMES[number % len(NAMES)], framing)
    for number, framing in enumerate(FRAMINGS)
    if framing not in ("2b", "2a", "2a-inclusive")
]
"""Every dialect, and every framing, the dialects in turn. 2a has room for packed digits alone."""
PAIRS += [("iso87-bcd", "2a"), ("iso87-bcd", "2a-inclusive")]
STEP = 23
"""Bytes between the places where messages are cut: coprime to the lengths of fields, and the suite has no hours."""


def secrets(card: Plastic, dialect: str) -> Iterator[Fields]:
    """Messages with the secrets where they belong, and where they do not."""
    track = f"{card.pan}{'D' if dialect == 'iso87-bcd' else '='}{EXPIRY}{TRACK_REST}"
    chip = f"5A08{card.pan}5713{card.pan}D{EXPIRY}{TRACK_REST}0F"
    private = f"42032109203{cvv2(card.pan, EXPIRY)}"
    whole = {"35": track, "48": private, "55": chip, "45": f"B{card.pan}^NOWAK/ANNA^{EXPIRY}{TRACK_REST}"}
    for pin in (PIN, WRONG_PIN):
        yield card.message(10_00, pin=pin)
        yield {**card.message(10_00, pin=pin), **whole}
    yield {**card.message(10_00, f2=None, f14=None, f22="901"), "35": track}
    yield {**card.message(10_00), "43": f"SKLEP {card.pan}".ljust(40), "48": f"4216{card.pan}"}
    yield {**card.message(10_00), "44": card.pan, "60": f"{card.pan} {PIN}", "63": track}
    yield {**card.message(10_00), "54": f"{card.pan}0000", "55": card.pan + "9F"}
    yield {**card.message(10_00), "2": card.pan[:12], "42": f"A{card.pan[:12]}Z ", "37": card.pan[:12]}
    yield card.reversal(card.message())
    if dialect != "moov87-wide":
        yield {**card.message(0, pin=PIN), "3": "920000", "102": card.pan, "125": card.pan}


SLIM = ("t", "2", "3", "4", "7", "11", "22", "35", "41", "49", "52")
"""What fits into the 99 bytes that two ASCII digits can name, packed."""


def payloads(card: Plastic, dialect: str, slim: bool = False) -> Iterator[bytes]:
    """Each message whole, and the fullest one cut short, gone on, and with a byte changed in every field."""
    encode = SPEECHES[dialect].encode
    messages = [in_order(fields) for fields in secrets(card, dialect)]
    if slim:
        messages = [{name: value for name, value in each.items() if name in SLIM} for each in messages]
    whole = [encode(each) for each in messages]
    yield from whole
    fullest = max(whole, key=len)
    yield from (fullest[:size] for size in range(1, len(fullest), STEP))
    yield fullest + card.pan.encode()
    for place in range(2, len(fullest), STEP):
        yield fullest[:place] + b"\xff" + fullest[place + 1 :]
        yield fullest[:place] + fullest[place + 1 :]  # everything behind it has slipped by one


def in_order(fields: Fields) -> Fields:
    return {"t": fields["t"]} | {name: fields[name] for name in sorted(fields.keys() - {"t"}, key=int)}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Everything that an engine behind all of them wrote and said, by where it was found."""
    ports, overrides = {}, []
    for number, pair in enumerate(PAIRS):
        while (port := free_port()) in ports.values():
            pass
        ports[pair] = port
        for key, value in {"port": port, "dialect": pair[0], **FRAMINGS[pair[1]]}.items():
            overrides.append(f"listeners.l{number}.{key}={str(value).lower() if isinstance(value, bool) else value}")
    data_dir = tmp_path_factory.mktemp("secrets_dialects") / "data"
    engine = EngineProcess(data_dir, *overrides, "log.level=debug", "log.messages=true").start()
    found: dict[str, bytes] = {}
    try:
        bank = Bank(engine)
        card = bank.issue("prepaid-bps", pan=PAN, pin=PIN)
        for pair, port in ports.items():
            for plastic in (card, Plastic(bank, "", "", STRANGER, EXPIRY)):
                feed(port, pair, plastic)
        found["metrics"] = bank.api.ask("GET", "/metrics").content
        found["journal"] = bank.api.ask("GET", f"/v1/accounts/{card.account}/journal").content
        found["valkey"] = everything_in(engine.valkey())
        found |= {f"running: {name}": data for name, data in every_file(data_dir)}
        bank.close()
    finally:
        engine.stop()
    return found | {f"stopped: {name}": data for name, data in every_file(data_dir.parent)}


def feed(port: int, pair: tuple[str, str], card: Plastic) -> None:
    """Every payload on one link, and another when the engine closes it; nothing but an answer's DE2 may be a secret."""
    dialect, framing = pair
    slim = framing.startswith("2a")
    every = list(payloads(card, dialect, slim))[:: 1 if slim or framing == "2b" else 5]
    peer = DialectPeer(port, dialect, framing)
    for payload in every:
        try:
            peer.send_payload(payload)
        except OSError:
            peer.__exit__()
            peer = DialectPeer(port, dialect, framing)
            peer.send_payload(payload)
    peer.finish()


def test_no_secret_anywhere(places: dict[str, bytes]) -> None:
    """Journal, files, log, metrics, Valkey: in plain, packed, EBCDIC, hexadecimal, base64."""
    assert {place: found for place, data in places.items() if (found := traces_in(data))} == {}


def test_it_was_fed(places: dict[str, bytes]) -> None:
    """Decisions and refusals of form, of every listener: so that the search means something."""
    assert places["journal"].count(b'"outcome"') > 20
    log = places["stopped: data.err"]
    assert {number for number in range(len(PAIRS)) if b'"l%d"' % number not in log} == set()


class Noon:
    """All that a card needs of a bank to have a message made."""

    now = NOON


def card_of(pan: str) -> Plastic:
    return Plastic(Noon(), "", "", pan, EXPIRY)  # type: ignore[arg-type]


@pytest.fixture
def same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """STAN and RRN of every run: in a message that has slipped by a byte, digits of one drawn at random could stand where
    a field is as long as a CVV2, and be it."""
    monkeypatch.setattr(e2e_bank, "_numbers", count(424_242))


@pytest.mark.usefixtures("same_numbers")
@pytest.mark.parametrize("dialect", NAMES)
def test_describe_says_no_secret(dialect: str) -> None:
    """Of any of them, as text and as JSON, when it is told the dialect and when it has to guess; and nothing in an error."""
    told = []
    for number, payload in enumerate(payloads(card_of(PAN), dialect)):
        dialects = [dialect] if number % 4 else NAMES
        try:
            found = read(payload, dialects, every_framing("none") if number % 4 else every_framing(), PanDisplay.MASKED)
        except SourceError as error:
            told.append(repr(error))
        else:
            # A place in the message can be the same three digits as a CVV2.
            told.append(
                re.sub("^ +[0-9]+ |byte [0-9]+ of [0-9]+", "", as_text(found), flags=re.MULTILINE) + as_json(found)
            )
    assert len(told) > 30
    leaks = {one[:300]: found for one in told if (found := traces_in(one.encode()))}
    assert leaks == {}


@pytest.mark.usefixtures("same_numbers")
@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=NAMES)
def test_no_error_of_the_core_holds_a_secret(dialect: Dialect) -> None:
    """What is raised while a message is cut and understood, its arguments, and everything it is chained to."""
    hsm = SoftHsm(load_keys(ROOT / "config/keys/demo.toml"))
    raised = []
    for payload in payloads(card_of(PAN), dialect.name):
        try:
            to_request(dialect.decode(payload), CardRef(AccountId("a"), CardId("c")), hsm)
        except PeerError as error:
            raised.append("".join(map(written, chain_of(error))))
    assert len(raised) > 30
    leaks = {one[:300]: found for one in raised if (found := traces_in(one.encode()))}
    assert leaks == {}


def chain_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error, its cause and its context, and theirs."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def written(error: BaseException) -> str:
    """As any careless handler could write it down. `fields` are for the answer alone, and never logged."""
    shown = {name: value for name, value in vars(error).items() if name != "fields"}
    return f"{type(error).__name__} {error} {error!r} {error.args!r} {shown!r}"
