"""What holds whatever happens: a random walk of messages, commands and time through decide and evolve."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from given import (
    ALL,
    ATM,
    BPS,
    BRANCH,
    CREDIT,
    GAMBLING,
    GERMANY,
    HOUR,
    NOON,
    SGB,
    SHOP,
    Story,
    authorization,
    changes_of,
    code,
    ids,
    increment,
    origin,
    presentment,
    reason,
    reversal,
    warsaw,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import (
    POLAND,
    Account,
    AccountId,
    AccountStatus,
    ActivateCard,
    Authorization,
    BlockCard,
    BlockKind,
    Bucket,
    By,
    Card,
    CardId,
    Charge,
    CreateVirtual,
    Decision,
    DuplicateCard,
    DuplicateCause,
    Entry,
    ExpireHolds,
    Hold,
    HoldEnded,
    HoldIncreased,
    HoldPlaced,
    IssueCard,
    Kind,
    Load,
    Message,
    Minor,
    OpenAccount,
    Original,
    Pin,
    Presentment,
    Reason,
    RenewCard,
    ReplaceCard,
    Request,
    SetAccountStatus,
    SetContactless,
    SetLimits,
    SetPin,
    SetVirtual,
    Transfer,
    UnblockCard,
    UnblockPin,
    UnixMs,
    VirtualId,
    VirtualStatus,
    holds_of,
    numbers_of,
)
from authsvc.model.documents import account_of, document_of
from authsvc.products import Product
from authsvc.rules.approve import MAX_OPEN_HOLDS
from authsvc.rules.commands import MAX_CARDS
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve, fold
from authsvc.rules.explain import explain
from authsvc.rules.funds import account_room, individual_room
from authsvc.rules.incremental import MAX_INCREMENTS
from authsvc.rules.limits import used_today
from authsvc.rules.memory import MAX_EARLY_REVERSALS, MAX_RECENT_KEYS
from authsvc.rules.pending import as_of
from authsvc.rules.posting import MAX_POSTED

ACCOUNT = AccountId("account")
IBAN = "PL61109010140000071219812874"
LARGEST_DOCUMENT = 350_000
"""Bytes. The state document never grows above this: 500 holds, 100 cards, 64 keys and 32 early reversals, all full."""

WALK = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
VIRTUALS = st.sampled_from([VirtualId("card~phone"), VirtualId("card~watch")])
AMOUNTS = st.sampled_from([0, 1, 9_99, 30_00, 50_00, 99_99, 100_00, 100_01, 120_00, 120_01, 300_00, 2_000_00])
CARDS = st.sampled_from([CardId("card")] * 40 + [CardId("second"), CardId("third"), CardId("")])
STEPS_OF_TIME = st.sampled_from(
    [0, 1, 1_000, HOUR, 12 * HOUR, 24 * HOUR, 7 * 24 * HOUR, 8 * 24 * HOUR, 61 * 24 * HOUR, -HOUR, -30 * 24 * HOUR]
)
SOONER = st.one_of(st.just(0), st.just(1_000), st.just(HOUR), STEPS_OF_TIME)


def usually(value: Any, *others: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([value] * 40 + list(others))


AUTHORIZATIONS = st.fixed_dictionaries(
    {
        "amount": AMOUNTS,
        "card": CARDS,
        "kind": st.sampled_from([Kind.PURCHASE] * 24 + [Kind.CASH] * 8 + list(Kind)),
        "entry": st.sampled_from([Entry.CHIP] * 4 + [Entry.CONTACTLESS_CHIP, Entry.ECOMMERCE] * 4 + list(Entry)),
        "pin": st.sampled_from([Pin.ABSENT] * 4 + [Pin.RIGHT] * 4 + [Pin.WRONG]),
        "mcc": st.sampled_from([SHOP] * 12 + [ATM] * 4 + [BRANCH, GAMBLING, ""]),
        "condition": st.sampled_from(["00"] * 12 + ["08", "59", "51"]),
        "country": st.sampled_from([POLAND] * 4 + [GERMANY, ""]),
        "expiry": usually("2812", "", "2811", "3012", "3012"),
        "virtual": usually(VirtualId(""), *[VirtualId("card~phone")] * 12),
        "cvm": usually("", "1F0002", "010002"),
        "cvv2": usually("", "M", "N"),
        "draw": st.sampled_from([0.0, 0.05, 0.5, 1.0]),
        "unsupported": usually("", "", "DE55"),
        "cash": usually(Minor(0), Minor(20_00)),
        "takes_part": usually(False, True),
        "link": usually("", "HOTEL"),
        "new_pvv": usually("", "4711"),
    }
)
FORCED = st.sampled_from(["0120", "0200", "0200"])
CHARGES = st.sampled_from(["fee", "interest", "write_off"])
LIMIT = st.none() | st.sampled_from([Minor(0), Minor(100_00), Minor(5_000_00), Minor(9_000_00)])
COMMANDS = st.one_of(
    st.builds(Load, st.just(ACCOUNT), st.sampled_from([Minor(1), Minor(500_00)]), st.just("transfer")),
    st.builds(ActivateCard, st.just(ACCOUNT), CARDS),
    st.builds(BlockCard, st.just(ACCOUNT), CARDS, usually(BlockKind.TEMPORARY, *BlockKind), st.sampled_from(list(By))),
    st.builds(UnblockCard, st.just(ACCOUNT), CARDS, st.sampled_from([None, *By]), st.booleans()),
    st.builds(
        SetLimits, st.just(ACCOUNT), CARDS, LIMIT, LIMIT, LIMIT, individual=LIMIT,
        effective=st.sampled_from([UnixMs(0), UnixMs(NOON + HOUR), UnixMs(NOON + 48 * HOUR)]),
    ),
    st.builds(RenewCard, st.just(ACCOUNT), CARDS, st.sampled_from(["3012", "2812"])),
    st.builds(
        ReplaceCard, st.just(ACCOUNT), CARDS, CARDS, st.just("0017"), st.just("1234"), st.just("2906"),
        st.sampled_from(["", "", "2606"]),
    ),
    st.builds(
        DuplicateCard, st.just(ACCOUNT), CARDS, usually(DuplicateCause.DAMAGED, *DuplicateCause),
        st.sampled_from(["", "", "3012", "3101"]), st.sampled_from(["", "4321"]),
    ),
    st.builds(CreateVirtual, st.just(ACCOUNT), CARDS, VIRTUALS, st.just("0019"), st.sampled_from(["", "2707"])),
    st.builds(SetVirtual, st.just(ACCOUNT), CARDS, VIRTUALS, st.sampled_from(list(VirtualStatus))),
    st.builds(SetAccountStatus, st.just(ACCOUNT), usually(AccountStatus.OPEN, *AccountStatus)),
    st.builds(UnblockPin, st.just(ACCOUNT), CARDS),
    st.builds(SetLimits, st.just(ACCOUNT), CARDS, LIMIT, LIMIT, LIMIT),
    st.builds(SetContactless, st.just(ACCOUNT), CARDS, st.booleans()),
    st.builds(SetPin, st.just(ACCOUNT), CARDS, st.just("9999")),
    st.builds(
        IssueCard, st.just(ACCOUNT), CARDS, st.just("0001"), st.sampled_from(["2812", "2606"]), st.just("1234"),
        st.sampled_from([None, Minor(0), Minor(400_00)]), LIMIT, LIMIT, LIMIT,
    ),
    st.builds(OpenAccount, st.just(ACCOUNT), st.just("prepaid-bps")),
    st.builds(Transfer, st.just(ACCOUNT), CARDS, st.sampled_from([Minor(1), Minor(90_00)]), st.just(IBAN), st.just("rent")),
    st.builds(Charge, st.just(ACCOUNT), CHARGES, st.sampled_from([Minor(1), Minor(30_00)]), st.just("tariff")),
    st.builds(ExpireHolds, st.just(ACCOUNT)),
)  # fmt: skip
STEPS = st.one_of(
    *[st.tuples(st.just("authorize"), AUTHORIZATIONS)] * 5,
    st.tuples(st.just("authorize"), AUTHORIZATIONS),
    st.tuples(st.just("post or advise"), AUTHORIZATIONS, FORCED),
    st.tuples(st.just("add"), st.integers(0, 9), AMOUNTS),
    st.tuples(st.just("present"), st.integers(0, 9), AMOUNTS, st.booleans()),
    st.tuples(st.just("present alone"), AMOUNTS, st.sampled_from(list(Kind))),
    st.tuples(st.just("reverse"), st.integers(0, 9), st.none() | AMOUNTS, st.sampled_from(["0400", "0420"])),
    st.tuples(st.just("reverse early"), AUTHORIZATIONS, st.sampled_from(["0400", "0420"])),
    st.tuples(st.just("late"), st.integers(0, 3)),
    st.tuples(st.just("repeat"), st.integers(0, 9), st.booleans()),
    st.tuples(st.just("duplicate"), st.integers(0, 9)),
    st.tuples(st.just("command"), COMMANDS, st.sampled_from(["", "", "once"])),
)
JOURNEY = st.lists(st.tuples(STEPS, SOONER), min_size=8, max_size=40)


NEVER_PRESENTED = (Kind.TRANSFER, Kind.BALANCE_INQUIRY, Kind.VERIFICATION, Kind.PIN_CHANGE)


def added_to(hold: Hold) -> int:
    return sum(one.amount for one in hold.increments)


def is_forced(request: Request) -> bool:
    """What is recorded whatever there is: advices, and what the bank itself charges or a merchant claims."""
    return isinstance(request, Presentment | Charge) or (isinstance(request, Authorization) and request.is_advice)


class Walk:
    """A story from the opening of an account on, that looks at every invariant after every step."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.story = Story(product, Account(id=ACCOUNT))
        self.sent: list[Request] = []
        self.awaited: list[Authorization] = []
        self.copy = Account(id=ACCOUNT)
        limit = Minor(1_000_00) if product.funds == "credit" else None
        self.send(OpenAccount(ACCOUNT, product.id, limit))
        self.send(Load(ACCOUNT, Minor(800_00), "first"))
        self.send(IssueCard(ACCOUNT, CardId("card"), "0001", "2812", "1234", Minor(600_00) if limit else None))
        self.send(ActivateCard(ACCOUNT, CardId("card")))
        self.send(SetLimits(ACCOUNT, CardId("card"), internet=Minor(100_00)))
        self.send(authorization(1_00, pin=Pin.RIGHT))

    def step(self, what: tuple[Any, ...], time: int) -> None:
        self.story.now = UnixMs(max(self.story.now + time, warsaw("2026-01-01 00:00")))
        for request in self._requests(what):
            self.send(request)

    def _requests(self, what: tuple[Any, ...]) -> list[Request]:
        match what:
            case ("authorize", fields):
                return [authorization(**fields)]
            case ("post or advise", fields, mti):
                return [authorization(**fields, origin=origin(mti))]
            case ("present alone", amount, kind):
                return [presentment(None, amount, kind=kind)] if kind not in NEVER_PRESENTED else []
            case ("reverse early", fields, mti):
                self.awaited.append(authorization(**fields))
                return [reversal(self.awaited[-1], mti=mti)]
            case ("late", index):
                return [self.awaited[index]] if index < len(self.awaited) else []
            case ("command", command, key):
                return [replace(command, idempotency=key, fingerprint=repr(command))]
            case (name, index, *more):
                return self._about_an_earlier_one(name, index, more)
        raise AssertionError(what)

    def _about_an_earlier_one(self, name: str, index: int, more: list[Any]) -> list[Request]:
        messages = [one for one in self.sent if isinstance(one, Message)][-10:]
        if index >= len(messages):
            return []
        chosen = messages[index]
        if name == "duplicate":
            return [replace(chosen, fingerprint="other")]
        if name == "repeat":
            mti = chosen.origin.mti[:3] + ("1" if more[0] else chosen.origin.mti[3])
            return [replace(chosen, origin=replace(chosen.origin, mti=mti))]
        if not isinstance(chosen, Authorization):
            return []
        if name == "add":
            return [increment(chosen, more[0], card=chosen.card)]
        if name == "present":
            return [presentment(chosen, more[0], final=more[1])]
        return [reversal(chosen, more[0], more[1])]

    def send(self, request: Request) -> Decision:
        before, at = self.story.account, self.story.now
        past = self.story.past(request)
        again = decide(request, before, self.product, at, past)
        decision = self.story.send(request)
        self.sent.append(request)
        assert msgspec.json.encode(decision) == msgspec.json.encode(again)
        assert explain(decision)
        self._is_remembered(before, decision)
        self._is_within_bounds(self.story.account)
        self._is_paid_for(self.story.account, decision)
        self._is_within_limits(decision)
        return decision

    def _is_remembered(self, before: Account, decision: Decision) -> None:
        """The journal as read back folds to the state; time and number only go forward; a hold ends once."""
        if decision.seq <= before.seq:
            assert self.story.account is before
            return
        read_back = msgspec.json.decode(msgspec.json.encode(decision), type=Decision)
        assert read_back == decision
        self.copy = evolve(self.copy, read_back)
        after = self.story.account
        assert self.copy == after == account_of(document_of(after))
        assert after.at >= before.at
        ended = [change.hold for change in changes_of(decision, HoldEnded)]
        assert len(ended) == len(set(ended))
        assert set(ended) <= {hold.id for hold in before.holds}

    def _is_within_bounds(self, account: Account) -> None:
        assert len(account.holds) <= MAX_OPEN_HOLDS
        assert len(account.recent_keys) == len(account.recent_at) <= MAX_RECENT_KEYS
        assert list(account.recent_at) == sorted(account.recent_at)
        assert len(account.early_reversals) <= MAX_EARLY_REVERSALS
        assert len(account.cards) <= MAX_CARDS
        for card in account.cards.values():
            numbers = msgspec.to_builtins(card.counters)
            numbers |= msgspec.to_builtins(card.counters.used)
            assert all(value >= 0 for value in numbers.values() if isinstance(value, int))
        assert all(0 <= hold.amount - added_to(hold) <= hold.first_amount for hold in account.holds)
        assert all(len(hold.increments) <= MAX_INCREMENTS for hold in account.holds)
        assert len(account.posted) <= MAX_POSTED
        owed = max(0, -account.balance) if self.product.funds == "credit" else 0
        assert sum(card.debt for card in account.cards.values()) == sum(account.owed.values()) == owed
        assert all(card.debt >= 0 for card in account.cards.values())
        assert all(left > 0 for left in account.owed.values())

    def _is_paid_for(self, account: Account, decision: Decision) -> None:
        """Approvals alone never overdraw: neither the balance nor any of the two credit rooms. An individual limit may
        be lowered below what is held; no approval goes further then."""
        now = UnixMs(max(self.story.now, account.at))
        if is_forced(decision.request) or reason(decision) is not None or decision.seq != account.seq:
            return
        if changes_of(decision, HoldPlaced) or changes_of(decision, HoldIncreased):
            assert account_room(account, now) >= 0
        if self.product.funds == "credit" and decision.seq == account.seq:
            for change in changes_of(decision, HoldPlaced):
                assert individual_room(account, as_of(account.cards[change.hold.card], now), now) >= 0

    def _is_within_limits(self, decision: Decision) -> None:
        for change in changes_of(decision, HoldPlaced):
            if decision is not self.story.journal[-1] or is_forced(decision.request):
                continue
            card = as_of(self.story.account.cards[change.hold.card], decision.at)
            _check_limits(card, change.hold.bucket, self.product, decision.at)


def _check_limits(card: Card, bucket: Bucket, product: Product, now: UnixMs) -> None:
    used, rules = used_today(card, now), product.limits
    names = {Bucket.CASH: ["cash"], Bucket.CASHLESS: ["cashless"], Bucket.INTERNET: ["cashless", "internet"]}[bucket]
    for name in names:
        most = getattr(rules, name).count
        assert 0 < getattr(card.limits, name) >= getattr(used, name)
        assert most is None or getattr(used, f"{name}_count") <= most
    assert used.internet <= used.cashless
    assert used.internet_count <= used.cashless_count


@pytest.mark.parametrize("product", ALL, ids=ids)
@WALK
@given(journey=JOURNEY)
def test_whatever_happens(product: Product, journey: list[tuple[tuple[Any, ...], int]]) -> None:
    """Journal and state agree, nobody overspends, no limit is exceeded, nothing raises, time never goes back (laws 1-3)."""
    walk = Walk(product)
    for what, time in journey:
        walk.step(what, time)
    assert fold(ACCOUNT, walk.story.journal) == walk.story.account


@pytest.mark.parametrize("product", ALL, ids=ids)
@WALK
@given(journey=JOURNEY, fields=AUTHORIZATIONS, partly=st.lists(AMOUNTS, max_size=2), time=st.integers(0, HOUR))
def test_an_approval_and_its_reversal_leave_nothing(
    product: Product, journey: list[tuple[tuple[Any, ...], int]], fields: dict[str, Any], partly: list[int], time: int
) -> None:
    """Approve, reverse (in parts and then whole): holds, day and SCA counters are as they were (rulebook section 4)."""
    walk = Walk(product)
    for what, step in journey:
        walk.step(what, step)
    story = walk.story
    walk.send(SetContactless(ACCOUNT, CardId("card"), True))
    walk.send(authorization(1_00, pin=Pin.RIGHT))
    before, paid = story.account, authorization(**{**fields, "card": CardId("card")})
    if not changes_of(walk.send(paid), HoldPlaced):  # it was refused, or it added to a hold that was there
        return
    day = story.account.holds[-1].day
    story.now = UnixMs(story.now + time)
    for becomes in sorted(partly, reverse=True):
        walk.send(reversal(paid, becomes))
    walk.send(reversal(paid))
    old, new = before.cards[CardId("card")].counters, story.counters
    at = story.account.at
    assert [hold.id for hold in story.account.holds] == [hold.id for hold in before.holds if hold.expires > at]
    assert new.used == (old.used if old.used.day == day else replace(type(new.used)(), day=day))
    if new.scas == old.scas:
        assert (new.contactless, new.low_value_sum, new.low_value_count) == (
            old.contactless, old.low_value_sum, old.low_value_count,
        )  # fmt: skip


@pytest.mark.parametrize("product", [CREDIT, BPS, SGB], ids=ids)
def test_the_largest_document(product: Product) -> None:
    """Full of holds, cards, keys and early reversals, the state document stays below its documented size."""
    full = {"acquirer": "9" * 11, "terminal": "T" * 8, "merchant": "M" * 15, "rrn": "R" * 12}
    account = _full_account(product, full)
    story = Story(product, account, now=UnixMs(account.at))
    refused = story.send(authorization(1, card=CardId("card-0"), account=account.id, origin=origin(**full)))
    assert (reason(refused), code(refused) in ("59", "63")) == (Reason.SUSPECTED_FRAUD, True)
    late = reversal(authorization(1, card=CardId("card-0"), account=account.id), origin=origin("0400", **full))
    story.send(late)
    assert len(story.account.holds) == MAX_OPEN_HOLDS
    assert len(story.account.early_reversals) == MAX_EARLY_REVERSALS
    assert len(document_of(story.account)) <= LARGEST_DOCUMENT


def _full_account(product: Product, full: dict[str, str]) -> Account:
    """What decisions can fill an account with, taken from real ones and multiplied up to the caps."""
    walk = Walk(product)
    walk.send(SetContactless(ACCOUNT, CardId("card"), True))
    walk.send(authorization(1_00, pin=Pin.RIGHT, origin=origin(**full)))
    walk.send(authorization(1_00, entry=Entry.CONTACTLESS_CHIP, origin=origin(**full)))
    walk.send(BlockCard(ACCOUNT, CardId("card"), BlockKind.TEMPORARY, By.HOLDER))
    walk.send(UnblockCard(ACCOUNT, CardId("card")))
    walk.send(reversal(authorization(), origin=origin("0400", **full)))
    state = walk.story.account
    name = AccountId("a" * 32)
    hold, card, early = state.holds[-1], state.cards[CardId("card")], state.early_reversals[-1]
    huge = Minor(999_999_999_999)
    hold = replace(hold, card=CardId("c" * 32))
    original = Original("0100", "000001", "0615100000", "9" * 11, "R" * 12)
    cards = {
        CardId(f"card-{n}"): replace(
            card, id=CardId(f"card-{n}"), individual_limit=huge, debt=Minor(huge // 10), blocked_by=By.HOLDER
        )
        for n in range(MAX_CARDS)
    }
    return replace(
        state, id=name, cards=cards, holder="ż" * 140, balance=huge, credit_limit=huge,
        holds=holds_of(replace(hold, id=f"{name}-{n + 10**9}") for n in range(MAX_OPEN_HOLDS)),
        early_reversals=(replace(early, original=original, card=CardId("c" * 32)),) * MAX_EARLY_REVERSALS,
        recent_keys=numbers_of([2**63 - 1] * MAX_RECENT_KEYS),
        recent_at=numbers_of([NOON] * MAX_RECENT_KEYS),
    )  # fmt: skip


@pytest.mark.parametrize("product", [BPS, CREDIT], ids=ids)
def test_the_caps_are_reached_and_not_passed(product: Product) -> None:
    """Message after message: open holds stop at 500, keys at 64, early reversals at 32 (architecture: bounded)."""
    walk = Walk(product)
    story, number = walk.story, MAX_OPEN_HOLDS + 5
    reasons = story.reasons(*[authorization(1) for _ in range(number)])
    assert reasons == [None] * (MAX_OPEN_HOLDS - 1) + [Reason.SUSPECTED_FRAUD] * 6
    story.reasons(*[reversal(authorization(1)) for _ in range(MAX_EARLY_REVERSALS + 5)])
    walk._is_within_bounds(story.account)
    assert len(document_of(story.account)) <= LARGEST_DOCUMENT
    assert story.reasons(authorization(1)) == [Reason.SUSPECTED_FRAUD]
    story.now = UnixMs(story.now + 7 * 24 * HOUR)
    story.approve(authorization(1))
    assert len(story.account.holds) == 1
