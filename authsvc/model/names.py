"""Ids, units, keys, reasons: the words that everything else is said in."""

from __future__ import annotations

from enum import StrEnum
from typing import NewType

AccountId = NewType("AccountId", str)
CardId = NewType("CardId", str)
HoldId = NewType("HoldId", str)
VirtualId = NewType("VirtualId", str)
PostingId = NewType("PostingId", str)
Minor = NewType("Minor", int)
UnixMs = NewType("UnixMs", int)
Day = NewType("Day", str)
Key = NewType("Key", int)
"""63 bits of a hash that name one message or command of an account; what makes a repeat a repeat."""

PLN = "985"
POLAND = "616"


class Scheme(StrEnum):
    """Whose response codes a card answers with; `iso87` for a card of no scheme (and for no card at all)."""

    VISA = "visa"
    MASTERCARD = "mastercard"
    ISO87 = "iso87"


class Reason(StrEnum):
    """Why something is refused. Ours; the scheme's DE39 stands in `config/response_codes/` (rulebook section 3)."""

    FORMAT_ERROR = "FORMAT_ERROR"
    MAC_INVALID = "MAC_INVALID"
    ACQUIRER_NOT_ALLOWED = "ACQUIRER_NOT_ALLOWED"
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
