"""0220: the claim that turns a hold into a posting. It always posts (S §19.4; W §14.13-14; P §10.6, §10.9, §17.6)."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    ALL,
    BPS,
    CREDIT,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    changes_of,
    code,
    financial,
    ids,
    increment,
    limits,
    named,
    online,
    origin,
    presentment,
    reason,
    reversal,
    warsaw,
    with_pin,
    withdrawal,
)
from msgspec.structs import replace

from authsvc.model import (
    AccountStatus,
    CardId,
    CardStatus,
    Entry,
    HoldEnd,
    HoldEnded,
    Kind,
    Minor,
    Origin,
    Original,
    Presentment,
    Reason,
    Reversal,
)
from authsvc.products import Product
from authsvc.rules.posting import MAX_POSTED
from authsvc.rules.presentment import flags, matched

EIGHT_DAYS_LATER = warsaw("2026-06-23 12:00")


def debit(story: Story) -> int:
    """What has left the account since the beginning, grosze."""
    return sum(change.posting.amount for change in story.posted)


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_it_ends_the_hold_and_lowers_the_balance(product: Product) -> None:
    """S §26.3, W §14.3, §14.13, P §10.6: the hold is gone, the money too, and what was counted is not counted again."""
    story, paid = Story(product), with_pin(60_00)
    story.approve(paid)
    before = story.account.balance
    decision = story.send(presentment(paid, 60_00))
    assert code(decision) == "00"
    assert [(end.how, end.at) for end in changes_of(decision, HoldEnded)] == [(HoldEnd.POSTED, NOON)]
    assert (story.held, story.account.balance) == (0, before - 60_00)
    assert (story.used, story.counts) == ((0, 60_00, 0), (0, 1, 0))
    assert (matched(decision), flags(decision)) == ("open hold", ())


@pytest.mark.parametrize(
    "how",
    [
        lambda paid, _: presentment(paid, 60_00, original=named(paid)),
        lambda _, story: presentment(None, 60_00, code=story.account.holds[0].authorization_code),
        lambda paid, _: presentment(paid, 60_00),
        lambda *_: presentment(None, 60_00, link="TRACE0000000042"),
    ],
    ids=["DE90", "authorization code", "RRN", "trace id"],
)
def test_how_its_hold_is_found(how: Any) -> None:
    story, paid = Story(BPS), with_pin(60_00, link="TRACE0000000042")
    story.approve(with_pin(60_00), paid, with_pin(60_00))
    if story.account.holds[0].authorization_code == story.account.holds[1].authorization_code:
        pytest.skip("two codes in a million are equal")
    story.approve(how(paid, story))
    assert (story.held, matched(story.journal[-1])) == (120_00, "open hold")


@pytest.mark.parametrize(
    ("amount", "flagged"),
    [(60_00, ()), (75_00, ("above_hold",)), (40_00, ("below_hold",)), (0, ("below_hold",))],
)
def test_above_or_below_its_hold(amount: int, flagged: tuple[str, ...]) -> None:
    """Tips, fuel: what is claimed is posted, all of the hold ends (W §14.13)."""
    story, paid = Story(BPS), with_pin(60_00)
    story.approve(paid, presentment(paid, amount))
    assert (story.held, debit(story), flags(story.journal[-1])) == (0, amount, flagged)
    assert story.used == (0, 60_00, 0)


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("mcc", "amount", "flagged"),
    [
        ("5812", 72_00, ()),  # a tip, 20 percent of 60.00
        ("5812", 72_01, ("above_hold",)),
        ("5542", 69_00, ()),  # fuel
        ("7011", 69_01, ("above_hold",)),  # a hotel
        ("5411", 60_01, ("above_hold",)),  # none elsewhere
    ],
)
def test_within_the_tolerance_nobody_looks(product: Product, mcc: str, amount: int, flagged: tuple[str, ...]) -> None:
    """`[presentment]` of the product file, published; posted in any case (S §19.4, W §14.13, P §10.9)."""
    story, paid = Story(product), with_pin(60_00, mcc=mcc)
    story.approve(paid, presentment(paid, amount, mcc=mcc))
    assert (story.held, debit(story), flags(story.journal[-1])) == (0, amount, flagged)


def test_partial_ones_leave_the_rest() -> None:
    """Two parcels, two claims: the first one only lowers the hold."""
    story, paid = Story(BPS), with_pin(60_00)
    story.approve(paid, presentment(paid, 25_00, final=False))
    assert (story.held, debit(story)) == (35_00, 25_00)
    story.approve(presentment(paid, 35_00, final=True))
    assert (story.held, debit(story), story.used, story.counts) == (0, 60_00, (0, 60_00, 0), (0, 1, 0))


def test_a_partial_one_of_all_of_it_ends_the_hold() -> None:
    story, paid = Story(BPS), with_pin(60_00)
    story.approve(paid, presentment(paid, 60_00, final=False))
    assert (story.held, story.account.holds) == (0, ())


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_after_the_hold_is_gone(product: Product) -> None:
    """P §10.9, W §14.13: seven days are over, and it is posted all the same; its authorization had counted."""
    story, paid = Story(product), with_pin(60_00)
    story.approve(paid)
    decision = story.send(presentment(paid, 60_00), EIGHT_DAYS_LATER)
    assert (matched(decision), flags(decision)) == ("expired hold", ("late",))
    assert [end.how for end in changes_of(decision, HoldEnded)] == [HoldEnd.EXPIRED]
    assert (debit(story), story.used) == (60_00, (0, 0, 0))


def test_long_after_the_hold_is_gone() -> None:
    """Another decision has taken the expired hold out of the document meanwhile; the journal knows it."""
    story, paid = Story(BPS), with_pin(60_00)
    story.approve(paid)
    story.send(with_pin(1_00), EIGHT_DAYS_LATER)
    decision = story.send(presentment(paid, 60_00))
    assert (matched(decision), flags(decision), debit(story)) == ("expired hold", ("late",), 60_00)
    assert story.used == (0, 1_00, 0)


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_without_authorization_it_counts_as_used(product: Product) -> None:
    """Rulebook section 4; it is posted though no limit allows it (S §19.4)."""
    story = Story(product, account(product, 0, card(limits=limits(1, 1, 1))))
    decision = story.send(presentment(None, 60_00))
    assert (reason(decision), matched(decision)) == (None, "no authorization")
    assert flags(decision) == ("no_authorization", "overdrawn")
    assert (story.used, story.counts, debit(story)) == ((0, 60_00, 0), (0, 1, 0), 60_00)


@pytest.mark.parametrize(
    ("but", "used"),
    [
        ({"kind": Kind.CASH}, (60_00, 0, 0)),
        ({"mcc": "6051"}, (60_00, 0, 0)),
        ({"entry": Entry.ECOMMERCE}, (0, 60_00, 60_00)),
        ({"kind": Kind.CASHBACK, "cash": Minor(20_00)}, (20_00, 40_00, 0)),
    ],
)
def test_without_authorization_it_counts_as_what_it_is(but: dict[str, Any], used: tuple[int, int, int]) -> None:
    story = Story(BPS)
    story.approve(presentment(None, 60_00, **but))
    assert story.used == used


def test_a_reversed_authorization_counts_again() -> None:
    """The reversal had given the limits back; the merchant claims it all the same."""
    story, paid = Story(BPS), with_pin(60_00)
    story.approve(paid, reversal(paid), presentment(paid, 60_00))
    assert (story.used, story.counts, debit(story)) == ((0, 60_00, 0), (0, 1, 0), 60_00)
    assert flags(story.journal[-1]) == ("after_reversal",)


def test_a_second_one_is_posted_and_flagged() -> None:
    """It is another message, so it is no repeat; whether it is a mistake, the clearing desk finds out."""
    story, paid = Story(BPS), with_pin(60_00)
    story.approve(paid, presentment(paid, 60_00), presentment(paid, 60_00))
    assert (debit(story), flags(story.journal[-1]), story.used) == (120_00, ("twice",), (0, 60_00, 0))


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("status", [CardStatus.STOLEN, CardStatus.INACTIVE, CardStatus.CAPTURED, CardStatus.REPLACED])
def test_blocks_do_not_stop_it(product: Product, status: CardStatus) -> None:
    """The holder answers for what was done before (S §19.4, P §17.6)."""
    start = account(product, 10_00, card(status=status), status=AccountStatus.CLOSED)
    story = Story(product, start)
    story.approve(presentment(None, 60_00))
    assert debit(story) == 60_00


def test_it_may_overdraw() -> None:
    """W §8.8, §14.13-14: "na rachunku może powstać saldo debetowe"."""
    story = Story(BPS, account(BPS, 70_00))
    paid = with_pin(60_00)
    story.approve(paid, presentment(paid, 90_00))
    assert story.account.balance == -20_00
    assert flags(story.journal[-1]) == ("above_hold", "overdrawn")
    assert reason(story.send(with_pin(1))) is Reason.INSUFFICIENT_FUNDS


def test_with_its_increments() -> None:
    story, hotel = Story(SGB), with_pin(60_00, kind=Kind.PRE_AUTHORIZATION)
    story.approve(hotel, increment(hotel, 15_00), presentment(hotel, 75_00))
    assert (story.held, debit(story), flags(story.journal[-1])) == (0, 75_00, ())


# ----------------------------------------------------------------------------------------------- credit, refunds


def test_a_credit_card_owes_what_is_posted() -> None:
    """S §26.1-4: the hold becomes debt of the account and of the card; a payment in lowers both."""
    story, paid = Story(CREDIT, account(CREDIT, 500_00, card(individual_limit=Minor(300_00)))), with_pin(60_00)
    story.approve(paid, presentment(paid, 60_00))
    assert (story.account.balance, story.card.debt) == (-60_00, 60_00)
    assert reason(story.send(with_pin(240_01))) is Reason.INDIVIDUAL_LIMIT
    story.approve(with_pin(240_00))


def test_a_refund_is_money_for_the_holder() -> None:
    """P §17.1, S §26.4: the balance rises, no limit does."""
    story = Story(CREDIT)
    paid = with_pin(60_00)
    story.approve(paid, presentment(paid, 60_00), presentment(None, 20_00, kind=Kind.REFUND))
    assert (story.account.balance, story.card.debt, story.used) == (-40_00, 40_00, (0, 60_00, 0))


def test_a_refund_does_not_end_the_hold_of_the_purchase() -> None:
    """It carries the RRN of the refund; of the purchase, when a shop is careless: the purchase is claimed on its own."""
    story, paid = Story(BPS), with_pin(60_00)
    story.approve(paid, presentment(paid, 60_00, kind=Kind.REFUND))
    assert (story.held, debit(story)) == (60_00, -60_00)


# ------------------------------------------------------------------------------------------------ foreign money


def test_a_foreign_one_is_converted_on_the_day_of_settlement() -> None:
    """W §14.4: by the last table of the day before; EUR transfer 4.3200."""
    story = Story(BPS)
    paid = with_pin(100_00, currency="978")
    story.approve(paid, presentment(paid, 100_00, currency="978"))
    (posted,) = story.posted
    assert posted.posting.amount == 432_00
    assert posted.posting.foreign is not None
    assert (posted.posting.foreign.amount, posted.posting.foreign.currency) == (100_00, "978")


def test_without_a_table_at_the_rate_of_its_hold() -> None:
    """The scheme had converted the authorization (DE6 in PLN); the claim names yen alone."""
    story = Story(BPS)
    paid = with_pin(10_000, currency="392", billing=Minor(250_00), billing_currency="985")
    story.approve(paid, presentment(paid, 12_000, currency="392"))
    assert debit(story) == 300_00


def test_a_currency_nobody_can_convert_is_refused() -> None:
    """Never guessed (rulebook section 5): a person has to look at it."""
    decision = Story(BPS).send(presentment(None, 12_000, currency="392"))
    assert reason(decision) is Reason.UNSUPPORTED_TRANSACTION


# ------------------------------------------------------------------------------------------- 0200 and reversals


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_an_0200_posts_at_once(product: Product) -> None:
    """Rulebook section 4: decided as an 0100, amount and count used, no hold; the balance falls."""
    story = Story(product)
    before = story.account.balance
    story.approve(financial(60_00))
    assert (story.held, story.account.balance, story.used, story.counts) == (
        0,
        before - 60_00,
        (0, 60_00, 0),
        (0, 1, 0),
    )


@pytest.mark.parametrize(
    ("start", "request_", "then"),
    [
        ({"funds": 59_99}, financial(60_00), Reason.INSUFFICIENT_FUNDS),
        ({"limits": limits(cashless=59_99)}, financial(60_00), Reason.CASHLESS_LIMIT),
        ({"status": CardStatus.LOST}, financial(60_00), Reason.LOST),
    ],
)
def test_an_0200_is_refused_as_an_0100(start: dict[str, Any], request_: Any, then: Reason) -> None:
    """W §14.15."""
    funds = start.pop("funds", 1_000_00)
    story = Story(BPS, account(BPS, funds, card(**start)))
    assert reason(story.send(request_)) is then
    assert story.account.balance == funds


@pytest.mark.parametrize("mti", ["0400", "0420"])
@pytest.mark.parametrize(
    ("becomes", "kept", "count"), [(None, 0, 0), (45_00, 45_00, 1), (60_00, 60_00, 1)], ids=["whole", "part", "nothing"]
)
def test_its_reversal_returns_the_money(mti: str, becomes: int | None, kept: int, count: int) -> None:
    """Money, limit and, of a whole one, the count go back; the same reversal again returns nothing more."""
    story, paid = Story(CREDIT), financial(60_00)
    story.approve(paid, *(reversal(paid, becomes, mti) for _ in range(3)))
    assert (story.account.balance, story.card.debt) == (-kept, kept)
    assert (story.used, story.counts) == ((0, kept, 0), (0, count, 0))


def test_its_reversal_gives_the_sca_counters_back() -> None:
    """S §15.1.4; only when no SCA happened since."""
    story, paid = Story(CREDIT), financial(60_00, entry=Entry.CONTACTLESS_CHIP)
    story.approve(paid)
    assert story.counters.contactless == 60_00
    story.approve(reversal(paid))
    assert story.counters.contactless == 0


def test_its_reversal_came_first() -> None:
    story, paid = Story(BPS), financial(60_00)
    assert code(story.send(reversal(paid))) == "25"
    assert reason(story.send(paid)) is Reason.ALREADY_REVERSED
    assert debit(story) == 0


def test_a_reversal_above_what_was_posted_is_a_format_error() -> None:
    story, paid = Story(BPS), financial(60_00)
    story.approve(paid)
    assert code(story.send(reversal(paid, 60_01))) == "30"


def reversal_of(claim: Presentment, becomes: int | None = None) -> Any:
    """Of a presentment, by DE90."""
    name = Original(claim.origin.mti, claim.origin.stan, claim.origin.sent, claim.origin.acquirer)
    return reversal(authorization(claim.amount), becomes, "0420", original=name)


def test_a_presentment_can_be_reversed() -> None:
    """The acquirer takes its claim back: the money returns, the hold does not; what the claim counted goes back."""
    story, claim = Story(BPS), presentment(None, 60_00)
    story.approve(claim)
    assert story.used == (0, 60_00, 0)
    story.approve(reversal_of(claim, 20_00))
    assert (story.account.balance, story.used, story.counts) == (100_000_00 - 20_00, (0, 20_00, 0), (0, 1, 0))
    story.approve(reversal_of(claim), reversal_of(claim))
    assert (story.account.balance, story.used, story.counts) == (100_000_00, (0, 0, 0), (0, 0, 0))


def test_a_reversal_of_the_authorization_does_not_touch_its_posting() -> None:
    """It was claimed: the money goes back by a refund, or by the reversal of the claim."""
    story, paid = Story(BPS), with_pin(60_00)
    story.approve(paid, presentment(paid, 60_00), reversal(paid))
    assert (debit(story), story.account.balance) == (60_00, 100_000_00 - 60_00)
    by_rrn = reversal(paid, original=Original(rrn=paid.origin.rrn))
    story.approve(by_rrn)
    assert story.account.balance == 100_000_00 - 60_00


def by_file(claim: Presentment, **but: Any) -> tuple[Presentment, Reversal]:
    """A presentment as a clearing file brings it, by no message, and its reversal."""
    claim = replace(claim, origin=Origin("0220", "", "", merchant=claim.origin.merchant, rrn=claim.origin.rrn))
    back = Reversal(
        claim.account, claim.card, replace(claim.origin, mti="0420"), "back", claim.original, claim.amount, claim.currency,
        code=claim.code, kind=claim.kind,
    )  # fmt: skip
    return claim, replace(back, **but)


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_one_of_a_file_is_reversed_by_rrn_and_code(product: Product) -> None:
    """P §10.6, W §14.3, S §26.4: balance, debt and what it had counted are as before; the authorization's hold stays ended."""
    story = Story(product)
    before = (story.account.balance, story.card.debt)
    claim, back = by_file(presentment(None, 60_00, code="A1B2C3"))
    story.approve(claim)
    assert story.used == (0, 60_00, 0)
    story.approve(back)
    assert ((story.account.balance, story.card.debt), story.used, story.counts) == (before, (0, 0, 0), (0, 0, 0))
    assert reason(story.send(back)) is Reason.ORIGINAL_NOT_FOUND


def test_a_foreign_one_is_reversed_at_its_own_rate() -> None:
    """W §14.4: it is named by what was presented, and gives back what was posted."""
    story = Story(BPS)
    claim, back = by_file(presentment(None, 100_00, currency="978"))
    story.approve(claim)
    story.now = EIGHT_DAYS_LATER
    story.approve(back)
    assert story.account.balance == 100_000_00


def test_the_reversal_by_file_leaves_authorizations_alone() -> None:
    """It undoes claims. The hold of the same RRN is the acquirer's to reverse by a message, and one that is still to come is
    not stopped."""
    story, paid = Story(BPS), with_pin(60_00)
    _, back = by_file(presentment(paid, 60_00))
    assert reason(story.send(back)) is Reason.ORIGINAL_NOT_FOUND
    story.approve(paid)
    assert reason(story.send(back)) is Reason.ORIGINAL_NOT_FOUND
    assert story.held == 60_00


def test_a_claim_whose_reversal_came_first_is_not_posted() -> None:
    story, claim = Story(BPS), presentment(None, 60_00)
    story.send(reversal_of(claim))
    assert code(story.send(claim)) == "00"
    assert (debit(story), story.used) == (0, (0, 0, 0))


def test_a_repeat_posts_nothing() -> None:
    """The stored answer again."""
    story, claim = Story(BPS), presentment(None, 60_00)
    first = story.send(claim)
    assert story.send(claim) is first
    assert debit(story) == 60_00


def test_one_that_came_by_no_message_is_known_by_its_idempotency_key() -> None:
    """A file, or the control API: the same record again is the same decision."""
    story = Story(BPS)
    record = presentment(None, 60_00, origin=origin("0220", stan="", sent=""), idempotency="file-1:7")
    first = story.send(record)
    assert story.send(record) is first
    assert debit(story) == 60_00


def test_an_unknown_card() -> None:
    decision = Story(BPS).send(presentment(None, card=CardId("")))
    assert (reason(decision), code(decision)) == (Reason.UNKNOWN_CARD, "14")


def test_the_document_keeps_the_newest_postings_only() -> None:
    """Bounded; the journal has them all."""
    story = Story(BPS)
    story.approve(*(presentment(None, 1_00) for _ in range(MAX_POSTED + 3)))
    assert len(story.account.posted) == MAX_POSTED
    assert debit(story) == (MAX_POSTED + 3) * 1_00


def test_cash_is_posted_as_cash() -> None:
    story, drawn = Story(SGB), withdrawal(100_00)
    story.approve(drawn, presentment(drawn, 100_00, kind=Kind.CASH))
    assert (story.used, story.held, debit(story)) == ((100_00, 0, 0), 0, 100_00)


def test_an_internet_purchase_keeps_its_low_value_count() -> None:
    """A presentment is no SCA (S §2.43)."""
    story, bought = Story(CREDIT), online(30_00)
    story.approve(bought, presentment(bought, 30_00))
    assert story.counters.low_value_count == 1
