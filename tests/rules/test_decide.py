"""decide: the order of the rules, the code of each refusal, repeats, duplicates, time."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from given import (
    ALL,
    ATM,
    BPS,
    CREDIT,
    GAMBLING,
    GERMANY,
    HOUR,
    MANY,
    MC,
    MINOR_SGB,
    NOON,
    SGB,
    STRAYS,
    Story,
    account,
    authorization,
    card,
    code,
    contactless,
    hold,
    ids,
    limits,
    online,
    origin,
    reason,
    reversal,
    with_pin,
    withdrawal,
    wrong_pin,
)
from msgspec.structs import replace

from authsvc.model import (
    COMMAND_REASONS,
    Account,
    AccountId,
    AccountStatus,
    Authorization,
    By,
    CardId,
    CardStatus,
    Counters,
    Day,
    Decision,
    Entry,
    Kind,
    Load,
    Message,
    Minor,
    Pin,
    Reason,
    UnixMs,
    Used,
    Verdict,
    request_key,
)
from authsvc.products import Product
from authsvc.rules.approve import MAX_OPEN_HOLDS
from authsvc.rules.decide import decide

TODAY = Day("2026-06-15")
PRODUCTS_OF_P = (SGB, MINOR_SGB)


def with_card(product: Product, **but: Any) -> Account:
    return account(product, MANY, card(**but))


def used(**but: int) -> Counters:
    return Counters(used=Used(day=TODAY, **but))


PAID, LATE = authorization(50_00), authorization(50_00)

# fmt: off
REFUSALS: list[tuple[Reason, Any, Message, str, str]] = [
    # reason, given (product -> Account, or what is special about the card), when, then on Visa and on Mastercard
    (Reason.UNKNOWN_CARD, {}, authorization(card=CardId("")), "14", "14"),
    (Reason.EXPIRED, {"expiry": "2605"}, authorization(expiry="2605"), "54", "54"),
    (Reason.EXPIRY_MISMATCH, {}, authorization(expiry="2811"), "54", "54"),
    (Reason.CARD_INACTIVE, {"status": CardStatus.INACTIVE}, authorization(), "78", "62"),
    (Reason.TEMPORARILY_BLOCKED,
     {"status": CardStatus.TEMPORARILY_BLOCKED, "blocked_by": By.BANK}, authorization(), "62", "62"),
    (Reason.PERMANENTLY_BLOCKED, {"status": CardStatus.PERMANENTLY_BLOCKED}, authorization(), "62", "62"),
    (Reason.REPLACED, {"status": CardStatus.REPLACED}, authorization(), "62", "62"),
    (Reason.LOST, {"status": CardStatus.LOST}, authorization(), "41", "41"),
    (Reason.STOLEN, {"status": CardStatus.STOLEN}, authorization(), "43", "43"),
    (Reason.CARD_CAPTURED, {"status": CardStatus.CAPTURED}, authorization(), "04", "04"),
    (Reason.ACCOUNT_CLOSED, lambda p: account(p, status=AccountStatus.CLOSED), authorization(), "46", "62"),
    (Reason.HOLDER_DECEASED, lambda p: account(p, status=AccountStatus.HOLDER_DECEASED), authorization(), "46", "62"),
    (Reason.CAPACITY_LOST, lambda p: account(p, status=AccountStatus.CAPACITY_LOST), authorization(), "46", "62"),
    (Reason.CVV2_WRONG, {}, online(cvv2="N"), "N7", "63"),
    (Reason.PIN_WRONG, {}, wrong_pin(), "55", "55"),
    (Reason.PIN_TRIES_EXCEEDED, {"counters": Counters(pin_failures=3, pin_blocked_on=TODAY)}, with_pin(), "75", "75"),
    (Reason.UNSUPPORTED_TRANSACTION, {}, authorization(kind=Kind.TRANSFER), "12", "12"),
    (Reason.CHANNEL_OFF, {"limits": limits(cash=0)}, withdrawal(), "57", "57"),
    (Reason.CHANNEL_OFF, {"limits": limits(cashless=0)}, authorization(), "57", "57"),
    (Reason.CHANNEL_OFF, {"limits": limits(internet=0)}, online(), "57", "57"),
    (Reason.CHANNEL_OFF, {"contactless_enabled": False}, contactless(), "57", "57"),
    (Reason.CONTACT_FIRST, {"counters": Counters()}, contactless(), "1A", "65"),
    (Reason.PIN_REQUIRED, {}, withdrawal(pin=Pin.ABSENT), "70", "65"),
    (Reason.PIN_REQUIRED, {}, contactless(100_01), "70", "65"),
    (Reason.SCA_REQUIRED, {}, online(120_01), "1A", "65"),
    (Reason.SCA_REQUIRED, {}, online(120_01, level="212", cavv="N"), "1A", "65"),
    (Reason.CASH_LIMIT, {"limits": limits(cash=5_00)}, withdrawal(), "61", "61"),
    (Reason.CASHLESS_LIMIT, {"limits": limits(cashless=5_00)}, authorization(), "61", "61"),
    (Reason.INTERNET_LIMIT, {"limits": limits(internet=5_00)}, online(), "61", "61"),
    (Reason.SUSPECTED_FRAUD,
     lambda p: account(p, holds=tuple(hold(1, n) for n in range(MAX_OPEN_HOLDS))), authorization(), "59", "63"),
    (Reason.ORIGINAL_NOT_FOUND, {}, reversal(authorization()), "25", "25"),
]
REFUSALS_OF_SOME: list[tuple[Product, Reason, Any, Message, str]] = [
    (CREDIT, Reason.CREDIT_LIMIT, lambda p: account(p, 5_00), authorization(), "51"),
    (CREDIT, Reason.INDIVIDUAL_LIMIT, {"individual_limit": Minor(5_00)}, authorization(), "51"),
    *[(p, Reason.INSUFFICIENT_FUNDS, lambda p: account(p, 5_00), authorization(), "51") for p in MC],
    *[(p, Reason.CASHBACK_NOT_ALLOWED, {}, authorization(kind=Kind.CASHBACK), "57") for p in (CREDIT, *PRODUCTS_OF_P)],
    *[(p, Reason.MERCHANT_FORBIDDEN, {}, online(mcc=GAMBLING, country=GERMANY), "57") for p in PRODUCTS_OF_P],
    *[(p, Reason.CASH_COUNT, {"counters": used(cash_count=5)}, withdrawal(), "61") for p in PRODUCTS_OF_P],
    *[(p, Reason.CASHLESS_COUNT, {"counters": used(cashless_count=15)}, authorization(), "61") for p in PRODUCTS_OF_P],
    *[(p, Reason.INTERNET_COUNT, {"counters": used(internet_count=10)}, online(), "61") for p in PRODUCTS_OF_P],
]
# fmt: on
ELSEWHERE = {
    Reason.FORMAT_ERROR,
    Reason.DUPLICATE,
    Reason.ALREADY_REVERSED,  # tested below and with the reversals
    Reason.MAC_INVALID,
    Reason.ACQUIRER_NOT_ALLOWED,  # of links: nothing is decided
    Reason.CRYPTOGRAM_WRONG,
    Reason.THREE_DS_LOCKED,
    Reason.CASHBACK_ABOVE_MAXIMUM,  # issue B and on
    Reason.SYSTEM_ERROR,
    Reason.LEDGER_UNAVAILABLE,  # faults of ours: no decision
}  # fmt: skip


def start_of(given: Any, product: Product) -> Account:
    return given(product) if callable(given) else with_card(product, **{"counters": Counters(
        contactless_unlocked=True), **given})  # fmt: skip


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(("then", "given", "when", "visa", "mastercard"), REFUSALS, ids=lambda value: str(value)[:20])
def test_the_code_of_each_refusal(
    product: Product, then: Reason, given: Any, when: Message, visa: str, mastercard: str
) -> None:
    """Each refusal has its reason, and in each scheme its code (rulebook section 3)."""
    decision = decide(when, start_of(given, product), product, NOON)
    assert (reason(decision), code(decision)) == (then, mastercard if product in MC else visa)
    _is_explained(decision, product)


@pytest.mark.parametrize(("product", "then", "given", "when", "expected"), REFUSALS_OF_SOME)
def test_the_code_of_refusals_only_some_products_know(
    product: Product, then: Reason, given: Any, when: Message, expected: str
) -> None:
    """Money, counts, cashback and forbidden merchants, where the product has them (rulebook section 3)."""
    decision = decide(when, start_of(given, product), product, NOON)
    assert (reason(decision), code(decision)) == (then, expected)
    _is_explained(decision, product)


def _is_explained(decision: Decision, product: Product) -> None:
    """The last step of the trace refused, and names the paragraph that the outcome names."""
    step, outcome = decision.trace[-1], decision.outcome
    assert (step.verdict, step.rule, step.paragraph) == (Verdict.REFUSED, outcome.rule, outcome.paragraph)  # type: ignore[union-attr]
    assert step.paragraph == product.paragraphs[step.rule]
    assert all(earlier.verdict is not Verdict.REFUSED for earlier in decision.trace[:-1])


def test_no_reason_is_forgotten() -> None:
    """Every reason that can reach the wire is in a table here, or said to be elsewhere."""
    shown = {row[0] for row in REFUSALS} | {row[1] for row in REFUSALS_OF_SOME}
    assert shown | ELSEWHERE == set(Reason) - COMMAND_REASONS


# fmt: off
ORDER: list[tuple[str, dict[str, Any], Reason]] = [
    # what is wrong with the card and the message, each row one thing less, and the reason that is left to name
    ("unknown", {"card": CardId("")}, Reason.UNKNOWN_CARD),
    ("date", {"expiry": "2811"}, Reason.EXPIRY_MISMATCH),
    ("status", {"status": CardStatus.LOST}, Reason.LOST),
    ("cvv2", {"cvv2": "N"}, Reason.CVV2_WRONG),
    ("pin", {"pin": Pin.WRONG}, Reason.PIN_WRONG),
    ("kind", {"unsupported": "DE55"}, Reason.UNSUPPORTED_TRANSACTION),
    ("channel", {"limits": limits(internet=0)}, Reason.CHANNEL_OFF),
    ("merchant", {"mcc": GAMBLING, "country": GERMANY}, Reason.MERCHANT_FORBIDDEN),
    ("sca", {"amount": Minor(200_00)}, Reason.SCA_REQUIRED),
    ("amount", {"amount": Minor(110_00)}, Reason.CASHLESS_LIMIT),
    ("count", {"counters": used(internet_count=10)}, Reason.INTERNET_COUNT),
    ("funds", {"balance": Minor(0)}, Reason.INSUFFICIENT_FUNDS),
]
# fmt: on
OF_THE_CARD, OF_THE_ACCOUNT = {"status", "limits", "counters"}, {"balance"}


@pytest.mark.parametrize("first", range(len(ORDER)), ids=[row[0] for row in ORDER])
def test_the_order_of_the_rules(first: int) -> None:
    """The first rule that refuses decides; the order is that of the rulebook (section 2)."""
    wrong: dict[str, Any] = {"limits": limits(cashless=100_00)}
    for _, things, _ in reversed(ORDER[first:]):
        wrong |= things
    if first > 9:
        wrong["limits"] = limits()
    on_card = {name: value for name, value in wrong.items() if name in OF_THE_CARD}
    on_account = {name: value for name, value in wrong.items() if name in OF_THE_ACCOUNT}
    in_message = {name: value for name, value in wrong.items() if name not in OF_THE_CARD | OF_THE_ACCOUNT}
    start = account(SGB, MANY, card(**on_card), **on_account)
    request = replace(online(10_00), **in_message)
    assert reason(decide(request, start, SGB, NOON)) is ORDER[first][2]


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_an_approval_tells_every_rule_it_passed(product: Product) -> None:
    """The trace of an approval names card, status, limits, funds and hold, each with its paragraph (rulebook 2)."""
    decision = decide(online(), account(product), product, NOON)
    passed = [step.rule for step in decision.trace if step.verdict is Verdict.PASSED]
    assert passed[:3] == ["card", "expired", "card_status"]
    assert passed[-1] == "hold"
    assert {"cashless_channel", "internet_channel", "sca", "cashless_limit", "internet_limit", "funds"} <= set(passed)
    assert all(step.paragraph == product.paragraphs[step.rule] for step in decision.trace)


# ------------------------------------------------------------------------------------------------ repeats and duplicates


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("request_", [authorization(50_00), wrong_pin(), online(500_00)], ids=["ok", "PIN", "SCA"])
@pytest.mark.parametrize("mti", ["0100", "0101"])
@pytest.mark.parametrize("later", [0, 23 * HOUR])
def test_a_repeat_gets_the_very_same_answer(product: Product, request_: Authorization, mti: str, later: int) -> None:
    """A repeat is answered with the stored answer and changes nothing, not even PIN tries (rule 2)."""
    story = Story(product)
    first, state = story.send(request_), story.account
    repeat = replace(request_, origin=replace(request_.origin, mti=mti))
    assert story.send(repeat, at=UnixMs(NOON + later)) is first
    assert (story.account, len(story.journal)) == (state, 1)


def test_a_repeat_is_answered_whatever_happened_meanwhile() -> None:
    """Reversed, blocked, expired: the answer to the repeat is the one that was given (law 5)."""
    story, paid = Story(SGB), authorization(50_00)
    first = story.send(paid)
    story.approve(reversal(paid))
    story.account = replace(story.account, status=AccountStatus.CLOSED)
    assert story.send(paid) is first


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_the_same_key_with_another_content(product: Product) -> None:
    """Same sender, number and time, another amount: 94; the first one stays what it is (rule 2)."""
    story, paid = Story(product), authorization(50_00)
    first = story.send(paid)
    decision = story.send(replace(paid, amount=Minor(60_00), fingerprint="other"))
    assert (reason(decision), code(decision), decision.key) == (Reason.DUPLICATE, "94", 0)
    assert (story.held, decision.trace[0].inputs) == (50_00, {"same_key_as": first.id})
    assert story.send(paid) is first  # the duplicate has not taken its place


def test_the_reversal_of_a_duplicated_message() -> None:
    """The refused duplicate does not hide the payment that its reversal names."""
    story, paid = Story(SGB), authorization(50_00)
    story.send(paid)
    story.send(replace(paid, fingerprint="other"))
    story.approve(reversal(paid))
    assert story.held == 0


def test_a_repeated_reversal_gives_back_once() -> None:
    """The repeat of a reversal is answered as the first one and frees nothing more."""
    story, paid = Story(SGB), authorization(50_00)
    undo = reversal(paid, becomes=20_00)
    story.approve(paid, undo, undo, replace(undo, origin=replace(undo.origin, mti="0401")))
    assert (story.held, len(story.journal)) == (20_00, 2)


# ------------------------------------------------------------------------------------------------------ time and others


@pytest.mark.parametrize(("now", "then"), [(NOON - HOUR, NOON), (NOON, NOON), (NOON + 1, NOON + 1)])
def test_time_never_goes_back_in_an_account(now: int, then: int) -> None:
    """A clock that goes back does not take the account with it (architecture: the account's last time)."""
    decision = decide(authorization(), account(at=NOON), SGB, UnixMs(now))
    assert (decision.at, decision.seq) == (then, 2)


def test_a_clock_that_goes_back_does_not_bring_yesterdays_limits() -> None:
    """After midnight the clock is set back: the day of the account stays the new one."""
    story = Story(MINOR_SGB, account(MINOR_SGB, MANY, card(limits=limits(cashless=100_00))), now=NOON)
    story.approve(authorization(100_00))
    story.now = UnixMs(NOON + 24 * HOUR)
    story.approve(authorization(60_00))
    assert reason(story.send(authorization(40_01), at=NOON)) is Reason.CASHLESS_LIMIT
    assert story.counters.used.day == "2026-06-16"


@pytest.mark.parametrize("kind", list(Kind))
@pytest.mark.parametrize("entry", list(Entry))
def test_a_stray_message_is_refused_and_remembered(kind: Kind, entry: Entry) -> None:
    """A message whose card nobody knows is a decision too: 14, journaled, and repeated alike (law 1)."""
    stray = Account(id=AccountId("stray-1"))
    story = Story(STRAYS, stray)
    request = authorization(account=stray.id, card=CardId(""), kind=kind, entry=entry, mcc=ATM)
    first = story.send(request)
    assert (code(first), first.seq) == ("14", 1)
    assert story.send(request) is first


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_decision_is_numbered_and_keyed(product: Product) -> None:
    """Each decision carries the next number of its account, its product and the key of its message (law 1)."""
    story, paid = Story(product), authorization()
    decision = story.send(paid)
    assert (decision.seq, decision.product, decision.key) == (2, product.id, request_key(paid))
    assert story.send(Load(AccountId("account"), Minor(1), "r")).seq == 3


@pytest.mark.parametrize("request_", [authorization(50_00), wrong_pin(), online(500_00), reversal(PAID)])
@pytest.mark.parametrize("product", [CREDIT, BPS, SGB], ids=ids)
def test_the_same_question_gets_the_same_decision(product: Product, request_: Message) -> None:
    """decide is pure: the same request on the same account at the same time is decided the same, to the byte (law 2)."""
    start = account(product)
    encoded = [msgspec.json.encode(decide(request_, start, product, NOON)) for _ in range(2)]
    assert encoded[0] == encoded[1]


def test_a_late_original_names_when_it_was_reversed() -> None:
    """The trace of the late original says when its reversal came (explain)."""
    story = Story(SGB)
    story.send(reversal(LATE, origin=origin("0420")))
    decision = story.send(LATE, at=UnixMs(NOON + 1000))
    assert decision.trace[0].inputs == {"reversed_at": NOON}
