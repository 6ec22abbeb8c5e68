"""What an account and its cards owe after money has moved.

A prepaid account has a balance and nothing else. On a credit product a negative balance is the debt of the account. It is told
in two ways that both add up to it: by card, because a card's individual limit is less its share (S §19.2), and by what it is
for, because payments settle it in the order of S §41.2. Above the debt a payment is an overpayment; it goes towards the next
debt (S §26.4-5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from authsvc.model import Account, CardId, Minor, PostingKind
from authsvc.model.values import Value
from authsvc.products import Product

K = TypeVar("K")


class Owing(Value, frozen=True, gc=False):
    """After a posting: the balance; the debts of cards that change; the whole debt by what it is for."""

    balance: Minor
    debts: dict[CardId, Minor]
    owed: dict[PostingKind, Minor]


def after(account: Account, card: CardId, kind: PostingKind, amount: int, product: Product) -> Owing:
    """When `amount` grosze are taken (a negative amount is given) for `card`, "" for the account as a whole.

    A new debt is that card's and of that kind; without a card it is the first one's. Money given pays off that card first and
    the others in the order of their issue; of the kinds the same one first, then in the product's order.
    """
    balance = Minor(account.balance - amount)
    if product.funds != "credit":
        return Owing(balance, {}, {})
    more = max(0, -balance) - max(0, -account.balance)
    cards = [card, *(other for other in account.cards if other != card)] if card else list(account.cards)
    if more > 0:
        return Owing(
            balance, _more(account, cards, more), {**account.owed, kind: Minor(account.owed.get(kind, 0) + more)}
        )
    debts = _less({name: account.cards[name].debt for name in cards}, cards, -more)
    order = (kind, *(other for other in product.repayment_order if other is not kind))
    owed = {**account.owed, **_less(account.owed, order, -more)}
    return Owing(balance, debts, {name: left for name, left in owed.items() if left})


def _more(account: Account, cards: list[CardId], amount: int) -> dict[CardId, Minor]:
    return {cards[0]: Minor(account.cards[cards[0]].debt + amount)} if cards else {}


def _less(debts: Mapping[K, Minor], order: Iterable[K], amount: int) -> dict[K, Minor]:
    """Those that change when `amount` pays them off in that order."""
    changed: dict[K, Minor] = {}
    for name in order:
        part = min(debts.get(name, Minor(0)), amount)
        if part:
            changed[name] = Minor(debts[name] - part)
            amount -= part
    return changed
