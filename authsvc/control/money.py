"""The calls that move money: transfers out of an account, and presentments from a clearing desk."""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from litestar import post
from litestar.params import FromPath, JSONBody, SkipValidation
from msgspec import Struct
from msgspec.structs import replace
from stdnum import iban as ibans

from authsvc.control.bodies import PresentmentBody, TransferBody
from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS, bad_field, unknown
from authsvc.control.idempotency import Once
from authsvc.control.roles import Action
from authsvc.model import (
    AccountId,
    CardId,
    CardRef,
    Decision,
    Entry,
    Kind,
    Minor,
    Origin,
    Original,
    Posted,
    PostingId,
    PostingKind,
    PostingReduced,
    Presentment,
    Reason,
    Refused,
    Reversal,
    Transfer,
)
from authsvc.rules import views

CURRENCIES = {"PLN": "985", "EUR": "978", "USD": "840", "GBP": "826", "CHF": "756"}
LARGEST_LIST = 4 * 1024 * 1024
"""Bytes; about fifteen thousand presentments."""
ABREAST = 32
"""Accounts of one list that are posted to at the same time; the rest of the engine has other work as well."""


class Transferred(Struct, frozen=True):
    """`fee`: taken beside `amount`; `balance`: right after both."""

    decision: str
    account: str
    amount: int
    fee: int
    balance: int


@post("/accounts/{account:str}/transfers", opt={"action": Action.TRANSFER}, responses=PROBLEMS, tags=["accounts"])
async def transfer(
    account: FromPath[str], data: JSONBody[TransferBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> Transferred:
    """Money out of the card account to a Polish account, in PLN; it counts as cash (S §14, W §2)."""
    iban = _iban(data.iban)
    found = await desk.account(AccountId(account))
    if data.card not in found.account.cards:
        raise unknown("card")
    command = Transfer(
        found.account.id, CardId(data.card), Minor(data.amount), iban, data.reference, once.key, once.fingerprint(data)
    )
    return _transferred(await desk.decide(command), data.amount)


def _iban(text: str) -> str:
    """Without spaces and in capitals, a bare Polish number with its "PL". Raises 400 on a wrong check number."""
    compact = text.replace(" ", "").upper()
    compact = f"PL{compact}" if compact.isdigit() else compact
    if not ibans.is_valid(compact):
        raise bad_field("iban", "is no account number: its length or its check digits are wrong")
    return compact


def _transferred(decision: Decision, amount: int) -> Transferred:
    posted = [change for change in decision.changes if isinstance(change, Posted)]
    fee = sum(change.posting.amount for change in posted if change.posting.kind is PostingKind.FEE)
    return Transferred(decision.id, decision.account, amount, fee, posted[-1].balance)


class PresentmentOutcome(Struct, frozen=True):
    """Of one presentment, at the same place in the answer as in the list. `outcome`: "posted", "reversed" or "refused";
    `reason`: of a refusal; `amount`: grosze posted, negative for money to the holder; `matched`: what it belonged to; `flags`:
    what a clearing desk looks at: late, above_hold, below_hold, twice, after_reversal, no_authorization, overdrawn;
    `repeated`: decided before, nothing happened now."""

    outcome: str
    decision: str | None = None
    account: str | None = None
    card: str | None = None
    reason: Reason | None = None
    amount: int | None = None
    hold: str | None = None
    matched: str | None = None
    flags: tuple[str, ...] = ()
    repeated: bool = False


@post(
    "/presentments",
    opt={"action": Action.PRESENT},
    responses=PROBLEMS,
    tags=["presentments"],
    request_max_body_size=LARGEST_LIST,
)
async def present(
    data: JSONBody[list[PresentmentBody]], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> list[PresentmentOutcome]:
    """Post presentments, each a decision of its own, those of an account in their order.

    Each is posted once under an Idempotency-Key of the list, or under a `reference` of its own.
    """
    for number, body in enumerate(data):
        if (flaw := body.flaw) is not None:
            raise bad_field(f"[{number}].{flaw[0]}", flaw[1])
    claims: dict[str, list[_Claim]] = {}
    for number, body in enumerate(data):
        claim = await _claim(body, number, desk, once)
        claims.setdefault(claim.account, []).append(claim)
    room = asyncio.Semaphore(ABREAST)
    told = await asyncio.gather(*(_in_order(of_one, desk, room) for of_one in claims.values()), return_exceptions=True)
    outcomes: dict[int, PresentmentOutcome] = {}
    for one in told:  # looked at when all of them have ended: what is posted is posted
        if isinstance(one, BaseException):
            raise one
        outcomes |= one
    return [outcomes[number] for number in range(len(data))]


class _Claim(NamedTuple):
    """`account`: whose order it keeps, "" of a card id that nobody knows; then there is no `request`."""

    number: int
    account: str = ""
    request: Presentment | Reversal | None = None


async def _claim(body: PresentmentBody, number: int, desk: Desk, once: Once) -> _Claim:
    card = await desk.engine.card_named(body.pan_or_card)
    if card is None:
        return _Claim(number)
    # The header's key has no space in it, so the keys of lists and the references never meet.
    key = f" {body.reference}" if body.reference else f"{once.key}:{number}" if once.key else ""
    content = once.fingerprint(replace(body, pan_or_card=card.card))
    return _Claim(number, card.account, (_reversal if body.reversal else _presentment)(body, card, key, content))


async def _in_order(claims: list[_Claim], desk: Desk, room: asyncio.Semaphore) -> dict[int, PresentmentOutcome]:
    """Those of one account one after the other; of several accounts at the same time, so that they share commits."""
    async with room:
        return {claim.number: await _present(claim, desk) for claim in claims}


async def _present(claim: _Claim, desk: Desk) -> PresentmentOutcome:
    if claim.request is None:
        return PresentmentOutcome("refused", reason=Reason.UNKNOWN_CARD)
    decision = await desk.engine.present(claim.request, desk.actor)
    # What is decided now is decided on this very object; what comes out of the journal has one of its own.
    return replace(outcome_of(decision), repeated=decision.request is not claim.request)


def _reversal(body: PresentmentBody, card: CardRef, key: str, fingerprint: str) -> Reversal:
    return Reversal(
        account=card.account,
        card=card.card,
        virtual=card.virtual,
        origin=Origin("0420", "", "", merchant=body.merchant_id.strip(), rrn=body.rrn),
        fingerprint=fingerprint,
        original=Original(rrn=body.rrn),
        amount=Minor(body.amount),
        currency=CURRENCIES.get(body.currency, body.currency),
        kind=Kind(body.kind),
        code=body.authorization_code,
        posting=PostingId(body.decision.replace(":", "-")),
        idempotency=key,
    )


def _presentment(body: PresentmentBody, card: CardRef, key: str, fingerprint: str) -> Presentment:
    return Presentment(
        account=card.account,
        card=card.card,
        virtual=card.virtual,
        origin=Origin("0220", "", "", merchant=body.merchant_id.strip(), rrn=body.rrn),
        fingerprint=fingerprint,
        kind=Kind(body.kind),
        amount=Minor(body.amount),
        currency=CURRENCIES.get(body.currency, body.currency),
        billing=Minor(body.billing_amount or 0),
        billing_currency=CURRENCIES.get(body.billing_currency, body.billing_currency) if body.billing_amount else "",
        original=Original(rrn=body.rrn),
        code=body.authorization_code,
        final=body.final,
        entry=Entry.ECOMMERCE if body.internet else Entry.CHIP,
        mcc=body.mcc,
        idempotency=key,
    )


def outcome_of(decision: Decision) -> PresentmentOutcome:
    """What became of a presentment, for a clearing desk."""
    request, outcome = decision.request, decision.outcome
    assert isinstance(request, Presentment | Reversal)
    if isinstance(outcome, Refused):
        return PresentmentOutcome("refused", decision.id, decision.account, request.card or None, outcome.reason)
    returned = next((change for change in decision.changes if isinstance(change, PostingReduced)), None)
    if returned is not None:
        return PresentmentOutcome(
            "reversed", decision.id, decision.account, request.card, amount=-returned.returned, matched="presentment"
        )
    posted = next((change for change in decision.changes if isinstance(change, Posted)), None)
    return PresentmentOutcome(
        "posted", decision.id, decision.account, request.card, amount=posted.posting.amount if posted else 0,
        hold=outcome.hold or None, matched=views.matched(decision) or None, flags=views.flags(decision),
    )  # fmt: skip


HANDLERS = (transfer, present)
