"""What the traffic is made of: a TOML file, read once into a type. A wrong one is refused with the key that is wrong.

`mixes/demo.toml` explains every key. Amounts in grosze.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from loadtest.messages import SHAPES, Kind

LARGEST = 999_999_999_999
"""DE4 has twelve digits."""
Amount = Annotated[int, Meta(ge=1, le=LARGEST)]
Share = Annotated[float, Meta(ge=0)]
Mcc = Annotated[str, Meta(pattern=r"^\d{4}$")]


class MixError(Exception):
    """The file is wrong; the message names file and key."""


class _Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class Limits(_Part, frozen=True, kw_only=True):
    cash: Amount
    cashless: Amount
    internet: Amount


class Accounts(_Part, frozen=True, kw_only=True):
    """What the accounts are that the traffic is for. `load`: paid in; `credit_limit`: of a credit product."""

    product: str
    pin: Annotated[str, Meta(pattern=r"^\d{4}$")]
    load: Annotated[int, Meta(ge=0, le=LARGEST)] = 0
    credit_limit: Annotated[int, Meta(ge=0, le=LARGEST)] = 0
    limits: Limits


class Purchases(_Part, frozen=True, kw_only=True):
    """A kind of payment: its `share`, amounts between `least` and `most` (small ones more often), merchants."""

    share: Share
    least: Amount
    most: Amount
    mcc: Annotated[tuple[Mcc, ...], Meta(min_length=1)]


class Afterwards(_Part, frozen=True, kw_only=True):
    """Something that follows a payment made before."""

    share: Share


class Mix(_Part, frozen=True, kw_only=True):
    """Shares are relative to each other; a kind that is left out is not sent. `zipf`: how uneven cards are used: the card of
    rank r as often as r to the power of -zipf; 0: evenly."""

    accounts: Accounts
    zipf: Annotated[float, Meta(ge=0, le=3)] = 0.0
    chip_pin: Purchases | None = None
    contactless: Purchases | None = None
    atm: Purchases | None = None
    web: Purchases | None = None
    wrong_pin: Purchases | None = None
    advice: Purchases | None = None
    presentment: Afterwards = Afterwards(share=0)
    reversal: Afterwards = Afterwards(share=0)
    repeat: Afterwards = Afterwards(share=0)

    def purchases(self) -> dict[Kind, Purchases]:
        """The kinds of payment that are sent at all."""
        named = {kind: getattr(self, kind.value) for kind in SHAPES}
        return {kind: part for kind, part in named.items() if part is not None and part.share > 0}


def load(path: Path) -> Mix:
    """Raises MixError."""
    try:
        mix = msgspec.convert(tomllib.loads(path.read_text("utf-8")), Mix)
    except OSError as error:
        raise MixError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MixError(f"{path}: {error}") from error
    except msgspec.ValidationError as error:
        raise MixError(f"{path}: {_named(str(error))}") from error
    _check(path, mix)
    return mix


_MESSAGE = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<at>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"field `(?P<field>[^`]*)`")


def _named(message: str) -> str:
    """msgspec's message with the dotted key in front: it says unknown and missing keys apart from where they are."""
    found = _MESSAGE.match(message)
    assert found is not None  # every part of the pattern is optional
    field = _FIELD.search(found["problem"])
    names = (found["at"], field["field"] if field else "")
    return f"{'.'.join(name for name in names if name)}: {found['problem']}"


def _check(path: Path, mix: Mix) -> None:
    """What types alone cannot say."""
    for kind, part in mix.purchases().items():
        if part.least > part.most:
            raise MixError(f"{path}: {kind}.least: is above {kind}.most")
    if not mix.purchases():
        raise MixError(f"{path}: chip_pin.share: at least one kind of payment needs a share above 0")
