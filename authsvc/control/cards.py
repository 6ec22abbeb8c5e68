"""The calls on a card that exists. Each change is a command; the answer is the card as of now."""

from __future__ import annotations

from typing import Any

from litestar import Request, get, post, put
from litestar.params import FromPath, JSONBody, SkipValidation

from authsvc.control.bodies import BlockBody, ChangeLimitsBody, ContactlessBody, PinBody, UnblockBody
from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS, bad_field, role_too_weak
from authsvc.control.idempotency import Once
from authsvc.control.roles import BLOCKS_AS, LIFTS_AS, SETS_INDIVIDUAL_LIMIT, Action, Role, Token
from authsvc.control.views import CardView, card_view, unix_ms
from authsvc.model import (
    ActivateCard,
    BlockCard,
    By,
    CardCommand,
    CardId,
    Minor,
    SetContactless,
    SetLimits,
    SetMarginNotices,
    SetPin,
    UnblockCard,
    UnblockPin,
    UnixMs,
)

CENTURY_END = 4_102_444_800_000
HTTP_OK = 200
HTTP_NO_CONTENT = 204


@get("/cards/{card:str}", opt={"action": Action.READ}, responses=PROBLEMS, tags=["cards"])
async def read_card(card: FromPath[str], desk: SkipValidation[Desk]) -> CardView:
    """The card as of now: status, limits, counters."""
    return card_view(await desk.card(CardId(card)))


async def _changed(command: CardCommand, desk: Desk) -> CardView:
    """Decide a command, then show the card. Raises 409."""
    await desk.decide(command)
    return card_view(await desk.card(command.card))


@post(
    "/cards/{card:str}/activate",
    opt={"action": Action.ACTIVATE},
    responses=PROBLEMS,
    tags=["cards"],
    status_code=HTTP_OK,
)
async def activate(card: FromPath[str], desk: SkipValidation[Desk], once: SkipValidation[Once]) -> CardView:
    """Activate a new card."""
    account = await desk.account_of(CardId(card))
    return await _changed(ActivateCard(account, CardId(card), once.key, once.fingerprint()), desk)


@post("/cards/{card:str}/block", opt={"action": Action.BLOCK}, responses=PROBLEMS, tags=["cards"], status_code=HTTP_OK)
async def block(
    card: FromPath[str],
    data: JSONBody[BlockBody],
    desk: SkipValidation[Desk],
    once: SkipValidation[Once],
    request: Request[Any, Token, Any],
) -> CardView:
    """Block a card, for a while or for good, on behalf of its holder, its user, or the bank."""
    if data.by not in BLOCKS_AS[request.auth.role]:
        raise role_too_weak(request.auth.role)
    account = await desk.account_of(CardId(card))
    command = BlockCard(account, CardId(card), data.kind, data.by, once.key, once.fingerprint(data))
    return await _changed(command, desk)


@post(
    "/cards/{card:str}/unblock", opt={"action": Action.UNBLOCK}, responses=PROBLEMS, tags=["cards"], status_code=HTTP_OK
)
async def unblock(
    card: FromPath[str],
    desk: SkipValidation[Desk],
    once: SkipValidation[Once],
    request: Request[Any, Token, Any],
    data: JSONBody[UnblockBody | None] = None,
) -> CardView:
    """Lift a temporary block. A body `{"by": "holder" | "user" | "bank"}` may say on whose word; without it a portal acts
    for the holder, and bank staff lift whatever stands."""
    role = request.auth.role
    by = (data.by if data else None) or (None if By.BANK in LIFTS_AS[role] else By.HOLDER)
    if by is not None and by not in LIFTS_AS[role]:
        raise role_too_weak(role)
    account = await desk.account_of(CardId(card))
    command = UnblockCard(
        account, CardId(card), by, role is Role.HOTLINE, once.key, once.fingerprint(data, role.encode())
    )
    return await _changed(command, desk)


@post(
    "/cards/{card:str}/unblock-pin",
    opt={"action": Action.UNBLOCK_PIN},
    responses=PROBLEMS,
    tags=["cards"],
    status_code=HTTP_OK,
)
async def unblock_pin(card: FromPath[str], desk: SkipValidation[Desk], once: SkipValidation[Once]) -> CardView:
    """End a PIN block and clear the count of wrong PINs."""
    account = await desk.account_of(CardId(card))
    return await _changed(UnblockPin(account, CardId(card), once.key, once.fingerprint()), desk)


@put("/cards/{card:str}/limits", opt={"action": Action.SET_LIMITS}, responses=PROBLEMS, tags=["cards"])
async def set_limits(
    card: FromPath[str],
    data: JSONBody[ChangeLimitsBody],
    desk: SkipValidation[Desk],
    once: SkipValidation[Once],
    request: Request[Any, Token, Any],
) -> CardView:
    """Set day limits, and a credit card's individual limit; those not given stay. What is used today stays used."""
    if data.changes_nothing:
        raise bad_field("", "one of cash, cashless, internet, individual_limit is needed")
    found = await desk.card(CardId(card))
    account = found.account.id
    if data.individual_limit is not None:
        if found.product.funds != "credit":
            raise bad_field("individual_limit", "only cards of a credit product have one")
        if request.auth.role not in SETS_INDIVIDUAL_LIMIT:
            raise role_too_weak(request.auth.role)
    effective = unix_ms(data.effective_at) if data.effective_at else UnixMs(0)
    if data.effective_at and not 0 <= effective < CENTURY_END:
        raise bad_field("effective_at", "is not in this century")
    cash, cashless, internet = (
        None if limit is None else Minor(limit) for limit in (data.cash, data.cashless, data.internet)
    )
    individual = None if data.individual_limit is None else Minor(data.individual_limit)
    command = SetLimits(
        account, CardId(card), cash, cashless, internet, once.key, once.fingerprint(data), individual, effective
    )
    return await _changed(command, desk)


@put("/cards/{card:str}/contactless", opt={"action": Action.SET_CONTACTLESS}, responses=PROBLEMS, tags=["cards"])
async def set_contactless(
    card: FromPath[str], data: JSONBody[ContactlessBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> CardView:
    """Switch contactless payments on or off."""
    account = await desk.account_of(CardId(card))
    command = SetContactless(account, CardId(card), data.enabled, once.key, once.fingerprint(data))
    return await _changed(command, desk)


@put(
    "/cards/{card:str}/pin",
    opt={"action": Action.SET_PIN},
    responses=PROBLEMS,
    tags=["cards"],
    status_code=HTTP_NO_CONTENT,
)
async def set_pin(
    card: FromPath[str], data: JSONBody[PinBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> None:
    """Set a new PIN."""
    account = await desk.account_of(CardId(card))
    pvv = await desk.mint.new_pvv(CardId(card), data.pin)
    command = SetPin(account, CardId(card), pvv, once.key, once.fingerprint(extra=pvv.encode()))
    await desk.decide(command)


@put("/cards/{card:str}/margin-notices", opt={"action": Action.SET_CONTACTLESS}, responses=PROBLEMS, tags=["cards"])
async def set_margin_notices(
    card: FromPath[str], data: JSONBody[ContactlessBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> CardView:
    """Decline the currency-margin notices, where the regulation lets the user, or want them again (P §19)."""
    account = await desk.account_of(CardId(card))
    command = SetMarginNotices(account, CardId(card), data.enabled, once.key, once.fingerprint(data))
    return await _changed(command, desk)


HANDLERS = (
    set_margin_notices,
    read_card, activate, block, unblock, unblock_pin, set_limits, set_contactless, set_pin,
)  # fmt: skip
