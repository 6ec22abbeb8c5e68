"""What the codes of a message mean, in words, for people alone: no decision reads these tables.

Source: ISO 8583:1987 code lists; ISO 3166 and ISO 4217 by the libraries of those names; ISO/IEC 7813 (service codes);
`wire.md` section 3; `rulebook.md` section 3.
"""

from __future__ import annotations

from functools import cache

from iso3166 import countries_by_numeric
from iso4217 import Currency

MTI_PARTS: tuple[dict[str, str], dict[str, str], dict[str, str]] = (
    {
        "1": "authorization",
        "2": "financial",
        "3": "file action",
        "4": "reversal",
        "5": "reconciliation",
        "6": "administrative",
        "7": "fee collection",
        "8": "network management",
    },
    {"0": "request", "1": "response", "2": "advice", "3": "advice response"},
    {"1": "repeat"},
)
"""Second, third and fourth digit of the MTI."""

PROCESSING = {
    "00": "purchase",
    "01": "cash",
    "09": "purchase with cashback",
    "11": "quasi-cash",
    "20": "refund",
    "21": "deposit",
    "30": "available funds inquiry",
    "31": "balance inquiry",
    "40": "transfer",
    "92": "PIN change",
}

ENTRY_MODES = {
    "00": "unknown",
    "01": "keyed, mail or telephone",
    "02": "stripe, in part",
    "05": "chip",
    "07": "contactless chip",
    "10": "credential on file",
    "80": "fallback to stripe",
    "81": "e-commerce",
    "90": "stripe",
    "91": "contactless stripe",
}

CONDITIONS = {
    "00": "normal",
    "02": "unattended",
    "06": "pre-authorization",
    "08": "mail or telephone order",
    "51": "verification",
    "59": "e-commerce",
}

EXEMPTIONS = {
    "01": "merchant-initiated",
    "02": "acquirer risk analysis",
    "03": "recurring",
    "04": "low value",
    "06": "secure corporate",
}

SUBELEMENTS = {
    "22": "Exemption or initiator",
    "42": "E-commerce level",
    "43": "Cardholder authentication value",
    "61": "Partial approval supported",
    "63": "Link to the original",
    "87": "CVV2 result",
    "92": "CVV2",
}
"""Of DE48."""

ACCOUNTS = {
    "00": "default account",
    "10": "savings account",
    "20": "current account",
    "30": "credit account",
    "40": "universal account",
    "50": "investment account",
}
"""Digits 3 and 4 of DE3: from which account; 5 and 6: to which one."""

PIN_ENTRY = {"0": "unknown", "1": "can take a PIN", "2": "cannot take a PIN", "8": "PIN pad out of order"}
"""Third digit of DE22."""

LEVELS = {
    "210": "not authenticated",
    "211": "attempted",
    "212": "fully authenticated",
    "216": "exempt",
    "217": "recurring after SCA",
}
"""DE48.42."""

CVV2_RESULTS = {"M": "matches", "N": "does not match", "P": "not checked"}

AMOUNT_TYPES = {
    "01": "ledger balance",
    "02": "available balance",
    "03": "owed",
    "20": "remaining",
    "40": "cashback part",
}
"""Of DE54."""

MERCHANTS = {
    "4111": "transit",
    "4112": "railways",
    "4131": "bus lines",
    "4784": "tolls",
    "4829": "money transfer",
    "5411": "groceries",
    "5541": "petrol",
    "5542": "automated petrol",
    "5812": "restaurants",
    "6010": "cash at a counter",
    "6011": "cash machine",
    "6050": "quasi-cash",
    "6051": "quasi-cash",
    "6540": "prepaid top-up",
    "7011": "hotels",
    "7523": "parking",
    "7800": "lottery",
    "7801": "internet gambling",
    "7802": "horse racing",
    "7995": "gambling",
    "9406": "lottery, foreign",
}
"""DE18, those that a rule of ours or many messages name."""

SERVICE_CODES: tuple[dict[str, str], dict[str, str], dict[str, str]] = (
    {
        "1": "international",
        "2": "international, chip",
        "5": "national",
        "6": "national, chip",
        "7": "private",
        "9": "test",
    },
    {"0": "normal authorization", "2": "by the issuer online", "4": "by the issuer unless agreed otherwise"},
    {
        "0": "PIN required",
        "1": "no restrictions",
        "2": "goods and services only",
        "3": "cash machines only, PIN required",
        "4": "cash only",
        "5": "goods and services only, PIN required",
        "6": "PIN where there is a PIN pad",
        "7": "goods and services only, PIN where there is a PIN pad",
    },
)
"""First, second and third digit of a track's service code."""

MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip

NETWORK = {"001": "sign-on", "002": "sign-off", "161": "key change", "301": "echo"}

RESPONSE_CODES = {
    "00": "approved",
    "04": "capture card",
    "05": "do not honor",
    "10": "approved in part",
    "12": "transaction not supported",
    "14": "no such card",
    "1A": "strong customer authentication required",
    "25": "original not found",
    "30": "format error",
    "38": "PIN tries exceeded, capture card",
    "41": "lost card",
    "43": "stolen card",
    "46": "account closed",
    "51": "insufficient funds",
    "54": "expired card",
    "55": "wrong PIN",
    "57": "not permitted to this card",
    "59": "suspected fraud",
    "61": "above the amount limit",
    "62": "restricted card",
    "63": "security violation",
    "65": "above the count limit, or authentication required",
    "70": "PIN required",
    "75": "PIN tries exceeded",
    "78": "card not active",
    "82": "cryptogram wrong",
    "85": "nothing against this card",
    "88": "cryptogram wrong",
    "91": "issuer not available",
    "94": "duplicate",
    "96": "system error",
    "N4": "cashback above its maximum",
    "N7": "CVV2 wrong",
}


@cache
def _currencies() -> dict[str, Currency]:
    return {f"{currency.number:03d}": currency for currency in Currency}


def currency(code: str) -> str:
    """ "PLN, Zloty" of "985"; "" of a number that is none."""
    found = _currencies().get(code)
    return f"{found.code}, {found.currency_name}" if found else ""


def amount(digits: str, code: str) -> str:
    """ "12.34 PLN" of "000000001234" in "985", with as many decimals as the currency has; "" when either is none."""
    found = _currencies().get(code)
    if found is None or not digits.isdigit():
        return ""
    decimals = found.exponent or 0
    whole, part = divmod(int(digits), 10**decimals)
    return f"{whole}.{part:0{decimals}d} {found.code}" if decimals else f"{whole} {found.code}"


def country(code: str) -> str:
    """ "Poland" of "616"; "" of a number that is none."""
    found = countries_by_numeric.get(code)
    return found.apolitical_name if found else ""


def moment(value: str) -> str:
    """ "15 June, 10:00:00" of MMDDhhmmss."""
    return f"{day(value[:4])}, {time(value[4:])}"


def day(value: str) -> str:
    """ "15 June" of MMDD."""
    return f"{int(value[2:])} {MONTHS[int(value[:2]) - 1]}"


def time(value: str) -> str:
    """ "10:00:00" of hhmmss."""
    return f"{value[:2]}:{value[2:4]}:{value[4:]}"


def year_month(value: str) -> str:
    """ "December 2028" of YYMM; "" when there is no such month."""
    month = int(value[2:])
    return f"{MONTHS[month - 1]} 20{value[:2]}" if 1 <= month <= len(MONTHS) else ""
