"""What is known: the state document of one account, with its cards."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from authsvc.model.commands import (
    AccountStatus,
    By,
    Limits,
    VirtualStatus,
)
from authsvc.model.hold_list import NO_HOLDS, HoldList
from authsvc.model.messages import Original
from authsvc.model.names import (
    AccountId,
    CardId,
    Day,
    Minor,
    UnixMs,
    VirtualId,
)
from authsvc.model.numbers import NO_NUMBERS, Numbers
from authsvc.model.posting_list import NO_POSTINGS, Postings
from authsvc.model.postings import PostingKind


class CardStatus(StrEnum):
    INACTIVE = "inactive"
    ACTIVE = "active"
    TEMPORARILY_BLOCKED = "temporarily_blocked"
    PERMANENTLY_BLOCKED = "permanently_blocked"
    LOST = "lost"
    STOLEN = "stolen"
    CAPTURED = "captured"
    REPLACED = "replaced"


class Used(Struct, frozen=True, gc=False, omit_defaults=True):
    """Day counters of a card: amounts in grosze and counts of what was approved on `day`. `internet` is in `cashless` too."""

    day: Day = Day("")
    cash: Minor = Minor(0)
    cashless: Minor = Minor(0)
    internet: Minor = Minor(0)
    cash_count: int = 0
    cashless_count: int = 0
    internet_count: int = 0


class ChipCounter(Struct, frozen=True, gc=False, omit_defaults=True):
    """Transaction counters (ATC, 9F36) seen of one chip. `chip`: the device number, or the expiry of the plastic (a renewed
    one counts from the beginning); `last`: the highest; bit n of `window`: `last` - n was seen."""

    chip: str
    last: int
    window: int = 1


class ThreeDsProof(Struct, frozen=True, gc=False, omit_defaults=True):
    """A proof of authentication that was given out, without the proof itself. `number`: what names it; `amount`, `spent`:
    minor units of `currency`; `merchant`: DE42 it is good for."""

    number: int
    issued: UnixMs
    merchant: str
    amount: Minor
    currency: str
    spent: Minor = Minor(0)


class Counters(Struct, frozen=True, gc=False, omit_defaults=True):
    """What messages change on a card.

    `pin_failures`: wrong PINs in a row, they survive midnight; `pin_blocked_on`: the day of the third one, "" when not
    PIN-blocked; `contactless`: total without SCA since the last SCA; `low_value_sum`, `low_value_count`: remote
    payments under the low-value exemption since the last SCA; `scas`: how many SCAs there have been, so that a
    reversal knows whether one happened since its original.
    """

    used: Used = Used()
    pin_failures: int = 0
    pin_blocked_on: Day = Day("")
    contactless_unlocked: bool = False
    contactless: Minor = Minor(0)
    low_value_sum: Minor = Minor(0)
    low_value_count: int = 0
    scas: int = 0
    chips: tuple[ChipCounter, ...] = ()
    three_ds_failures: int = 0  # failed authentications in a row; they survive midnight until the third
    three_ds_locked_on: Day = Day("")  # the day of the third
    proofs: tuple[ThreeDsProof, ...] = ()  # oldest first
    sca_merchants: tuple[str, ...] = ()  # those with a payment authenticated by 3-D Secure (DE42), newest last


class VirtualCard(Struct, frozen=True, gc=False, omit_defaults=True):
    """A device number that stands for a card. `expiry`: YYMM, its own; `wallet`: whose, for people."""

    id: VirtualId
    last4: str
    expiry: str
    status: VirtualStatus
    created: UnixMs
    wallet: str = ""


class PendingLimits(Struct, frozen=True, gc=False, omit_defaults=True):
    """Limits that were ordered and take effect at `at`; None leaves one as it is."""

    at: UnixMs
    cash: Minor | None = None
    cashless: Minor | None = None
    internet: Minor | None = None
    individual: Minor | None = None


class Card(Struct, frozen=True, gc=False, omit_defaults=True):
    """`pvv`: PIN verification value; `expiry`: YYMM, good to the last day of that month; `blocked_by`, `blocked_at`,
    `before_block` (the status to go back to): of a temporary block; `debt`: posted and unpaid, credit products only, grosze.

    `bank_blocked_at`: of the bank's own temporary block beside one that holder or user asked for, 0: none;
    `renewal`: expiry of the renewed plastic that is not active yet, YYMM, "" none; `pending`: limits ordered ahead, by
    time; `virtual`: device numbers that stand for it; `replaces`: the card whose place it took; `closed_at`: of the
    block for good."""

    id: CardId
    last4: str
    expiry: str
    pvv: str
    status: CardStatus
    limits: Limits
    counters: Counters = Counters()
    individual_limit: Minor = Minor(0)
    debt: Minor = Minor(0)
    contactless_enabled: bool = True
    blocked_by: By | None = None
    blocked_at: UnixMs = UnixMs(0)
    before_block: CardStatus = CardStatus.ACTIVE
    noticed_month: str = ""  # YYYY-MM of the currency-margin notices in `noticed`: their currencies
    noticed: tuple[str, ...] = ()
    margin_notices: bool = True  # False: the user declined them (P §19)
    bank_blocked_at: UnixMs = UnixMs(0)
    renewal: str = ""
    pending: tuple[PendingLimits, ...] = ()
    virtual: tuple[VirtualCard, ...] = ()
    replaces: CardId = CardId("")
    closed_at: UnixMs = UnixMs(0)
    trusted: tuple[str, ...] = ()  # merchants (DE42) that the holder trusts


class EarlyReversal(Struct, frozen=True, gc=False, omit_defaults=True):
    """A reversal that came before its original, remembered so that the late original holds nothing."""

    card: CardId
    original: Original
    terminal: str
    merchant: str
    at: UnixMs


class Account(Struct, frozen=True, gc=False, omit_defaults=True):
    """One state document. `seq`: number of the last decision in it, 0 before the first; `at`: time of that decision;
    `balance`: own money of the holder, negative is debt; `recent_keys` with `recent_at`: keys of the messages of the
    last 24 hours, oldest first; `recent_since`: the list is complete from this time on (the journal knows the rest);
    `posted`: the newest postings, those that a reversal may still name; `owed`: the debt of a credit product by what it is
    for; it adds up to the negative balance, as the debts of the cards do."""

    id: AccountId
    product: str = ""
    seq: int = 0
    at: UnixMs = UnixMs(0)
    status: AccountStatus = AccountStatus.OPEN
    holder: str = ""
    balance: Minor = Minor(0)
    credit_limit: Minor = Minor(0)
    cards: dict[CardId, Card] = {}
    posted: Postings = NO_POSTINGS
    owed: dict[PostingKind, Minor] = {}
    early_reversals: tuple[EarlyReversal, ...] = ()
    recent_keys: Numbers = NO_NUMBERS
    recent_at: Numbers = NO_NUMBERS
    recent_since: UnixMs = UnixMs(0)
    holds: HoldList = NO_HOLDS  # last, as in the document: `documents`


STRAY = "stray"
"""Prefix of the accounts that messages with an unknown PAN are decided against: they are journaled like all others."""


class Head(Struct, frozen=True, gc=False, eq=False):
    """An account and the hash of its last decision: what an append must name to be taken. Before the first: 32 zeros.
    `state`: the account as JSON, where somebody has encoded it already; `kept`: sequence number of the newest document of it
    in the journal, -1 when nobody knows. Neither counts in comparisons."""

    account: Account
    hash: bytes
    state: bytes = b""
    kept: int = -1

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Head) and (self.hash, self.account) == (other.hash, other.account)
