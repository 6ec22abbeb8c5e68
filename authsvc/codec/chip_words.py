"""What the tags of DE55 are called and what their bits mean, for people alone: no decision reads these tables.

Source: EMV 4.3 Book 3 annex A (data elements), C1 (82), C3 (9F34), C5 (95), C6 (9B) and table 14 (9F27); Book 4 annex A
(9F33, 9F35). A tag whose value may be shown is in `NAMES` and not in `HIDDEN`; what is in neither is told by its length.
"""

from __future__ import annotations

from collections.abc import Callable

PAN, TRACK_2 = "5A", "57"

NAMES = {
    "4F": "Application identifier (ADF)",
    "50": "Application label",
    "57": "Track 2 equivalent data",
    "5A": "Application PAN",
    "5F20": "Cardholder name",
    "5F24": "Application expiration date",
    "5F25": "Application effective date",
    "5F28": "Issuer country",
    "5F2A": "Transaction currency",
    "5F30": "Service code",
    "5F34": "PAN sequence number",
    "71": "Issuer script template 1",
    "72": "Issuer script template 2",
    "82": "Application interchange profile",
    "84": "Dedicated file name",
    "86": "Issuer script command",
    "89": "Authorization code",
    "8A": "Authorization response code",
    "8E": "CVM list",
    "91": "Issuer authentication data",
    "95": "Terminal verification results",
    "9A": "Transaction date",
    "9B": "Transaction status information",
    "9C": "Transaction type",
    "9F02": "Amount, authorized",
    "9F03": "Amount, other",
    "9F06": "Application identifier (terminal)",
    "9F07": "Application usage control",
    "9F08": "Application version (card)",
    "9F09": "Application version (terminal)",
    "9F0D": "Issuer action code, default",
    "9F0E": "Issuer action code, denial",
    "9F0F": "Issuer action code, online",
    "9F10": "Issuer application data",
    "9F12": "Application preferred name",
    "9F15": "Merchant category code",
    "9F1A": "Terminal country",
    "9F1E": "Interface device serial number",
    "9F1F": "Track 1 discretionary data",
    "9F20": "Track 2 discretionary data",
    "9F21": "Transaction time",
    "9F26": "Application cryptogram",
    "9F27": "Cryptogram information data",
    "9F33": "Terminal capabilities",
    "9F34": "CVM results",
    "9F35": "Terminal type",
    "9F36": "Application transaction counter",
    "9F37": "Unpredictable number",
    "9F39": "POS entry mode",
    "9F40": "Additional terminal capabilities",
    "9F41": "Transaction sequence counter",
    "9F53": "Transaction category code",
    "9F66": "Terminal transaction qualifiers",
    "9F6C": "Card transaction qualifiers",
    "9F6E": "Form factor or third party data",
}

HIDDEN = frozenset({TRACK_2, "5F20", "71", "72", "86", "9F1F", "9F20", "9F6E"})
"""Tracks, names, scripts (which can set a new PIN) and what is a scheme's own."""

Bits = tuple[dict[int, str], ...]
"""Of each byte: bit → what it says when it is set."""

TVR: Bits = (
    {0x80: "offline data authentication not performed", 0x40: "SDA failed", 0x20: "chip data missing",
     0x10: "card on the terminal's exception file", 0x08: "DDA failed", 0x04: "CDA failed", 0x02: "SDA selected"},
    {0x80: "application versions differ", 0x40: "application expired", 0x20: "application not yet effective",
     0x10: "service not allowed for this card", 0x08: "new card"},
    {0x80: "cardholder verification failed", 0x40: "unknown CVM", 0x20: "PIN tries exceeded",
     0x10: "PIN asked for, no PIN pad that works", 0x08: "PIN asked for, not entered", 0x04: "online PIN entered"},
    {0x80: "above the floor limit", 0x40: "above the lower offline limit", 0x20: "above the upper offline limit",
     0x10: "drawn at random to go online", 0x08: "merchant forced it online"},
    {0x80: "default TDOL used", 0x40: "issuer authentication failed", 0x20: "script failed before the last cryptogram",
     0x10: "script failed after the last cryptogram"},
)  # fmt: skip
AIP: Bits = (
    {0x40: "SDA", 0x20: "DDA", 0x10: "cardholder verification", 0x08: "terminal risk management",
     0x04: "issuer authentication", 0x01: "CDA"},
    {},
)  # fmt: skip
TSI: Bits = (
    {0x80: "offline data authentication done", 0x40: "cardholder verification done", 0x20: "card risk management done",
     0x10: "issuer authentication done", 0x08: "terminal risk management done", 0x04: "script processed"},
    {},
)  # fmt: skip
CAPABILITIES: Bits = (
    {0x80: "manual entry", 0x40: "stripe", 0x20: "contact chip"},
    {0x80: "plain offline PIN", 0x40: "online PIN", 0x20: "signature", 0x10: "enciphered offline PIN", 0x08: "no CVM"},
    {0x80: "SDA", 0x40: "DDA", 0x20: "captures cards", 0x08: "CDA"},
)

CVM_METHODS = {
    0x00: "none succeeded",
    0x01: "plain PIN by the chip",
    0x02: "PIN online",
    0x03: "plain PIN by the chip, and signature",
    0x04: "enciphered PIN by the chip",
    0x05: "enciphered PIN by the chip, and signature",
    0x1E: "signature",
    0x1F: "no CVM required",
    0x3F: "no CVM performed",
}
CVM_CONDITIONS = {
    0: "always",
    1: "if unattended cash",
    2: "if neither cash nor cashback",
    3: "if the terminal can",
    4: "if manual cash",
    5: "if cashback",
    6: "if below amount X",
    7: "if above amount X",
    8: "if below amount Y",
    9: "if above amount Y",
}
CVM_OUTCOMES = {0: "outcome unknown", 1: "failed", 2: "successful"}

CRYPTOGRAMS = {
    0x00: "AAC: the chip declines",
    0x40: "TC: the chip approves offline",
    0x80: "ARQC: the chip asks the issuer",
}
CRYPTOGRAM_REASONS = {1: "service not allowed", 2: "PIN tries exceeded", 3: "issuer authentication failed"}

_TERMINAL_OWNERS = {1: "bank's", 2: "merchant's", 3: "cardholder's"}
_TERMINAL_KINDS = {
    1: "attended, online only",
    2: "attended, online or offline",
    3: "attended, offline only",
    4: "unattended, online only",
    5: "unattended, online or offline",
    6: "unattended, offline only",
}


def bits_set(value: bytes, table: Bits) -> str:
    """The bits that are set, in words; one that the table does not know as "byte 2 bit 3"; "no bit set"."""
    words = []
    for number, (byte, names) in enumerate(zip(value, table, strict=False), start=1):
        words += [names.get(1 << bit, f"byte {number} bit {bit + 1}") for bit in range(7, -1, -1) if byte >> bit & 1]
    return ", ".join(words) or "no bit set"


def cvm_results(value: bytes) -> str:
    """How the cardholder was verified, when that method is used, and what came of it."""
    method = CVM_METHODS.get(value[0] if value[0] == 0x3F else value[0] & 0x3F, "unknown method")
    condition = CVM_CONDITIONS.get(value[1], "unknown condition")
    return f"{method}, {condition}, {CVM_OUTCOMES.get(value[2], 'unknown outcome')}"


def cryptogram_information(value: bytes) -> str:
    """What the chip wants, and why when it says so."""
    words = [CRYPTOGRAMS.get(value[0] & 0xC0, "unknown kind of cryptogram")]
    if value[0] & 0x08:
        words.append("advice required")
    if (reason := value[0] & 0x07) in CRYPTOGRAM_REASONS:
        words.append(CRYPTOGRAM_REASONS[reason])
    return ", ".join(words)


def terminal_type(value: bytes) -> str:
    """Whose terminal it is, and whether somebody attends it."""
    owner, kind = divmod(int(value.hex()), 10) if value.hex().isdigit() else (0, 0)
    return f"{_TERMINAL_OWNERS.get(owner, 'unknown')}, {_TERMINAL_KINDS.get(kind, 'unknown kind')}"


MEANINGS: dict[str, tuple[int, Callable[[bytes], str]]] = {
    "82": (2, lambda value: bits_set(value, AIP)),
    "95": (5, lambda value: bits_set(value, TVR)),
    "9B": (2, lambda value: bits_set(value, TSI)),
    "9F27": (1, cryptogram_information),
    "9F33": (3, lambda value: bits_set(value, CAPABILITIES)),
    "9F34": (3, cvm_results),
    "9F35": (1, terminal_type),
    "9F36": (2, lambda value: str(int.from_bytes(value, "big"))),
}
"""Tag → the length a value must have to be told, in bytes, and how it is told."""
