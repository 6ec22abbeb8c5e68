"""Fields to meaning: one decoded message becomes one `Request`. The PAN, PIN block, track and CVV2 stop here.

Whatever a message uses that the rules do not decide is said in `unsupported`, so that it is refused and never ignored.
The way back is `answers.to_answer`. Source: `wire.md` section 3, `rulebook.md` section 4.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Protocol

from authsvc.codec import amounts, card_present, subfields, track
from authsvc.codec.originals import parse_original, parse_replacement
from authsvc.codec.reference import Fields
from authsvc.errors import PeerError
from authsvc.model import (
    Authorization,
    CardRef,
    Entry,
    Kind,
    Message,
    Minor,
    Origin,
    Original,
    Presentment,
    Reversal,
)
from authsvc.model.values import Value

AUTHORIZATIONS = frozenset({"0100", "0101", "0120", "0121", "0200", "0201"})
REVERSALS = frozenset({"0400", "0401", "0420", "0421"})
PRESENTMENTS = frozenset({"0220", "0221"})

MANDATORY = ("3", "4", "7", "11", "22", "49")
MANDATORY_IN_PRESENTMENT = ("3", "4", "7", "11", "49")
MANDATORY_IN_REVERSAL = ("3", "4", "7", "11")

KINDS: dict[str, Kind] = {
    "00": Kind.PURCHASE,
    "01": Kind.CASH,
    "09": Kind.CASHBACK,
    "11": Kind.QUASI_CASH,
    "20": Kind.REFUND,
    "21": Kind.DEPOSIT,
    "30": Kind.BALANCE_INQUIRY,
    "31": Kind.BALANCE_INQUIRY,
    "40": Kind.TRANSFER,
    "92": Kind.PIN_CHANGE,
}
"""First two digits of DE3. Source: ISO 8583:1987 processing codes; 92 is of the private range, as switches use it."""

ENTRIES: dict[str, Entry] = {entry.value: entry for entry in Entry} | {"02": Entry.STRIPE}
"""First two digits of DE22; 02 is a stripe read in part."""

SAME_IN_A_REPEAT = (
    "3", "4", "5", "6", "12", "13", "14", "18", "22", "25", "37", "38", "39", "49", "50", "51", "54", "90", "95",
)  # fmt: skip
"""What a repeat must say again. Not 35, 48, 52, 55, 64, 128: a sender may encrypt or sign them anew."""

KEPT = ("37", "42", "48")
"""Of what the journal keeps as it came, the fields in which a short card number has room."""
LONGEST_KEPT = 15
"""Characters of the longest of them, DE42 and DE48.63; a card number is mostly longer."""

_CVV2 = "92"
_CAVV = "43"
_LEVEL = "42"
_LINK = "63"
_PARTIAL = "61"
_PIN_CHANGE = "92"
_INITIATOR = "22"
_MERCHANT_INITIATED = frozenset({"01", "03"})


class Checks(card_present.Checks, Protocol):
    """What translating needs of the security module."""

    def offered_pvv(self, pin_block: bytes, pan: str) -> str:
        """PVV of the PIN in an ISO-0 block under the link's key; ValueError on a block that is none for this PAN."""

    def opened_cavv(self, cavv: str, card: str, merchant: str) -> int:
        """The number of a 3-D Secure proof that is ours for this card and merchant, 0 of any other."""

    def cvv2_matches(self, cvv2: str, pan: str, expiry: str) -> bool:
        """Whether `cvv2` is that of `pan` and `expiry` (YYMM)."""


class Received(Value, frozen=True, gc=False):
    """A message understood. `offered_pvv`: PVV of the PIN that came with it, "" without; compare, then forget it.
    `chip_answer`: makes DE55 of the answer from its DE39; None where no right cryptogram came."""

    request: Message
    offered_pvv: str = ""
    chip_answer: card_present.ChipAnswer | None = None

    def __repr__(self) -> str:
        return f"Received(request={self.request!r}, offered_pvv=***)"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("request", self.request), ("offered_pvv", "***")]


def pan_of(fields: Fields) -> str:
    """The card number: DE2, else DE35 up to its separator. Raises PeerError("DE2", …) when there is neither."""
    pan = fields.get("2")
    if pan is not None:
        return pan
    if "35" not in fields:
        raise PeerError("DE2", f"neither it nor DE35 is in {fields['t']}")
    return track.split(fields["35"])[0]


def to_request(fields: Fields, card: CardRef, checks: Checks) -> Received:
    """The meaning of a message from an acquirer; `card` is where its PAN leads. Budget: 6 µs without `checks`.

    `fields` come from `Dialect.decode`, so their content is right. Raises PeerError naming the field: mandatory and
    absent, DE48 of wrong form, DE52 no PIN block of this card, MTI not one we take.
    """
    mti = fields["t"]
    if mti in AUTHORIZATIONS:
        return _authorization(fields, card, checks)
    if mti in REVERSALS or mti in PRESENTMENTS:
        _require_apart(fields, pan_of(fields))
        return Received(_reversal(fields, card) if mti in REVERSALS else _presentment(fields, card))
    raise PeerError("MTI", "not a message that an issuer takes from an acquirer")


def _authorization(fields: Fields, card: CardRef, checks: Checks) -> Received:
    _require(fields, MANDATORY)
    pan = pan_of(fields)
    _require_apart(fields, pan)
    private = subfields.parse(fields["48"]) if "48" in fields else {}
    expiry = _expiry(fields)
    amount = Minor(int(fields["4"]))
    entry = ENTRIES.get(fields["22"][:2], Entry.MANUAL)
    proof = checks.opened_cavv(private[_CAVV], card.card, fields.get("42", "").strip()) if _CAVV in private else 0
    present = card_present.card_present(fields, pan, entry, checks)
    request = Authorization(
        account=card.account,
        card=card.card,
        virtual=card.virtual,
        origin=_origin(fields),
        fingerprint=fingerprint(fields),
        kind=_kind(fields, amount),
        amount=amount,
        currency=fields["49"],
        billing=Minor(int(fields.get("6", "0"))) if "51" in fields else Minor(0),
        billing_currency=fields.get("51", ""),
        entry=entry,
        condition=fields.get("25", "00"),
        mcc=fields.get("18", ""),
        country=fields.get("19", ""),
        expiry=expiry,
        cvv2=_cvv2(private[_CVV2], pan, expiry, checks) if _CVV2 in private else "",
        level=private.get(_LEVEL, ""),
        flag=private.get(_INITIATOR, ""),
        cavv=("M" if proof else "N") if _CAVV in private else "",
        proof=proof,
        unsupported=_unsupported(fields),
        cryptogram=present.cryptogram,
        cryptogram_version=present.cryptogram_version,
        atc=present.atc,
        offline_pin=present.offline_pin,
        stripe=present.stripe,
        cvm=present.cvm,
        cash=amounts.cashback(fields["54"]) if "54" in fields else Minor(0),
        takes_part=private.get(_PARTIAL) == "1",
        link=_link(private),
        adds_to=_named(fields),
        code=fields.get("38", "").strip(),
        response=fields.get("39", ""),
        new_pvv=_new_pvv(fields, pan, card, checks),
    )
    offered_pvv = _offered_pvv(fields["52"], pan, checks) if "52" in fields else ""
    return Received(request, offered_pvv, present.answer)


def _presentment(fields: Fields, card: CardRef) -> Presentment:
    """An 0220 claims all that is left of its authorization."""
    _require(fields, MANDATORY_IN_PRESENTMENT)
    kind = KINDS.get(fields["3"][:2])
    if kind is None:
        raise PeerError("DE3", "not the processing code of a presentment")
    if kind is Kind.PURCHASE and "54" in fields and amounts.cashback(fields["54"]):
        kind = Kind.CASHBACK
    return Presentment(
        account=card.account,
        card=card.card,
        virtual=card.virtual,
        origin=_origin(fields),
        fingerprint=fingerprint(fields),
        kind=kind,
        amount=Minor(int(fields["4"])),
        currency=fields["49"],
        billing=Minor(int(fields.get("6", "0"))) if "51" in fields else Minor(0),
        billing_currency=fields.get("51", ""),
        original=_named(fields) or Original(rrn=fields.get("37", "").strip()),
        code=fields.get("38", "").strip(),
        entry=ENTRIES.get(fields.get("22", "")[:2], Entry.CHIP),
        condition=fields.get("25", "00"),
        mcc=fields.get("18", ""),
        country=fields.get("19", ""),
        cash=amounts.cashback(fields["54"]) if "54" in fields else Minor(0),
        link=subfields.parse(fields["48"]).get(_LINK, "").strip() if "48" in fields else "",
    )


def _reversal(fields: Fields, card: CardRef) -> Reversal:
    _require(fields, MANDATORY_IN_REVERSAL)
    return Reversal(
        account=card.account,
        card=card.card,
        virtual=card.virtual,
        origin=_origin(fields),
        fingerprint=fingerprint(fields),
        original=_original(fields),
        amount=Minor(int(fields["4"])),
        currency=fields.get("49", ""),
        becomes=parse_replacement(fields["95"]).amount if "95" in fields else None,
    )


def _require(fields: Fields, mandatory: tuple[str, ...]) -> None:
    for field in mandatory:
        if field not in fields:
            raise PeerError(f"DE{field}", f"mandatory in {fields['t']} and absent")


def _origin(fields: Fields) -> Origin:
    return Origin(
        mti=fields["t"],
        sent=fields["7"],
        stan=fields["11"],
        acquirer=fields.get("32", "").lstrip("0"),
        terminal=fields.get("41", "").strip(),
        merchant=fields.get("42", "").strip(),
        rrn=fields.get("37", "").strip(),
    )


def _require_apart(fields: Fields, pan: str) -> None:
    """Refuse a card number that came again where the journal keeps what came; only a short one has room there."""
    if len(pan) > LONGEST_KEPT:
        return
    for field in KEPT:
        if pan in fields.get(field, ""):
            raise PeerError(f"DE{field}", "holds the card number")


def _original(fields: Fields) -> Original:
    """The message to reverse: DE90 when it says one, else the RRN."""
    if (named := _named(fields)) is not None:
        return named
    rrn = fields.get("37", "").strip()
    if not rrn:
        raise PeerError("DE90", f"neither it nor DE37 names the original in {fields['t']}")
    return Original(rrn=rrn)


def _named(fields: Fields) -> Original | None:
    """The message that DE90 names. A DE90 of zeros alone names none; senders that must fill it and do not know it send that."""
    data = fields.get("90", "")
    if not data.strip("0"):
        return None
    named = parse_original(data)
    return Original(mti=named.mti, stan=named.stan, sent=named.sent, acquirer=named.acquirer.lstrip("0"))


def _link(private: dict[str, str]) -> str:
    """DE48.63, where it ties to a hold. A merchant-initiated payment carries one too, and is a payment of its own."""
    return "" if private.get(_INITIATOR) in _MERCHANT_INITIATED else private.get(_LINK, "").strip()


def _new_pvv(fields: Fields, pan: str, card: CardRef, checks: Checks) -> str:
    """PVV of the new PIN of a PIN change, a PIN block in DE125 like the one in DE52."""
    if "125" not in fields or fields["3"][:2] != _PIN_CHANGE:
        return ""
    if card.virtual:
        raise PeerError("DE125", "the PIN of a card is changed with its own number")
    return _offered_pvv(fields["125"], pan, checks, "DE125")


def fingerprint(fields: Fields) -> str:
    """16 hexadecimal digits that two messages share when one can be the repeat of the other."""
    content = "\x1f".join([fields.get(field, "") for field in SAME_IN_A_REPEAT])
    return blake2b(f"{fields['t'][:3]}\x1f{content}".encode(), digest_size=8).hexdigest()


def _kind(fields: Fields, amount: int) -> Kind:
    """What the cardholder wants. Only a purchase can be an increment, a cashback, a pre-authorization or a verification. An
    increment that DE48.63 alone names is known by the hold it names, in the rules."""
    kind = KINDS.get(fields["3"][:2], Kind.PURCHASE)
    if kind is not Kind.PURCHASE:
        return kind
    if _named(fields) is not None:
        return Kind.INCREMENTAL
    if "54" in fields and amounts.cashback(fields["54"]):
        return Kind.CASHBACK
    condition = fields.get("25")
    if amount == 0 or condition == "51":
        return Kind.VERIFICATION
    return Kind.PRE_AUTHORIZATION if condition == "06" else Kind.PURCHASE


def _unsupported(fields: Fields) -> str:
    """The first thing this message needs and the rules do not decide; "" when there is none."""
    if fields["3"][:2] not in KINDS:
        return "DE3"
    if fields["22"][:2] not in ENTRIES:
        return "DE22"
    return ""


def _expiry(fields: Fields) -> str:
    """YYMM as presented: DE14, else the one on the track, else "". Raises MisfitError on a track that cannot be read."""
    presented = fields.get("14")
    if presented is not None:
        return presented
    return track.parse(fields["35"]).expiry if "35" in fields else ""


def _cvv2(value: str, pan: str, expiry: str, checks: Checks) -> str:
    """ "M" when it matches, "N" when not."""
    if len(value) != 3 or not value.isdigit():
        raise PeerError("DE48", "sub-element 92 is not 3 digits")
    if not expiry:
        raise PeerError("DE14", "mandatory with CVV2 and absent")
    return "M" if checks.cvv2_matches(value, pan, expiry) else "N"


def _offered_pvv(pin_block: str, pan: str, checks: Checks, field: str = "DE52") -> str:
    try:
        return checks.offered_pvv(bytes.fromhex(pin_block), pan)
    except ValueError:
        problem = "no PIN block of this card under the key of this link"
    # Raised out here, so that nothing of the block is chained to what is logged.
    raise PeerError(field, problem)
