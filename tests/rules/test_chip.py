"""Rule 5 at the terminal: cryptogram, counter, stripe, fallback; and the PIN that the chip verified."""

from __future__ import annotations

from typing import Any

import pytest
from given import ALL, BPS, CREDIT, SGB, Story, account, authorization, card, code, contactless, ids, reason
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import ChipCounter, Counters, Entry, Minor, Reason
from authsvc.products import Product
from authsvc.rules.chip import WINDOW, seen

VERSION = {"credit-business": 10}


def signed(product: Product, atc: int = 1, **but: Any) -> Any:
    """A chip payment with a right cryptogram."""
    usual = {"cryptogram": "M", "cryptogram_version": VERSION.get(product.id, 16), "atc": atc}
    return authorization(**{**usual, **but})


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("but", "refused"),
    [
        ({}, False),
        ({"cryptogram": "N"}, True),
        ({"cryptogram": "U"}, True),
        ({"cryptogram_version": 99}, True),  # a version the product's cards do not speak
        ({"cryptogram": "", "cryptogram_version": 0}, False),  # no cryptogram: as the product file says
    ],
)
def test_a_wrong_cryptogram_is_refused(product: Product, but: dict[str, Any], refused: bool) -> None:
    """S §15.1.2, W §9.4.2, P zał.3 §1.3: 82 at Visa, 88 at Mastercard."""
    decision = Story(product).send(signed(product, **but))
    assert reason(decision) is (Reason.CRYPTOGRAM_WRONG if refused else None)
    assert code(decision) == ({"visa": "82"}.get(product.scheme, "88") if refused else "00")


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_product_may_require_a_cryptogram(product: Product) -> None:
    strict = replace(product, chip=replace(product.chip, require_cryptogram=True))
    assert reason(Story(strict).send(authorization())) is Reason.CRYPTOGRAM_WRONG
    assert reason(Story(strict).send(signed(product))) is None


def test_a_counter_is_good_for_one_message() -> None:
    """Messages may overtake each other by less than the window; each counter is good once, each chip has its own."""
    story = Story(BPS)
    sent = [story.send(signed(BPS, atc)) for atc in (5, 5, 7, 6, 6, 40, 8, 9)]
    wrong = Reason.CRYPTOGRAM_WRONG
    assert [reason(one) for one in sent] == [None, wrong, None, None, wrong, None, wrong, None]


def test_a_wrong_cryptogram_does_not_use_a_counter_up() -> None:
    story = Story(BPS)
    assert story.reasons(signed(BPS, 5, cryptogram="N"), signed(BPS, 5)) == [Reason.CRYPTOGRAM_WRONG, None]


@given(st.lists(st.integers(0, 100), max_size=60))
def test_no_counter_is_ever_taken_twice(counters: list[int]) -> None:
    known: ChipCounter | None = None
    taken: list[int] = []
    for counter in counters:
        after = seen(known, "chip", counter)
        if after is not None:
            assert counter not in taken
            taken.append(counter)
            known = after
        else:
            assert counter in taken or counter <= max(taken) - WINDOW
    assert known is None or known.window < 2**WINDOW


@pytest.mark.parametrize(
    ("stripe", "checked", "then"),
    [("M", True, None), ("N", True, Reason.CVV2_WRONG), ("", True, None), ("N", False, None)],
)
def test_the_cvv_of_the_stripe(stripe: str, checked: bool, then: Reason | None) -> None:
    """W §9.4.2: where the track carries one it must be right."""
    product = replace(BPS, chip=replace(BPS.chip, stripe_cvv=checked))
    assert reason(Story(product).send(authorization(entry=Entry.STRIPE, stripe=stripe))) is then


@pytest.mark.parametrize(("allowed", "then"), [(True, None), (False, Reason.CHANNEL_OFF)])
def test_fallback_to_the_stripe_follows_the_product_file(allowed: bool, then: Reason | None) -> None:
    product = replace(CREDIT, chip=replace(CREDIT.chip, fallback=allowed))
    assert reason(Story(product).send(authorization(entry=Entry.FALLBACK))) is then


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_pin_that_the_chip_verified_is_an_sca(product: Product) -> None:
    """It clears the contactless total and the low-value counters, and unlocks contactless (S §15.1.1, W §9.4.1, P §4.2.1)."""
    before = Counters(contactless=Minor(150_00), low_value_sum=Minor(10_00), low_value_count=2)
    story = Story(product, account(product, 1_000_00, card(counters=before)))
    assert story.reasons(contactless(1_00), signed(product, offline_pin=True), contactless(1_00)) == [
        Reason.CONTACT_FIRST, None, None,
    ]  # fmt: skip
    assert (story.counters.contactless, story.counters.low_value_count, story.counters.scas) == (1_00, 0, 1)


def test_a_pin_verified_by_a_chip_with_a_wrong_cryptogram_is_none() -> None:
    story = Story(SGB)
    story.send(signed(SGB, cryptogram="N", offline_pin=True))
    assert story.counters.scas == 0
