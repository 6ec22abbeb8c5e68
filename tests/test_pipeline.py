"""The whole way of a message without sockets: bytes in, bytes out, and every fault as the answer it deserves."""

from __future__ import annotations

import asyncio
import io
import json
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import iso8583
import psec
import pytest
import structlog
from engine_parts import CARD, EXPIRY, KEYS, NO_REDIS, NOON, PAN, PIN, PRODUCTS, Parts, parts
from iso8583.specs import default_ascii

from authsvc import logs
from authsvc import pipeline as pipeline_module
from authsvc.codec.dialects import DIALECTS, Dialect
from authsvc.decider import ATTEMPTS, Decider
from authsvc.errors import LateError, LedgerDownError, StaleAccountError
from authsvc.ledger.journal import CommitUnknownError
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.logs import MessageLog
from authsvc.model import Account, AccountId, Authorization, CardId, Decision, Head, Pin, Reversal, UnixMs
from authsvc.pipeline import Pipeline
from authsvc.security.draws import Draws

Fields = dict[str, str]
SECOND_PAN = "5575290000000027"


class Line:
    """A link, as far as the pipeline sees one."""

    def __init__(self) -> None:
        self.listener = "main"
        self.dialect: Dialect = DIALECTS["iso87-ascii"]
        self.signed_on = True
        self.refused = 0
        self.peer = "10.1.2.3:4000"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts(tmp_path, NO_REDIS) as made:
        await made.with_card()
        yield made


def pipeline_of(engine: Parts, decider: Any = None, one_in: int = 0) -> Pipeline:
    products = PRODUCTS
    return Pipeline(
        decider or engine.decider, engine.vault, engine.hsm, Draws(KEYS), products, engine.metrics, MessageLog(one_in)
    )


@pytest.fixture
def pipeline(engine: Parts) -> Pipeline:
    return pipeline_of(engine)


def purchase(stan: int = 1, **changes: str | None) -> Fields:
    fields: dict[str, str | None] = {
        "t": "0100", "2": PAN, "3": "000000", "4": "000000001000", "7": "0615100000", "11": f"{stan:06}", "14": EXPIRY,
        "22": "051", "37": f"RRN{stan:09}", "41": "TERM0001", "42": "MERCHANT0000001", "49": "985",
    }  # fmt: skip
    fields |= {name.removeprefix("f"): value for name, value in changes.items()}
    return {name: value for name, value in fields.items() if value is not None}


def payload(fields: Fields) -> bytes:
    return bytes(iso8583.encode(dict(fields), default_ascii)[0])


async def ask(pipeline: Pipeline, fields: Fields, link: Line | None = None) -> Fields:
    answer = await pipeline.handle(link or Line(), payload(fields))  # type: ignore[arg-type]
    assert answer is not None
    return {name: value for name, value in iso8583.decode(answer, default_ascii)[0].items() if name not in ("p", "1")}


def pin_block(pin: str) -> str:
    """DE52 by psec: an ISO-0 block under the zone PIN key."""
    with warnings.catch_warnings(action="ignore"):  # TDES is what the standard says, and what cryptography dislikes
        clear = psec.pinblock.encode_pinblock_iso_0(pin, PAN)
        return bytes(psec.des.encrypt_tdes_ecb(KEYS.zone_pin.reveal(), clear)).hex().upper()


# ---------------------------------------------------------------------------------------------------- the whole way


async def test_bytes_in_bytes_out(engine: Parts, pipeline: Pipeline) -> None:
    """Decoded, understood, decided, remembered, encoded."""
    answer = await ask(pipeline, purchase())
    echoed = {
        name: value for name, value in purchase().items() if name in ("2", "3", "4", "7", "11", "37", "41", "42", "49")
    }
    assert answer == {"t": "0110", "39": "00", "38": answer["38"], **echoed}
    assert await engine.held() == 10_00


@pytest.mark.parametrize(("pin", "code", "verdict"), [(PIN, "00", Pin.RIGHT), ("9999", "55", Pin.WRONG)])
async def test_the_pin_goes_no_further(engine: Parts, pipeline: Pipeline, pin: str, code: str, verdict: Pin) -> None:
    """Its block is opened, what it comes to is compared, and the journal is told right or wrong."""
    answer = await ask(pipeline, purchase(f52=pin_block(pin)))
    assert answer["39"] == code
    (row,) = await engine.ledger.find(rrn="RRN000000001")
    assert isinstance(row.decision.request, Authorization)
    assert row.decision.request.pin is verdict


async def test_a_repeat_gets_the_same_bytes(engine: Parts, pipeline: Pipeline) -> None:
    first = await pipeline.handle(Line(), payload(purchase()))  # type: ignore[arg-type]
    assert await pipeline.handle(Line(), payload(purchase(t="0101"))) == first  # type: ignore[arg-type]
    assert await engine.held() == 10_00


async def test_a_reversal(engine: Parts, pipeline: Pipeline) -> None:
    await ask(pipeline, purchase(1))
    named = f"0100000001{purchase()['7']}{'0' * 22}"
    assert (await ask(pipeline, purchase(2, t="0400", f90=named)))["39"] == "00"
    assert await engine.held() == 0


async def test_contactless_is_drawn_by_its_identity(engine: Parts, pipeline: Pipeline) -> None:
    """The random PIN request is a keyed hash of the message, so a repeat or a replay draws the same."""
    for stan in (1, 2):
        await ask(pipeline, purchase(stan, f22="071"))
    await ask(pipeline, purchase(3))
    draws = [
        row.decision.request.draw
        for row in await engine.ledger.find(account="acc-1")
        if isinstance(row.decision.request, Authorization)
    ]
    assert draws[0] == 1.0  # not contactless
    assert len(set(draws)) == 3
    assert all(0 <= draw < 1 for draw in draws[1:])


async def test_an_unknown_card(engine: Parts, pipeline: Pipeline) -> None:
    """14, journaled under one of the strays; never the PAN."""
    answer = await ask(pipeline, purchase(f2="4111111111111111"))
    assert answer["39"] == "14"
    (row,) = await engine.ledger.find(rrn="RRN000000001")
    assert row.decision.account.startswith("stray-")
    assert "4111111111111111" not in str(row.decision)


async def test_a_card_issued_a_moment_ago(engine: Parts, pipeline: Pipeline) -> None:
    """That nobody knew it before is not kept."""
    assert (await ask(pipeline, purchase(1, f2=SECOND_PAN)))["39"] == "14"
    await engine.with_card(account=AccountId("acc-2"), card=CardId("card-2"), pan=SECOND_PAN)
    assert (await ask(pipeline, purchase(2, f2=SECOND_PAN)))["39"] == "00"


# ----------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("field", ["f3", "f4", "f7", "f11", "f22", "f49", "f2"])
async def test_a_mandatory_field_is_missing(engine: Parts, pipeline: Pipeline, field: str) -> None:
    answer = await ask(pipeline, purchase(**{field: None}))
    assert (answer["t"], answer["39"]) == ("0110", "30")
    assert await engine.ledger.find(rrn="RRN000000001") == []


async def test_garbage_is_not_answered(pipeline: Pipeline) -> None:
    for garbage in (b"", b"\x00", b"no message", b"01", payload(purchase(t="0110"))):
        assert await pipeline.handle(Line(), garbage) is None  # type: ignore[arg-type]


async def test_format_errors_are_counted(engine: Parts, pipeline: Pipeline) -> None:
    await ask(pipeline, purchase(f4=None))
    assert engine.count('authsvc_frames_refused_total{cause="format",listener="main"}') == 1


async def test_a_key_for_a_link_that_takes_none(engine: Parts, pipeline: Pipeline) -> None:
    """Its listener has no key-encryption key: 12, and counted, so that the alert says it."""
    answer = await ask(pipeline, {"t": "0800", "7": "0615100000", "11": "000009", "70": "161"})
    assert answer["39"] == "12"
    assert engine.count('authsvc_key_changes_total{listener="main",outcome="not_offered"}') == 1


async def test_signed_off(engine: Parts, pipeline: Pipeline) -> None:
    """91 until the next sign-on, and no decision; the link's own matter."""
    link, other = Line(), Line()
    network = {"t": "0800", "7": "0615100000", "11": "000009"}
    assert (await ask(pipeline, {**network, "70": "002"}, link))["39"] == "00"
    assert (await ask(pipeline, purchase(1), link))["39"] == "91"
    assert await engine.ledger.find(rrn="RRN000000001") == []
    assert (await ask(pipeline, purchase(2), other))["39"] == "00"
    assert (await ask(pipeline, {**network, "70": "001"}, link))["39"] == "00"
    assert (await ask(pipeline, purchase(1), link))["39"] == "00"


@pytest.mark.parametrize(("fields", "code"), [
    ({"f32": "423456"}, "00"), ({"f32": "00000423456"}, "00"), ({"f32": "42345"}, "58"), ({}, "58"), ({"f32": "0"}, "58"),
    ({"t": "0400", "f32": "423456", "f90": f"0100000001{'0' * 32}"}, "25"),
    ({"t": "0400", "f32": "423456", "f90": f"01000000010615100000{'423456':>011}{'0' * 11}"}, "25"),
    ({"t": "0400", "f32": "423456", "f90": f"01000000010615100000{'999999':>011}{'0' * 11}"}, "58"),  # another's payment
])  # fmt: skip
async def test_acquirers_of_a_link(engine: Parts, fields: dict[str, str], code: str) -> None:
    """`acquirers`: DE32 is one of them, and so is the acquirer in DE90; else 58, counted, and nothing is decided."""
    products, one = PRODUCTS, frozenset({"423456", "7"})
    narrow = Pipeline(
        engine.decider, engine.vault, engine.hsm, Draws(KEYS), products, engine.metrics, MessageLog(0), acquirers=one
    )
    assert (await ask(narrow, purchase(**fields)))["39"] == code
    refused = code == "58"
    assert engine.count('authsvc_frames_refused_total{cause="acquirer",listener="main"}') == refused
    assert (await engine.ledger.find(rrn="RRN000000001") == []) == refused
    assert (await ask(narrow, {"t": "0800", "7": "0615100000", "11": "000009", "70": "301"}))["39"] == "00"


class Slow:
    """A ledger before the real one: its decisions are durable when `release` says so, the first `lose` of them lose a race."""

    def __init__(self, real: SqliteLedger, lose: int = 0) -> None:
        self._real = real
        self._lose = lose
        self.waiting: list[asyncio.Future[None]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def append(self, before: Head, decision: Decision, after: Account, vault: Any = None) -> Any:
        told = asyncio.get_running_loop().create_future()
        if self._lose:
            self._lose -= 1
            told.set_exception(StaleAccountError(before.account.id))
            return before, told
        head, _ = self._real.append(before, decision, after, vault)
        self.waiting.append(told)
        return head, told

    def release(self) -> None:
        while self.waiting:
            self.waiting.pop().set_result(None)


def in_front_of(engine: Parts, ledger: Any) -> Pipeline:
    return pipeline_of(engine, Decider(PRODUCTS, engine.state, ledger, lambda: engine.now, engine.metrics))


async def test_no_answer_before_it_is_remembered(engine: Parts) -> None:
    """It is made before the wait, and leaves after it (law 5)."""
    ledger = Slow(engine.ledger)
    answer = asyncio.create_task(in_front_of(engine, ledger).handle(Line(), payload(purchase())))  # type: ignore[arg-type]
    while not ledger.waiting:
        await asyncio.sleep(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not answer.done()
    ledger.release()
    found = await answer
    assert found is not None
    assert iso8583.decode(found, default_ascii)[0]["39"] == "00"


@pytest.mark.parametrize(("lost", "code"), [(1, "00"), (ATTEMPTS - 1, "00"), (ATTEMPTS, "96")])
async def test_somebody_else_was_faster(engine: Parts, lost: int, code: str) -> None:
    """The message is decided again on what the journal says, a bounded number of times."""
    ledger = Slow(engine.ledger, lost)
    before = engine.count("authsvc_conflicts_total")
    answer = asyncio.create_task(in_front_of(engine, ledger).handle(Line(), payload(purchase())))  # type: ignore[arg-type]
    while not answer.done():
        ledger.release()
        await asyncio.sleep(0)
    found = await answer
    assert found is not None
    assert iso8583.decode(found, default_ascii)[0]["39"] == code
    assert engine.count("authsvc_conflicts_total") == before + lost


class Failing:
    """A decider that raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def deadline(self) -> float:
        return 0.0

    def lost_a_race(self) -> None: ...

    async def begin(self, request: Authorization | Reversal, *_more: object) -> tuple[Decision, None]:
        assert request.account
        raise self._error


@pytest.mark.parametrize(("error", "code"), [
    (LedgerDownError("gone"), "91"), (LateError("late"), "91"), (StaleAccountError("lost"), "96"),
])  # fmt: skip
@pytest.mark.source
async def test_faults_have_their_answers(engine: Parts, error: Exception, code: str) -> None:
    answer = await ask(pipeline_of(engine, Failing(error)), purchase())
    assert (answer["t"], answer["39"], answer["11"]) == ("0110", code, "000001")
    assert "38" not in answer


@pytest.mark.source
async def test_an_unknown_commit_is_never_answered(engine: Parts) -> None:
    """Neither yes nor no is known to be true (architecture, "The ledger")."""
    failing = pipeline_of(engine, Failing(CommitUnknownError("?")))
    assert await failing.handle(Line(), payload(purchase())) is None  # type: ignore[arg-type]


@pytest.mark.source
async def test_a_fault_nobody_foresaw(engine: Parts) -> None:
    """It leaves `handle`; the server asks for its answer, DE39 96, and logs it."""
    failing = pipeline_of(engine, Failing(ZeroDivisionError("secret")))
    with pytest.raises(ZeroDivisionError):
        await failing.handle(Line(), payload(purchase()))  # type: ignore[arg-type]
    answer = failing.fault(Line(), payload(purchase()))  # type: ignore[arg-type]
    assert answer is not None
    assert iso8583.decode(answer, default_ascii)[0]["39"] == "96"
    assert failing.fault(Line(), b"garbage") is None  # type: ignore[arg-type]


# --------------------------------------------------------------------------------------------------------------- logs


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is logged, with logging as it was before afterwards. A logger that somebody used already keeps its stream."""
    monkeypatch.setattr(pipeline_module, "log", logs.get_logger("authsvc.pipeline"))
    before, level = structlog.get_config(), logs.level()
    stream = io.StringIO()
    logs.set_level("info")
    logs._configure_ours(lambda *_args: structlog.WriteLogger(stream), cache=False)
    yield stream
    logs.set_level(level)
    structlog.configure(**before)


async def test_one_line_a_message_when_asked_for(engine: Parts, lines: io.StringIO) -> None:
    """style.md lesson 9: who, what, how it ended; no PAN, no PIN."""
    await ask(pipeline_of(engine, one_in=1), purchase(f52=pin_block("9999")))
    (line,) = [json.loads(text) for text in lines.getvalue().splitlines()]
    assert {name: line[name] for name in ("event", "mti", "stan", "rrn", "card", "outcome", "reason")} == {
        "event": "answered", "mti": "0100", "stan": "000001", "rrn": "RRN000000001", "card": CARD,
        "outcome": "refused", "reason": "PIN_WRONG",
    }  # fmt: skip
    assert line["elapsed_us"] > 0
    assert PAN not in lines.getvalue()


async def test_no_line_when_not(pipeline: Pipeline, lines: io.StringIO) -> None:
    await ask(pipeline, purchase())
    assert lines.getvalue() == ""


async def test_a_format_error_names_the_field_and_not_its_value(pipeline: Pipeline, lines: io.StringIO) -> None:
    await ask(pipeline, purchase(f48=f"92{PAN}"))
    (line,) = [json.loads(text) for text in lines.getvalue().splitlines()]
    assert (line["event"], line["field"], line["peer"]) == ("format_error", "DE48", "10.1.2.3:4000")
    assert PAN not in lines.getvalue()


# ------------------------------------------------------------------------------------------------- messages without DE7


async def test_a_message_without_de7_where_its_dialect_has_none(engine: Parts, pipeline: Pipeline) -> None:
    """iso8583sim's own requests: the day stands in its place, so the same STAN on another day is another payment."""
    line = Line()
    line.dialect = DIALECTS["iso87-ascii-binary"]
    message = line.dialect.encode(purchase(f7=None))

    async def paid() -> Fields:
        answer = await pipeline.handle(line, message)  # type: ignore[arg-type]
        assert answer is not None
        return line.dialect.decode(answer)

    first = await paid()
    assert (first["39"], "7" in first) == ("00", False)
    assert await paid() == first
    assert await engine.held() == 10_00
    engine.now = UnixMs(NOON + 86_400_000)
    assert (await paid())["38"] != first["38"]
    assert await engine.held() == 20_00
