"""The nouns: what a message means, what an account is, what a decision says. Frozen msgspec Structs, no behaviour
beyond naming.

Units: money is `Minor`, an integer in grosze (1/100 PLN) unless a currency stands beside it; times are `UnixMs`, Unix
time in milliseconds UTC; a `Day` is the calendar day in Europe/Warsaw, "2026-06-15".

Read `Request` (what comes in), `Account` (what is known), `Decision` (what comes out), in this order.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import NewType

from msgspec import Struct

AccountId = NewType("AccountId", str)
CardId = NewType("CardId", str)
HoldId = NewType("HoldId", str)
VirtualId = NewType("VirtualId", str)
Minor = NewType("Minor", int)
UnixMs = NewType("UnixMs", int)
Day = NewType("Day", str)
Key = NewType("Key", int)
"""63 bits of a hash that name one message or command of an account; what makes a repeat a repeat."""

PLN = "985"
POLAND = "616"


def key_of(*parts: str) -> Key:
    """The key of a message: `wire.md` section 3, "What makes a message the same one"."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return Key(int.from_bytes(digest, "big") >> 1)


class Scheme(StrEnum):
    """Whose response codes a card answers with; `iso87` for a card of no scheme (and for no card at all)."""

    VISA = "visa"
    MASTERCARD = "mastercard"
    ISO87 = "iso87"


class Reason(StrEnum):
    """Why something is refused. Ours; the scheme's DE39 stands in `config/response_codes/` (rulebook section 3)."""

    FORMAT_ERROR = "FORMAT_ERROR"
    MAC_INVALID = "MAC_INVALID"
    DUPLICATE = "DUPLICATE"
    SYSTEM_ERROR = "SYSTEM_ERROR"
    LEDGER_UNAVAILABLE = "LEDGER_UNAVAILABLE"
    UNKNOWN_CARD = "UNKNOWN_CARD"
    EXPIRED = "EXPIRED"
    EXPIRY_MISMATCH = "EXPIRY_MISMATCH"
    CARD_INACTIVE = "CARD_INACTIVE"
    TEMPORARILY_BLOCKED = "TEMPORARILY_BLOCKED"
    PERMANENTLY_BLOCKED = "PERMANENTLY_BLOCKED"
    REPLACED = "REPLACED"
    LOST = "LOST"
    STOLEN = "STOLEN"
    ACCOUNT_CLOSED = "ACCOUNT_CLOSED"
    HOLDER_DECEASED = "HOLDER_DECEASED"
    CAPACITY_LOST = "CAPACITY_LOST"
    CVV2_WRONG = "CVV2_WRONG"
    CRYPTOGRAM_WRONG = "CRYPTOGRAM_WRONG"
    PIN_WRONG = "PIN_WRONG"
    PIN_TRIES_EXCEEDED = "PIN_TRIES_EXCEEDED"
    CARD_CAPTURED = "CARD_CAPTURED"
    CHANNEL_OFF = "CHANNEL_OFF"
    MERCHANT_FORBIDDEN = "MERCHANT_FORBIDDEN"
    THREE_DS_LOCKED = "THREE_DS_LOCKED"
    CASHBACK_NOT_ALLOWED = "CASHBACK_NOT_ALLOWED"
    CASHBACK_ABOVE_MAXIMUM = "CASHBACK_ABOVE_MAXIMUM"
    PIN_REQUIRED = "PIN_REQUIRED"
    CONTACT_FIRST = "CONTACT_FIRST"
    SCA_REQUIRED = "SCA_REQUIRED"
    CASH_LIMIT = "CASH_LIMIT"
    CASHLESS_LIMIT = "CASHLESS_LIMIT"
    INTERNET_LIMIT = "INTERNET_LIMIT"
    CASH_COUNT = "CASH_COUNT"
    CASHLESS_COUNT = "CASHLESS_COUNT"
    INTERNET_COUNT = "INTERNET_COUNT"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    CREDIT_LIMIT = "CREDIT_LIMIT"
    INDIVIDUAL_LIMIT = "INDIVIDUAL_LIMIT"
    ORIGINAL_NOT_FOUND = "ORIGINAL_NOT_FOUND"
    ALREADY_REVERSED = "ALREADY_REVERSED"
    UNSUPPORTED_TRANSACTION = "UNSUPPORTED_TRANSACTION"
    SUSPECTED_FRAUD = "SUSPECTED_FRAUD"
    # Refusals of card-management commands; they never reach the wire and have no DE39.
    NOT_ALLOWED = "NOT_ALLOWED"
    ABOVE_CEILING = "ABOVE_CEILING"
    TOO_MANY_CARDS = "TOO_MANY_CARDS"
    CARD_EXISTS = "CARD_EXISTS"
    ACCOUNT_EXISTS = "ACCOUNT_EXISTS"


COMMAND_REASONS = frozenset(
    {Reason.NOT_ALLOWED, Reason.ABOVE_CEILING, Reason.TOO_MANY_CARDS, Reason.CARD_EXISTS, Reason.ACCOUNT_EXISTS}
)


# --------------------------------------------------------------------------------------------- what comes in: Request


class CardRef(Struct, frozen=True, gc=False):
    """Where a PAN leads: the card, and the account whose journal its messages go to. `card` is "" for an unknown PAN.
    `virtual`: the device number that stands for the card, when the PAN is a wallet's and not the plastic's own."""

    account: AccountId
    card: CardId
    virtual: VirtualId = VirtualId("")


class Origin(Struct, frozen=True, gc=False, omit_defaults=True):
    """How the sender named a message; enough to know a repeat, or the original of a reversal, when it comes.

    `mti`: as received ("0101"); `sent`: DE7, MMDDhhmmss UTC; `stan`: DE11; `acquirer`: DE32 without leading zeros;
    `terminal`: DE41; `merchant`: DE42; `rrn`: DE37. An absent field is the empty string.
    """

    mti: str
    sent: str
    stan: str
    acquirer: str = ""
    terminal: str = ""
    merchant: str = ""
    rrn: str = ""


class Pin(StrEnum):
    """What became of the PIN block of a message (DE52). The PIN itself never comes this far."""

    ABSENT = "absent"
    RIGHT = "right"
    WRONG = "wrong"


class Entry(StrEnum):
    """How the card number got into the terminal: first two digits of DE22."""

    MANUAL = "01"
    CHIP = "05"
    CONTACTLESS_CHIP = "07"
    CREDENTIAL_ON_FILE = "10"
    FALLBACK = "80"
    ECOMMERCE = "81"
    STRIPE = "90"
    CONTACTLESS_STRIPE = "91"


class Kind(StrEnum):
    """What the cardholder wants: from DE3, DE4, DE25. The product decides later what counts as cash."""

    PURCHASE = "purchase"
    CASH = "cash"
    CASHBACK = "cashback"
    QUASI_CASH = "quasi_cash"
    REFUND = "refund"
    DEPOSIT = "deposit"
    BALANCE_INQUIRY = "balance_inquiry"
    VERIFICATION = "verification"
    TRANSFER = "transfer"
    PIN_CHANGE = "pin_change"
    PRE_AUTHORIZATION = "pre_authorization"
    INCREMENTAL = "incremental"


class Authorization(Struct, frozen=True, tag="authorization", omit_defaults=True):
    """An 0100 (or 0101): may this card do this? `card` is "" when nobody knows the PAN.

    `amount`: DE4 in minor units of `currency` (DE49, ISO 4217 numeric); `entry`: DE22; `condition`: DE25; `mcc`: DE18;
    `country`: DE19, ISO 3166 numeric; `expiry`: YYMM as presented, "" when absent; `unsupported`: a feature the message
    uses that this engine does not decide (it is refused, never ignored), as "DE55", else "".
    """

    account: AccountId
    card: CardId
    origin: Origin
    fingerprint: str
    kind: Kind
    amount: Minor
    currency: str
    entry: Entry
    condition: str = "00"
    mcc: str = ""
    country: str = ""
    expiry: str = ""
    pin: Pin = Pin.ABSENT
    cvv2: str = ""  # "" absent, "M" matches, "N" does not
    virtual: VirtualId = VirtualId("")  # the device number that was used instead of the card's own PAN
    cvm: str = ""  # 9F34 of DE55, CVM Results: six hexadecimal digits, "" without
    draw: float = 1.0  # [0, 1): keyed hash of the message identity, for the random PIN request; 1.0: not drawn
    billing: Minor = Minor(0)  # DE6, in `billing_currency` (DE51): what the scheme converted it to; 0 absent
    billing_currency: str = ""
    cryptogram: str = ""  # "" none, "M" the chip's cryptogram (9F26) is right, "N" it is not, "U" of no version we know
    cryptogram_version: int = 0  # of the issuer application data (9F10)
    atc: int = 0  # 9F36: how many transactions the chip has begun
    offline_pin: bool = False  # 9F34: the chip verified the PIN, and it was right
    level: str = ""  # DE48.42: 212 fully authenticated by 3-D Secure
    flag: str = ""  # DE48.22: the exemption asked for, or who initiated
    cavv: str = ""  # DE48.43: "" none, "M" a proof of ours for this card and merchant, "N" not
    proof: int = 0  # its number, see `ThreeDsProof`
    stripe: str = ""  # the CVV on the stripe: "" none there, "M", "N"
    unsupported: str = ""


class Original(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a reversal names its original: DE90 (`mti`, `stan`, `sent`, `acquirer`), or by `rrn` when there is no DE90."""

    mti: str = ""
    stan: str = ""
    sent: str = ""
    acquirer: str = ""
    rrn: str = ""


def names(original: Original, terminal: str, merchant: str, origin: Origin) -> bool:
    """Does `original`, sent from `terminal` by `merchant`, name the message of `origin`?

    By DE90: class, STAN and time must be equal; acquirer, terminal and merchant where both sides give one. Without DE90
    by RRN, with the same three.
    """
    if original.stan:
        named = (original.mti[:3], original.stan, original.sent) == (origin.mti[:3], origin.stan, origin.sent)
    else:
        named = bool(original.rrn) and original.rrn == origin.rrn
    return (
        named
        and original.acquirer in ("", origin.acquirer or original.acquirer)
        and terminal in ("", origin.terminal or terminal)
        and merchant in ("", origin.merchant or merchant)
    )


class Reversal(Struct, frozen=True, tag="reversal", omit_defaults=True):
    """An 0400 or 0420: undo a hold, whole, or down to `becomes` (DE95; None: whole)."""

    account: AccountId
    card: CardId
    origin: Origin
    fingerprint: str
    original: Original
    amount: Minor
    currency: str
    becomes: Minor | None = None
    virtual: VirtualId = VirtualId("")  # the device number that was used instead of the card's own PAN

    @property
    def is_advice(self) -> bool:
        """0420/0421: it happened already; answered 00 whatever we find."""
        return self.origin.mti[2] == "2"


class Limits(Struct, frozen=True, gc=False):
    """Day limits of a card, grosze; zero switches that kind of transaction off. `internet` is inside `cashless`."""

    cash: Minor
    cashless: Minor
    internet: Minor


class By(StrEnum):
    """Who asks for a block or an unblock."""

    HOLDER = "holder"
    USER = "user"
    BANK = "bank"


class AccountStatus(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    HOLDER_DECEASED = "holder_deceased"
    CAPACITY_LOST = "capacity_lost"


class VirtualStatus(StrEnum):
    """Of a device number; `deleted` is for ever."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    DELETED = "deleted"


class BlockKind(StrEnum):
    TEMPORARY = "temporary"
    PERMANENT = "permanent"
    LOST = "lost"
    STOLEN = "stolen"


class OpenAccount(Struct, frozen=True, tag="open_account", omit_defaults=True):
    account: AccountId
    product: str
    credit_limit: Minor | None = None
    holder: str = ""
    idempotency: str = ""
    fingerprint: str = ""


class Load(Struct, frozen=True, tag="load", omit_defaults=True):
    """A top-up, or the repayment of a credit card. `amount` in grosze, above zero."""

    account: AccountId
    amount: Minor
    reference: str
    idempotency: str = ""
    fingerprint: str = ""


class IssueCard(Struct, frozen=True, tag="issue_card", omit_defaults=True):
    """A new card. `pvv`: PIN verification value of its PIN; `expiry`: YYMM; `individual_limit`: credit products."""

    account: AccountId
    card: CardId
    last4: str
    expiry: str
    pvv: str
    individual_limit: Minor | None = None
    cash: Minor | None = None
    cashless: Minor | None = None
    internet: Minor | None = None
    idempotency: str = ""
    fingerprint: str = ""


class ActivateCard(Struct, frozen=True, tag="activate_card", omit_defaults=True):
    account: AccountId
    card: CardId
    idempotency: str = ""
    fingerprint: str = ""


class BlockCard(Struct, frozen=True, tag="block_card", omit_defaults=True):
    account: AccountId
    card: CardId
    kind: BlockKind
    by: By
    idempotency: str = ""
    fingerprint: str = ""


class UnblockCard(Struct, frozen=True, tag="unblock_card", omit_defaults=True):
    """`by`: whose order it is; None: the bank's own staff, who may lift every temporary block. `hotline`: asked for by
    telephone, which not every regulation offers for it (W §17.4)."""

    account: AccountId
    card: CardId
    by: By | None = None
    hotline: bool = False
    idempotency: str = ""
    fingerprint: str = ""


class UnblockPin(Struct, frozen=True, tag="unblock_pin", omit_defaults=True):
    """The hotline ends a PIN block and clears the count of wrong PINs."""

    account: AccountId
    card: CardId
    idempotency: str = ""
    fingerprint: str = ""


class SetLimits(Struct, frozen=True, tag="set_limits", omit_defaults=True):
    """New day limits; None leaves one as it is. What is used today stays used. `individual`: new individual limit,
    credit products only; `effective`: when it begins to apply, 0 is at once."""

    account: AccountId
    card: CardId
    cash: Minor | None = None
    cashless: Minor | None = None
    internet: Minor | None = None
    idempotency: str = ""
    fingerprint: str = ""
    individual: Minor | None = None
    effective: UnixMs = UnixMs(0)


class SetContactless(Struct, frozen=True, tag="set_contactless", omit_defaults=True):
    account: AccountId
    card: CardId
    enabled: bool
    idempotency: str = ""
    fingerprint: str = ""


class SetMarginNotices(Struct, frozen=True, tag="set_margin_notices", omit_defaults=True):
    """The user declines the currency-margin notices, or wants them again (P §19)."""

    account: AccountId
    card: CardId
    enabled: bool
    idempotency: str = ""
    fingerprint: str = ""


class SetPin(Struct, frozen=True, tag="set_pin", omit_defaults=True):
    account: AccountId
    card: CardId
    pvv: str
    idempotency: str = ""
    fingerprint: str = ""


class SetAccountStatus(Struct, frozen=True, tag="set_account_status", omit_defaults=True):
    """The agreement has ended, the holder has died or lost legal capacity, or got it back."""

    account: AccountId
    status: AccountStatus
    idempotency: str = ""
    fingerprint: str = ""


class RecordThreeDs(Struct, frozen=True, tag="record_three_ds", omit_defaults=True):
    """What one authentication at the access control server came to. `amount`: minor units of `currency` (ISO 4217 numeric);
    `merchant`: as in DE42."""

    account: AccountId
    card: CardId
    amount: Minor
    currency: str
    merchant: str
    succeeded: bool
    idempotency: str = ""
    fingerprint: str = ""


class UnlockThreeDs(Struct, frozen=True, tag="unlock_three_ds", omit_defaults=True):
    """Hotline or branch end the lock of 3-D Secure and clear its failures."""

    account: AccountId
    card: CardId
    idempotency: str = ""
    fingerprint: str = ""


class SetTrusted(Struct, frozen=True, tag="set_trusted", omit_defaults=True):
    """A merchant (DE42) joins or leaves the holder's trusted ones."""

    account: AccountId
    card: CardId
    merchant: str
    trusted: bool
    idempotency: str = ""
    fingerprint: str = ""


class RenewCard(Struct, frozen=True, tag="renew_card", omit_defaults=True):
    """The same number and PIN with a new `expiry` (YYMM)."""

    account: AccountId
    card: CardId
    expiry: str
    idempotency: str = ""
    fingerprint: str = ""


class ReplaceCard(Struct, frozen=True, tag="replace_card", omit_defaults=True):
    """`card` gives way to `new`, which has another number (`last4`) and another PIN (`pvv`). `expiry`: YYMM, "" to have
    it decided by how long ago the old one was blocked; `fresh_expiry`: what a new one would be, YYMM."""

    account: AccountId
    card: CardId
    new: CardId
    last4: str
    pvv: str
    fresh_expiry: str
    expiry: str = ""
    idempotency: str = ""
    fingerprint: str = ""


class CreateVirtual(Struct, frozen=True, tag="create_virtual", omit_defaults=True):
    """A device number, `virtual`, that stands for the card in a wallet. `expiry`: YYMM, "" is the card's own."""

    account: AccountId
    card: CardId
    virtual: VirtualId
    last4: str
    expiry: str = ""
    wallet: str = ""
    idempotency: str = ""
    fingerprint: str = ""


class SetVirtual(Struct, frozen=True, tag="set_virtual", omit_defaults=True):
    """Suspend, resume or delete a device number."""

    account: AccountId
    card: CardId
    virtual: VirtualId
    status: VirtualStatus
    idempotency: str = ""
    fingerprint: str = ""


Message = Authorization | Reversal
CardCommand = (
    IssueCard
    | ActivateCard
    | BlockCard
    | UnblockCard
    | UnblockPin
    | SetLimits
    | SetContactless
    | SetMarginNotices
    | SetPin
    | RecordThreeDs
    | UnlockThreeDs
    | SetTrusted
    | RenewCard
    | ReplaceCard
    | CreateVirtual
    | SetVirtual
)
Command = OpenAccount | Load | SetAccountStatus | CardCommand
Request = Message | Command


def request_key(request: Request) -> Key | None:
    """The key that makes a second one a repeat; None for a command without an idempotency key (never a repeat)."""
    if isinstance(request, Authorization | Reversal):
        origin = request.origin
        names = (origin.sent, origin.stan, origin.acquirer, origin.terminal, origin.merchant)
        return key_of(origin.mti[:3], request.virtual or request.card, *names)  # DE2 is part of what makes a repeat
    return key_of("command", request.account, request.idempotency) if request.idempotency else None


# --------------------------------------------------------------------------------------------- what is known: Account


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


class Foreign(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a foreign amount came to PLN. `amount`, `currency`: of the transaction (DE4, DE49); `pln`: grosze it came to;
    `basis`, `basis_currency`: what was converted (DE4 or DE6), at `rate` millionths of a zloty for one unit of it;
    `table`: day of the bank's table, "" when the scheme had converted to PLN; `markup`: hundredths of a percent on top."""

    amount: Minor
    currency: str
    pln: Minor
    basis: Minor
    basis_currency: str
    rate: int
    table: str = ""
    markup: int = 0


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


class Counters(Struct, frozen=True, omit_defaults=True):
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


class VirtualCard(Struct, frozen=True, omit_defaults=True):
    """A device number that stands for a card. `expiry`: YYMM, its own; `wallet`: whose, for people."""

    id: VirtualId
    last4: str
    expiry: str
    status: VirtualStatus
    created: UnixMs
    wallet: str = ""


class PendingLimits(Struct, frozen=True, omit_defaults=True):
    """Limits that were ordered and take effect at `at`; None leaves one as it is."""

    at: UnixMs
    cash: Minor | None = None
    cashless: Minor | None = None
    internet: Minor | None = None
    individual: Minor | None = None


class Card(Struct, frozen=True, omit_defaults=True):
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


class Bucket(StrEnum):
    """Which day limits an amount counts into: INTERNET counts into cashless and internet; NONE into nothing."""

    CASH = "cash"
    CASHLESS = "cashless"
    INTERNET = "internet"
    NONE = "none"


class ScaUse(StrEnum):
    """Which counter of payments without SCA an approval was added to."""

    NONE = "none"
    CONTACTLESS = "contactless"
    LOW_VALUE = "low_value"


class Hold(Struct, frozen=True, omit_defaults=True):
    """Money set aside by an approval, grosze. `day`, `bucket`, `sca_use`, `scas`: what it counted into and when, so
    that a reversal gives back the right counters; `first_amount`: before partial reversals."""

    id: HoldId
    card: CardId
    amount: Minor
    first_amount: Minor
    created: UnixMs
    expires: UnixMs
    origin: Origin
    authorization_code: str
    day: Day
    bucket: Bucket
    sca_use: ScaUse = ScaUse.NONE
    scas: int = 0
    foreign: Foreign | None = None  # how the amount came to PLN, None where it was
    exemption: str = ""  # what freed it from SCA, a name of the product's `exemptions`


class HoldEnd(StrEnum):
    """How a hold ended; it ends once."""

    REVERSED = "reversed"
    EXPIRED = "expired"
    POSTED = "posted"
    RELEASED = "released"


class EarlyReversal(Struct, frozen=True, omit_defaults=True):
    """A reversal that came before its original, remembered so that the late original holds nothing."""

    card: CardId
    original: Original
    terminal: str
    merchant: str
    at: UnixMs


class Account(Struct, frozen=True, omit_defaults=True):
    """One state document. `seq`: number of the last decision in it, 0 before the first; `at`: time of that decision;
    `balance`: own money of the holder, negative is debt; `recent_keys` with `recent_at`: keys of the messages of the
    last 24 hours, oldest first; `recent_since`: the list is complete from this time on (the journal knows the rest)."""

    id: AccountId
    product: str = ""
    seq: int = 0
    at: UnixMs = UnixMs(0)
    status: AccountStatus = AccountStatus.OPEN
    holder: str = ""
    balance: Minor = Minor(0)
    credit_limit: Minor = Minor(0)
    cards: dict[CardId, Card] = {}
    holds: tuple[Hold, ...] = ()
    early_reversals: tuple[EarlyReversal, ...] = ()
    recent_keys: tuple[int, ...] = ()
    recent_at: tuple[int, ...] = ()
    recent_since: UnixMs = UnixMs(0)


STRAY = "stray"
"""Prefix of the accounts that messages with an unknown PAN are decided against: they are journaled like all others."""


class Head(Struct, frozen=True):
    """An account and the hash of its last decision: what an append must name to be taken. Before the first: 32 zeros."""

    account: Account
    hash: bytes


# --------------------------------------------------------------------------------------------- what comes out: Decision


class AccountOpened(Struct, frozen=True, tag="account_opened", omit_defaults=True):
    product: str
    credit_limit: Minor = Minor(0)
    holder: str = ""


class BalanceSet(Struct, frozen=True, tag="balance_set"):
    """The balance after, grosze."""

    balance: Minor


class CardSet(Struct, frozen=True, tag="card_set"):
    """The whole card after a command."""

    card: Card


class CountersSet(Struct, frozen=True, tag="counters_set"):
    """The counters of a card after a message."""

    card: CardId
    counters: Counters


class AccountStatusSet(Struct, frozen=True, tag="account_status_set"):
    status: AccountStatus


class CardRenewed(Struct, frozen=True, tag="card_renewed"):
    """The renewed plastic is in use: its expiry is the card's from now on (S §32.7)."""

    card: CardId


class CardCaptured(Struct, frozen=True, tag="card_captured"):
    """A third wrong PIN on a product that captures the card."""

    card: CardId


class HoldPlaced(Struct, frozen=True, tag="hold_placed"):
    hold: Hold


class HoldReduced(Struct, frozen=True, tag="hold_reduced"):
    """`amount`: what the hold is now, grosze."""

    hold: HoldId
    amount: Minor


class HoldEnded(Struct, frozen=True, tag="hold_ended"):
    hold: HoldId
    how: HoldEnd
    at: UnixMs


class Noticed(Struct, frozen=True, tag="noticed"):
    """A currency-margin notice is due: the card's first transaction of `month` (YYYY-MM) in `currency`; `margin`: what the
    conversion cost above the ECB reference rate, hundredths of a percent."""

    card: CardId
    currency: str
    month: str
    margin: int


class ReversalRemembered(Struct, frozen=True, tag="reversal_remembered"):
    reversal: EarlyReversal


class ReversalsForgotten(Struct, frozen=True, tag="reversals_forgotten"):
    """The oldest `count` early reversals are dropped: used, too old, or above the cap."""

    count: int


class KeyRemembered(Struct, frozen=True, tag="key_remembered", omit_defaults=True):
    """This decision's key joins the recent ones; the oldest `forget` leave; `since`: new `recent_since`, 0 unchanged."""

    key: Key
    forget: int = 0
    since: UnixMs = UnixMs(0)


Change = (
    AccountOpened
    | BalanceSet
    | CardSet
    | CountersSet
    | AccountStatusSet
    | CardRenewed
    | CardCaptured
    | HoldPlaced
    | HoldReduced
    | HoldEnded
    | Noticed
    | ReversalRemembered
    | ReversalsForgotten
    | KeyRemembered
)


class Verdict(StrEnum):
    PASSED = "passed"
    REFUSED = "refused"
    NOT_APPLICABLE = "not applicable"


class Step(Struct, frozen=True, array_like=True):
    """One rule that ran: its name (a key of the product's `paragraphs`), its verdict, its paragraph, its inputs."""

    rule: str
    verdict: Verdict
    paragraph: str
    inputs: dict[str, int | str | bool]


class Approved(Struct, frozen=True, tag="approved", omit_defaults=True):
    """`amount`: grosze approved; `hold`: the hold placed, "" when none was needed; `exemption`: what freed it from SCA."""

    amount: Minor = Minor(0)
    hold: HoldId = HoldId("")
    exemption: str = ""


class Refused(Struct, frozen=True, tag="refused"):
    """`rule`: name of the step that refused; `paragraph`: its source, "" where no regulation speaks."""

    reason: Reason
    rule: str
    paragraph: str


Outcome = Approved | Refused


class Answer(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the wire needs beyond the echo of the request: DE39, DE38, DE54 (`available`, grosze; None: no DE54)."""

    response_code: str
    authorization_code: str = ""
    available: Minor | None = None
    chip: str = ""  # DE55: the issuer's answer to the chip, hexadecimal


class Decision(Struct, frozen=True, omit_defaults=True):
    """One request, one decision, one journal record. Facts only, never rules: folding an old journal under new rules
    gives the same account. `answer` is None for a command; `key`: see `request_key`, 0 when there is none."""

    account: AccountId
    seq: int
    at: UnixMs
    product: str
    request: Request
    outcome: Outcome
    changes: tuple[Change, ...]
    trace: tuple[Step, ...]
    key: Key = Key(0)
    answer: Answer | None = None

    @property
    def id(self) -> str:
        """`ACCOUNT:SEQ`, the name of this decision in logs, journal and API."""
        return f"{self.account}:{self.seq}"


class Past(Struct, frozen=True):
    """What the account document no longer holds, gathered from the journal before deciding.

    `earlier`: the decision on the same key; `original`: the decision on the message that a reversal names;
    `original_end`: how the hold of that original ended, None when it had none or it is still open.
    """

    earlier: Decision | None = None
    original: Decision | None = None
    original_end: HoldEnd | None = None


NOTHING_MORE = Past()
