"""From a decision to money that has moved: the posting, and what is owed after it (S §26.3, W §14.13, P §10.6)."""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import Account, Minor, Posted, Posting, PostingId, PostingReduced
from authsvc.products import Product
from authsvc.rules import debts

MAX_POSTED = 16
"""Cap of the postings in an account's document; the oldest leave, the journal keeps them."""


def id_of(account: Account, number: int = 0) -> PostingId:
    """Of the posting that the next decision makes, the `number`-th of them."""
    return PostingId(f"{account.id}-{account.seq + 1}" + (f"-{number}" if number else ""))


def post(account: Account, posting: Posting, product: Product) -> Posted:
    """`posting` as a fact. It is never refused here: what is to be posted may overdraw (S §19.4, W §14.13-14, P §10.9)."""
    balance, owed = debts.after_posting(account, posting.card, posting.amount, product)
    return Posted(posting, balance, owed, forget=max(0, len(account.posted) + 1 - MAX_POSTED))


def take_back(account: Account, posting: Posting, becomes: Minor, product: Product) -> PostingReduced:
    """`posting` reversed down to `becomes` grosze (as its amount: negative for money that was given)."""
    returned = Minor(posting.amount - becomes)
    balance, owed = debts.after_posting(account, posting.card, Minor(-returned), product)
    cash = Minor(max(0, posting.cash - max(0, returned)))
    return PostingReduced(replace(posting, amount=becomes, cash=cash), returned, balance, owed)
