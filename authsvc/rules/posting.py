"""From a decision to money that has moved: the posting, its entries, and what is owed after it (S §26.3, W §14.13, P §10.6)."""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import Account, Foreign, Kind, Minor, Posted, Posting, PostingId, PostingKind, PostingReduced
from authsvc.products import Product
from authsvc.rules import debts
from authsvc.rules.currency import half_up, in_grosze

MAX_POSTED = 16
"""Cap of the postings in an account's document; the oldest leave, the journal keeps them."""
PLN_DECIMALS = 2


def id_of(account: Account, number: int = 0) -> PostingId:
    """Of the posting that the next decision makes, the `number`-th of them."""
    return PostingId(f"{account.id}-{account.seq + 1}" + (f"-{number}" if number else ""))


def kind_of(kind: Kind) -> PostingKind:
    """A pre-authorization or an increment that is posted was a purchase."""
    return PostingKind(kind.value) if kind.value in PostingKind.__members__.values() else PostingKind.PURCHASE


def post(account: Account, posting: Posting, product: Product) -> Posted:
    """`posting` as a fact. It is never refused here: what is to be posted may overdraw (S §19.4, W §14.13-14, P §10.9)."""
    owing = debts.after(account, posting.card, posting.kind, posting.amount, product)
    legs = product.chart.legs(posting.kind, posting.amount, markup_of(posting.foreign, posting.amount, product))
    forget = max(0, len(account.posted) + 1 - MAX_POSTED)
    return Posted(posting, owing.balance, legs, owing.debts, owing.owed, forget)


def take_back(account: Account, posting: Posting, becomes: Minor, product: Product) -> PostingReduced:
    """`posting` reversed down to `becomes` grosze (as its amount: negative for money that was given)."""
    returned = Minor(posting.amount - becomes)
    owing = debts.after(account, posting.card, posting.kind, -returned, product)
    legs = product.chart.legs(posting.kind, Minor(-returned), markup_of(posting.foreign, -returned, product))
    cash = Minor(max(0, posting.cash - max(0, returned)))
    return PostingReduced(
        replace(posting, amount=becomes, cash=cash), returned, owing.balance, legs, owing.debts, owing.owed
    )


def markup_of(foreign: Foreign | None, amount: int, product: Product) -> Minor:
    """The bank's share of `amount` grosze of a foreign payment (S §27.3); of a part of it, that part of the share."""
    if foreign is None or not foreign.markup or not foreign.pln:
        return Minor(0)
    decimals = (
        PLN_DECIMALS if foreign.basis_currency == product.currency else product.rates.decimals(foreign.basis_currency)
    )
    share = foreign.pln - in_grosze(foreign.basis, decimals, foreign.rate)
    return Minor(half_up(share * abs(amount), foreign.pln) * (1 if amount >= 0 else -1))
