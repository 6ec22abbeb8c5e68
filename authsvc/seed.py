"""Demo accounts and cards: created once, by the same commands as any other, found again at every later start."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from authsvc.decider import Decider
from authsvc.errors import ConfigError
from authsvc.ledger.journal import VaultEntry
from authsvc.model import (
    AccountId,
    ActivateCard,
    Approved,
    CardId,
    Command,
    IssueCard,
    Limits,
    Load,
    Minor,
    OpenAccount,
)
from authsvc.products import Products
from authsvc.rules.calendar import day_of
from authsvc.security.mint import Mint


class DemoCard(Struct, frozen=True, forbid_unknown_fields=True):
    """One demo card with its account. Money in grosze; `expiry` is filled in when it is created."""

    name: str
    product: str
    pan: str
    pin: str
    load: Minor = Minor(0)
    credit_limit: Minor | None = None
    limits: Limits | None = None


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    cards: tuple[DemoCard, ...]


class Seeded(Struct, frozen=True):
    """What a person needs to try a demo card."""

    name: str
    product: str
    pan: str
    pin: str
    expiry: str
    account: AccountId
    card: CardId


def load_demo_cards(path: Path, products: Products) -> tuple[DemoCard, ...]:
    """Raises ConfigError naming file and key."""
    try:
        cards = msgspec.toml.decode(path.read_bytes(), type=_File).cards
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    for card in cards:
        if card.product not in products:
            raise ConfigError(f"{path}: cards.{card.name}.product: there is no product {card.product!r}")
    return cards


async def seed(cards: tuple[DemoCard, ...], decider: Decider, mint: Mint, products: Products) -> list[Seeded]:
    """Create what is not there yet. Every command carries an idempotency key, so a second start changes nothing."""
    return [await _seed_one(card, decider, mint, products) for card in cards]


async def _seed_one(card: DemoCard, decider: Decider, mint: Mint, products: Products) -> Seeded:
    key = f"demo-{card.name}"
    account, card_id = mint.account_id(key), mint.card_id(mint.account_id(key), key)
    pvv, pan_hash, sealed = mint.card_secrets(card.pan, card.pin, card_id)
    await _do(decider, OpenAccount(account, card.product, card.credit_limit, "demo", f"{key}-open", key))
    if card.load:
        await _do(decider, Load(account, card.load, "demo", f"{key}-load", key))
    day, limits = day_of(decider.now()), card.limits
    expiry = f"{(int(day[2:4]) + products[card.product].card_years) % 100:02}{day[5:7]}"
    issue = IssueCard(account, card_id, card.pan[-4:], expiry, pvv, idempotency=f"{key}-issue", fingerprint=key)
    if limits is not None:
        issue = replace(issue, cash=limits.cash, cashless=limits.cashless, internet=limits.internet)
    issued = await _do(decider, issue, VaultEntry(pan_hash, account, card_id, card.pan[-4:], sealed))
    await _do(decider, ActivateCard(account, card_id, f"{key}-activate", key))
    assert isinstance(issued, IssueCard)  # the first one, when this is a later start
    return Seeded(card.name, card.product, card.pan, card.pin, issued.expiry, account, card_id)


async def _do(decider: Decider, command: Command, vault: VaultEntry | None = None) -> object:
    decision = await decider.decide(command, vault=vault)
    if not isinstance(decision.outcome, Approved):
        raise ConfigError(f"seed_demo: {type(command).__name__} refused: {decision.outcome.reason}")
    return decision.request
