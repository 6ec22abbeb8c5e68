"""3-D Secure as the issuer sees it: failures, the lock, the proofs given out and what is left of them
(S §15.2, §18; W §9; P §4.6, zał.3 §1.4)."""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import (
    Authorization,
    Card,
    CardSet,
    CardStatus,
    Counters,
    Day,
    Decision,
    Minor,
    Reason,
    RecordThreeDs,
    SetTrusted,
    ThreeDsProof,
    UnixMs,
    UnlockThreeDs,
)
from authsvc.products import Product
from authsvc.rules.calendar import day_of
from authsvc.rules.case import Case
from authsvc.rules.done import FINAL, Done, Inputs

FULLY_AUTHENTICATED = "212"
FAILURES = 3
MAX_PROOFS = 20
"""Of a card, the newest ones; a proof that fell out is as good as late."""
MAX_TRUSTED = 100
MAX_SCA_MERCHANTS = 50
"""Merchants with a first payment with SCA, the newest ones."""


def failures_of(counters: Counters, product: Product, day: Day) -> int:
    """Failed authentications in a row; three are a lock. It opens by itself the next day where the product says so."""
    opened = product.three_ds.opens_next_day and counters.three_ds_locked_on not in ("", day)
    return 0 if opened else counters.three_ds_failures


def is_locked(counters: Counters, product: Product, day: Day) -> bool:
    return failures_of(counters, product, day) >= FAILURES


def proof_number(at: UnixMs, seq: int) -> int:
    """What names a proof: the second of its decision, and the decision's number modulo 65536."""
    return (at // 1000 << 16) | seq % 65_536


def command(
    ordered: RecordThreeDs | UnlockThreeDs | SetTrusted,
    card: Card,
    status: CardStatus,
    seq: int,
    product: Product,
    now: UnixMs,
) -> Done:
    """`seq`: of the decision being made."""
    match ordered:
        case RecordThreeDs():
            return record(ordered, card, status, seq, product, now)
        case UnlockThreeDs():
            return unlock(card, status)
        case SetTrusted():
            return trust(ordered, card, status)


def record(command: RecordThreeDs, card: Card, status: CardStatus, seq: int, product: Product, now: UnixMs) -> Done:
    """The outcome of one authentication at the access control server. While 3DS is locked it changes nothing."""
    counters, day = card.counters, day_of(now)
    failures = failures_of(counters, product, day)
    inputs: Inputs = {"succeeded": command.succeeded, "failures": failures, "of": FAILURES, "status": status.value}
    if status in FINAL:
        return Done("three_ds", inputs, reason=Reason.NOT_ALLOWED)
    if failures >= FAILURES:
        return Done("three_ds", {**inputs, "locked": True})
    if not command.succeeded:
        locked_on = day if failures + 1 >= FAILURES else Day("")
        failed = replace(counters, three_ds_failures=failures + 1, three_ds_locked_on=locked_on)
        return Done("three_ds", {**inputs, "failures": failures + 1}, CardSet(replace(card, counters=failed)))
    proof = ThreeDsProof(proof_number(now, seq), now, command.merchant, command.amount, command.currency)
    alive = [one for one in counters.proofs if now - one.issued <= product.three_ds.proof_ms]
    proofs = (*alive[-(MAX_PROOFS - 1) :], proof)
    after = replace(counters, three_ds_failures=0, three_ds_locked_on=Day(""), proofs=proofs)
    return Done("three_ds", inputs, CardSet(replace(card, counters=after)))


def unlock(card: Card, status: CardStatus) -> Done:
    """Hotline or branch (S §15.2, W §9.8, P zał.3 §1.4)."""
    inputs: Inputs = {"failures_before": card.counters.three_ds_failures, "status": status.value}
    if status in FINAL:
        return Done("unlock_3ds", inputs, reason=Reason.NOT_ALLOWED)
    counters = replace(card.counters, three_ds_failures=0, three_ds_locked_on=Day(""))
    return Done("unlock_3ds", inputs, CardSet(replace(card, counters=counters)))


def trust(command: SetTrusted, card: Card, status: CardStatus) -> Done:
    """The holder's list of trusted merchants (S §18.9.6, W §9.5, P §4.7)."""
    inputs: Inputs = {"merchant": command.merchant, "trusted": command.trusted, "status": status.value}
    if status in FINAL:
        return Done("trusted_merchants", inputs, reason=Reason.NOT_ALLOWED)
    others = tuple(one for one in card.trusted if one != command.merchant)
    if not command.trusted:
        return Done("trusted_merchants", inputs, CardSet(replace(card, trusted=others)))
    if len(others) >= MAX_TRUSTED:
        return Done("trusted_merchants", {**inputs, "most": MAX_TRUSTED}, reason=Reason.NOT_ALLOWED)
    return Done("trusted_merchants", inputs, CardSet(replace(card, trusted=(*others, command.merchant))))


def offers_proof(request: Authorization) -> bool:
    return request.level == FULLY_AUTHENTICATED and bool(request.cavv)


def wrong_with(case: Case, request: Authorization) -> str:
    """What is wrong with the proof that came with a payment; "" when it is good (S §18.2, W §9.2)."""
    if request.cavv != "M":
        return "not a proof for this card and merchant"
    proof = next((one for one in case.counters.proofs if one.number == request.proof), None)
    if proof is None:
        return "not known, or too old"
    amount, currency = paid(case, request)
    if case.now - proof.issued > case.product.three_ds.proof_ms:
        return "too old"
    if proof.merchant != request.origin.merchant or proof.currency != currency:
        return "for another merchant or currency"
    return "used for more than its amount" if proof.spent + amount > proof.amount else ""


def paid(case: Case, request: Authorization) -> tuple[int, str]:
    """Amount and currency as the cardholder saw them (DE4, DE49), before any conversion."""
    foreign = case.foreign
    return (foreign.amount, foreign.currency) if foreign is not None else (request.amount, request.currency)


def spend(case: Case, request: Authorization) -> None:
    """After an approval: what was paid is taken off the proof, and its merchant has had a first one with SCA."""
    if not case.by_three_ds:
        return
    amount, merchant = paid(case, request)[0], request.origin.merchant
    proofs = tuple(
        replace(one, spent=Minor(one.spent + amount)) if one.number == request.proof else one
        for one in case.counters.proofs
    )
    others = tuple(one for one in case.counters.sca_merchants if one != merchant)
    merchants = (*others[-(MAX_SCA_MERCHANTS - 1) :], merchant) if merchant else others
    case.counters = replace(case.counters, proofs=proofs, sca_merchants=merchants)


def gave_proof(decision: Decision) -> bool:
    """Whether this decision on an authentication gave out a proof."""
    number = proof_number(decision.at, decision.seq)
    return any(
        isinstance(change, CardSet) and any(one.number == number for one in change.card.counters.proofs)
        for change in decision.changes
    )
