"""Demo cards: created once by ordinary commands, found again at every later start."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engine_parts import NO_REDIS, NOON, PRODUCTS, ROOT, Parts, parts
from msgspec.structs import replace

from authsvc.errors import ConfigError
from authsvc.model import CardStatus, UnixMs
from authsvc.seed import DemoCard, Seeded, load_demo_cards, seed

FILE = ROOT / "config/demo/cards.toml"
CARDS = load_demo_cards(FILE, PRODUCTS)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Parts]:
    async with parts(tmp_path, NO_REDIS) as made:
        yield made


async def seeded(engine: Parts, cards: tuple[DemoCard, ...] = CARDS) -> list[Seeded]:
    return await seed(cards, engine.decider, engine.mint, PRODUCTS)


async def test_every_product_has_a_card(engine: Parts) -> None:
    """Active, with the money and the limits of the file, good for the product's years."""
    made = await seeded(engine)
    assert {card.product for card in made} == set(PRODUCTS) - {"none"}
    for wanted, card in zip(CARDS, made, strict=True):
        head = await engine.ledger.head(card.account)
        assert head is not None
        kept = head.account.cards[card.card]
        assert (kept.status, kept.last4, kept.expiry) == (CardStatus.ACTIVE, wanted.pan[-4:], card.expiry)
        assert head.account.balance == wanted.load
        assert head.account.credit_limit == (wanted.credit_limit or 0)
        assert wanted.limits in (None, kept.limits)
        assert card.expiry == f"{26 + PRODUCTS[wanted.product].card_years:02}06"


async def test_their_numbers_lead_to_them(engine: Parts) -> None:
    for card in await seeded(engine):
        found = await engine.vault.find(card.pan)
        assert (found.account, found.card) == (card.account, card.card)
        assert await engine.vault.pan_of(card.card) == card.pan


async def test_a_second_start_changes_nothing(engine: Parts) -> None:
    """Also years later, when a new card would get another expiry."""
    first = await seeded(engine)
    before = [await engine.ledger.head(card.account) for card in first]
    engine.now = UnixMs(NOON + 3 * 365 * 86_400_000)
    assert await seeded(engine) == first
    assert [await engine.ledger.head(card.account) for card in first] == before


async def test_a_start_that_was_cut_short_is_made_up_for(engine: Parts) -> None:
    """Half of them there already."""
    half = await seeded(engine, CARDS[:2])
    assert (await seeded(engine))[:2] == half


async def test_what_was_created_stays(engine: Parts) -> None:
    """The file says how to begin; changed afterwards, it loads no money again and sets no PIN."""
    (before,) = await seeded(engine, CARDS[1:2])
    head = await engine.ledger.head(before.account)
    changed = replace(CARDS[1], pin="4321", load=CARDS[1].load + 1)
    assert (await seeded(engine, (changed,)))[0].account == before.account
    assert await engine.ledger.head(before.account) == head


async def test_a_card_that_cannot_be(engine: Parts) -> None:
    """A refusal stops the start with its reason."""
    assert CARDS[0].limits is not None
    too_much = replace(CARDS[3], limits=replace(CARDS[0].limits, cash=10**9))
    with pytest.raises(ConfigError, match="seed_demo: IssueCard refused: ABOVE_CEILING"):
        await seeded(engine, (too_much,))


@pytest.mark.parametrize(("text", "problem"), [
    ("cards = 1", "cards"),
    ("[[cards]]\nname = 'x'", "product"),
    ("[[cards]]\nname='x'\nproduct='gold'\npan='1'\npin='1'", "cards.x.product"),
    ("[[cards]]\nname='x'\nproduct='prepaid-bps'\npan='1'\npin='1'\ncolour='red'", "colour"),
    ("not TOML", "cards.toml"),
])  # fmt: skip
def test_a_wrong_file(tmp_path: Path, text: str, problem: str) -> None:
    """Named with its key."""
    path = tmp_path / "cards.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=problem):
        load_demo_cards(path, PRODUCTS)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml"):
        load_demo_cards(tmp_path / "none.toml", PRODUCTS)
