"""Section 2 of the rulebook, "Bookkeeping that hides in those rows", on the four products.

A sentence that another module holds for all four already is not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from given import (
    ALL,
    BPS,
    CREDIT,
    MANY,
    MINOR_SGB,
    SGB,
    Story,
    account,
    authorization,
    by_telephone,
    card,
    changes_of,
    code,
    contactless,
    ids,
    limits,
    online,
    origin,
    reason,
    reversal,
    warsaw,
    with_pin,
    withdrawal,
    wrong_pin,
)
from msgspec.structs import replace

from authsvc.model import (
    AccountId,
    Authorization,
    CardId,
    Counters,
    Day,
    Decision,
    Entry,
    HoldPlaced,
    Kind,
    Minor,
    Pin,
    Reason,
    RecordThreeDs,
    UnixMs,
    Used,
)
from authsvc.products import Product
from authsvc.rules.three_ds import proof_number

ACCOUNT, CARD, MERCHANT = AccountId("account"), CardId("card"), "MERCHANT0000001"
SEEN = Counters(
    contactless_unlocked=True, contactless=Minor(50_00), low_value_sum=Minor(60_00), low_value_count=2,
)  # fmt: skip
USED_UP = replace(SEEN, low_value_sum=Minor(400_01), low_value_count=6)
SCA = Reason.SCA_REQUIRED
FIFTEENTH, SIXTEENTH = Day("2026-06-15"), Day("2026-06-16")


def story(product: Product, counters: Counters = SEEN) -> Story:
    return Story(product, account(product, MANY, card(counters=counters)))


def sca_counters(of: Story) -> tuple[int, int, int]:
    return of.counters.contactless, of.counters.low_value_sum, of.counters.low_value_count


def at_acs(amount: int = 50_00, merchant: str = MERCHANT) -> RecordThreeDs:
    return RecordThreeDs(ACCOUNT, CARD, Minor(amount), "985", merchant, True)


def proven(by: Decision, amount: int = 50_00, **but: Any) -> Authorization:
    return online(amount, **{"level": "212", "cavv": "M", "proof": proof_number(by.at, by.seq), **but})


# ------------------------------------------------------------------------------------------------------------- PIN tries


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("makes_no_difference", [
    [], [authorization()], [contactless()], [online()], [withdrawal(pin=Pin.ABSENT)], [authorization(offline_pin=True)],
], ids=["nothing", "chip", "contactless", "internet", "ATM without PIN", "PIN verified by the chip"])  # fmt: skip
def test_only_a_right_pin_forgets_wrong_ones(product: Product, makes_no_difference: list[Authorization]) -> None:
    """They survive midnight, reversals, and payments that prove nothing to us (S §12.3, W §13.2, P §7.2)."""
    one = story(product)
    first = wrong_pin()
    assert one.reasons(first) == [Reason.PIN_WRONG]
    one.send(reversal(first))
    one.now = warsaw("2026-06-16 00:00")
    one.reasons(*makes_no_difference)
    assert one.counters.pin_failures == 1
    one.reasons(wrong_pin())
    assert code(one.send(wrong_pin())) == ("75" if product in (CREDIT, BPS) else "04")


# ----------------------------------------------------------------------------------------------------------- what is SCA


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("request_", "is_sca"),
    [
        (with_pin(), True),
        (contactless(pin=Pin.RIGHT), True),
        (withdrawal(), True),
        (authorization(offline_pin=True), True),
        (authorization(entry=Entry.STRIPE, pin=Pin.RIGHT), True),
        (authorization(), False),
        (contactless(), False),
        (online(), False),
        (wrong_pin(), False),
        (with_pin(MANY + 1), True),  # refused for money; the PIN was right all the same
    ],
    ids=["chip", "contactless", "ATM", "offline PIN", "stripe", "no PIN", "tap", "internet", "wrong PIN", "no money"],
)
def test_what_is_an_sca(product: Product, request_: Authorization, is_sca: bool) -> None:
    """The card and its PIN: it clears the contactless total and the low-value counters.

    S §15.1.1, §15.1.4; W §9.4.1; P §4.2.1.
    """
    one = story(product)
    one.send(request_)
    assert (one.counters.scas, sca_counters(one) == (0, 0, 0)) == (int(is_sca), is_sca)


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_3d_secure_is_one(product: Product) -> None:
    """S §15.1.2, W §9.1, §9.4.2, P §4.6, zał.3 §1.3: it carries the payment and clears both counters."""
    one = story(product, USED_UP)
    one.approve(proven(one.send(at_acs())))
    assert (one.counters.scas, sca_counters(one)) == (1, (0, 0, 0))


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(("change", "then"), [
    ({}, None),
    ({"amount": Minor(49_99)}, None),
    ({"amount": Minor(50_01)}, SCA),
    ({"origin": origin(merchant="ANOTHER")}, SCA),
    ({"currency": "978"}, SCA),
    ({"cavv": "N", "proof": 0}, SCA),  # of another card, or nobody's
])  # fmt: skip
def test_dynamic_linking(product: Product, change: dict[str, Any], then: Reason | None) -> None:
    """One card, one merchant, at most its amount (S §18.2, W §9.2, P §4.6); anything else is as no proof at all."""
    one = story(product, USED_UP)
    decision = one.send(replace(proven(one.send(at_acs())), **change))
    assert reason(decision) is then
    assert code(decision) == ("00" if then is None else "1A" if product is CREDIT else "65")


# ------------------------------------------------------------------------------------- who asks for an exemption, what counts


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_exemptions_are_tried_in_their_order(product: Product) -> None:
    """Low value, trusted, one-leg, unattended, and then what the acquirer asks for (S §2.43, §18.9.6, W §9.5, P §4.7); 3-D
    Secure comes before all of them."""
    everything = {"country": "840", "mcc": "4111", "flag": "01"}
    names = [
        "low_value",
        "trusted",
        *(["one_leg", "unattended", "merchant_initiated"] if product in (SGB, MINOR_SGB) else []),
    ]
    seen = []
    for drop in range(len(names) + 1):
        start = card(counters=USED_UP if drop else SEEN, trusted=(MERCHANT,) if drop < 2 else ())
        left = dict(list(everything.items())[max(0, drop - 2) :])
        decision = Story(product, account(product, MANY, start)).send(online(50_00, **left))
        seen += [placed.hold.exemption for placed in changes_of(decision, HoldPlaced)]
    assert seen == names
    one = Story(product, account(product, MANY, card(trusted=(MERCHANT,))))
    (placed,) = changes_of(one.send(proven(one.send(at_acs()), **everything)), HoldPlaced)
    assert (placed.hold.exemption, one.counters.low_value_count) == ("", 0)


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(("request_", "then"), [
    (contactless(10_00), (60_00, 60_00, 2)),  # into the contactless total
    (online(10_00), (50_00, 70_00, 3)),  # into the low-value counters
    (contactless(100_01), (50_00, 60_00, 2)),  # refused: into nothing
    (online(120_01), (50_00, 60_00, 2)),
    (authorization(10_00), (50_00, 60_00, 2)),  # by contact, however the terminal checked its user
    (online(0, kind=Kind.VERIFICATION), (50_00, 60_00, 2)),
], ids=["tap", "internet", "tap refused", "internet refused", "chip", "verification"])  # fmt: skip
def test_what_counts_into_which(product: Product, request_: Authorization, then: tuple[int, int, int]) -> None:
    """Only what was approved without SCA, each kind into its own counter (S §2.43, §15.1.4)."""
    one = story(product)
    one.send(request_)
    assert sca_counters(one) == then


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_mail_and_telephone_orders(product: Product) -> None:
    """Cashless, not internet; without SCA only where the product exempts them (P §4.7.2)."""
    start = card(counters=SEEN, limits=limits(cashless=50_00, internet=0))
    one = Story(product, account(product, MANY, start))
    refused = {CREDIT.id: "1A", BPS.id: "65"}.get(product.id)
    assert code(one.send(by_telephone(50_00))) == (refused or "00")
    assert one.counters.used.cashless == (0 if refused else 50_00)
    assert (one.counters.used.internet, sca_counters(one)) == (0, (50_00, 60_00, 2))


# -------------------------------------------------------------------------------------------------------- limits restore


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("make", [withdrawal, authorization, online], ids=["cash", "cashless", "internet"])
@pytest.mark.parametrize(("becomes", "left", "count"), [(None, 0, 0), (0, 0, 0), (30_00, 30_00, 1)])
def test_a_reversal_gives_back_what_it_took(
    product: Product, make: Callable[..., Authorization], becomes: int | None, left: int, count: int
) -> None:
    """Into the kind it came from: amount and, when whole, count (rulebook, "Limits restore")."""
    one, paid = story(product), make(50_00)
    one.approve(paid, reversal(paid, becomes))
    used = one.counters.used
    cash, other = (left, count) if make is withdrawal else (0, 0), (left, count) if make is not withdrawal else (0, 0)
    assert ((used.cash, used.cash_count), (used.cashless, used.cashless_count)) == (cash, other)
    assert (used.internet, used.internet_count) == ((left, count) if make is online else (0, 0))


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_into_the_day_of_its_original(product: Product) -> None:
    """A reversal of yesterday's payment leaves today's limit as it is, and frees the money."""
    one, paid = story(product), with_pin(50_00)
    one.approve(paid)
    one.now = warsaw("2026-06-16 00:00")
    one.approve(with_pin(20_00), reversal(paid))
    assert (one.counters.used, one.held) == (Used(day=SIXTEENTH, cashless=Minor(20_00), cashless_count=1), 20_00)


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(("make", "then"), [
    (contactless, [(90_00, 60_00, 2), (50_00, 60_00, 2)]),
    (online, [(50_00, 100_00, 3), (50_00, 60_00, 2)]),
])  # fmt: skip
def test_sca_counters_go_back_only_without_an_sca_since(
    product: Product, make: Callable[..., Authorization], then: list[tuple[int, int, int]]
) -> None:
    """What the SCA has cleared is not taken off a second time (rulebook, "Limits restore")."""
    one, paid = story(product), make(40_00)
    one.approve(paid)
    seen = [sca_counters(one)]
    one.approve(reversal(paid))
    assert [*seen, sca_counters(one)] == then
    two, paid = story(product), make(40_00)
    two.approve(paid, with_pin(1_00), make(10_00))
    before = sca_counters(two)
    two.approve(reversal(paid))
    assert sca_counters(two) == before


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_what_expires_gives_no_limit_back(product: Product) -> None:
    """The hold ends by itself; the day it was made on keeps its use, and SCA counters stay (rulebook section 4)."""
    one = story(product)
    one.approve(contactless(40_00))
    before = one.counters
    one.now = UnixMs(warsaw("2026-06-22 12:00"))
    assert (one.held, one.counters) == (0, before)
    assert before.used == Used(day=FIFTEENTH, cashless=Minor(40_00), cashless_count=1)
