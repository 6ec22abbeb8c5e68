"""What comes in from the control API, and `Request`: a message or a command."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from authsvc.model.messages import (
    Authorization,
    Presentment,
    Reversal,
)
from authsvc.model.names import (
    AccountId,
    CardId,
    Minor,
    UnixMs,
    VirtualId,
)


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


class OpenAccount(Struct, frozen=True, gc=False, tag="open_account", omit_defaults=True):
    account: AccountId
    product: str
    credit_limit: Minor | None = None
    holder: str = ""
    idempotency: str = ""
    fingerprint: str = ""


class Load(Struct, frozen=True, gc=False, tag="load", omit_defaults=True):
    """A top-up, or the repayment of a credit card. `amount` in grosze, above zero."""

    account: AccountId
    amount: Minor
    reference: str
    idempotency: str = ""
    fingerprint: str = ""


class Charge(Struct, frozen=True, gc=False, tag="charge", omit_defaults=True):
    """A fee, interest or cost of the bank's, or (`kind` write_off) a debt that it gives up. `amount` in grosze, above zero;
    `kind`: a `PostingKind`; `card`: on whose account of many it is, "" the account's as a whole."""

    account: AccountId
    kind: str
    amount: Minor
    reference: str
    card: CardId = CardId("")
    idempotency: str = ""
    fingerprint: str = ""


class ExpireHolds(Struct, frozen=True, gc=False, tag="expire_holds", omit_defaults=True):
    """Holds whose time is over end now, though nothing else happens on the account."""

    account: AccountId
    idempotency: str = ""
    fingerprint: str = ""


class Transfer(Struct, frozen=True, gc=False, tag="transfer", omit_defaults=True):
    """Money out of the card account. `amount` in grosze, above zero; `iban`: Polish, without spaces."""

    account: AccountId
    card: CardId
    amount: Minor
    iban: str
    reference: str
    idempotency: str = ""
    fingerprint: str = ""


class IssueCard(Struct, frozen=True, gc=False, tag="issue_card", omit_defaults=True):
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


class ActivateCard(Struct, frozen=True, gc=False, tag="activate_card", omit_defaults=True):
    account: AccountId
    card: CardId
    idempotency: str = ""
    fingerprint: str = ""


class BlockCard(Struct, frozen=True, gc=False, tag="block_card", omit_defaults=True):
    account: AccountId
    card: CardId
    kind: BlockKind
    by: By
    idempotency: str = ""
    fingerprint: str = ""


class UnblockCard(Struct, frozen=True, gc=False, tag="unblock_card", omit_defaults=True):
    """`by`: whose order it is; None: the bank's own staff, who may lift every temporary block. `hotline`: asked for by
    telephone, which not every regulation offers for it (W §17.4)."""

    account: AccountId
    card: CardId
    by: By | None = None
    hotline: bool = False
    idempotency: str = ""
    fingerprint: str = ""


class UnblockPin(Struct, frozen=True, gc=False, tag="unblock_pin", omit_defaults=True):
    """The hotline ends a PIN block and clears the count of wrong PINs."""

    account: AccountId
    card: CardId
    idempotency: str = ""
    fingerprint: str = ""


class SetLimits(Struct, frozen=True, gc=False, tag="set_limits", omit_defaults=True):
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


class SetContactless(Struct, frozen=True, gc=False, tag="set_contactless", omit_defaults=True):
    account: AccountId
    card: CardId
    enabled: bool
    idempotency: str = ""
    fingerprint: str = ""


class SetMarginNotices(Struct, frozen=True, gc=False, tag="set_margin_notices", omit_defaults=True):
    """The user declines the currency-margin notices, or wants them again (P §19)."""

    account: AccountId
    card: CardId
    enabled: bool
    idempotency: str = ""
    fingerprint: str = ""


class SetPin(Struct, frozen=True, gc=False, tag="set_pin", omit_defaults=True):
    account: AccountId
    card: CardId
    pvv: str
    idempotency: str = ""
    fingerprint: str = ""


class SetAccountStatus(Struct, frozen=True, gc=False, tag="set_account_status", omit_defaults=True):
    """The agreement has ended, the holder has died or lost legal capacity, or got it back."""

    account: AccountId
    status: AccountStatus
    idempotency: str = ""
    fingerprint: str = ""


class RecordThreeDs(Struct, frozen=True, gc=False, tag="record_three_ds", omit_defaults=True):
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


class UnlockThreeDs(Struct, frozen=True, gc=False, tag="unlock_three_ds", omit_defaults=True):
    """Hotline or branch end the lock of 3-D Secure and clear its failures."""

    account: AccountId
    card: CardId
    idempotency: str = ""
    fingerprint: str = ""


class SetTrusted(Struct, frozen=True, gc=False, tag="set_trusted", omit_defaults=True):
    """A merchant (DE42) joins or leaves the holder's trusted ones."""

    account: AccountId
    card: CardId
    merchant: str
    trusted: bool
    idempotency: str = ""
    fingerprint: str = ""


class RenewCard(Struct, frozen=True, gc=False, tag="renew_card", omit_defaults=True):
    """The same number and PIN with a new `expiry` (YYMM)."""

    account: AccountId
    card: CardId
    expiry: str
    idempotency: str = ""
    fingerprint: str = ""


class ReplaceCard(Struct, frozen=True, gc=False, tag="replace_card", omit_defaults=True):
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


class DuplicateCause(StrEnum):
    """Why a duplicate is asked for, as the holder tells it. Only damage gets one (P §7.6)."""

    DAMAGED = "damaged"
    LOST = "lost"
    STOLEN = "stolen"


class DuplicateCard(Struct, frozen=True, gc=False, tag="duplicate_card", omit_defaults=True):
    """Another plastic with the same number for one that is damaged. `expiry`: YYMM, "" keeps the card's; `pvv`: of a new
    PIN, "" keeps the old one."""

    account: AccountId
    card: CardId
    cause: DuplicateCause
    expiry: str = ""
    pvv: str = ""
    idempotency: str = ""
    fingerprint: str = ""


class CreateVirtual(Struct, frozen=True, gc=False, tag="create_virtual", omit_defaults=True):
    """A device number, `virtual`, that stands for the card in a wallet. `expiry`: YYMM, "" is the card's own."""

    account: AccountId
    card: CardId
    virtual: VirtualId
    last4: str
    expiry: str = ""
    wallet: str = ""
    idempotency: str = ""
    fingerprint: str = ""


class SetVirtual(Struct, frozen=True, gc=False, tag="set_virtual", omit_defaults=True):
    """Suspend, resume or delete a device number."""

    account: AccountId
    card: CardId
    virtual: VirtualId
    status: VirtualStatus
    idempotency: str = ""
    fingerprint: str = ""


class ImportedCard(Struct, frozen=True, gc=False, omit_defaults=True):
    """Issued, and activated when it is `active`."""

    card: IssueCard
    active: bool = True


class OpeningDebt(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a card owed in the other system. `kind`: a `PostingKind`; `amount` in grosze, above zero."""

    card: CardId
    kind: str
    amount: Minor


class ImportAccount(Struct, frozen=True, gc=False, tag="import_account", omit_defaults=True):
    """An account taken over from another system, with its cards and what is on it: all that opening, loading, issuing and, when
    it is `active`, activating would do, as one decision. `load`: its balance; `card`, `active`: its first card, `others`: the
    others; `debts`: what they owe."""

    account: AccountId
    opening: OpenAccount
    card: IssueCard
    load: Load | None = None
    active: bool = True
    idempotency: str = ""
    fingerprint: str = ""
    others: tuple[ImportedCard, ...] = ()
    debts: tuple[OpeningDebt, ...] = ()

    @property
    def product(self) -> str:
        return self.opening.product

    @property
    def steps(self) -> tuple[OpenAccount | Load | IssueCard | ActivateCard, ...]:
        """The commands that it stands for, in their order; after them come the debts."""
        made: tuple[OpenAccount | Load | IssueCard | ActivateCard, ...] = (self.opening,)
        if self.load is not None:
            made = (*made, self.load)
        for each in (ImportedCard(self.card, self.active), *self.others):
            made = (*made, each.card)
            if each.active:
                made = (*made, ActivateCard(self.account, each.card.card))
        return made


class Operation(StrEnum):
    """What is decided about the engine itself."""

    PRODUCTS = "products"
    LOG = "log"


class Operate(Struct, frozen=True, gc=False, tag="operate", omit_defaults=True):
    """About the engine, on an account that holds no money (`BANK`). `version`: names what is in force from now on; `content`:
    all of it, as JSON."""

    account: AccountId
    what: Operation
    version: str
    content: str = ""
    idempotency: str = ""
    fingerprint: str = ""


BANK = AccountId("bank")

Message = Authorization | Reversal | Presentment
CardCommand = (
    IssueCard
    | Transfer
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
    | DuplicateCard
    | CreateVirtual
    | SetVirtual
)
Command = OpenAccount | ImportAccount | Load | Charge | ExpireHolds | SetAccountStatus | CardCommand
Request = Message | Command | Operate
