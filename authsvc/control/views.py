"""What is answered about accounts and cards: computed as of now from the last decision, nothing is decided by reading.

Money in grosze; times are RFC 3339 UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from authsvc.control.desk import Found, FoundCard
from authsvc.model import AccountStatus, Card, CardStatus, Hold, UnixMs, VirtualCard, VirtualStatus
from authsvc.rules import views as rules

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at: UnixMs) -> datetime:
    """A time as the API shows it; to the millisecond, without the rounding of float seconds."""
    return _EPOCH + timedelta(milliseconds=at)


def unix_ms(moment: datetime) -> UnixMs:
    """The inverse; what is below a millisecond is cut off."""
    return UnixMs((moment - _EPOCH) // timedelta(milliseconds=1))


class AccountCreated(Struct, frozen=True):
    account: str


class Loaded(Struct, frozen=True):
    """`balance`: right after this load."""

    decision: str
    account: str
    amount: int
    balance: int


class CardRow(Struct, frozen=True):
    card: str
    status: CardStatus
    last4: str


class HoldView(Struct, frozen=True):
    """`created`, `expires`: RFC 3339; `rrn` … `merchant`: DE37, DE11, DE41, DE42 of the message that made it."""

    hold: str
    card: str
    amount: int
    created: datetime
    expires: datetime
    rrn: str
    stan: str
    authorization_code: str
    terminal: str
    merchant: str


class AccountView(Struct, frozen=True):
    """`available`: what the account can still pay; `credit_limit`: null where the product has none; `holds`: those that
    have not expired."""

    account: str
    product: str
    status: AccountStatus
    holder: str
    balance: int
    held: int
    available: int
    credit_limit: int | None
    cards: list[CardRow]
    holds: list[HoldView]


class CardIssued(Struct, frozen=True):
    """`pan_masked`: first six and last four digits; the whole PAN is never answered."""

    card: str
    pan_masked: str
    status: CardStatus


class LimitsView(Struct, frozen=True):
    cash: int
    cashless: int
    internet: int


class DayUse(Struct, frozen=True):
    """Amounts and counts of one Warsaw day; a remaining count is null where the product does not count."""

    cash: int
    cashless: int
    internet: int
    cash_count: int | None
    cashless_count: int | None
    internet_count: int | None


class ContactlessView(Struct, frozen=True):
    """`unlocked`: the first contact transaction with PIN has been made; `since_sca`: total without PIN since the last
    SCA."""

    enabled: bool
    unlocked: bool
    since_sca: int


class LowValueView(Struct, frozen=True):
    """Remote payments under the low-value exemption since the last SCA."""

    sum: int
    count: int


class ThreeDsView(Struct, frozen=True):
    locked: bool
    failures: int


class ThreeDsOutcome(Struct, frozen=True):
    """`eci`: electronic commerce indicator; `cavv`: the proof, null without one."""

    eci: str
    cavv: str | None
    locked: bool


class PendingView(Struct, frozen=True):
    """Limits that were ordered and apply from `effective_at` on; null: that one stays."""

    effective_at: datetime
    cash: int | None
    cashless: int | None
    internet: int | None
    individual_limit: int | None


class RenewalView(Struct, frozen=True):
    """The renewed plastic: inactive until activated, or used at an ATM with the right PIN."""

    expiry: str
    status: CardStatus


class VirtualView(Struct, frozen=True):
    """A device number that stands for the card."""

    virtual_card: str
    card: str
    last4: str
    expiry: str
    status: VirtualStatus
    wallet: str
    created: datetime


class CardView(Struct, frozen=True):
    card: str
    account: str
    last4: str
    expiry: str
    status: CardStatus
    limits: LimitsView
    used_today: DayUse
    remaining_today: DayUse
    pin_tries_left: int
    contactless: ContactlessView
    low_value: LowValueView
    three_ds: ThreeDsView
    trusted_merchants: list[str]
    individual_limit: int | None
    pending_limits: list[PendingView]
    renewal: RenewalView | None
    virtual_cards: list[VirtualView]


class ClockView(Struct, frozen=True):
    now: datetime


def hold_view(hold: Hold) -> HoldView:
    return HoldView(
        hold=hold.id,
        card=hold.card,
        amount=hold.amount,
        created=rfc3339(hold.created),
        expires=rfc3339(hold.expires),
        rrn=hold.origin.rrn,
        stan=hold.origin.stan,
        authorization_code=hold.authorization_code,
        terminal=hold.origin.terminal,
        merchant=hold.origin.merchant,
    )


def account_view(found: Found) -> AccountView:
    account, product, now = found
    cards = [
        CardRow(card.id, rules.effective_status(card, product, now), card.last4) for card in account.cards.values()
    ]
    return AccountView(
        account=account.id,
        product=account.product,
        status=account.status,
        holder=account.holder,
        balance=account.balance,
        held=rules.held(account, now),
        available=rules.available(account, now),
        credit_limit=account.credit_limit if product.funds == "credit" else None,
        cards=cards,
        holds=[hold_view(hold) for hold in rules.open_holds(account, now)],
    )


def card_view(found: FoundCard) -> CardView:
    account, product, now, card = found
    counters = card.counters
    return CardView(
        card=card.id,
        account=account.id,
        last4=card.last4,
        expiry=card.expiry,
        status=rules.effective_status(card, product, now),
        individual_limit=card.individual_limit if product.funds == "credit" else None,
        pending_limits=[
            PendingView(rfc3339(one.at), one.cash, one.cashless, one.internet, one.individual) for one in card.pending
        ],
        renewal=RenewalView(card.renewal, CardStatus.INACTIVE) if card.renewal else None,
        virtual_cards=[virtual_view(card, one) for one in card.virtual],
        limits=LimitsView(card.limits.cash, card.limits.cashless, card.limits.internet),
        used_today=_used_today(card, now),
        remaining_today=msgspec.convert(rules.remaining_today(card, product, now), DayUse),
        pin_tries_left=rules.pin_tries_left(card, now),
        contactless=ContactlessView(card.contactless_enabled, counters.contactless_unlocked, counters.contactless),
        low_value=LowValueView(counters.low_value_sum, counters.low_value_count),
        three_ds=ThreeDsView(*rules.three_ds(card, product, now)),
        trusted_merchants=list(card.trusted),
    )


def virtual_view(card: Card, virtual: VirtualCard) -> VirtualView:
    return VirtualView(
        virtual.id, card.id, virtual.last4, virtual.expiry, virtual.status, virtual.wallet, rfc3339(virtual.created)
    )


def _used_today(card: Card, now: UnixMs) -> DayUse:
    used = rules.used_today(card, now)
    return DayUse(used.cash, used.cashless, used.internet, used.cash_count, used.cashless_count, used.internet_count)
