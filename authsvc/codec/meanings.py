"""What the codes of a message mean, in words, for people alone: no decision reads these tables.

Source: ISO 8583:1987 code lists; `wire.md` section 3; `rulebook.md` section 3.
"""

from __future__ import annotations

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
