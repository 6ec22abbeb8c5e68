"""New plastic for a card that exists: renewed (same number and PIN, new expiry), a duplicate of damaged plastic (same
number), or replaced (another number and PIN)."""

from __future__ import annotations

from litestar import post
from litestar.params import FromPath, JSONBody, SkipValidation
from msgspec.structs import replace

from authsvc.codec.pan import luhn_ok, mask
from authsvc.control.bodies import DuplicateBody, RenewBody, ReplaceBody
from authsvc.control.desk import Desk, FoundCard
from authsvc.control.errors import PROBLEMS, bad_field
from authsvc.control.idempotency import Once
from authsvc.control.issuing import DRAWS, expiry_after
from authsvc.control.roles import Action
from authsvc.control.views import CardIssued, CardView, card_view
from authsvc.ledger.journal import PanTakenError, VaultEntry
from authsvc.model import CardId, CardSet, Decision, DuplicateCard, RenewCard, ReplaceCard
from authsvc.rules.calendar import day_of, is_past_expiry

HTTP_OK = 200


@post(
    "/cards/{card:str}/renew",
    opt={"action": Action.RENEW_CARD},
    responses=PROBLEMS,
    tags=["cards"],
    status_code=HTTP_OK,
)
async def renew_card(
    card: FromPath[str],
    desk: SkipValidation[Desk],
    once: SkipValidation[Once],
    data: JSONBody[RenewBody | None] = None,
) -> CardView:
    """Renew a card: the same number and PIN with a new expiry, shown under `renewal`. It is inactive until activated, or
    used at an ATM with the right PIN; until then the old plastic works to its own last day."""
    found = await desk.card(CardId(card))
    data = data or RenewBody()
    if data.expiry is not None and is_past_expiry(data.expiry, day_of(found.now)):
        raise bad_field("expiry", "is in the past")
    expiry = data.expiry or _next_expiry(found)
    await desk.decide(RenewCard(found.account.id, found.card.id, expiry, once.key, once.fingerprint(data)))
    return card_view(await desk.card(CardId(card)))


def _next_expiry(found: FoundCard) -> str:
    """The product's term after the old expiry, or after now where that is later; YYMM."""
    years, old = found.product.card_years, found.card.expiry
    after_old = f"{(int(old[:2]) + years) % 100:02}{old[2:]}"
    return max(after_old, expiry_after(years, found.now))


@post("/cards/{card:str}/replace", opt={"action": Action.REPLACE_CARD}, responses=PROBLEMS, tags=["cards"])
async def replace_card(
    card: FromPath[str], data: JSONBody[ReplaceBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> CardIssued:
    """Issue a card with another number and PIN in the place of this one, which refuses from now on. The new one takes
    over limits, what is used of them today, and individual limit."""
    found = await desk.card(CardId(card))
    if data.pan is not None and not luhn_ok(data.pan):
        raise bad_field("pan", "the last digit is not its check digit")
    if data.expiry is not None and is_past_expiry(data.expiry, day_of(found.now)):
        raise bad_field("expiry", "is in the past")
    decision = await _replace(found, data, desk, once)
    request = decision.request
    assert isinstance(request, ReplaceCard)  # the decision of this command, or of the one it repeats
    masked = mask(data.pan) if data.pan else f"{found.product.bin[:6]}******{request.last4}"
    new = next(one.card for one in decision.changes if isinstance(one, CardSet) and one.card.id == request.new)
    return CardIssued(new.id, masked, new.status)


async def _replace(found: FoundCard, body: ReplaceBody, desk: Desk, once: Once) -> Decision:
    """A PAN that we drew ourselves and that is taken is drawn again; a given one is the caller's matter."""
    for _ in range(DRAWS - 1):
        try:
            return await _replace_once(found, body, desk, once)
        except PanTakenError:
            if body.pan is not None:
                raise
    return await _replace_once(found, body, desk, once)


async def _replace_once(found: FoundCard, body: ReplaceBody, desk: Desk, once: Once) -> Decision:
    account, product = found.account.id, found.product
    pan = body.pan or desk.mint.pan(product.bin)
    # The old card's id goes in: one key may not give the same new card to two old ones.
    new = desk.mint.card_id(account, f"{found.card.id}\x1f{once.key}" if once.key else "")
    pvv, pan_hash, sealed = desk.mint.card_secrets(pan, body.pin, new)
    command = ReplaceCard(
        account=account, card=found.card.id, new=new, last4=pan[-4:], pvv=pvv, expiry=body.expiry or "",
        fresh_expiry=expiry_after(product.card_years, found.now), idempotency=once.key,
        fingerprint=once.fingerprint(replace(body, pin="", pan=None), pan_hash + pvv.encode() if body.pan else b""),
    )  # fmt: skip
    return await desk.decide(command, VaultEntry(pan_hash, account, new, pan[-4:], sealed))


@post(
    "/cards/{card:str}/duplicate",
    opt={"action": Action.DUPLICATE_CARD},
    responses=PROBLEMS,
    tags=["cards"],
    status_code=HTTP_OK,
)
async def duplicate_card(
    card: FromPath[str], data: JSONBody[DuplicateBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> CardView:
    """Issue a duplicate of a damaged card: the same number, limits and money. The damaged plastic is to be destroyed; the
    duplicate is inactive until activated where a new card is."""
    found = await desk.card(CardId(card))
    if data.expiry is not None and is_past_expiry(data.expiry, day_of(found.now)):
        raise bad_field("expiry", "is in the past")
    expiry = data.expiry or (_expiry_of_duplicate(found) if found.product.duplicate.new_expiry else "")
    pvv = await desk.mint.new_pvv(found.card.id, data.pin) if data.pin else ""
    fingerprint = once.fingerprint(replace(data, pin=None), pvv.encode())
    await desk.decide(DuplicateCard(found.account.id, found.card.id, data.cause, expiry, pvv, once.key, fingerprint))
    return card_view(await desk.card(CardId(card)))


def _expiry_of_duplicate(found: FoundCard) -> str:
    """The product's term from now; the month after that of the plastic that is about, where the term would not tell the
    two apart; YYMM."""
    fresh = expiry_after(found.product.card_years, found.now)
    latest = max(found.card.expiry, found.card.renewal)
    if fresh > latest:
        return fresh
    months = int(latest[:2]) * 12 + int(latest[2:])
    return f"{months // 12 % 100:02}{months % 12 + 1:02}"


HANDLERS = (renew_card, duplicate_card, replace_card)
