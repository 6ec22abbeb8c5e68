"""The accounts and cards that load is put on: made one by one through the control API, or, when they are many, written to a
file that `authsvc account import FILE --pins` takes at once and that load reads its cards from.

Every call of the API carries an idempotency key built from the name of the set, and PANs are numbered from a place the name
decides; so a second run finds the accounts of the first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from loadtest.api import EXPIRY, Api, pan_of
from loadtest.expect import PRODUCTS, Book, State, from_views
from loadtest.messages import Card
from loadtest.mix import Accounts
from loadtest.traffic import warsaw_day

AT_ONCE = 4
"""Calls under way: more do not make one engine faster."""
PAN_NUMBERS = 10**9


def prepare(api: Api, wanted: Accounts, name: str, count: int, progress: Callable[[int], None]) -> list[Card]:
    """`count` accounts of the set `name`, each with one active card. Raises ApiError."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        made = pool.map(lambda number: _one(api, wanted, name, number), range(count))
        return list(_told(made, progress))


def _told(cards: Iterator[Card], progress: Callable[[int], None]) -> Iterator[Card]:
    for count, card in enumerate(cards, start=1):
        if count % 500 == 0:
            progress(count)
        yield card


def _one(api: Api, wanted: Accounts, name: str, number: int) -> Card:
    once = f"loadtest-{name}-{wanted.product}-{number}"
    account = api.open_account(wanted.product, wanted.load, wanted.credit_limit, once)
    pan = _pan(wanted, name, number)
    limits = {"cash": wanted.limits.cash, "cashless": wanted.limits.cashless, "internet": wanted.limits.internet}
    return api.issue_card(account, pan, wanted.pin, limits, once)


def _pan(wanted: Accounts, name: str, number: int) -> str:
    first = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
    return pan_of(wanted.product, (first + number) % PAN_NUMBERS)


class CardsError(ValueError):
    """The file of cards is wrong; the message names file and line, and no value."""


class _Card(Struct, frozen=True):
    """What load needs of a card; the import needs the others."""

    pan: Annotated[str, Meta(pattern=r"^[0-9]{12,19}$")]
    expiry: Annotated[str, Meta(pattern=r"^[0-9]{4}$")]
    pin: Annotated[str, Meta(pattern=r"^[0-9]{4}$")]


class _Line(Struct, frozen=True):
    cards: Annotated[tuple[_Card, ...], Meta(min_length=1)]


def write(path: Path, wanted: Accounts, name: str, count: int) -> None:
    """`count` accounts with a card each, as `authsvc account import FILE --pins` takes them. Nobody else may read the file: it
    holds card numbers and PINs, if only of a test set. Raises OSError."""
    limits = {"cash": wanted.limits.cash, "cashless": wanted.limits.cashless, "internet": wanted.limits.internet}
    card = {"pin": wanted.pin, "expiry": EXPIRY, "limits": limits}
    fields: dict[str, Any] = {"product": wanted.product, "balance": wanted.load}
    if wanted.credit_limit:
        fields["credit_limit"] = wanted.credit_limit
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as lines:
        os.fchmod(lines.fileno(), 0o600)
        for number in range(count):
            lines.write(msgspec.json.encode({**fields, "cards": [{**card, "pan": _pan(wanted, name, number)}]}) + b"\n")


def read(path: Path, most: int) -> list[Card]:
    """The cards of at most `most` accounts of such a file. Raises CardsError."""
    decode, cards, number = msgspec.json.Decoder(_Line).decode, list[Card](), 0
    try:
        with path.open("rb") as lines:
            for line in islice(lines, most):
                number += 1
                cards += (Card(card.pan, card.expiry, card.pin) for card in decode(line).cards)
    except OSError as error:
        raise CardsError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        why = str(error) if isinstance(error, msgspec.ValidationError) else "is no JSON object"
        problem = f"{path}: line {number}: {why}"
    else:
        if cards:
            return cards
        problem = f"{path}: has no cards"
    raise CardsError(problem)


def fresh(wanted: Accounts, cards: Sequence[Card]) -> list[Book]:
    """What is true of cards that nobody has used yet."""
    rules, limits = PRODUCTS.get(wanted.product), wanted.limits
    if rules is None:
        return [Book(None) for _ in cards]
    room, of_day = wanted.load + wanted.credit_limit, (limits.cash, limits.cashless, limits.internet)
    return [Book(State(rules, room, of_day)) for _ in cards]


def looked_up(api: Api, wanted: Accounts, cards: Sequence[Card]) -> list[Book]:
    """What is true of cards, as the control API tells it. Raises ApiError."""
    rules = PRODUCTS.get(wanted.product)
    now = api.simulated_now() or datetime.now(UTC)

    def look(card: Card) -> Book:
        if rules is None:
            return Book(None)
        views = api.account(card.account), api.card(card.card)
        return Book(from_views(rules, *views, warsaw_day(now)))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(look, cards))
