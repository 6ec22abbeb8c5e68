"""Section 1 of the rulebook, row by row, on the four products: cards as they are issued, answers as each scheme gives them.

Columns are credit-business (Visa), prepaid-bps, prepaid-sgb, prepaid-sgb-minor (Mastercard). A row that another module
holds for all four already is not here.
"""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    ALL,
    ATM,
    BPS,
    CREDIT,
    GERMANY,
    MANY,
    MINOR_SGB,
    NOON,
    SGB,
    SHOP,
    Story,
    account,
    authorization,
    by_telephone,
    card,
    cashback,
    changes_of,
    code,
    contactless,
    ids,
    online,
    presentment,
    reason,
    warsaw,
    with_pin,
    withdrawal,
    wrong_pin,
)
from msgspec.structs import replace

from authsvc.model import (
    Account,
    AccountId,
    ActivateCard,
    Authorization,
    CardId,
    Counters,
    Entry,
    HoldPlaced,
    IssueCard,
    Kind,
    Load,
    Minor,
    Noticed,
    OpenAccount,
    Pin,
    RecordThreeDs,
    SetLimits,
    SetMarginNotices,
    Transfer,
    UnblockPin,
    UnlockThreeDs,
)
from authsvc.products import Product
from authsvc.rules.funds import account_room

ACCOUNT, CARD = AccountId("account"), CardId("card")
MERCHANT = "MERCHANT0000001"
TOMORROW = warsaw("2026-06-16 12:00")
USED_UP = Counters(contactless_unlocked=True, low_value_sum=Minor(400_01), low_value_count=6)
"""The low-value exemption is used up, both ways of counting."""


def issued(product: Product, active: bool = True) -> Story:
    """A new account with more than enough money, and its first card with the limits that the product gives it."""
    story = Story(product, Account(id=ACCOUNT))
    story.approve(OpenAccount(ACCOUNT, product.id, Minor(MANY) if product is CREDIT else None))
    story.approve(Load(ACCOUNT, Minor(MANY), "opening"), IssueCard(ACCOUNT, CARD, "0001", "2812", "1234"))
    if active:
        story.approve(ActivateCard(ACCOUNT, CARD))
    return story


def codes(story: Story, *requests: Any) -> list[str]:
    return [code(story.send(request)) for request in requests]


def four(*values: Any) -> Any:
    """A row: what holds for each of the four products."""
    return pytest.mark.parametrize(("product", "then"), list(zip(ALL, values, strict=True)), ids=[p.id for p in ALL])


# ------------------------------------------------------------------------------------------------------------ limits


@four(2_000_00, 5_000_00, 1_500_00, 100_00)
def test_cash_a_day(product: Product, then: int) -> None:
    """What a new card draws in a day: S published, W §10.1.1, P §3.6, zał.2; a grosz more is refused until tomorrow."""
    story = issued(product)
    assert codes(story, withdrawal(then - 1), withdrawal(1), withdrawal(1)) == ["00", "00", "61"]
    assert reason(story.send(withdrawal(then), at=TOMORROW)) is None


@four(10_000_00, 5_000_00, 3_000_00, 100_00)
def test_cashless_a_day(product: Product, then: int) -> None:
    """What a new card pays in a day: S published, W §10.1.2, P §3.6, zał.2."""
    story = issued(product)
    assert codes(story, with_pin(then - 1), with_pin(1), with_pin(1)) == ["00", "00", "61"]
    assert reason(story.send(with_pin(then), at=TOMORROW)) is None


@four(None, None, 3_000_00, 100_00)
def test_the_internet_of_a_new_card(product: Product, then: int | None) -> None:
    """Off at S and W until the holder sets it (portal notice, S §23.1.3); within the cashless limit at P (P zał.2)."""
    story = issued(product)
    assert codes(story, online(1_00)) == ["57" if then is None else "00"]
    story.approve(SetLimits(ACCOUNT, CARD, internet=Minor(50_00)))
    assert codes(story, online(50_00), online(1)) == (["00", "61"] if then is None else ["61", "00"])


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_changed_limit_applies_at_once(product: Product) -> None:
    """At the latest after two business days (S §23.3, W §10.4), so at once is in time; P names no delay. What is used stays
    used."""
    story = issued(product)
    story.approve(SetLimits(ACCOUNT, CARD, cashless=Minor(40_00)), with_pin(40_00))
    assert codes(story, with_pin(1)) == ["61"]
    story.approve(SetLimits(ACCOUNT, CARD, cashless=Minor(60_00)), with_pin(20_00))
    story.approve(SetLimits(ACCOUNT, CARD, cashless=Minor(0)))
    assert codes(story, with_pin(1)) == ["57"]


@four(None, None, (5, 15, 10), (5, 15, 10))
def test_how_many_a_day(product: Product, then: tuple[int, int, int] | None) -> None:
    """P counts 5 withdrawals and 15 payments, 10 of them on the internet (zał.2); S and W count nothing (S §23.1, W §10.1)."""
    for number, make in enumerate((withdrawal, with_pin, online)):
        story = issued(product)
        if product in (CREDIT, BPS):
            story.approve(SetLimits(ACCOUNT, CARD, internet=Minor(500_00)))
        most = then[number] if then else 20
        story.approve(*(make(1_00) for _ in range(most)))
        assert codes(story, make(1_00)) == ["61" if then else "00"]


# --------------------------------------------------------------------------------------------------------------- PIN


@four("75", "75", "04", "04")
def test_the_third_wrong_pin(product: Product, then: str) -> None:
    """S §12.3, W §13.2: PIN-blocked; P §7.2-3: captured."""
    assert codes(issued(product), wrong_pin(), wrong_pin(), wrong_pin()) == ["55", "55", then]


@four(["00", "00"], ["00", "00"], ["04", "04"], ["04", "04"])
def test_how_a_pin_block_ends(product: Product, then: list[str]) -> None:
    """By the hotline on the day, by the right PIN from the next (S §12.3, W §13.3-4); a captured card comes back by neither
    (P §7.3)."""
    for asks_hotline in (True, False):
        story = issued(product)
        codes(story, wrong_pin(), wrong_pin(), wrong_pin())
        if asks_hotline:
            story.send(UnblockPin(ACCOUNT, CARD))
        else:
            story.now = warsaw("2026-06-16 00:00")
        assert codes(story, with_pin(), authorization()) == then


# -------------------------------------------------------------------------------------------------------- 3-D Secure


def failed() -> RecordThreeDs:
    return RecordThreeDs(ACCOUNT, CARD, Minor(50_00), "985", MERCHANT, False)


@four(("1A", "57", "1A"), ("65", "57", "65"), ("65", "57", "57"), ("65", "57", "57"))
def test_the_third_failure_of_3d_secure(product: Product, then: tuple[str, str, str]) -> None:
    """A payment that needs SCA: before, after the third failure, and on the next day, when S and W have opened by themselves
    (S §15.2, W §9.8) and P has not (P zał.3 §1.4). Hotline or branch open it everywhere."""
    story = Story(product, account(product, MANY, card(counters=USED_UP)))
    before = codes(story, online(50_00))
    story.approve(failed(), failed())
    assert codes(story, online(50_00)) == before
    story.approve(failed())
    locked = codes(story, online(50_00))
    tomorrow = code(story.send(online(50_00), at=TOMORROW))
    assert (*before, *locked, tomorrow) == then
    story.approve(UnlockThreeDs(ACCOUNT, CARD))
    assert codes(story, online(50_00)) == before


# ------------------------------------------------------------------------------------------------------- contactless


@four("70", "65", "65", "65")
def test_contactless_that_needs_the_pin(product: Product, then: str) -> None:
    """Above the limit of one payment, above 200.00 since the last SCA, drawn at random, and at an ATM always.

    S §15.1.3-4, §16.2, §16.6; W §9.4.3, §10.1.4, §12.5-6; P §4.2.1, §4.4, §7.1, §10.4-5.
    """
    drawing = replace(product, contactless=replace(product.contactless, random_share=0.5))
    start = card(counters=Counters(contactless_unlocked=True, contactless=Minor(150_00)))
    for rules, before, tap in (
        (product, card(), contactless(100_01)),
        (product, start, contactless(50_01)),
        (drawing, card(), contactless(1_00, draw=0.4)),
        (product, card(), contactless(50_00, kind=Kind.CASH, mcc=ATM)),
    ):
        story = Story(rules, account(product, MANY, before))
        assert codes(story, tap, replace(tap, origin=contactless().origin, pin=Pin.RIGHT)) == [then, "00"]
    assert codes(Story(product, account(product, MANY, start)), contactless(50_00)) == ["00"]


@four("1A", "65", "65", "65")
def test_the_first_use_of_a_new_card_is_by_contact(product: Product, then: str) -> None:
    """S §16.5, W §12.3, P §4.4: at P the contact transaction that counts is one in Poland."""
    story = issued(product)
    abroad = "00" if product in (CREDIT, BPS) else then
    taps = codes(story, contactless(1_00), with_pin(1_00, country=GERMANY), contactless(1_00), with_pin(1_00))
    assert taps == [then, "00", abroad, "00"]
    assert codes(story, contactless(1_00)) == ["00"]


# ------------------------------------------------------------------------------------------- remote: SCA or exemption


@four("1A", "65", "65", "65")
@pytest.mark.parametrize(
    ("total", "number", "covered"),
    [(400_00, 5, True), (400_01, 5, True), (400_00, 6, True), (400_01, 6, False)],
)
def test_low_value(product: Product, then: str, total: int, number: int, covered: bool) -> None:
    """The previous ones: to 400.00 in all, or not more than five (S §2.43, P §4.7.6; W by Art. 16 RTS)."""
    counters = Counters(low_value_sum=Minor(total), low_value_count=number)
    story = Story(product, account(product, MANY, card(counters=counters)))
    assert codes(story, online(100_00)) == ["00" if covered else then]


EXEMPT: list[tuple[str, Authorization, tuple[str, str, str, str]]] = [
    ("trusted", online(50_00), ("trusted", "trusted", "trusted", "trusted")),  # S §18.9.6, W §9.5, P §4.7.5
    ("outside the EEA", online(50_00, country="840"), ("", "", "one_leg", "one_leg")),  # P §4.7.1
    ("mail or telephone", by_telephone(50_00), ("", "", "moto", "moto")),  # P §4.7.2
    ("by the merchant", online(50_00, flag="01"), ("", "", "merchant_initiated", "merchant_initiated")),  # P §4.7.3
    ("fare or parking", online(50_00, mcc="4111"), ("", "", "unattended", "unattended")),  # P §4.7.4
    ("recurring", online(50_00, flag="03"), ("", "", "recurring", "recurring")),  # P §4.7.7: after a first one with SCA
    (
        "the acquirer finds it low-risk",
        online(50_00, flag="02"),
        ("", "", "", ""),
    ),  # P §4.7.8: the bank's finding counts
    ("nothing of it", online(50_00, country=GERMANY), ("", "", "", "")),
]


@pytest.mark.parametrize(("which", "request_", "by"), EXEMPT, ids=[row[0] for row in EXEMPT])
@pytest.mark.parametrize("column", range(4), ids=[product.id for product in ALL])
def test_other_exemptions(which: str, request_: Authorization, by: tuple[str, ...], column: int) -> None:
    """S §18.9.6, W §9.5, P §4.7.1-5, §4.7.7-8: what carries a payment without SCA once low value is used up; it counts into no
    counter."""
    product, then = ALL[column], by[column]
    counters = replace(USED_UP, sca_merchants=(MERCHANT,) if which == "recurring" else ())
    start = card(counters=counters, trusted=(MERCHANT,) if which == "trusted" else ())
    story = Story(product, account(product, MANY, start))
    decision = story.send(request_)
    assert code(decision) == ("00" if then else "1A" if product is CREDIT else "65")
    assert [placed.hold.exemption for placed in changes_of(decision, HoldPlaced)] == ([then] if then else [])
    assert (story.counters.low_value_sum, story.counters.low_value_count) == (400_01, 6)


# ------------------------------------------------------------------------------------------------- a card, its money


@four("78", "62", "00", "00")
def test_a_new_card(product: Product, then: str) -> None:
    """Inactive at S and W (S §8.4, W §6.6), active at P (P §6.2). The right PIN at an ATM activates a renewed card (S §32.7),
    not a new one."""
    story = issued(product, active=False)
    assert codes(story, withdrawal(10_00), with_pin(10_00)) == [then, then]
    story.approve(ActivateCard(ACCOUNT, CARD), with_pin(10_00))


@four((44_81, 44_81), (43_50, 43_20), (43_20, 43_20), (43_20, 43_20))
def test_ten_euro(product: Product, then: tuple[int, int]) -> None:
    """From an ATM, and in a shop. S: the notes rate and 3.00 % (S §27.2-3); W: notes, and transfer (W §14.4); P: transfer for
    both (P §17.1)."""
    euro = (replace(withdrawal(10_00), currency="978"), replace(with_pin(10_00), currency="978"))
    placed = [changes_of(Story(product).send(request), HoldPlaced)[0].hold.amount for request in euro]
    assert tuple(placed) == then


@four((1, 0, 1), (1, 0, 1), (1, 1, 0), (1, 1, 0))
def test_the_margin_notice(product: Product, then: tuple[int, int, int]) -> None:
    """For euro; for francs, a currency of the EEA alone; and for euro once the user has declined it.

    S §27.5 (second) and W §14.5 speak of the EU and let nobody decline, P §19 speaks of the EEA and does.
    """

    def notices(story: Story, currency: str) -> int:
        paid = authorization(10_00, currency=currency, billing=Minor(40_00), billing_currency="985")
        return len(changes_of(story.send(paid), Noticed))

    declined = Story(product)
    declined.send(SetMarginNotices(ACCOUNT, CARD, enabled=False))
    assert (notices(Story(product), "978"), notices(Story(product), "756"), notices(declined, "978")) == then


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("kind", [Kind.PURCHASE, Kind.PRE_AUTHORIZATION])
def test_a_hold_of_seven_days(product: Product, kind: Kind) -> None:
    """W §14.13, P §10.2, §10.9; published at S. A pre-authorization has its own lifetime, the same one here."""
    longer = replace(product, hold=replace(product.hold, pre_authorization_days=30))
    story, longest = Story(product), Story(longer)
    story.approve(authorization(10_00, kind=kind))
    longest.approve(authorization(10_00, kind=kind))
    assert story.account.holds[0].expires == warsaw("2026-06-22 12:00")
    last = "2026-07-15 12:00" if kind is Kind.PRE_AUTHORIZATION else "2026-06-22 12:00"
    assert longest.account.holds[0].expires == warsaw(last)


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("days", [0, 8], ids=["in time", "after the hold"])
def test_a_presentment_above_hold_and_funds(product: Product, days: int) -> None:
    """It always posts, and the account may be overdrawn, or above its limit (S §19.4, W §14.13-14, P §10.9, §17.6); nothing
    more is paid then."""
    story = Story(product, account(product, 100_00, card(individual_limit=Minor(100_00))))
    paid = with_pin(60_00)
    story.approve(paid)
    story.now = warsaw(f"2026-06-{15 + days} 12:00")
    story.approve(presentment(paid, 130_00))
    assert (account_room(story.account, story.now), codes(story, with_pin(1))) == (-30_00, ["51"])


@four("57", "00", "57", "57")
def test_cashback(product: Product, then: str) -> None:
    """W alone has it (W §8.7; S §13.1 and P §4.2 list what the card is for); a transfer out is S's and W's (S §14.1, W §2)."""
    story = issued(product)
    assert codes(story, cashback(100_00, 40_00)) == [then]
    transferred = story.send(Transfer(ACCOUNT, CARD, Minor(10_00), "PL61109010140000071219812874", "rent"))
    assert (reason(transferred) is None) is (product in (CREDIT, BPS))


@pytest.mark.parametrize("entry", [Entry.ECOMMERCE, Entry.CREDENTIAL_ON_FILE])
@four("00", "00", "57", "57")
def test_foreign_gambling(product: Product, then: str, entry: Entry) -> None:
    """On the internet with a company abroad: refused by P (P §4.9); S and W name no such thing. In Poland, or with the card
    in the terminal, it is a purchase."""
    story = Story(product, account(product, MANY, card()), now=NOON)
    bets = [
        authorization(50_00, entry=entry, condition="59", mcc="7995", country=GERMANY),
        authorization(50_00, entry=entry, condition="59", mcc="7995"),
        with_pin(50_00, mcc="7995", country=GERMANY),
        authorization(50_00, entry=entry, condition="59", mcc=SHOP, country=GERMANY),
    ]
    assert codes(story, *bets) == [then, "00", "00", "00"]


assert ALL == (CREDIT, BPS, SGB, MINOR_SGB)  # the order of the columns
