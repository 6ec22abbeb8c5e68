"""An 0120: it happened already, at the chip or in the scheme's stand-in. Recorded, counted, held; never refused.

Even over limits, funds and blocks: refusing would not undo it. Only what cannot be written down at all is answered with a
reason: a card nobody knows, a currency nobody can convert.
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import (
    Answer,
    Approved,
    Authorization,
    Bucket,
    Minor,
    Outcome,
    Pin,
    Reason,
    Refused,
    ScaUse,
)
from authsvc.rules import approve, chip, contactless, currency, exemptions, pin, remote, three_ds, virtual
from authsvc.rules.case import Case
from authsvc.rules.channel import bucket_of
from authsvc.rules.memory import early_reversal_of
from authsvc.rules.places import CONTACTLESS, is_remote

EXECUTED = frozenset({"", "00", "08", "10", "11", "85", "Y1", "Y3"})
"""DE39 of an advice of something done; any other tells of a refusal elsewhere. Y1, Y3: approved by the chip alone."""


def decide(case: Case) -> tuple[Outcome, Answer]:
    """What an advice comes to; the counters it changes are in the case."""
    request = case.request
    assert isinstance(request, Authorization)
    if not case.card.id:
        return _refuse(case, case.refused("card", Reason.UNKNOWN_CARD, {}))
    if (early := early_reversal_of(request, case.account)) is not None:
        case.passed("reversal", {"reversed_at": early.at})
        return Approved(), Answer(approve.APPROVED)
    executed = request.response in EXECUTED
    case.passed("advice", {"executed": executed, "answered": request.response or "absent", "code": request.code})
    if not executed:
        return Approved(), Answer(approve.APPROVED)
    case.bucket = bucket_of(request, case.product)
    if (refused := currency.convert(case)) is not None:
        return _refuse(case, refused)
    _authenticated(case)
    return _record(case)


def _authenticated(case: Case) -> None:
    """Which SCA it had, and if none, which counter of payments without one it goes into."""
    request = case.request
    assert isinstance(request, Authorization)
    if request.pin is Pin.RIGHT and request.entry in pin.CARD_PRESENT:
        case.has_sca = True
        case.counters = pin.strongly_authenticated(case.counters, case.product)
        case.passed("pin", {"pin": "right"})
    virtual.device(case)
    chip.offline_pin(case)
    if case.has_sca or case.bucket is Bucket.NONE:
        return
    if request.entry in CONTACTLESS:
        case.sca_use = ScaUse.NONE if contactless.is_unattended(case, request) else ScaUse.CONTACTLESS
    elif is_remote(request):
        _remote(case, request)


def _remote(case: Case, request: Authorization) -> None:
    if three_ds.offers_proof(request) and not three_ds.wrong_with(case, request):
        remote.authenticated(case)
        return
    case.exemption = exemptions.first_that_covers(case, request)
    case.sca_use = ScaUse.LOW_VALUE if case.exemption == "low_value" else ScaUse.NONE


def _record(case: Case) -> tuple[Approved, Answer]:
    """Held and counted. What is neither, because no funds were asked for, lowers the balance at its presentment alone."""
    request = case.request
    assert isinstance(request, Authorization)
    if case.bucket is Bucket.NONE:
        return Approved(), Answer(approve.APPROVED, request.code)
    case.cash = Minor(min(request.cash, request.amount))
    unseen = request.entry in CONTACTLESS and not case.has_sca and not case.product.hold.contactless_advice
    outcome, answer = approve.approve(case, holds=not unseen and approve.has_room(case))
    return outcome, replace(answer, authorization_code=request.code)


def _refuse(case: Case, refused: Refused) -> tuple[Outcome, Answer]:
    return refused, Answer(case.product.code(refused.reason))
