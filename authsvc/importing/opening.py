"""From an account wanted to what the ledger keeps of it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from authsvc.codec.pan import luhn_ok, without_pans
from authsvc.importing.moulds import MOST_AMOUNTS, CardNames, CardShape, Made, Mould, Names, Order, Shape, made
from authsvc.importing.reading import AccountWanted, CardWanted, FieldError
from authsvc.ledger.bulk import Opened, VaultRow
from authsvc.ledger.journal import ZERO_HASH, chain
from authsvc.model import Actor, CardId, UnixMs
from authsvc.products import Product
from authsvc.rules.calendar import day_of, is_past_expiry
from authsvc.security.mint import Mint

MOMENT_MS = 10_000
"""Accounts of so many milliseconds are decided at the same one, so that their moulds can be used again."""
SHAPES = 1_000
"""Moulds kept; a file of more shapes than that pays for each anew."""


class Opener:
    """One thread only, as its `mint`. `actor`: who takes them over; `pins`: whether PINs in clear are taken."""

    def __init__(
        self, products: Mapping[str, Product], mint: Mint, now: Callable[[], UnixMs], actor: Actor, *, pins: bool
    ) -> None:
        self._products = products
        self._mint = mint
        self._now = now
        self._actor = actor
        self._pins = pins
        self._order = Order(UnixMs(0), actor)
        self._moulds: dict[Shape, Mould] = {}
        self._past: dict[str, bool] = {}
        # Ids that count up within a run: rows that are written together stand together in the ledger's indexes. They are
        # random between runs; what is in the ledger already is known by its cards, not by a name.
        self._run = secrets.token_hex(5)
        self._count = 0

    def tick(self) -> None:
        """Before each order: the moment of its accounts."""
        now = self._now()
        if now - self._order.now >= MOMENT_MS:
            self._order = Order(now, self._actor)
            self._moulds.clear()
            self._past.clear()

    def opened(self, wanted: AccountWanted) -> Opened:
        """Raises FieldError, which quotes no value."""
        product = self._checked(wanted)
        self._count += 1
        number = self._count
        account = f"acc-{self._run}{number:010x}"
        vault: list[VaultRow] = []
        cards = [self._card(account, place, card, vault) for place, card in enumerate(wanted.cards)]
        names = Names(account, without_pans(wanted.holder) if wanted.holder else "", cards)
        found = self._made(wanted, product, names)
        return Opened(
            account, self._order.now, found.decision, chain(ZERO_HASH, found.decision), found.state, found.entries, vault
        )  # fmt: skip

    def _card(self, account: str, place: int, card: CardWanted, vault: list[VaultRow]) -> CardNames:
        """Its row in the vault is added; its names are returned."""
        mint, pan = self._mint, card.pan
        name = CardId(f"card-{account[4:]}{place:02x}")
        vault.append((mint.pan_hash(pan), account, name, pan[-4:], mint.sealed(pan, name)))
        return CardNames(name, pan[-4:], card.expiry, card.pvv or mint.pvv(card.pin, pan))

    def _made(self, wanted: AccountWanted, product: Product, names: Names) -> Made:
        shape, amounts = _shape(wanted)
        if len(amounts) > MOST_AMOUNTS:
            return made(shape, names, amounts, product, self._order)
        mould = self._moulds.get(shape)
        if mould is None:
            if len(self._moulds) >= SHAPES:
                self._moulds.clear()
            mould = self._moulds[shape] = Mould(shape, product, self._order)
        return mould.fill(names, amounts)

    # ------------------------------------------------------------------ what types cannot say

    def _checked(self, wanted: AccountWanted) -> Product:
        product = self._products.get(wanted.product)
        if product is None or product.id == "none":
            raise FieldError("product", "there is no such product")
        is_credit = product.funds == "credit"
        if (wanted.credit_limit is None) is is_credit:
            raise FieldError("credit_limit", "a credit product needs one, and no other has one")
        for place, card in enumerate(wanted.cards):
            self._check_card(f"cards[{place}]", card)
            if card.individual_limit is not None and not is_credit:
                raise FieldError(f"cards[{place}].individual_limit", "only cards of a credit product have one")
            if card.debts:
                _check_debts(f"cards[{place}].debts", card, wanted, product)
        return product

    def _check_card(self, at: str, card: CardWanted) -> None:
        if not luhn_ok(card.pan):
            raise FieldError(f"{at}.pan", "the last digit is not its check digit")
        if self._is_past(card.expiry):
            raise FieldError(f"{at}.expiry", "is in the past")
        if bool(card.pvv) == bool(card.pin):
            raise FieldError(f"{at}.pvv", "exactly one of pvv and pin is needed")
        if card.pin and not self._pins:
            raise FieldError(f"{at}.pin", "PINs in clear are taken with --pins alone, for test sets")

    def _is_past(self, expiry: str) -> bool:
        past = self._past.get(expiry)
        if past is None:
            past = self._past[expiry] = is_past_expiry(expiry, day_of(self._order.now))
        return past


def _check_debts(at: str, card: CardWanted, wanted: AccountWanted, product: Product) -> None:
    if product.funds != "credit":
        raise FieldError(at, "only cards of a credit product owe anything")
    if wanted.balance:
        raise FieldError("balance", "an account with debts has none")
    for kind in card.debts:
        if kind not in product.repayment_order:
            raise FieldError(f"{at}.{kind.value}", "is nothing that is owed")


def _shape(wanted: AccountWanted) -> tuple[Shape, list[int]]:
    """And the amounts in their order."""
    amounts = [wanted.balance] if wanted.balance else []
    cards = []
    for card in wanted.cards:
        amounts += card.debts.values()
        cards.append(CardShape(card.individual_limit, card.limits, card.active, tuple(card.debts)))
    return Shape(wanted.product, bool(wanted.holder), bool(wanted.balance), wanted.credit_limit, tuple(cards)), amounts
