"""What the parts are measured on: a credit card with chip and PIN, ten open holds, a full memory of recent messages.

Made by the engine's own rules, decision by decision, so it is what a real account looks like after a busy day.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from authsvc.codec.answers import to_answer
from authsvc.codec.dialects import DIALECTS, Fields
from authsvc.codec.translate import to_request
from authsvc.decider import with_pin_verdict
from authsvc.ledger.journal import ZERO_HASH
from authsvc.model import (
    Account,
    AccountId,
    ActivateCard,
    CardId,
    CardRef,
    Decision,
    Head,
    HoldId,
    HoldPlaced,
    IssueCard,
    Limits,
    Minor,
    OpenAccount,
    Request,
    UnixMs,
)
from authsvc.products import Product, load_products
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve
from authsvc.security.hsm import SoftHsm
from authsvc.security.keys import load_keys
from loadtest import wire
from loadtest.messages import Card, Kind, Terminal, zone_key

ROOT = Path(__file__).parents[1]
KEY_FILE = ROOT / "config/keys/demo.toml"
NOON = UnixMs(1_781_517_600_000)  # 2026-06-15 12:00 in Warsaw
ASCII = DIALECTS["iso87-ascii"]
REF = CardRef(AccountId("acc-8d6fd2fd8f6b338693c5"), CardId("card-0a1b2c3d4e5f60718293"))
CARD = Card("4180390000000017", "2911", "1234")
LARGE = Minor(100_000_000)
OPEN_HOLDS = 10
ANSWERED_BEFORE = 64


class World(NamedTuple):
    """`fields`, `payload`: an 0100 with 20 fields and a PIN block; `request`, `decision`: what it means and comes to;
    `answer`: the fields of its answer."""

    hsm: SoftHsm
    product: Product
    account: Account
    fields: Fields
    payload: bytes
    request: Request
    offered_pvv: str
    decision: Decision
    answer: Fields


@cache
def world() -> World:
    hsm = SoftHsm(load_keys(KEY_FILE))
    product = load_products(ROOT / "config/products", ROOT / "config/response_codes")["credit-business"]
    account = _busy(_issued(hsm, product), hsm, product)
    payload = _payload(ANSWERED_BEFORE + 1)
    fields = ASCII.decode(payload)
    received = to_request(fields, REF, hsm)
    request = with_pin_verdict(received.request, received.offered_pvv, account)
    decision = decide(request, account, product, NOON)
    assert decision.answer is not None
    answer = to_answer(fields, decision.answer)
    return World(hsm, product, account, fields, payload, request, received.offered_pvv, decision, answer)


def first_of(number: int) -> tuple[Head, Decision, Account]:
    """What a ledger is given for the world's purchase, as if it were the first decision of account `number`."""
    given, name = world(), AccountId(f"acc-{number:020}")
    changes = tuple(
        HoldPlaced(replace(change.hold, id=HoldId(f"{name}-1"))) if isinstance(change, HoldPlaced) else change
        for change in given.decision.changes
    )
    decision = replace(given.decision, account=name, seq=1, changes=changes)
    return Head(Account(id=name), ZERO_HASH), decision, replace(given.account, id=name, seq=1)


def _issued(hsm: SoftHsm, product: Product) -> Account:
    account = Account(id=REF.account)
    limits = Limits(LARGE, LARGE, LARGE)
    pvv = hsm.pvv(CARD.pin, CARD.pan)
    commands = (
        OpenAccount(REF.account, product.id, LARGE),
        IssueCard(REF.account, REF.card, CARD.pan[-4:], CARD.expiry, pvv, None, limits.cash, limits.cashless),
        ActivateCard(REF.account, REF.card),
    )
    for command in commands:
        account = evolve(account, decide(command, account, product, NOON))
    return account


def _busy(account: Account, hsm: SoftHsm, product: Product) -> Account:
    """After `ANSWERED_BEFORE` messages, of which the last `OPEN_HOLDS` hold something."""
    for number in range(1, ANSWERED_BEFORE + 1):
        amount = 1_000 if number > ANSWERED_BEFORE - OPEN_HOLDS else 0
        received = to_request(ASCII.decode(_payload(number, amount)), REF, hsm)
        request = with_pin_verdict(received.request, received.offered_pvv, account)
        account = evolve(account, decide(request, account, product, NOON))
    assert len(account.holds) == OPEN_HOLDS
    assert len(account.recent_keys) == ANSWERED_BEFORE
    return account


def _payload(number: int, amount: int = 1_000) -> bytes:
    terminal = Terminal(zone_key(KEY_FILE), number)
    return wire.encode(terminal.pay(Kind.CHIP_PIN, CARD, amount, datetime.fromtimestamp(NOON / 1000, UTC)))
