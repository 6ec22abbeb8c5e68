"""Issuing a card: the one call that brings a PAN into the engine.

The PAN goes to the vault, sealed; the journal sees its last four digits.
"""

from __future__ import annotations

from typing import NamedTuple

from litestar import post
from litestar.params import FromPath, JSONBody, SkipValidation
from msgspec.structs import replace

from authsvc.codec.pan import luhn_ok, mask
from authsvc.control.bodies import IssueCardBody
from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS, bad_field
from authsvc.control.idempotency import Once
from authsvc.control.roles import Action
from authsvc.control.views import CardIssued
from authsvc.ledger.journal import PanTakenError, VaultEntry
from authsvc.model import AccountId, CardSet, CardStatus, Decision, IssueCard, Minor, UnixMs
from authsvc.products import Product
from authsvc.rules.calendar import day_of, is_past_expiry

DRAWS = 3
"""How often a PAN is drawn before a BIN counts as full; one draw in a thousand meets a taken one at a million cards."""


class _Plan(NamedTuple):
    """What a card is made from: the body, and what stands in for what it leaves out."""

    body: IssueCardBody
    product: Product
    account: AccountId
    expiry: str
    once: Once


@post("/accounts/{account:str}/cards", opt={"action": Action.ISSUE_CARD}, responses=PROBLEMS, tags=["cards"])
async def issue_card(
    account: FromPath[str], data: JSONBody[IssueCardBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> CardIssued:
    """Issue a card. Without `pan` one is generated in the product's BIN; without `expiry` it is good for the product's
    term from this month."""
    found = await desk.account(AccountId(account))
    product = found.product
    _check(data, product, found.now)
    expiry = data.expiry or expiry_after(product.card_years, found.now)
    plan = _Plan(data, product, found.account.id, expiry, once)
    decision = await _issue(plan, desk)
    assert isinstance(decision.request, IssueCard)  # the decision of this command, or of the one it repeats
    pan_masked = mask(data.pan) if data.pan else f"{product.bin[:6]}******{decision.request.last4}"
    return CardIssued(decision.request.card, pan_masked, _status_after(decision))


def _check(body: IssueCardBody, product: Product, now: UnixMs) -> None:
    """What the types of the body cannot say. Raises 400."""
    if body.pan is not None and not luhn_ok(body.pan):
        raise bad_field("pan", "the last digit is not its check digit")
    if body.expiry is not None and is_past_expiry(body.expiry, day_of(now)):
        raise bad_field("expiry", "is in the past")
    if body.individual_limit is not None and product.funds != "credit":
        raise bad_field("individual_limit", "only cards of a credit product have one")


def expiry_after(years: int, now: UnixMs) -> str:
    """The month of `now` in Warsaw, `years` later, as YYMM."""
    day = day_of(now)
    return f"{(int(day[:4]) + years) % 100:02}{day[5:7]}"


async def _issue(plan: _Plan, desk: Desk) -> Decision:
    """Decide it. A PAN that we drew ourselves and that is taken is drawn again; a given one is the caller's matter."""
    for _ in range(DRAWS - 1):
        try:
            return await _issue_once(plan, desk)
        except PanTakenError:
            if plan.body.pan is not None:
                raise
    return await _issue_once(plan, desk)


async def _issue_once(plan: _Plan, desk: Desk) -> Decision:
    body, limits = plan.body, plan.body.limits
    pan = body.pan or desk.mint.pan(plan.product.bin)
    card = desk.mint.card_id(plan.account, plan.once.key)
    pvv, pan_hash, sealed_pan = desk.mint.card_secrets(pan, body.pin, card)
    # A drawn PAN differs at every call, and so do its hash and PVV: they would make each repeat look like another call.
    secrets = pan_hash + pvv.encode() if body.pan else b""
    command = IssueCard(
        account=plan.account,
        card=card,
        last4=pan[-4:],
        expiry=plan.expiry,
        pvv=pvv,
        individual_limit=_minor(body.individual_limit),
        cash=_minor(limits.cash),
        cashless=_minor(limits.cashless),
        internet=_minor(limits.internet),
        idempotency=plan.once.key,
        fingerprint=plan.once.fingerprint(replace(body, pin="", pan=None), secrets),
    )
    return await desk.decide(command, VaultEntry(pan_hash, plan.account, card, pan[-4:], sealed_pan))


def _minor(amount: int | None) -> Minor | None:
    return None if amount is None else Minor(amount)


def _status_after(decision: Decision) -> CardStatus:
    statuses = [change.card.status for change in decision.changes if isinstance(change, CardSet)]
    assert statuses  # a card that is not refused is set
    return statuses[-1]


HANDLERS = (issue_card,)
