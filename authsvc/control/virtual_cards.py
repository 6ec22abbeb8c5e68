"""Device numbers: adding a card to a wallet, and what becomes of that number. The PAN goes to the vault, sealed."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.params import FromPath, JSONBody, SkipValidation
from msgspec.structs import replace

from authsvc.codec.pan import luhn_ok
from authsvc.control.bodies import VirtualCardBody
from authsvc.control.desk import Desk, FoundCard
from authsvc.control.errors import PROBLEMS, bad_field, unknown
from authsvc.control.idempotency import Once
from authsvc.control.issuing import DRAWS
from authsvc.control.roles import Action
from authsvc.control.views import VirtualView, virtual_view
from authsvc.ledger.journal import PanTakenError, VaultEntry
from authsvc.model import CardId, CreateVirtual, Decision, SetVirtual, VirtualId, VirtualStatus
from authsvc.rules.calendar import day_of, is_past_expiry

HTTP_OK = 200
PATH = "/cards/{card:str}/virtual-cards"
ONE = PATH + "/{virtual:str}"
SET = {"action": Action.SET_VIRTUAL}


@get(PATH, opt={"action": Action.READ}, responses=PROBLEMS, tags=["virtual cards"])
async def list_virtual(card: FromPath[str], desk: SkipValidation[Desk]) -> list[VirtualView]:
    """The device numbers that stand for a card, oldest first."""
    found = (await desk.card(CardId(card))).card
    return [virtual_view(found, one) for one in found.virtual]


@post(PATH, opt=SET, responses=PROBLEMS, tags=["virtual cards"])
async def create_virtual(
    card: FromPath[str],
    desk: SkipValidation[Desk],
    once: SkipValidation[Once],
    data: JSONBody[VirtualCardBody | None] = None,
) -> VirtualView:
    """Add the card to a wallet. Without `pan` a device number is generated in the product's BIN."""
    found = await desk.card(CardId(card))
    data = data or VirtualCardBody()
    if data.pan is not None and not luhn_ok(data.pan):
        raise bad_field("pan", "the last digit is not its check digit")
    if data.expiry is not None and is_past_expiry(data.expiry, day_of(found.now)):
        raise bad_field("expiry", "is in the past")
    decision = await _create(found, data, desk, once)
    assert isinstance(decision.request, CreateVirtual)  # the decision of this command, or of the one it repeats
    return await _view(CardId(card), decision.request.virtual, desk)


async def _create(found: FoundCard, body: VirtualCardBody, desk: Desk, once: Once) -> Decision:
    """A number that we drew ourselves and that is taken is drawn again; a given one is the caller's matter."""
    for _ in range(DRAWS - 1):
        try:
            return await _create_once(found, body, desk, once)
        except PanTakenError:
            if body.pan is not None:
                raise
    return await _create_once(found, body, desk, once)


async def _create_once(found: FoundCard, body: VirtualCardBody, desk: Desk, once: Once) -> Decision:
    account, card = found.account.id, found.card.id
    pan = body.pan or desk.mint.pan(found.product.bin)
    virtual = desk.mint.virtual_id(card, once.key)
    pan_hash, sealed = desk.mint.number_secrets(pan, virtual)
    fingerprint = once.fingerprint(replace(body, pan=None), pan_hash if body.pan else b"")
    command = CreateVirtual(account, card, virtual, pan[-4:], body.expiry or "", body.wallet, once.key, fingerprint)
    return await desk.decide(command, VaultEntry(pan_hash, account, CardId(virtual), pan[-4:], sealed))


async def _view(card: CardId, virtual: VirtualId, desk: Desk) -> VirtualView:
    found = (await desk.card(card)).card
    for one in found.virtual:
        if one.id == virtual:
            return virtual_view(found, one)
    raise unknown("virtual card")


async def _set(card: str, virtual: str, status: VirtualStatus, desk: Desk, once: Once) -> VirtualView:
    account = await desk.account_of(CardId(card))
    await _view(CardId(card), VirtualId(virtual), desk)
    command = SetVirtual(account, CardId(card), VirtualId(virtual), status, once.key, once.fingerprint())
    await desk.decide(command)
    return await _view(CardId(card), VirtualId(virtual), desk)


@post(ONE + "/suspend", opt=SET, responses=PROBLEMS, tags=["virtual cards"], status_code=HTTP_OK)
async def suspend_virtual(
    card: FromPath[str], virtual: FromPath[str], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> VirtualView:
    """Stop a device number for a while; the card itself goes on."""
    return await _set(card, virtual, VirtualStatus.SUSPENDED, desk, once)


@post(ONE + "/resume", opt=SET, responses=PROBLEMS, tags=["virtual cards"], status_code=HTTP_OK)
async def resume_virtual(
    card: FromPath[str], virtual: FromPath[str], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> VirtualView:
    """Let a suspended device number go on."""
    return await _set(card, virtual, VirtualStatus.ACTIVE, desk, once)


@delete(ONE, opt=SET, responses=PROBLEMS, tags=["virtual cards"], status_code=HTTP_OK)
async def delete_virtual(
    card: FromPath[str], virtual: FromPath[str], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> VirtualView:
    """Stop a device number for ever."""
    return await _set(card, virtual, VirtualStatus.DELETED, desk, once)


HANDLERS = (list_virtual, create_virtual, suspend_virtual, resume_virtual, delete_virtual)
