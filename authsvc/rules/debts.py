"""What an account and its cards owe after money has moved.

A prepaid account has a balance and nothing else. On a credit product a negative balance is the debt of the account, and
each card carries its share of it, because its individual limit is less that share (S §19.2): the shares of all cards add
up to the debt. Above the debt a payment is an overpayment; it goes towards the next debt (S §26.4-5).
"""

from __future__ import annotations

from collections.abc import Iterable

from authsvc.model import Account, CardId, Minor
from authsvc.products import Product

Debts = dict[CardId, Minor]


def after_posting(account: Account, card: CardId, amount: Minor, product: Product) -> tuple[Minor, Debts]:
    """Balance, and the debts that change, when `amount` grosze are taken for `card` (a negative amount is given)."""
    return _after(account, amount, product, [card, *(other for other in account.cards if other != card)])


def after_payment(account: Account, amount: Minor, product: Product) -> tuple[Minor, Debts]:
    """The same for a payment of `amount` grosze into the account: it pays off the cards in the order of their issue."""
    return _after(account, Minor(-amount), product, list(account.cards))


def _after(account: Account, amount: Minor, product: Product, order: list[CardId]) -> tuple[Minor, Debts]:
    balance = Minor(account.balance - amount)
    if product.funds != "credit":
        return balance, {}
    more = max(0, -balance) - max(0, -account.balance)
    if more > 0:
        return balance, {order[0]: Minor(account.cards[order[0]].debt + more)}
    return balance, _paid_off(account, -more, order)


def _paid_off(account: Account, amount: int, order: Iterable[CardId]) -> Debts:
    debts: Debts = {}
    for card in order:
        owed = account.cards[card].debt
        part = min(owed, amount)
        if part:
            debts[card] = Minor(owed - part)
            amount -= part
    return debts
