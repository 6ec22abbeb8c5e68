"""Field → what its value means, in words. For people alone: no decision reads this table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from authsvc.codec import meanings
from authsvc.codec.answers import RESPONSES

Fields = Mapping[str, str]
Meaning = Callable[[str, Fields], str]


def meaning_of(field: str, value: str, fields: Fields) -> str:
    """What `value` of DE`field` says, "" when there is no more to say; `fields`: the whole message, for amounts."""
    told = _MEANINGS.get(field)
    return told(value, fields) if told else ""


def _mti(mti: str, _fields: Fields) -> str:
    words = [table.get(digit, "") for table, digit in zip(meanings.MTI_PARTS, mti[1:], strict=True)]
    text = ", ".join(word for word in words if word)
    return text if mti in RESPONSES or mti in RESPONSES.values() else f"{text} (not one we know)"


def _processing(value: str, _fields: Fields) -> str:
    kind = meanings.PROCESSING.get(value[:2], "unknown kind")
    places = [f"{word} {name}" for word, code in (("from", value[2:4]), ("to", value[4:])) if (name := _account(code))]
    return ", ".join([kind, *places])


def _account(code: str) -> str:
    return "" if code == "00" else meanings.ACCOUNTS.get(code, f"account type {code}")


def _entry(value: str, _fields: Fields) -> str:
    mode = meanings.ENTRY_MODES.get(value[:2], "unknown mode")
    return f"{mode}; terminal {meanings.PIN_ENTRY[value[2]]}" if value[2:] in ("1", "2", "8") else mode


def _amount_in(currency_field: str) -> Meaning:
    return lambda value, fields: meanings.amount(value, fields.get(currency_field, ""))


def _from(table: Mapping[str, str]) -> Meaning:
    return lambda value, _fields: table.get(value, "")


def _by(told: Callable[[str], str]) -> Meaning:
    return lambda value, _fields: told(value)


_MEANINGS: dict[str, Meaning] = {
    "t": _mti,
    "3": _processing,
    "4": _amount_in("49"),
    "5": _amount_in("50"),
    "6": _amount_in("51"),
    "7": _by(meanings.moment),
    "12": _by(meanings.time),
    "13": _by(meanings.day),
    "14": _by(meanings.year_month),
    "18": _from(meanings.MERCHANTS),
    "19": _by(meanings.country),
    "20": _by(meanings.country),
    "21": _by(meanings.country),
    "22": _entry,
    "25": _from(meanings.CONDITIONS),
    "39": _from(meanings.RESPONSE_CODES),
    "49": _by(meanings.currency),
    "50": _by(meanings.currency),
    "51": _by(meanings.currency),
    "70": _from(meanings.NETWORK),
}
