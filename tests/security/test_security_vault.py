"""The PAN vault: finding, sealing, forgetting."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.model import AccountId, CardId, CardRef, VirtualId
from authsvc.security.keys import Secret, load_keys
from authsvc.security.vault import Vault, virtual_id

KEYS = load_keys(Path(__file__).parents[2] / "config" / "keys" / "demo.toml")
PAN = "4180390000000694"
CARD = CardId("c1")

pans = st.text("0123456789", min_size=12, max_size=19)


class Row(msgspec.Struct, frozen=True):
    pan_hash: bytes
    account: AccountId
    card: CardId
    last4: str
    sealed_pan: bytes


class Storage:
    """Rows in memory, and how often they were asked for."""

    def __init__(self) -> None:
        self.rows: dict[bytes, Row] = {}
        self.asked = 0

    async def by_hash(self, pan_hash: bytes) -> Row | None:
        self.asked += 1
        return self.rows.get(pan_hash)

    async def by_card(self, card: CardId) -> Row | None:
        return next((row for row in self.rows.values() if row.card == card), None)

    def issue(self, vault: Vault, pan: str, account: str, card: str) -> Row:
        row = Row(vault.pan_hash(pan), AccountId(account), CardId(card), pan[-4:], vault.seal(pan, CardId(card)))
        self.rows[row.pan_hash] = row
        return row


def vault_over(storage: Storage, capacity: int = 10) -> Vault:
    return Vault(KEYS, storage.by_hash, storage.by_card, capacity)


def test_the_hash_is_a_keyed_sha256() -> None:
    """The PAN is found by HMAC-SHA-256 under its own key; another key, another hash."""
    vault = vault_over(Storage())
    assert vault.pan_hash(PAN) == hmac.new(KEYS.vault_hash.reveal(), PAN.encode(), hashlib.sha256).digest()
    other = msgspec.structs.replace(KEYS, vault_hash=Secret(bytes(32)))
    assert Vault(other, Storage().by_hash, Storage().by_card).pan_hash(PAN) != vault.pan_hash(PAN)


@given(pans, st.text(min_size=1, max_size=20))
@settings(max_examples=100)
def test_what_is_sealed_opens(pan: str, card: str) -> None:
    """A sealed PAN opens for its card, does not lie open in the blob, and is never sealed the same way twice."""
    vault = vault_over(Storage())
    blob = vault.seal(pan, CardId(card))
    assert vault.open_sealed(blob, CardId(card)) == pan
    assert pan.encode() not in blob
    assert vault.seal(pan, CardId(card)) != blob


@given(st.data())
@settings(max_examples=100)
def test_a_changed_seal_does_not_open(data: st.DataObject) -> None:
    """One bit changed, or a piece cut off: the seal does not open, and the refusal holds no PAN."""
    vault = vault_over(Storage())
    blob = bytearray(vault.seal(PAN, CARD))
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(blob) - 1))
        blob[place] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del blob[data.draw(st.integers(0, len(blob) - 1)) :]
    with pytest.raises(ValueError, match="sealed PAN of card c1 does not open") as caught:
        vault.open_sealed(bytes(blob), CARD)
    assert PAN not in str(caught.value)


def test_a_seal_is_bound_to_its_card() -> None:
    """A sealed PAN moved to another card's row does not open there."""
    vault = vault_over(Storage())
    with pytest.raises(ValueError, match="card c2"):
        vault.open_sealed(vault.seal(PAN, CARD), CardId("c2"))


async def test_a_known_card_is_asked_for_once() -> None:
    """The first message of a card reads storage, the next ones memory."""
    storage = Storage()
    vault = vault_over(storage)
    storage.issue(vault, PAN, "a1", "c1")
    assert vault.cached(PAN) is None
    expected = CardRef(account=AccountId("a1"), card=CARD)
    assert [await vault.find(PAN), vault.cached(PAN), await vault.find(PAN)] == [expected] * 3
    assert storage.asked == 1
    assert await vault.pan_of(CARD) == PAN


async def test_an_unknown_pan_goes_to_a_stray_account_and_may_be_issued_later() -> None:
    """An unknown PAN has no card and one of 16 stray accounts; it is not remembered, so issuing it works at once."""
    storage = Storage()
    vault = vault_over(storage)
    reference = await vault.find(PAN)
    assert reference == CardRef(account=AccountId(f"stray-{vault.pan_hash(PAN).hex()[0]}"), card=CardId(""))
    assert vault.cached(PAN) is None
    assert await vault.pan_of(CARD) is None
    storage.issue(vault, PAN, "a1", "c1")
    assert (await vault.find(PAN)).card == CARD


async def test_issuing_remembers_and_forgetting_asks_again() -> None:
    storage = Storage()
    vault = vault_over(storage)
    row = storage.issue(vault, PAN, "a1", "c1")
    vault.remember(row.pan_hash, CardRef(account=row.account, card=row.card))
    assert vault.cached(PAN) == CardRef(account=AccountId("a1"), card=CARD)
    vault.forget(row.pan_hash)
    vault.forget(row.pan_hash)
    assert vault.cached(PAN) is None


@given(st.lists(st.integers(0, 7), max_size=60), st.integers(1, 5))
@settings(max_examples=100)
def test_memory_keeps_the_cards_used_last(uses: list[int], capacity: int) -> None:
    """However cards are used, memory holds at most `capacity` of them, and those are the most recently used."""
    vault = vault_over(Storage(), capacity)
    for use in uses:
        pan = f"41803900000000{use:02d}"
        if vault.cached(pan) is None:
            vault.remember(vault.pan_hash(pan), CardRef(account=AccountId("a"), card=CardId(str(use))))
    latest = list(dict.fromkeys(reversed(uses)))
    # asking changes the order, so the least recently used is asked for first
    kept = [use for use in reversed(range(8)) if vault.pan_hash(f"41803900000000{use:02d}") in vault._cache]
    assert sorted(kept) == sorted(latest[:capacity])


async def test_a_device_number_leads_to_its_card() -> None:
    """One row of the vault names the card and the number that stands for it; the next question is answered from memory."""
    storage = Storage()
    vault = Vault(KEYS, storage.by_hash, storage.by_card)
    virtual = virtual_id(CARD, "phone")
    row = Row(vault.pan_hash(PAN), AccountId("a1"), CardId(virtual), PAN[-4:], vault.seal(PAN, CardId(virtual)))
    storage.rows[row.pan_hash] = row
    assert await vault.find(PAN) == CardRef(AccountId("a1"), CARD, VirtualId(virtual))
    assert vault.cached(PAN) == CardRef(AccountId("a1"), CARD, VirtualId(virtual))
    assert await vault.pan_of(CardId(virtual)) == PAN
