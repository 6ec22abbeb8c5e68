"""A listener with `mac`: what is wrong is answered 96 with a MAC of ours, and nobody behind hears of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_parts import EXPIRY, KEYS, NO_REDIS, PAN, PRODUCTS, Parts, parts

from authsvc.codec.dialects import DIALECTS, Dialect, Fields
from authsvc.logs import MessageLog
from authsvc.message_mac import MessageMac
from authsvc.pipeline import Pipeline
from authsvc.security.draws import Draws
from authsvc.security.keys import Secret
from authsvc.security.mac import OneMacKey, RetailMac

PURCHASE: Fields = {
    "t": "0100", "2": PAN, "3": "000000", "4": "000000001000", "7": "0615100000", "11": "000001", "14": EXPIRY,
    "22": "051", "37": "RRN000000001", "41": "TERM0001", "42": "MERCHANT0000001", "49": "985",
}  # fmt: skip
OURS, ANOTHER = RetailMac(KEYS.mac), RetailMac(Secret(bytes.fromhex("FEDCBA98765432100123456789ABCDEF")))


class Line:
    """A link, as far as is asked of one."""

    def __init__(self, dialect: str = "iso87-ascii") -> None:
        self.listener = "main"
        self.dialect: Dialect = DIALECTS[dialect]
        self.signed_on = True
        self.refused = 0
        self.peer = "10.1.2.3:4000"

    def signed(self, fields: Fields, key: RetailMac = OURS) -> bytes:
        return self.dialect.mac_field.with_mac(self.dialect.encode(fields), key.over)

    def code(self, answer: bytes | None) -> str:
        assert answer is not None
        return self.dialect.decode(answer)["39"]

    def is_signed(self, answer: bytes | None) -> bool:
        """Whether the answer has a MAC; one that is not right is an error of the test."""
        found = self.dialect.mac_field.split(answer or b"")
        assert found is None or OURS.is_right(*found)
        return found is not None


class Stand:
    """`required` and `checked` over one engine."""

    def __init__(self, engine: Parts) -> None:
        self.engine = engine
        pipeline = Pipeline(
            engine.decider, engine.vault, engine.hsm, Draws(KEYS), PRODUCTS, engine.metrics, MessageLog(0)
        )
        self.required = MessageMac(pipeline, OneMacKey(KEYS.mac), True, engine.metrics)
        self.checked = MessageMac(pipeline, OneMacKey(KEYS.mac), False, engine.metrics)

    async def nothing_happened(self) -> bool:
        return await self.engine.held() == 0 and await self.engine.ledger.find(rrn="RRN000000001") == []


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with parts(tmp_path, NO_REDIS) as made:
        await made.with_card()
        yield Stand(made)


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_message_with_its_mac_is_decided(stand: Stand, dialect: str) -> None:
    """In every dialect, and its answer has one too."""
    line = Line(dialect)
    answer = await stand.required.handle(line, line.signed(PURCHASE))
    assert (line.code(answer), line.is_signed(answer)) == ("00", True)
    assert await stand.engine.held() == 10_00


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_a_wrong_mac(stand: Stand, dialect: str) -> None:
    """rulebook section 3, MAC_INVALID: 96, under our MAC; no decision, no hold, no state."""
    line = Line(dialect)
    for answer in (
        await stand.required.handle(line, line.signed(PURCHASE, ANOTHER)),
        await stand.checked.handle(line, line.signed(PURCHASE, ANOTHER)),
        await stand.required.handle(line, line.dialect.encode(PURCHASE)),
    ):
        assert (line.code(answer), line.is_signed(answer)) == ("96", True)
    assert await stand.nothing_happened()
    assert stand.engine.count('authsvc_refused_undecided_total{reason="MAC_INVALID"}') == 3
    assert stand.engine.count('authsvc_frames_refused_total{cause="mac",listener="main"}') == 3


async def test_whatever_was_changed_on_the_way(stand: Stand) -> None:
    """One digit of the amount, of the STAN, of the MTI, of the MAC itself."""
    line = Line()
    sent = line.signed(PURCHASE)
    for changed in (
        sent.replace(b"000000001000", b"000000000001"), sent.replace(b"000001", b"000002"), b"0101" + sent[4:],
        sent[:-1] + (b"0" if sent[-1:] != b"0" else b"1"),
    ):  # fmt: skip
        assert line.code(await stand.required.handle(line, changed)) == "96"
    assert await stand.nothing_happened()


async def test_checked_takes_messages_without(stand: Stand) -> None:
    """And answers them without: a peer that has no key yet."""
    line = Line()
    answer = await stand.checked.handle(line, line.dialect.encode(PURCHASE))
    assert (line.code(answer), line.is_signed(answer)) == ("00", False)
    repeat = await stand.checked.handle(line, line.signed({**PURCHASE, "t": "0101"}))
    assert (line.code(repeat), line.is_signed(repeat)) == ("00", True)


async def test_a_repeat_gets_the_stored_answer_with_a_mac(stand: Stand) -> None:
    """The very same bytes, since the same answer under the same key has the same MAC; nothing is held twice."""
    line = Line()
    first = await stand.required.handle(line, line.signed(PURCHASE))
    assert await stand.required.handle(line, line.signed({**PURCHASE, "t": "0101"})) == first
    assert await stand.engine.held() == 10_00


@pytest.mark.parametrize("code", ["001", "002", "301"])
async def test_network_management_needs_one_too(stand: Stand, code: str) -> None:
    """Else anybody could sign a link off."""
    line, fields = Line(), {"t": "0800", "7": "0615100000", "11": "000001", "70": code}
    assert line.code(await stand.required.handle(line, line.dialect.encode(fields))) == "96"
    assert line.signed_on
    answer = await stand.required.handle(line, line.signed(fields))
    assert (line.code(answer), line.is_signed(answer)) == ("00", True)


async def test_a_format_error_under_a_right_mac(stand: Stand) -> None:
    """30 with a MAC, as any other answer; without a right one it would be 96, and its sender learn no more."""
    line = Line()
    fields = {name: value for name, value in PURCHASE.items() if name != "4"}
    answer = await stand.required.handle(line, line.signed(fields))
    assert (line.code(answer), line.is_signed(answer)) == ("30", True)
    wrong = await stand.required.handle(line, line.signed(fields, ANOTHER))
    assert (line.code(wrong), line.is_signed(wrong)) == ("96", True)


@pytest.mark.parametrize("garbage", [b"", b"\x00", b"0100", b"no message at all", b"0110" + b"0" * 16])
async def test_what_cannot_be_answered_is_not(stand: Stand, garbage: bytes) -> None:
    """The server counts it as garbage; only an MTI of a request is enough for an answer."""
    line = Line()
    answer = await stand.required.handle(line, garbage)
    assert answer is None or line.code(answer) == "96"
    assert (answer is None) == (garbage != b"0100")


async def test_a_fault_of_ours_has_a_mac(stand: Stand) -> None:
    """96 after an error nobody foresaw; in `checked`, only for a message that had one."""
    line = Line()
    signed, plain = line.signed(PURCHASE), line.dialect.encode(PURCHASE)
    assert line.is_signed(stand.required.fault(line, signed))
    assert line.is_signed(stand.checked.fault(line, signed))
    assert not line.is_signed(stand.checked.fault(line, plain))
    assert stand.required.fault(line, b"garbage") is None
