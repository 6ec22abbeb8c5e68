"""A bug of ours in any stage, with everything that stage knew in its message: no log, metric or answer tells any of it.

A fault cannot be had from the real parts, so one method of one of them raises; the engine around it is the real one.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
import structlog
from e2e_canaries import EXPIRY, PAN, PIN, TRACK_REST, traces_in
from e2e_wire import cvv2, decode, encode, framed, pin_block
from engine_parts import settings, until

from authsvc import decider, engine, logs, pipeline
from authsvc.codec import translate
from authsvc.codec.dialects import Dialect
from authsvc.ledger.sqlite import SqliteLedger
from authsvc.metrics import Metrics
from authsvc.security.draws import Draws
from authsvc.security.hsm import SoftHsm
from authsvc.security.mint import Mint
from authsvc.security.vault import Vault

pytestmark = pytest.mark.asyncio(loop_scope="module")

STAGES: dict[str, tuple[Any, str]] = {
    "the card is looked up": (Vault, "cached"),
    "the message is understood": (pipeline, "to_request"),
    "the PIN block is opened": (SoftHsm, "offered_pvv"),
    "the CVV2 is checked": (SoftHsm, "cvv2_matches"),
    "the CVV of the stripe is checked": (SoftHsm, "cvv_matches"),
    "the PIN request is drawn": (Draws, "draw"),
    "it is decided": (decider, "decide"),
    "it is remembered": (SqliteLedger, "append"),
    "it becomes the account": (decider, "evolve"),
    "the answer is made": (pipeline, "to_answer"),
    "the answer is written": (Dialect, "encode"),
    "it is measured": (Metrics, "stage"),
    "fields are read": (translate, "fingerprint"),
}
"""What is done → where, and by what method."""


class BadError(Exception):
    """As bad as an exception can be: all that was at hand, as text, as values and in its cause."""


def failing(*known: object, **named: object) -> object:
    secret = f"{known!r} {named!r} {PAN} {PIN} {TRACK_REST} {pin_block(PIN, PAN)}"
    try:
        raise ValueError(secret, known)
    except ValueError as error:
        raise BadError(secret, known, named) from error


class Running:
    """An engine in this process with one card, and what it logs."""

    def __init__(self, running: engine.Engine, lines: io.StringIO) -> None:
        self.engine = running
        self.lines = lines

    async def ask(self, fields: dict[str, str]) -> dict[str, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.engine.ports["main"])
        writer.write(framed(encode(fields)))
        async with asyncio.timeout(10):
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = decode(await reader.readexactly(size))
        writer.close()
        return answer

    async def call(self, path: str, body: object) -> httpx.Response:
        url = f"http://127.0.0.1:{self.engine.ports['control']}{path}"
        async with httpx.AsyncClient(trust_env=False) as client:
            return await client.post(url, json=body, headers={"authorization": "Bearer demo-operator"})

    async def said(self) -> bytes:
        """Log and metrics."""
        return self.lines.getvalue().encode() + await self.engine.scrape()


@pytest.fixture(scope="module")
def lines() -> Iterator[io.StringIO]:
    """What is logged, at debug; logging as it was before afterwards."""
    before, level = structlog.get_config(), logs.level()
    stream = io.StringIO()
    logs._configure_ours(lambda *_args: structlog.WriteLogger(stream), cache=False)
    logs.set_level("debug")
    yield stream
    logs.set_level(level)
    structlog.configure(**before)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory, lines: io.StringIO) -> AsyncIterator[Running]:
    made = engine.build(settings(tmp_path_factory.mktemp("faults"), seed_demo="false"))
    await made.start()
    given = Running(made, lines)
    account = (await given.call("/v1/accounts", {"product": "prepaid-bps"})).json()["account"]
    await given.call(f"/v1/accounts/{account}/loads", {"amount": 100_00, "reference": "r"})
    card = await given.call(f"/v1/accounts/{account}/cards", {"pan": PAN, "expiry": EXPIRY, "pin": PIN})
    await given.call(f"/v1/cards/{card.json()['card']}/activate", {})
    yield given
    await made.stop()


def purchase(stage: str) -> dict[str, str]:
    """One that comes to this stage, with all there can be to tell."""
    stan = f"{list(STAGES).index(stage):06}"
    stripe, contactless = stage == "the CVV of the stripe is checked", stage == "the PIN request is drawn"
    return {
        "t": "0100", "2": PAN, "3": "000000", "4": "000000001000", "7": "0615100000", "11": stan, "14": EXPIRY,
        "22": "901" if stripe else "071" if contactless else "051", "35": f"{PAN}={EXPIRY}{TRACK_REST}",
        "41": "TERM0001", "42": "MERCHANT0000001", "48": f"9203{cvv2(PAN, EXPIRY)}", "49": "985", "52": pin_block(PIN, PAN),
    }  # fmt: skip


@pytest.mark.source
@pytest.mark.parametrize("stage", STAGES)
async def test_a_fault_in_a_stage(running: Running, monkeypatch: pytest.MonkeyPatch, stage: str) -> None:
    """Answered 96, or not at all when it cannot even be written; the log says where it was, and no more."""
    place, name = STAGES[stage]
    before = len(running.lines.getvalue())
    with monkeypatch.context() as broken:
        broken.setattr(place, name, failing)
        asked = asyncio.ensure_future(running.ask(purchase(stage)))
        await until(lambda: asked.done() or "BadError" in running.lines.getvalue()[before:])
        if stage != "the answer is written":
            await asked
    asked.cancel()
    answer = asked.result() if asked.done() and not asked.cancelled() else {"39": "none"}
    said = await running.said()
    assert (answer["39"] == "none") is (stage == "the answer is written")
    assert answer["39"] in ("96", "91", "none")
    assert "BadError" in running.lines.getvalue()[before:]
    assert traces_in(said) == []
    assert traces_in("".join(value for field, value in answer.items() if field != "2").encode()) == []


@pytest.mark.parametrize(("place", "name"), [(Mint, "card_secrets"), (Vault, "pan_hash"), (SoftHsm, "pvv")])
async def test_a_fault_in_the_control_api(
    running: Running, monkeypatch: pytest.MonkeyPatch, place: Any, name: str
) -> None:
    """500, "a fault on our side": the PAN and PIN of the body are in no log and no answer."""
    account = (await running.call("/v1/accounts", {"product": "prepaid-bps"})).json()["account"]
    with monkeypatch.context() as broken:
        broken.setattr(place, name, failing)
        answer = await running.call(f"/v1/accounts/{account}/cards", {"pan": PAN, "expiry": EXPIRY, "pin": PIN})
    assert answer.status_code == 500
    assert traces_in(answer.content + str(answer.headers).encode() + await running.said()) == []


async def test_a_task_that_nobody_waits_for(running: Running) -> None:
    """What asyncio says of it by itself, through the engine's handler."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.log_loop_exception)
    loop.call_soon(failing, PAN)
    await asyncio.sleep(0.05)
    said = await running.said()
    assert b"fault in the event loop" in said
    assert traces_in(said) == []


async def test_an_exception_shown_by_python_itself_would_tell_all() -> None:
    """The search above finds what it looks for: the faults are as bad as they are meant to be."""
    with pytest.raises(BadError) as caught:
        failing(PAN)
    assert "PAN" in traces_in(repr(caught.value).encode())
