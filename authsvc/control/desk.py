"""The engine as the calls see it: lookups that end in 404, commands that end in 409."""

from __future__ import annotations

from typing import NamedTuple

from authsvc.control.errors import bad_field, refused, unavailable, unknown
from authsvc.control.ports import Engine, Mint
from authsvc.ledger.journal import VaultEntry
from authsvc.model import Account, AccountId, Actor, Card, CardId, Command, Decision, Reason, Refused, UnixMs
from authsvc.products import Product, Products
from authsvc.rules.views import as_of

_NOT_NOW = frozenset({Reason.LEDGER_UNAVAILABLE, Reason.SYSTEM_ERROR})


class Found(NamedTuple):
    """An account with what is needed to read it. `now`: the time that a decision on it would be made at, never before
    its last one, so that what is shown is what the next message will meet."""

    account: Account
    product: Product
    now: UnixMs


class FoundCard(NamedTuple):
    """The same, and one of its cards."""

    account: Account
    product: Product
    now: UnixMs
    card: Card


class Desk:
    """One for a call. `actor`: whose token it came with; it stands in every decision the call makes."""

    def __init__(self, engine: Engine, products: Products, mint: Mint, actor: Actor) -> None:
        self.actor = actor
        self.engine = engine
        self.products = products
        self.mint = mint

    def product(self, product: str) -> Product:
        """Raises 400: no product that cards can be issued of has this id ("none" is for unknown cards)."""
        if product == "none" or product not in self.products:
            raise bad_field("product", "no such product")
        return self.products[product]

    async def account(self, account: AccountId) -> Found:
        """Raises 404. The accounts that unknown PANs are decided against have no product: they are journals only."""
        found = await self.engine.account(account)
        if found is None or not found.product:
            raise unknown("account")
        return Found(found, self.products[found.product], max(self.engine.now(), found.at))

    async def account_of(self, card: CardId) -> AccountId:
        """Raises 404."""
        account = await self.engine.card_account(card)
        if account is None:
            raise unknown("card")
        return account

    async def card(self, card: CardId) -> FoundCard:
        """Raises 404."""
        found = await self.account(await self.account_of(card))
        if card not in found.account.cards:
            raise unknown("card")
        return FoundCard(*found, as_of(found.account.cards[card], found.now))

    async def decide(self, command: Command, vault: VaultEntry | None = None) -> Decision:
        """The decision that did it, this time or at the first call of its key. Raises 409 when it is refused."""
        decision = await self.engine.command(command, vault, self.actor)
        match decision.outcome:
            case Refused(reason=reason) if reason in _NOT_NOW:
                raise unavailable("it could not be decided")
            case Refused(reason=Reason.UNKNOWN_CARD):
                raise unknown("card")
            case Refused() as outcome:
                raise refused(outcome)
        return decision
