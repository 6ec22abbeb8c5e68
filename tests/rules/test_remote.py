"""Rule 11: remote payments need SCA or an exemption; today that is the low-value one."""

from __future__ import annotations

import pytest
from given import (
    ALL,
    BPS,
    CREDIT,
    HOUR,
    MC,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    by_telephone,
    card,
    code,
    contactless,
    ids,
    online,
    reason,
    reversal,
    with_pin,
)
from msgspec.structs import replace

from authsvc.model import Authorization, Counters, Entry, Kind, Minor, Pin, Reason, UnixMs
from authsvc.products import Product
from authsvc.rules.decide import decide
from authsvc.rules.remote import low_value_covers

SCA = Reason.SCA_REQUIRED


@pytest.mark.parametrize("product", [CREDIT, BPS, SGB], ids=ids)
@pytest.mark.parametrize(("amount", "then"), [(120_00, None), (120_01, SCA), (1, None), (2_000_00, SCA)])
def test_one_payment(product: Product, amount: int, then: Reason | None) -> None:
    """To 120.00 a remote payment may go without 3-D Secure, above it may not (S §2.43 condition 1, P §4.7.6, Art. 16 RTS)."""
    decision = decide(online(amount), account(product), product, NOON)
    assert (reason(decision), code(decision)) == (then, "00" if then is None else "65" if product in MC else "1A")


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_mail_and_telephone(product: Product) -> None:
    """Mail and telephone orders need SCA, but not on P (P §4.7); the low-value exemption is for the internet (S §2.43)."""
    then = SCA if product in (CREDIT, BPS) else None
    assert reason(decide(by_telephone(1_00), account(product), product, NOON)) is then


@pytest.mark.parametrize(
    ("counter", "sum_previous", "count_previous", "then"),
    [
        ("sum", 400_00, 99, True),  # the sum of the previous ones: this one may carry it past the limit
        ("sum", 400_01, 0, False),
        ("count", 9_999_00, 5, True),  # five previous ones: the sixth is free
        ("count", 0, 6, False),
        ("either", 400_01, 5, True),  # one of the two is enough
        ("either", 400_00, 6, True),
        ("either", 400_01, 6, False),
        ("either", 0, 0, True),
    ],
)
def test_previous_payments(counter: str, sum_previous: int, count_previous: int, then: bool) -> None:
    """The previous ones since the last SCA: their sum to 400.00, or not above five of them (S §2.43 conditions 2, 3)."""
    rules = replace(SGB.low_value, counter=counter)
    counters = Counters(low_value_sum=Minor(sum_previous), low_value_count=count_previous)
    assert low_value_covers(Minor(120_00), counters, rules) is then
    assert not low_value_covers(Minor(120_01), counters, rules)


@pytest.mark.parametrize("product", [CREDIT, BPS, SGB], ids=ids)
@pytest.mark.parametrize(
    ("counter", "amounts", "approved"),
    [
        ("count", [1_00] * 8, 6),
        ("sum", [100_00] * 8, 5),  # 400.00 before the fifth is not above 400.00
        ("sum", [1_00] * 8, 8),
        ("either", [100_00] * 8, 6),  # the sum ends at the fifth, the count at the sixth
        ("either", [120_00] * 8, 6),
        ("either", [1_00] * 8, 8),  # small ones go on: their sum is still low
    ],
)
def test_how_many_in_a_row(product: Product, counter: str, amounts: list[int], approved: int) -> None:
    """How many remote payments in a row need no SCA, by the counter the bank publishes (S §2.43, rulebook "either")."""
    story = Story(replace(product, low_value=replace(product.low_value, counter=counter)), account(product))
    assert story.reasons(*map(online, amounts)) == [None] * approved + [SCA] * (len(amounts) - approved)


@pytest.mark.parametrize("product", [CREDIT, BPS, SGB], ids=ids)
def test_an_sca_starts_the_count_again(product: Product) -> None:
    """A right PIN in a shop clears the low-value counters too (rulebook, `sca_resets = "both"`)."""
    story = Story(product)
    story.approve(*[online(100_00) for _ in range(6)])
    assert story.reasons(online(1_00)) == [SCA]
    story.now = UnixMs(NOON + 24 * HOUR)  # P counts ten internet payments a day
    story.approve(with_pin(), *[online(100_00) for _ in range(6)])


def test_an_sca_clears_its_own_counter_only_where_the_product_says_so() -> None:
    """`sca_resets = "own"`: a PIN in a shop clears the contactless total and leaves the low-value counters."""
    own = replace(SGB, sca_resets="own")
    story = Story(own, account(own))
    story.approve(contactless(50_00), online(60_00), with_pin())
    assert (story.counters.contactless, story.counters.low_value_sum, story.counters.low_value_count) == (0, 60_00, 1)


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_without_the_exemption_every_remote_payment_needs_sca(product: Product) -> None:
    """Where the product's file names no exemption there is none (W §9.4.2)."""
    strict = replace(product, exemptions=())
    assert reason(decide(online(1), account(product), strict, NOON)) is SCA
    assert reason(decide(authorization(1), account(product), strict, NOON)) is None


@pytest.mark.parametrize(
    "request_",
    [authorization(300_00), with_pin(300_00), authorization(300_00, entry=Entry.STRIPE), contactless(90_00)],
    ids=["chip", "chip with PIN", "stripe", "contactless"],
)
def test_in_a_shop_nothing_counts_as_remote(request_: Authorization) -> None:
    """The rule is for payments without the card in the terminal (S §15.1.2, W §9.4.2)."""
    story = Story(SGB)
    story.approve(request_)
    assert (story.counters.low_value_sum, story.counters.low_value_count) == (0, 0)


def test_a_right_pin_in_the_terminal_is_the_sca_whatever_else_the_message_says() -> None:
    """Chip with the right PIN under an e-commerce condition code is authenticated, and not counted as exempt."""
    story = Story(SGB)
    story.approve(with_pin(300_00, condition="59"))
    assert (story.counters.low_value_sum, story.counters.scas) == (0, 1)


@pytest.mark.parametrize("kind", [Kind.VERIFICATION, Kind.BALANCE_INQUIRY])
def test_what_moves_no_money_is_not_a_remote_payment(kind: Kind) -> None:
    """A card stored with a merchant is verified without using up the exemption (rulebook section 4)."""
    story = Story(SGB)
    story.approve(online(0, kind=kind))
    assert story.counters.low_value_count == 0


@pytest.mark.parametrize(
    ("becomes", "total", "number"), [(None, 20_00, 1), (0, 20_00, 1), (30_00, 50_00, 2)], ids=["full", "zero", "part"]
)
def test_a_reversal_gives_the_exemption_back(becomes: int | None, total: int, number: int) -> None:
    """A full reversal takes the payment off sum and count, a partial one off the sum only (rulebook section 4)."""
    story, paid = Story(CREDIT), online(100_00)
    story.approve(online(20_00), paid, reversal(paid, becomes))
    assert (story.counters.low_value_sum, story.counters.low_value_count) == (total, number)


def test_a_reversal_after_an_sca_gives_nothing_back() -> None:
    """SCA counters go back only if no SCA happened since (rulebook, "Limits restore")."""
    story, paid = Story(CREDIT), online(100_00)
    story.approve(paid, with_pin(), online(70_00), reversal(paid))
    assert (story.counters.low_value_sum, story.counters.low_value_count) == (70_00, 1)


def test_what_is_refused_later_is_not_counted() -> None:
    """A remote payment refused for money uses up no exemption (rulebook, "What counts")."""
    story = Story(SGB, account(SGB, 10_00, card()))
    assert story.reasons(online(20_00)) == [Reason.INSUFFICIENT_FUNDS]
    assert (story.counters.low_value_sum, story.counters.low_value_count) == (0, 0)


def test_pin_of_a_web_page_is_no_sca() -> None:
    """A PIN with a remote payment is checked, but proves no card (rulebook, "What is SCA")."""
    assert reason(decide(online(200_00, pin=Pin.RIGHT), account(), SGB, NOON)) is SCA
