"""0400 and 0420: what they give back, once; and those that come before their original."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from given import (
    ALL,
    CREDIT,
    HOUR,
    MC,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    changes_of,
    code,
    contactless,
    ids,
    named,
    online,
    origin,
    reason,
    reversal,
    warsaw,
    with_pin,
    withdrawal,
)
from msgspec.structs import replace

from authsvc.model import (
    AccountId,
    Approved,
    Authorization,
    BlockCard,
    BlockKind,
    By,
    CardId,
    CardStatus,
    Entry,
    HoldEnd,
    HoldEnded,
    HoldReduced,
    Kind,
    Original,
    Reason,
    UnixMs,
)
from authsvc.products import Product

MTIS = pytest.mark.parametrize("mti", ["0400", "0420"])


@MTIS
@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("make", [authorization, withdrawal, online, contactless, with_pin])
@pytest.mark.parametrize("becomes", [None, 0])
def test_a_full_reversal_leaves_nothing(
    product: Product, make: Callable[..., Authorization], becomes: int | None, mti: str
) -> None:
    """A full reversal frees the whole amount and gives limits and SCA counters back (rulebook section 4)."""
    story, paid = Story(product), make(80_00)
    before = story.counters
    story.approve(paid)
    decision = story.send(reversal(paid, becomes, mti))
    assert (code(decision), decision.outcome) == ("00", Approved(80_00, decision.outcome.hold))  # type: ignore[union-attr]
    (ended,) = changes_of(decision, HoldEnded)
    assert (ended.how, ended.at, story.account.holds) == (HoldEnd.REVERSED, NOON, ())
    used, counters = story.counters.used, story.counters
    assert (used.cash, used.cashless, used.internet) == (0, 0, 0)
    assert (used.cash_count, used.cashless_count, used.internet_count) == (0, 0, 0)
    assert (counters.contactless, counters.low_value_sum) == (before.contactless, before.low_value_sum)


@MTIS
@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(("becomes", "given_back"), [(30_00, 50_00), (79_99, 1), (80_00, 0)])
def test_a_partial_reversal_leaves_what_it_becomes(product: Product, mti: str, becomes: int, given_back: int) -> None:
    """DE95 is the amount the payment is to become; the difference is freed, the count stays (rulebook section 4)."""
    story, paid = Story(product), authorization(80_00)
    story.approve(paid)
    decision = story.send(reversal(paid, becomes, mti))
    assert (code(decision), story.held, story.account.holds[0].first_amount) == ("00", becomes, 80_00)
    assert decision.outcome == Approved(given_back, story.account.holds[0].id)
    assert len(changes_of(decision, HoldReduced)) == (1 if given_back else 0)
    assert (story.counters.used.cashless, story.counters.used.cashless_count) == (becomes, 1)


@pytest.mark.parametrize(("mti", "then"), [("0400", "30"), ("0420", "00")])
def test_a_reversal_never_adds(mti: str, then: str) -> None:
    """A DE95 above what is held frees nothing: an 0400 is wrong, an 0420 is taken note of (rulebook section 2)."""
    story, paid = Story(SGB), authorization(80_00)
    story.approve(paid)
    assert code(story.send(reversal(paid, 80_01, mti))) == then
    assert (story.held, story.counters.used.cashless) == (80_00, 80_00)


@MTIS
@pytest.mark.parametrize("product", ALL, ids=ids)
def test_reversed_in_parts_and_then_whole(product: Product, mti: str) -> None:
    """80.00 becomes 50.00, becomes 20.00, becomes nothing: in the end all is as it was."""
    story, paid = Story(product), contactless(80_00)
    story.approve(paid, reversal(paid, 50_00, mti), reversal(paid, 20_00, mti), reversal(paid, None, mti))
    used = story.counters.used
    assert (story.held, used.cashless, used.cashless_count, story.counters.contactless) == (0, 0, 0, 0)


@MTIS
def test_a_second_reversal_changes_nothing(mti: str) -> None:
    """The second full reversal of a payment finds nothing left and is answered 00 (a hold ends once)."""
    story, paid = Story(SGB), authorization(80_00)
    story.approve(authorization(10_00), paid, reversal(paid))
    decision = story.send(reversal(paid, None, mti))
    assert (code(decision), decision.outcome) == ("00", Approved())
    assert (story.held, story.counters.used.cashless, story.counters.used.cashless_count) == (10_00, 10_00, 1)


@MTIS
def test_the_reversal_of_a_refused_original_changes_nothing(mti: str) -> None:
    """A payment that was refused holds nothing; its reversal is answered 00 and gives nothing back."""
    story, refused = Story(SGB, account(SGB, 50_00)), authorization(80_00)
    story.approve(authorization(10_00))
    assert story.reasons(refused) == [Reason.INSUFFICIENT_FUNDS]
    assert code(story.send(reversal(refused, None, mti))) == "00"
    assert (story.held, story.counters.used.cashless) == (10_00, 10_00)


@MTIS
def test_the_reversal_of_a_verification(mti: str) -> None:
    """A verification held nothing, so there is nothing to free."""
    story, checked = Story(SGB), authorization(0, kind=Kind.VERIFICATION)
    story.approve(checked)
    assert code(story.send(reversal(checked, None, mti))) == "00"


@MTIS
@pytest.mark.parametrize(
    ("at", "how"), [("2026-06-22 11:59:59.999", HoldEnd.REVERSED), ("2026-06-22 12:00", HoldEnd.EXPIRED)]
)
@pytest.mark.parametrize("another_first", [False, True], ids=["lazily", "already ended"])
def test_reversal_against_expiry(mti: str, at: str, how: HoldEnd, another_first: bool) -> None:
    """After seven days there is nothing left to reverse: answered 00, the hold ended once, as expired (P §10.9)."""
    story, paid = Story(SGB), authorization(80_00)
    story.approve(paid)
    story.now = warsaw(at)
    if another_first:
        story.approve(authorization(5_00))
    assert code(story.send(reversal(paid, None, mti))) == "00"
    ends = [end for one in story.journal for end in changes_of(one, HoldEnded)]
    assert [end.how for end in ends] == [how]
    assert story.held == (5_00 if another_first else 0)


@MTIS
@pytest.mark.parametrize("kind", list(BlockKind))
def test_a_blocked_card_still_gets_its_money_back(mti: str, kind: BlockKind) -> None:
    """A reversal only ever gives back, so no block and no expiry stands in its way."""
    story, paid = Story(SGB), authorization(80_00)
    story.approve(paid, BlockCard(AccountId("account"), CardId("card"), kind, By.HOLDER))
    assert code(story.send(reversal(paid, None, mti))) == "00"
    assert story.held == 0
    assert story.card.status is not CardStatus.ACTIVE


def test_an_expired_card_still_gets_its_money_back() -> None:
    """The card ended with the month; the payment of its last day is reversed on the next (S §32.2)."""
    story, paid = Story(SGB, account(SGB, 100_00, card(expiry="2606"))), authorization(80_00, expiry="2606")
    story.send(paid, at=warsaw("2026-06-30 23:00"))
    assert code(story.send(reversal(paid), at=warsaw("2026-07-01 01:00"))) == "00"
    assert story.held == 0


@pytest.mark.parametrize(("mti", "answer"), [("0400", "25"), ("0420", "00")])
@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_reversal_before_its_original(product: Product, mti: str, answer: str) -> None:
    """Remembered; the late original is refused with 05 and holds nothing; a second reversal is then 00 (section 4)."""
    story, late = Story(product), authorization(80_00)
    first = story.send(reversal(late, None, mti))
    assert code(first) == answer
    decision = story.send(late)
    assert (reason(decision), code(decision)) == (Reason.ALREADY_REVERSED, "05")
    assert (story.held, story.counters.used.cashless) == (0, 0)
    assert code(story.send(reversal(late, None, mti))) == "00"


def test_other_payments_are_not_touched_by_an_early_reversal() -> None:
    """Only the payment that the early reversal names is refused."""
    story, late = Story(SGB), authorization(80_00)
    story.send(reversal(late))
    others = [
        authorization(80_00),
        replace(late, origin=replace(late.origin, terminal="TERM0002")),
        replace(late, origin=replace(late.origin, sent="0615100001")),
    ]
    story.approve(*others)
    assert story.reasons(late) == [Reason.ALREADY_REVERSED]


@pytest.mark.parametrize(
    ("original", "terminal", "finds"),
    [
        (lambda paid: named(paid), "TERM0001", True),
        (lambda paid: replace(named(paid), mti="0101"), "TERM0001", True),  # the repeat digit names no other message
        (lambda paid: replace(named(paid), acquirer=""), "TERM0001", True),
        (lambda paid: Original(rrn=paid.origin.rrn), "TERM0001", True),  # without DE90: by RRN
        (lambda paid: named(paid), "", True),  # not every sender repeats DE41
        (lambda paid: named(paid), "TERM0002", False),
        (lambda paid: replace(named(paid), acquirer="99999"), "TERM0001", False),
        (lambda paid: replace(named(paid), sent="0615100001"), "TERM0001", False),
        (lambda paid: replace(named(paid), stan="999999"), "TERM0001", False),
        (lambda _paid: Original(rrn="000000000000"), "TERM0001", False),
    ],
)
def test_how_the_original_is_found(original: Callable[[Authorization], Original], terminal: str, finds: bool) -> None:
    """By DE90, or by the RRN when there is none; acquirer, terminal and merchant must not contradict (wire.md 3)."""
    story, paid = Story(SGB), authorization(80_00)
    story.approve(paid)
    undo = reversal(paid, original=original(paid), origin=origin("0400", terminal=terminal))
    assert code(story.send(undo)) == ("00" if finds else "25")
    assert story.held == (0 if finds else 80_00)


def test_of_several_with_one_rrn_the_newest_is_reversed() -> None:
    """A sender that uses an RRN for two payments means the last one when it names no other (wire.md 3)."""
    story = Story(SGB)
    first = authorization(80_00)
    second = authorization(30_00, origin=origin(rrn=first.origin.rrn))
    story.approve(first, second, reversal(second, original=Original(rrn=first.origin.rrn)))
    assert story.held == 80_00


def test_a_card_cannot_reverse_what_another_one_paid() -> None:
    """A reversal on one card of an account leaves the other card's holds alone (S §4.5)."""
    story = Story(CREDIT, account(CREDIT, 1_000_00, card("card"), card("other")))
    paid = authorization(80_00, card=CardId("other"))
    story.approve(paid)
    assert code(story.send(reversal(paid, card=CardId("card")))) == "25"
    assert story.held == 80_00


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_reversal_for_an_unknown_card(product: Product) -> None:
    """Nobody knows the card, so nothing can be given back or remembered: 14."""
    story = Story(product)
    decision = story.send(reversal(authorization(), card=CardId("")))
    assert (reason(decision), code(decision)) == (Reason.UNKNOWN_CARD, "14")
    assert story.account.early_reversals == ()


def test_a_reversal_the_day_after_gives_money_but_no_limit() -> None:
    """Just after midnight the money comes back; today's limit was never used by it (rulebook, "Limits restore")."""
    story, paid = Story(SGB), withdrawal(500_00)
    story.send(paid, at=warsaw("2026-06-15 23:59:59"))
    story.now = warsaw("2026-06-16 00:00:01")
    story.approve(withdrawal(1_000_00), reversal(paid))
    assert (story.held, story.counters.used.cash, story.counters.used.cash_count) == (1_000_00, 1_000_00, 1)
    assert story.reasons(withdrawal(500_01), withdrawal(500_00)) == [None, None]


@pytest.mark.parametrize(
    ("paid", "between", "contactless_left", "low_value_left"),
    [
        (contactless(80_00), [], 0, 0),
        (contactless(80_00), [online(20_00)], 0, 20_00),
        (contactless(80_00), [with_pin(), contactless(15_00)], 15_00, 0),
        (online(80_00), [contactless(15_00)], 15_00, 0),
        (online(80_00), [with_pin(), online(20_00)], 0, 20_00),
        (with_pin(80_00), [contactless(15_00)], 15_00, 0),
        (contactless(80_00), [authorization(entry=Entry.STRIPE)], 0, 0),
    ],
)
def test_sca_counters_go_back_only_if_no_sca_happened_since(
    paid: Authorization, between: list[Authorization], contactless_left: int, low_value_left: int
) -> None:
    """What an SCA has cleared is not taken off a second time (rulebook, "Limits restore")."""
    story = Story(SGB)
    story.approve(paid, *between, reversal(paid))
    assert (story.counters.contactless, story.counters.low_value_sum) == (contactless_left, low_value_left)


@pytest.mark.parametrize("product", MC, ids=ids)
def test_freed_money_can_be_spent_at_once(product: Product) -> None:
    """What a reversal frees is available to the very next payment, not only after seven days (P §10.2)."""
    story, paid = Story(product, account(product, 80_00)), authorization(80_00)
    story.approve(paid)
    assert story.reasons(authorization(1)) == [Reason.INSUFFICIENT_FUNDS]
    story.approve(reversal(paid), authorization(80_00))


def test_an_expired_hold_stays_expired_when_the_clock_goes_back() -> None:
    """The account's time never goes back, so a hold that ended as expired is not there again to be reversed."""
    story, paid = Story(SGB), authorization(80_00)
    story.approve(paid)
    story.send(authorization(1), at=UnixMs(NOON + 8 * 24 * HOUR))
    decision = story.send(reversal(paid), at=NOON)
    assert (code(decision), decision.outcome) == ("00", Approved())
