"""The accounts and cards that load is put on, made through the control API.

Every call carries an idempotency key built from the name of the set, and PANs are numbered from a place the name
decides; so a second run finds the accounts of the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b

from loadtest.api import Api, pan_of
from loadtest.messages import Card
from loadtest.mix import Accounts

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
