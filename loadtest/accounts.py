"""The accounts and cards that load is put on: made through the control API, or read from the file that `authsvc account import`
wrote about those it made.

Every call of the API carries an idempotency key built from the name of the set, and PANs are numbered from a place the name
decides; so a second run finds the accounts of the first.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from loadtest.api import Api, pan_of
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
    first = int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "big")
    pan = pan_of(wanted.product, (first + number) % PAN_NUMBERS)
    limits = {"cash": wanted.limits.cash, "cashless": wanted.limits.cashless, "internet": wanted.limits.internet}
    return api.issue_card(account, pan, wanted.pin, limits, once)


class CardsError(ValueError):
    """The file of cards is wrong; the message names file and line."""


def read(path: Path, most: int) -> list[Card]:
    """At most `most` cards of a CSV with the columns pan, expiry, pin, account, card. Raises CardsError."""
    try:
        with path.open(encoding="utf-8", newline="") as opened:
            rows = csv.DictReader(opened)
            cards = [_card(path, rows.line_num, row) for row, _ in zip(rows, range(most), strict=False)]
    except (OSError, UnicodeDecodeError) as error:
        raise CardsError(f"{path}: {error}") from error
    if not cards:
        raise CardsError(f"{path}: has no cards")
    return cards


def _card(path: Path, line: int, row: dict[str, str]) -> Card:
    for column, lengths in (("pan", range(12, 20)), ("expiry", (4,)), ("pin", (4,))):
        value = row.get(column) or ""
        if not value.isdigit() or len(value) not in lengths:
            raise CardsError(f"{path}: line {line}: {column}: is no such number")
    return Card(row["pan"], row["expiry"], row["pin"], row.get("account") or "", row.get("card") or "")


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
