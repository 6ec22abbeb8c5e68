"""Contactless and low-value payments: what goes without strong authentication, and until when (rulebook sections 1, 2)."""

from __future__ import annotations

import pytest
from e2e_bank import Bank, Plastic

PRODUCTS = ["credit-business", "prepaid-bps", "prepaid-sgb"]
PIN_WANTED = {"credit-business": "70"}
SCA_WANTED = {"credit-business": "1A"}
CONTACT_WANTED = {"credit-business": "1A"}


def since_sca(card: Plastic) -> int:
    total: int = card.view()["contactless"]["since_sca"]
    return total


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_contactless_story(bank: Bank, product: str) -> None:
    """First contact, taps to exactly 200.00, one too many, a PIN, and taps again."""
    card = bank.issue(product)
    assert card.tap() == CONTACT_WANTED.get(product, "65")
    assert card.pay_with_pin() == "00"
    assert card.view()["contactless"] == {"enabled": True, "unlocked": True, "since_sca": 0}
    assert [card.tap(80_00), card.tap(80_00), card.tap(40_00)] == ["00"] * 3
    assert since_sca(card) == 200_00
    assert card.tap(1) == PIN_WANTED.get(product, "65")
    assert card.reason() == "PIN_REQUIRED"
    assert since_sca(card) == 200_00
    assert card.tap(1, pin="1234") == "00"
    assert since_sca(card) == 0
    assert card.tap(100_00) == "00"


def test_the_total_counts_this_one_too(bank: Bank) -> None:
    """Total including this one above 200.00 (S §15.1.4)."""
    card = bank.issue("credit-business")
    card.pay_with_pin()
    assert [card.tap(90_00), card.tap(90_00)] == ["00", "00"]
    assert [card.tap(20_01), card.tap(20_00)] == ["70", "00"]


@pytest.mark.parametrize("product", PRODUCTS)
def test_one_contactless_payment_goes_to_one_hundred(bank: Bank, product: str) -> None:
    card = bank.issue(product)
    card.pay_with_pin()
    assert [card.tap(100_00), card.tap(100_01)] == ["00", PIN_WANTED.get(product, "65")]
    assert card.tap(500_00, pin="1234") == "00"


def test_what_unlocks_contactless(bank: Bank) -> None:
    """A contact transaction with PIN, ATM or shop; of P in Poland only (S §16.5, W §12.3, P §4.4)."""
    card = bank.issue("prepaid-bps")
    card.draw_cash(50_00)
    assert card.tap() == "00"
    abroad = bank.issue("prepaid-bps")
    abroad.pay_with_pin(f19="276")
    assert abroad.tap() == "00"
    of_p = bank.issue("prepaid-sgb")
    of_p.pay_with_pin(f19="276")
    assert of_p.tap() == "65"
    of_p.pay_with_pin()
    assert of_p.tap() == "00"


def test_a_refused_contact_unlocks_nothing(bank: Bank) -> None:
    card = bank.issue("prepaid-bps", load=10_00)
    assert card.pay_with_pin(20_00) == "51"
    assert card.pay_with_pin(1_00, pin="0000") == "55"
    assert card.tap(1_00) == "65"


def test_a_contactless_atm_takes_its_pin(bank: Bank) -> None:
    """Always with PIN (S §15.1.3), and then it is a withdrawal."""
    card = bank.issue("credit-business")
    card.pay_with_pin()
    assert card.draw_cash(50_00, pin=None, f22="071") == "70"
    assert card.draw_cash(50_00, f22="071") == "00"


def test_switched_off_and_on(bank: Bank) -> None:
    """S §16.8: contact goes on; switched on again, it need not be unlocked anew."""
    card = bank.issue("credit-business")
    card.pay_with_pin()
    card.change("PUT", "contactless", {"enabled": False})
    assert [card.tap(), card.tap(pin="1234"), card.pay()] == ["57", "57", "00"]
    card.change("PUT", "contactless", {"enabled": True})
    assert card.tap() == "00"


def test_a_reversed_tap_is_given_back(bank: Bank) -> None:
    """If no SCA happened since; otherwise there is nothing to give back into."""
    card = bank.issue("prepaid-bps")
    card.pay_with_pin()
    card.tap(100_00)
    first = card.sent
    card.tap(100_00)
    assert card.reverse(first) == "00"
    assert since_sca(card) == 100_00
    second = card.message(40_00, f22="071")
    bank.wire.ask(second)
    card.pay_with_pin()
    card.tap(30_00)
    assert card.reverse(second) == "00"
    assert since_sca(card) == 30_00


def test_a_refused_tap_counts_nothing(bank: Bank) -> None:
    card = bank.issue("prepaid-bps", load=60_00)
    card.pay_with_pin(10_00)
    assert [card.tap(50_01), card.tap(50_00)] == ["51", "00"]
    assert since_sca(card) == 50_00


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_low_value_story(bank: Bank, product: str) -> None:
    """Six of 100.00: before the sixth there were five, before the seventh neither sum nor count holds (S §2.43)."""
    card = bank.issue(product)
    assert [card.order(100_00) for _ in range(6)] == ["00"] * 6
    assert card.view()["low_value"] == {"sum": 600_00, "count": 6}
    assert card.order(1) == SCA_WANTED.get(product, "65")
    assert card.reason() == "SCA_REQUIRED"
    assert card.pay_with_pin() == "00"  # any SCA clears both counters
    assert card.view()["low_value"] == {"sum": 0, "count": 0}
    assert card.order(100_00) == "00"


def test_small_ones_go_on_by_their_sum(bank: Bank) -> None:
    """ "either" read literally: ten of 1.00 are below the sum, though above the count."""
    card = bank.issue("credit-business")
    assert [card.order(1_00) for _ in range(10)] == ["00"] * 10


def test_the_last_one_may_carry_the_sum_past_its_limit(bank: Bank) -> None:
    """Sums look at previous payments only."""
    card = bank.issue("credit-business")
    assert [card.order(120_00) for _ in range(7)] == ["00"] * 6 + ["1A"]


@pytest.mark.parametrize("product", PRODUCTS)
def test_one_remote_payment_goes_to_one_hundred_and_twenty(bank: Bank, product: str) -> None:
    card = bank.issue(product)
    assert [card.order(120_00), card.order(120_01)] == ["00", SCA_WANTED.get(product, "65")]
    assert card.view()["low_value"] == {"sum": 120_00, "count": 1}


def test_the_two_counters_are_apart(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    card.pay_with_pin()
    card.tap(30_00)
    card.order(40_00)
    view = card.view()
    assert (view["contactless"]["since_sca"], view["low_value"]) == (30_00, {"sum": 40_00, "count": 1})


def test_chip_without_pin_is_no_sca(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    card.pay_with_pin()
    card.tap(100_00)
    card.pay(10_00)
    assert since_sca(card) == 100_00


def test_a_reversed_order_is_given_back(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    card.order(40_00)
    card.order(50_00)
    assert card.reverse(card.sent) == "00"
    assert card.view()["low_value"] == {"sum": 40_00, "count": 1}


@pytest.mark.parametrize("entry", ["812", "102", "012"])
def test_ways_to_be_remote(bank: Bank, entry: str) -> None:
    """E-commerce, credential on file, keyed."""
    card = bank.issue("prepaid-bps")
    assert card.pay(120_01, f22=entry) == "65"
