"""Rules 5 to 7: CVV2; wrong PINs, the block they lead to, and how it ends."""

from __future__ import annotations

import pytest
from given import (
    ALL,
    BPS,
    CREDIT,
    MC,
    MINOR_SGB,
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
    warsaw,
    with_pin,
    wrong_pin,
)

from authsvc.model import CardId, CardStatus, Counters, Entry, Pin, Reason, Request, UnblockPin
from authsvc.products import Product
from authsvc.rules.pin import pin_tries_left

WRONG, BLOCKED = Reason.PIN_WRONG, Reason.PIN_TRIES_EXCEEDED
BLOCKING = [CREDIT, BPS]
TODAY, TOMORROW = warsaw("2026-06-15 12:00"), warsaw("2026-06-16 00:00")


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(("cvv2", "then"), [("", None), ("M", None), ("N", Reason.CVV2_WRONG)])
def test_cvv2(product: Product, cvv2: str, then: Reason | None) -> None:
    """A CVV2 need not be given, but a wrong one is refused (S §15.1.2, W §9.4.2, P zał.3 §1.3)."""
    decision = Story(product).send(online(cvv2=cvv2))
    refused = "63" if product in MC else "N7"
    assert (reason(decision), code(decision)) == (then, "00" if then is None else refused)


@pytest.mark.parametrize("product", BLOCKING, ids=ids)
def test_a_third_wrong_pin_blocks(product: Product) -> None:
    """Three wrong PINs in a row: the payment is refused and the card PIN-blocked (S §12.3, W §13.2)."""
    story = Story(product)
    answers = [story.send(wrong_pin()) for _ in range(3)]
    assert [reason(answer) for answer in answers] == [WRONG, WRONG, BLOCKED]
    assert [code(answer) for answer in answers] == ["55", "55", "75"]
    assert (story.card.status, story.counters.pin_blocked_on) == (CardStatus.ACTIVE, "2026-06-15")


@pytest.mark.parametrize("product", [SGB, MINOR_SGB], ids=ids)
def test_a_third_wrong_pin_captures(product: Product) -> None:
    """At P the third wrong PIN captures the card for good; only a new card and PIN help (P §7.2-3)."""
    story = Story(product)
    answers = [story.send(wrong_pin()) for _ in range(3)]
    assert [reason(answer) for answer in answers] == [WRONG, WRONG, Reason.CARD_CAPTURED]
    assert [code(answer) for answer in answers] == ["55", "55", "04"]
    assert story.card.status is CardStatus.CAPTURED
    assert reason(story.send(with_pin(), at=warsaw("2026-06-20 12:00"))) is Reason.CARD_CAPTURED


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_wrong_pins_survive_midnight(product: Product) -> None:
    """Wrong PINs are counted in a row, not by the day (rulebook, "PIN tries")."""
    story = Story(product)
    story.send(wrong_pin(), at=TODAY)
    story.send(wrong_pin(), at=TODAY)
    third = story.send(wrong_pin(), at=TOMORROW)
    assert reason(third) in (BLOCKED, Reason.CARD_CAPTURED)


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_right_pin_clears_the_count(product: Product) -> None:
    """Two wrong ones, a right one, two wrong ones: never three in a row (S §12.3, W §13.2, P §7.2)."""
    story = Story(product)
    requests = [wrong_pin(), wrong_pin(), with_pin(), wrong_pin(), wrong_pin()]
    assert story.reasons(*requests) == [WRONG, WRONG, None, WRONG, WRONG]


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_payments_without_pin_do_not_clear_the_count(product: Product) -> None:
    """A payment without PIN between wrong ones changes nothing about them (S §12.3, W §13.2, P §7.2)."""
    story = Story(product)
    requests = [wrong_pin(), authorization(), wrong_pin(), online()]
    assert story.reasons(*requests) == [WRONG, None, WRONG, None]
    assert story.counters.pin_failures == 2


def _blocked(product: Product) -> Story:
    story = Story(product)
    for _ in range(3):
        story.send(wrong_pin(), at=TODAY)
    return story


NO_PIN = [authorization(), contactless(), online(), by_telephone(), authorization(entry=Entry.STRIPE)]


@pytest.mark.parametrize("product", BLOCKING, ids=ids)
@pytest.mark.parametrize("at", ["2026-06-15 23:59:59.999", "2026-06-16 00:00", "2026-09-01 12:00"])
@pytest.mark.parametrize("request_", NO_PIN, ids=["chip", "contactless", "internet", "telephone", "stripe"])
def test_no_other_channel_works_meanwhile(product: Product, at: str, request_: Request) -> None:
    """Until a right PIN has been given nothing works, whatever the channel, on that day and later (rule 7)."""
    assert reason(_blocked(product).send(request_, at=warsaw(at))) is BLOCKED


@pytest.mark.parametrize("product", BLOCKING, ids=ids)
@pytest.mark.parametrize(
    ("at", "then"),
    [
        ("2026-06-15 12:00:01", BLOCKED),
        ("2026-06-15 23:59:59.999", BLOCKED),  # the right PIN does not help on the day of the block
        ("2026-06-16 00:00", None),  # from midnight in Warsaw on it does, and the message goes on
        ("2026-07-30 12:00", None),
    ],
)
def test_a_right_pin_lifts_the_block_on_a_later_day(product: Product, at: str, then: Reason | None) -> None:
    """The block ends with a right PIN on a later day, and that very payment goes on (S §12.3, W §13.4)."""
    story = _blocked(product)
    assert reason(story.send(with_pin(), at=warsaw(at))) is then
    assert (story.counters.pin_blocked_on == "") is (then is None)
    assert story.held == (10_00 if then is None else 0)


@pytest.mark.parametrize("product", BLOCKING, ids=ids)
def test_a_wrong_pin_on_the_next_day_starts_a_new_count(product: Product) -> None:
    """After a block, three wrong ones again block again; until a right one nothing else works (rulebook, "PIN tries")."""
    story = _blocked(product)
    story.now = TOMORROW
    assert story.reasons(wrong_pin(), authorization(), wrong_pin(), wrong_pin()) == [WRONG, BLOCKED, WRONG, BLOCKED]
    assert story.counters.pin_blocked_on == "2026-06-16"
    assert story.reasons(with_pin()) == [BLOCKED]
    story.now = warsaw("2026-06-17 08:00")
    assert story.reasons(wrong_pin(), with_pin(), authorization()) == [WRONG, None, None]


@pytest.mark.parametrize("product", BLOCKING, ids=ids)
def test_a_wrong_pin_on_the_day_of_the_block_counts_for_nothing(product: Product) -> None:
    """On the day of the block every PIN is refused alike, so nobody can go on guessing (S §12.3, W §13.2)."""
    story = _blocked(product)
    assert story.reasons(wrong_pin(), with_pin(), wrong_pin()) == [BLOCKED] * 3
    assert story.counters.pin_failures == 3


@pytest.mark.parametrize("product", BLOCKING, ids=ids)
def test_the_hotline_ends_the_block_on_the_same_day(product: Product) -> None:
    """The hotline ends a PIN block at once, without any PIN (S §12.3, W §13.3)."""
    story = _blocked(product)
    story.approve(UnblockPin(story.account.id, CardId("card")), authorization(), with_pin())
    assert story.counters.pin_failures == 0


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_reversal_never_gives_tries_back(product: Product) -> None:
    """The reversal of a refused payment leaves the wrong PIN counted (rulebook, "PIN tries")."""
    story, refused = Story(product), wrong_pin()
    story.send(refused)
    assert reason(story.send(reversal(refused))) is None
    assert story.counters.pin_failures == 1


@pytest.mark.parametrize(
    ("request_", "scas"),
    [
        (with_pin(), 1),
        (contactless(pin=Pin.RIGHT), 1),
        (authorization(entry=Entry.STRIPE, pin=Pin.RIGHT), 1),
        (authorization(), 0),
        (contactless(), 0),
        (online(), 0),
        (online(pin=Pin.RIGHT), 0),  # a PIN typed into a web page proves nothing about the card
        (wrong_pin(), 0),
    ],
    ids=["chip", "contactless", "stripe", "no PIN", "contactless no PIN", "internet", "internet PIN", "wrong PIN"],
)
def test_what_is_an_sca(request_: Request, scas: int) -> None:
    """The card in the terminal with a right PIN is an SCA and clears both counters (rulebook, "What is SCA")."""
    before = Counters(contactless_unlocked=True, contactless=50_00, low_value_sum=60_00, low_value_count=2)
    story = Story(SGB, account(SGB, 500_00, card(counters=before)))
    story.send(request_)
    counters = story.counters
    assert counters.scas == scas
    assert ((counters.contactless, counters.low_value_sum, counters.low_value_count) == (0, 0, 0)) is bool(scas)


def test_an_sca_stays_one_when_the_payment_is_refused() -> None:
    """A right PIN proves who holds the card even if the money is not there (rulebook section 2: same decision)."""
    story = Story(SGB, account(SGB, 5_00, card(counters=Counters(contactless=150_00))))
    assert story.reasons(with_pin(10_00)) == [Reason.INSUFFICIENT_FUNDS]
    assert (story.counters.scas, story.counters.contactless) == (1, 0)


@pytest.mark.parametrize(
    ("failures", "blocked_on", "now", "left"),
    [
        (0, "", NOON, 3),
        (1, "", NOON, 2),
        (2, "", TOMORROW, 1),
        (3, "2026-06-15", TODAY, 0),
        (3, "2026-06-15", TOMORROW, 3),
        (1, "2026-06-15", TOMORROW, 2),
        (2, "2026-06-15", TOMORROW, 1),
    ],
)
def test_tries_left(failures: int, blocked_on: str, now: int, left: int) -> None:
    """Who asks is told how many PINs may still be tried: none on the day of a block, three from the next (S §12.3)."""
    counted = card(counters=Counters(pin_failures=failures, pin_blocked_on=blocked_on))
    assert pin_tries_left(counted, now) == left
