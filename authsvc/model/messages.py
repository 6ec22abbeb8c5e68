"""What comes in from the wire: an authorization, a presentment or a reversal, without the PAN and without secrets."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from authsvc.model.names import (
    AccountId,
    CardId,
    Minor,
    PostingId,
    VirtualId,
)


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


class Original(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a message names its original: DE90 (`mti`, `stan`, `sent`, `acquirer`), or by `rrn` when there is no DE90."""

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


class Authorization(Struct, frozen=True, gc=False, tag="authorization", omit_defaults=True):
    """An 0100 or 0200: may this card do this? An 0120: it was done. `card` is "" when nobody knows the PAN.

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
    cash: Minor = Minor(0)  # DE54, amount type 40: the part of `amount` that is paid out in cash
    takes_part: bool = False  # DE48.61: the terminal takes the approval of a part
    link: str = ""  # DE48.63: ties an incremental authorization to the one it adds to
    adds_to: Original | None = None  # DE90: the one it adds to
    code: str = ""  # DE38 of an advice: the authorization code given elsewhere
    response: str = ""  # DE39 of an advice: what was answered elsewhere
    new_pvv: str = ""  # of the PIN in DE125, PIN verification value

    @property
    def is_financial(self) -> bool:
        """0200: it posts at once, there is no presentment to come."""
        return self.origin.mti[1] == "2"

    @property
    def is_advice(self) -> bool:
        """0120/0121: it happened already; recorded, never refused."""
        return self.origin.mti[2] == "2"


class Reversal(Struct, frozen=True, gc=False, tag="reversal", omit_defaults=True):
    """An 0400 or 0420: undo a hold, whole, or down to `becomes` (DE95; None: whole).

    One that came by no message (`undoes_claim`) undoes a presentment of `kind` and of `amount`, named by RRN, by `code` (its
    authorization code) and by `posting`, as far as they are given; `idempotency`: as in `Presentment`."""

    account: AccountId
    card: CardId
    origin: Origin
    fingerprint: str
    original: Original
    amount: Minor
    currency: str
    becomes: Minor | None = None
    virtual: VirtualId = VirtualId("")  # the device number that was used instead of the card's own PAN
    kind: Kind = Kind.PURCHASE
    code: str = ""
    posting: PostingId = PostingId("")
    idempotency: str = ""

    @property
    def is_advice(self) -> bool:
        """0420/0421: it happened already; answered 00 whatever we find."""
        return self.origin.mti[2] == "2"

    @property
    def undoes_claim(self) -> bool:
        """Of a clearing file, or of the API: every message has a STAN."""
        return not self.origin.stan


class Presentment(Struct, frozen=True, gc=False, tag="presentment", omit_defaults=True):
    """An 0220, or a line of a clearing file: the claim that turns a hold into a posting.

    `original`: the authorization, by DE90, or by RRN; `code`: its authorization code (DE38); `final`: no other presentment of
    it will come; `kind`, `amount` … `condition`, `link`: as in `Authorization`; `idempotency`: of one that came by no
    message.
    """

    account: AccountId
    card: CardId
    origin: Origin
    fingerprint: str
    kind: Kind
    amount: Minor
    currency: str
    original: Original = Original()
    code: str = ""
    final: bool = True
    entry: Entry = Entry.CHIP
    condition: str = "00"
    mcc: str = ""
    country: str = ""
    billing: Minor = Minor(0)
    billing_currency: str = ""
    cash: Minor = Minor(0)
    virtual: VirtualId = VirtualId("")
    link: str = ""
    idempotency: str = ""
