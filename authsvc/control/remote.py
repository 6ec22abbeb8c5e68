"""Remote payments: the access control server's word on an authentication, its lock, and the trusted merchants."""

from __future__ import annotations

import re

from litestar import delete, post, put
from litestar.params import FromPath, JSONBody, SkipValidation

from authsvc.control.bodies import ThreeDsBody
from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS, bad_field
from authsvc.control.idempotency import Once
from authsvc.control.roles import Action
from authsvc.control.views import CardView, ThreeDsOutcome, card_view
from authsvc.model import CardId, Minor, RecordThreeDs, Scheme, SetTrusted, UnlockThreeDs
from authsvc.rules.three_ds import gave_proof, proof_number

HTTP_OK = 200
TRUSTED = "/cards/{card:str}/trusted-merchants/{merchant_id:str}"
CURRENCIES = {"PLN": "985", "EUR": "978", "USD": "840", "GBP": "826"}
MERCHANT = re.compile(r"[!-~](?:[ -~]{0,13}[!-~])?")
ECI = {Scheme.VISA: ("05", "07"), Scheme.MASTERCARD: ("02", "00"), Scheme.ISO87: ("05", "07")}
"""Electronic commerce indicator: authenticated, and not."""


@post(
    "/cards/{card:str}/three-ds",
    opt={"action": Action.THREE_DS},
    responses=PROBLEMS,
    tags=["remote"],
    status_code=HTTP_OK,
)
async def three_ds(
    card: FromPath[str], data: JSONBody[ThreeDsBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> ThreeDsOutcome:
    """An authentication succeeded or failed; the third failure in a row locks 3-D Secure. While it is locked nothing is
    proven. The proof is good for this card, this merchant, this amount, and some minutes."""
    found = await desk.card(CardId(card))
    currency = CURRENCIES.get(data.currency, data.currency)
    command = RecordThreeDs(
        found.account.id, found.card.id, Minor(data.amount), currency, data.merchant_id, data.outcome == "succeeded",
        once.key, once.fingerprint(data),
    )  # fmt: skip
    decision = await desk.decide(command)
    proven = gave_proof(decision)
    number = proof_number(decision.at, decision.seq)
    cavv = desk.mint.cavv(number, found.card.id, data.merchant_id, data.amount, currency) if proven else None
    view = card_view(await desk.card(found.card.id))
    return ThreeDsOutcome(ECI[found.product.scheme][0 if proven else 1], cavv, view.three_ds.locked)


@post(
    "/cards/{card:str}/unlock-3ds",
    opt={"action": Action.UNLOCK_3DS},
    responses=PROBLEMS,
    tags=["remote"],
    status_code=HTTP_OK,
)
async def unlock_3ds(card: FromPath[str], desk: SkipValidation[Desk], once: SkipValidation[Once]) -> CardView:
    """End the lock of 3-D Secure and clear its failures."""
    account = await desk.account_of(CardId(card))
    await desk.decide(UnlockThreeDs(account, CardId(card), once.key, once.fingerprint()))
    return card_view(await desk.card(CardId(card)))


@put(TRUSTED, opt={"action": Action.SET_TRUSTED}, responses=PROBLEMS, tags=["remote"])
async def trust(
    card: FromPath[str], merchant_id: FromPath[str], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> CardView:
    """Trust a merchant (DE42): payments there need no SCA."""
    return await _set_trusted(card, merchant_id, True, desk, once)


@delete(TRUSTED, opt={"action": Action.SET_TRUSTED}, responses=PROBLEMS, tags=["remote"], status_code=HTTP_OK)
async def distrust(
    card: FromPath[str], merchant_id: FromPath[str], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> CardView:
    """Trust a merchant no longer."""
    return await _set_trusted(card, merchant_id, False, desk, once)


async def _set_trusted(card: str, merchant_id: str, trusted: bool, desk: Desk, once: Once) -> CardView:
    if not MERCHANT.fullmatch(merchant_id):
        raise bad_field("merchant_id", "is not a DE42: 1 to 15 printable characters")
    account = await desk.account_of(CardId(card))
    fingerprint = once.fingerprint(extra=f"{merchant_id}\x1f{trusted}".encode())
    await desk.decide(SetTrusted(account, CardId(card), merchant_id, trusted, once.key, fingerprint))
    return card_view(await desk.card(CardId(card)))


HANDLERS = (three_ds, unlock_3ds, trust, distrust)
