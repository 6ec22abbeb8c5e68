"""Rule 10: contactless, and the PIN at the ATM."""

from __future__ import annotations

import pytest
from given import (
    ALL,
    ATM,
    BPS,
    CREDIT,
    GERMANY,
    MC,
    MINOR_SGB,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    code,
    contactless,
    ids,
    reason,
    reversal,
    with_pin,
    withdrawal,
)
from msgspec.structs import replace

from authsvc.model import POLAND, Authorization, Counters, Entry, Kind, Pin, Reason
from authsvc.products import Product
from authsvc.rules.decide import decide

CONTACT_FIRST, PIN_REQUIRED = Reason.CONTACT_FIRST, Reason.PIN_REQUIRED
WIDE = (CREDIT, BPS, SGB)
"""Products whose day limits leave room for 200.00 in a day; the card of a minor has 100.00."""


def new_card(product: Product) -> Story:
    """A card that was never used: contactless is still locked."""
    return Story(product, account(product, 1_000_00, card(counters=Counters())))


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("pin", [Pin.ABSENT, Pin.RIGHT])
def test_contactless_comes_after_contact(product: Product, pin: Pin) -> None:
    """A new card is first used by contact with PIN; contactless, even with PIN, comes after it (S §16.5, W §12.3)."""
    story = new_card(product)
    decision = story.send(contactless(pin=pin))
    assert (reason(decision), code(decision)) == (CONTACT_FIRST, "65" if product in MC else "1A")
    story.approve(with_pin(), contactless(pin=pin))


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("first", "unlocks"),
    [
        (with_pin(country=POLAND), True),
        (withdrawal(country=POLAND), True),  # an ATM or a POS
        (authorization(), False),  # by contact, but without PIN
        (authorization(entry=Entry.STRIPE, pin=Pin.RIGHT), False),  # the stripe is no contact with the chip
        (with_pin(9_000_00), False),  # refused: no transaction took place
        (with_pin(pin=Pin.WRONG), False),
    ],
    ids=["POS", "ATM", "no PIN", "stripe", "refused", "wrong PIN"],
)
def test_what_unlocks_contactless(product: Product, first: Authorization, unlocks: bool) -> None:
    """Only an approved contact transaction with the right PIN unlocks contactless (S §16.5, W §12.3, P §4.4)."""
    story = new_card(product)
    story.send(first)
    assert reason(story.send(contactless())) is (None if unlocks else CONTACT_FIRST)


@pytest.mark.parametrize(
    ("product", "then"), [(CREDIT, None), (BPS, None), (SGB, CONTACT_FIRST), (MINOR_SGB, CONTACT_FIRST)]
)
def test_the_first_contact_at_p_is_in_poland(product: Product, then: Reason | None) -> None:
    """At P the first contact transaction must be in Poland; at S and W anywhere (P §4.4, S §16.5, W §12.3)."""
    story = new_card(product)
    story.approve(with_pin(country=GERMANY))
    assert reason(story.send(contactless())) is then


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_the_reversal_of_the_first_contact_does_not_lock_again(product: Product) -> None:
    """The card was in the terminal and the PIN was right; giving the money back changes nothing of that."""
    story, first = new_card(product), with_pin()
    story.approve(first, reversal(first), contactless())


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("amount", "pin", "then"),
    [
        (100_00, Pin.ABSENT, None),
        (100_01, Pin.ABSENT, PIN_REQUIRED),
        (100_00, Pin.RIGHT, None),
        (100_01, Pin.RIGHT, None),
    ],
)
def test_one_payment_without_pin(product: Product, amount: int, pin: Pin, then: Reason | None) -> None:
    """To 100.00 a contactless payment needs no PIN, above it does (S §16.2, §16.6, W §10.1.4, §12.5, P §4.4, §10.4)."""
    decision = decide(contactless(amount, pin=pin), account(product), product, NOON)
    assert reason(decision) is then
    assert code(decision) == ("00" if then is None else "65" if product in MC else "70")


@pytest.mark.parametrize("product", WIDE, ids=ids)
@pytest.mark.parametrize(
    ("amounts", "then"),
    [
        ((100_00, 100_00), None),  # 200.00 with this one: not above it
        ((100_00, 100_00, 1), PIN_REQUIRED),
        ((100_00, 99_99, 1), None),
        ((100_00, 99_99, 2), PIN_REQUIRED),
        ((50_00, 50_00, 50_00, 50_00), None),
        ((50_00, 50_00, 50_00, 50_01), PIN_REQUIRED),
    ],
)
def test_the_total_since_the_last_sca(product: Product, amounts: tuple[int, ...], then: Reason | None) -> None:
    """Above 200.00 in all since the last SCA, this one included, a PIN is asked for (S §15.1.4, W §12.6, P §10.5)."""
    story = Story(product)
    story.approve(*map(contactless, amounts[:-1]))
    assert reason(story.send(contactless(amounts[-1]))) is then
    assert story.counters.contactless == sum(amounts) - (amounts[-1] if then else 0)


@pytest.mark.parametrize("product", WIDE, ids=ids)
@pytest.mark.parametrize(
    "sca",
    [with_pin(), contactless(pin=Pin.RIGHT), contactless(150_00, pin=Pin.RIGHT), withdrawal()],
    ids=["chip", "contactless", "contactless 150", "ATM"],
)
def test_an_sca_starts_the_total_again(product: Product, sca: Authorization) -> None:
    """After a right PIN, contactless or not, another 200.00 may be paid without one (S §15.1.4)."""
    story = Story(product)
    story.approve(contactless(100_00), contactless(100_00))
    assert story.reasons(contactless(1_00)) == [PIN_REQUIRED]
    story.approve(sca, contactless(100_00), contactless(100_00))
    assert story.reasons(contactless(1_00)) == [PIN_REQUIRED]


def test_the_total_does_not_start_again_at_midnight() -> None:
    """The total counts since the last SCA, not since midnight (S §15.1.4)."""
    story = Story(CREDIT)
    story.approve(contactless(100_00), contactless(100_00))
    assert reason(story.send(contactless(1_00), at=NOON + 3 * 86_400_000)) is PIN_REQUIRED


@pytest.mark.parametrize("product", WIDE, ids=ids)
def test_what_is_refused_is_not_counted(product: Product) -> None:
    """Only approved payments without SCA count into the total (rulebook, "What counts")."""
    story = Story(product, account(product, 50_00))
    story.reasons(contactless(100_00), contactless(60_00))
    assert story.counters.contactless == 0


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("entry", "kind", "pin", "then"),
    [
        (Entry.CHIP, Kind.CASH, Pin.RIGHT, None),
        (Entry.CHIP, Kind.CASH, Pin.ABSENT, PIN_REQUIRED),
        (Entry.STRIPE, Kind.CASH, Pin.ABSENT, PIN_REQUIRED),
        (Entry.CONTACTLESS_CHIP, Kind.CASH, Pin.RIGHT, None),
        (Entry.CONTACTLESS_CHIP, Kind.CASH, Pin.ABSENT, PIN_REQUIRED),
        (Entry.CHIP, Kind.PURCHASE, Pin.ABSENT, PIN_REQUIRED),
        (Entry.CHIP, Kind.BALANCE_INQUIRY, Pin.ABSENT, PIN_REQUIRED),
        (Entry.CHIP, Kind.BALANCE_INQUIRY, Pin.RIGHT, None),
    ],
)
def test_an_atm_always_asks_for_the_pin(
    product: Product, entry: Entry, kind: Kind, pin: Pin, then: Reason | None
) -> None:
    """Whatever an ATM pays or tells, it does so with a right PIN (S §15.1.1, §15.1.3, W §9.4.1, §9.4.3, P §4.2.1, §7.1)."""
    request = authorization(entry=entry, kind=kind, pin=pin, mcc=ATM)
    assert reason(decide(request, account(product), product, NOON)) is then


def test_contactless_cash_without_mcc_still_needs_the_pin() -> None:
    """Cash drawn contactless needs the PIN even if the message does not say that it is an ATM (S §15.1.3, W §9.4.3)."""
    request = contactless(kind=Kind.CASH, mcc="")
    assert reason(decide(request, account(), SGB, NOON)) is PIN_REQUIRED


@pytest.mark.parametrize(
    ("share", "draw", "pin", "then"),
    [
        (0.0, 0.0, Pin.ABSENT, None),  # the demo value: never
        (0.1, 0.0, Pin.ABSENT, PIN_REQUIRED),
        (0.1, 0.099_999, Pin.ABSENT, PIN_REQUIRED),
        (0.1, 0.1, Pin.ABSENT, None),
        (0.1, 0.9, Pin.ABSENT, None),
        (0.1, 1.0, Pin.ABSENT, None),  # not drawn at all
        (1.0, 0.999_999, Pin.ABSENT, PIN_REQUIRED),
        (0.1, 0.0, Pin.RIGHT, None),
    ],
)
@pytest.mark.parametrize("product", ALL, ids=ids)
def test_the_random_pin_request(product: Product, share: float, draw: float, pin: Pin, then: Reason | None) -> None:
    """A published share of contactless payments is asked for the PIN at random (S §15.1.4, W §12.6, P §10.5)."""
    rules = replace(product.contactless, random_share=share)
    drawing = replace(product, contactless=rules)
    decision = decide(contactless(draw=draw, pin=pin), account(product), drawing, NOON)
    assert reason(decision) is then


def test_a_random_pin_request_is_not_asked_of_contact_payments() -> None:
    """Only contactless payments are drawn (S §15.1.4)."""
    drawing = replace(SGB, contactless=replace(SGB.contactless, random_share=1.0))
    assert reason(decide(authorization(draw=0.0), account(), drawing, NOON)) is None


@pytest.mark.parametrize("becomes", [None, 0, 40_00])
def test_a_reversal_gives_the_total_back(becomes: int | None) -> None:
    """What a reversal gives back leaves the total too, as long as no SCA came between (rulebook, "Limits restore")."""
    story, paid = Story(CREDIT), contactless(100_00)
    story.approve(contactless(30_00), paid, reversal(paid, becomes))
    assert story.counters.contactless == 30_00 + (becomes or 0)


def test_a_reversal_after_an_sca_does_not_lower_the_new_total() -> None:
    """The SCA has cleared the old payment already; taking it off the new total would count it twice."""
    story, paid = Story(CREDIT), contactless(100_00)
    story.approve(paid, with_pin(), contactless(70_00), reversal(paid))
    assert story.counters.contactless == 70_00
