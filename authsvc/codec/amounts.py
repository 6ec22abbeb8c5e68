"""DE54: further amounts of a payment in groups of 20 characters; types we do not know are kept.

A group: account type 2, amount type 2, currency 3, C or D, amount 12. Source: ISO 8583:1987 DE54; `wire.md` section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from authsvc.codec.misfit import MisfitError, shape
from authsvc.model import Minor
from authsvc.model.values import Value

GROUP = 20
CASHBACK, AVAILABLE = "40", "02"
_FIELD = "DE54"
_GROUP = re.compile("[0-9A-Za-z]{7}[CD][0-9]{12}")
_PARTS = (
    (0, 7, re.compile("[0-9A-Za-z]{7}"), "account type 2, amount type 2, currency 3, of letters and digits"),
    (7, 8, re.compile("[CD]"), "C or D"),
    (8, GROUP, re.compile("[0-9]{12}"), "an amount of 12 digits"),
)


class AdditionalAmount(Value, frozen=True, gc=False):
    """`account_type`: as in digits 3 and 4 of DE3; `amount_type`: as "02", available; `currency`: ISO 4217 numeric; `minor`:
    in its minor units, never below zero: `debit` is the sign."""

    account_type: str
    amount_type: str
    currency: str
    minor: Minor
    debit: bool = False


def parse(text: str) -> tuple[AdditionalAmount, ...]:
    """The groups in their order. Raises MisfitError on one that is cut short or not made as it should be."""
    groups = []
    for start in range(0, len(text), GROUP):
        group = text[start : start + GROUP]
        if _GROUP.fullmatch(group) is None:
            raise _misfit(group, start)
        groups.append(AdditionalAmount(group[:2], group[2:4], group[4:7], Minor(int(group[8:])), group[7] == "D"))
    return tuple(groups)


def build(amounts: Iterable[AdditionalAmount]) -> str:
    """DE54 of these amounts, each of at most 12 digits."""
    text = "".join(
        f"{each.account_type}{each.amount_type}{each.currency}{'D' if each.debit else 'C'}{each.minor:012d}"
        for each in amounts
    )
    assert len(text) % GROUP == 0
    return text


def cashback(text: str) -> Minor:
    """The cash part of a payment, in minor units; 0 when no group is of that type. Raises MisfitError as `parse` does."""
    return next((each.minor for each in parse(text) if each.amount_type == CASHBACK), Minor(0))


def _misfit(group: str, start: int) -> MisfitError:
    if len(group) < GROUP:
        return MisfitError(_FIELD, start, f"a group of {GROUP} characters", str(len(group)))
    first, last, _, expected = next(part for part in _PARTS if part[2].fullmatch(group, part[0], part[1]) is None)
    return MisfitError(_FIELD, start + first, expected, shape(group[first:last]))
