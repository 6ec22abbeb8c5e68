"""Money set aside, and what it counted into."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from authsvc.model.messages import Origin
from authsvc.model.names import CardId, Day, HoldId, Minor, UnixMs


class Foreign(Struct, frozen=True, gc=False, omit_defaults=True):
    """How a foreign amount came to PLN. `amount`, `currency`: of the transaction (DE4, DE49); `pln`: grosze it came to;
    `basis`, `basis_currency`: what was converted (DE4 or DE6), at `rate` millionths of a zloty for one unit of it;
    `table`: day of the bank's table, "" when the scheme had converted to PLN; `markup`: hundredths of a percent on top."""

    amount: Minor
    currency: str
    pln: Minor
    basis: Minor
    basis_currency: str
    rate: int
    table: str = ""
    markup: int = 0


class Bucket(StrEnum):
    """Which day limits an amount counts into: INTERNET counts into cashless and internet; NONE into nothing."""

    CASH = "cash"
    CASHLESS = "cashless"
    INTERNET = "internet"
    NONE = "none"


class ScaUse(StrEnum):
    """Which counter of payments without SCA an approval was added to."""

    NONE = "none"
    CONTACTLESS = "contactless"
    LOW_VALUE = "low_value"


class Increment(Struct, frozen=True, gc=False, omit_defaults=True):
    """What an incremental authorization added to a hold, grosze, and the day it counted into."""

    origin: Origin
    amount: Minor
    day: Day


class Hold(Struct, frozen=True, gc=False, omit_defaults=True):
    """Money set aside by an approval, grosze. `day`, `bucket`, `sca_use`, `scas`: what it counted into and when, so
    that a reversal gives back the right counters; `first_amount`: before partial reversals; `amount` is with the
    increments; `cash`: the part of it that was paid out as cashback; `link`: DE48.63."""

    id: HoldId
    card: CardId
    amount: Minor
    first_amount: Minor
    created: UnixMs
    expires: UnixMs
    origin: Origin
    authorization_code: str
    day: Day
    bucket: Bucket
    sca_use: ScaUse = ScaUse.NONE
    scas: int = 0
    foreign: Foreign | None = None  # how the amount came to PLN, None where it was
    exemption: str = ""  # what freed it from SCA, a name of the product's `exemptions`
    cash: Minor = Minor(0)
    with_cash: bool = False  # a cashback: it is one of the day's cash count as well, whatever is left of its cash
    link: str = ""
    increments: tuple[Increment, ...] = ()


class HoldEnd(StrEnum):
    """How a hold ended; it ends once."""

    REVERSED = "reversed"
    EXPIRED = "expired"
    POSTED = "posted"
    RELEASED = "released"
