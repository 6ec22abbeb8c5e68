"""Which product files were in force when: those a replay is given, or those the journal says."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Protocol

import msgspec

from authsvc.errors import ConfigError
from authsvc.ledger.journal import Record
from authsvc.model import BANK, AccountId, Decision, Operate, Operation, UnixMs
from authsvc.products import Product, Products

_decision = msgspec.json.Decoder(Decision).decode
_products = msgspec.json.Decoder(dict[str, Product]).decode


class RecordReader(Protocol):
    """What is read of a ledger."""

    def records(self, account: AccountId) -> Iterable[Record]: ...


class Versions:
    """`recorded`: products and since when, in order; at least one. What was decided before the first was by the first: a
    simulated clock may have been moved back."""

    def __init__(self, recorded: Sequence[tuple[UnixMs, Products]]) -> None:
        self._since = [since for since, _ in recorded]
        self._products = [products for _, products in recorded]

    def at(self, at: UnixMs) -> Products:
        return self._products[max(0, bisect_right(self._since, at) - 1)]


def always(products: Products) -> Versions:
    """One version, whenever."""
    return Versions([(UnixMs(0), products)])


def recorded(reader: RecordReader) -> Versions:
    """What the journal of the bank says. Raises ConfigError when it says nothing: the ledger is older than that journal."""
    decisions = (_decision(record.decision) for record in reader.records(BANK))
    found = [
        (decision.at, _products(decision.request.content))
        for decision in decisions
        if isinstance(decision.request, Operate) and decision.request.what is Operation.PRODUCTS
    ]
    if not found:
        raise ConfigError("--products: needed, as this ledger does not say which product files were in force")
    return Versions(found)
