"""Money that has moved for good."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from authsvc.model.holds import Bucket, Foreign, ScaUse
from authsvc.model.messages import Origin
from authsvc.model.names import CardId, Day, HoldId, Minor, PostingId, UnixMs


class PostingKind(StrEnum):
    """What money moved for. The chart of accounts has a movement for each."""

    PURCHASE = "purchase"
    CASH = "cash"
    CASHBACK = "cashback"
    QUASI_CASH = "quasi_cash"
    REFUND = "refund"
    DEPOSIT = "deposit"
    LOAD = "load"
    TRANSFER = "transfer"
    FEE = "fee"
    COMMISSION = "commission"
    INTEREST = "interest"
    OVERDUE_INTEREST = "overdue_interest"
    REMINDER_COST = "reminder_cost"
    COURT_COST = "court_cost"
    WRITE_OFF = "write_off"


CREDITED = frozenset({PostingKind.REFUND, PostingKind.DEPOSIT, PostingKind.LOAD, PostingKind.WRITE_OFF})
"""Kinds that give the holder money: their amounts are negative."""


class Leg(Struct, frozen=True, gc=False, array_like=True):
    """One entry of the general ledger: `amount` grosze, above zero, come to `debit` and leave `credit`."""

    debit: str
    credit: str
    amount: Minor


class Posting(Struct, frozen=True, gc=False, omit_defaults=True):
    """Money taken from the account for good (or given to it: a negative `amount`), grosze; `amount`: what is left of it after
    reversals. `day`, `bucket`, `cash`, `with_cash`, `sca_use`, `scas`: what it counted into itself, NONE where its
    authorization had counted; `hold`: the hold that it came from; `origin`: the message."""

    id: PostingId
    card: CardId
    kind: PostingKind
    amount: Minor
    at: UnixMs
    origin: Origin
    authorization_code: str = ""
    day: Day = Day("")
    bucket: Bucket = Bucket.NONE
    cash: Minor = Minor(0)
    with_cash: bool = False
    sca_use: ScaUse = ScaUse.NONE
    scas: int = 0
    hold: HoldId = HoldId("")
    foreign: Foreign | None = None
    reference: str = ""  # of a transfer: where it went
