"""The document of an account reads back as the account, whatever it was made from and whoever wrote it."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import (
    NO_HOLDS,
    Account,
    AccountId,
    Bucket,
    CardId,
    Day,
    Hold,
    HoldId,
    HoldList,
    Minor,
    Origin,
    UnixMs,
    holds_of,
)
from authsvc.model.documents import account_of, document_of

NOBODY = Account(AccountId("acc-1"))
CARDS = (CardId("card-1"), CardId("card-2"))
SHAPES = st.lists(st.tuples(st.integers(1, 9), st.sampled_from(CARDS), st.integers(1, 10)), max_size=8)
"""Amount, card and expiry of each."""


def hold(number: int, amount: int = 100, card: CardId = CARDS[0], expires: int = 2) -> Hold:
    return Hold(
        HoldId(f"acc-1-{number}"), card, Minor(amount), Minor(amount), UnixMs(1), UnixMs(expires),
        Origin("0100", "1121120000", f"{number:06d}", merchant=',"holds":["]}'), "000001", Day("2026-11-21"),
        Bucket.CASHLESS,
    )  # fmt: skip


def holds(shapes: list[tuple[int, CardId, int]]) -> tuple[Hold, ...]:
    return tuple(hold(number, *shape) for number, shape in enumerate(shapes))


def account_with(*numbers: int) -> Account:
    return replace(NOBODY, product="prepaid-bps", seq=max(numbers, default=0), holds=holds_of(map(hold, numbers)))


def test_the_holds_stand_last_and_are_taken_over_as_they_are() -> None:
    before = document_of(account_with(1, 2))
    after = document_of(replace(account_of(before), holds=account_of(before).holds.with_one(hold(3))))
    kept = before[before.index(b'"holds":[') : -2]
    assert kept in after
    assert account_of(after) == replace(account_with(1, 2, 3), seq=2)


@pytest.mark.parametrize("numbers", [(), (1,), (1, 2)])
def test_one_that_has_the_holds_elsewhere(numbers: tuple[int, ...]) -> None:
    """Written before they stood last, or by a person."""
    account = account_with(*numbers)
    fields = msgspec.json.decode(document_of(account))
    moved = {name: fields[name] for name in sorted(fields, reverse=True)}
    assert account_of(msgspec.json.encode(moved)) == account
    assert account_of(msgspec.json.format(document_of(account))) == account


@pytest.mark.parametrize(
    "damaged",
    [b"", b"{", b"[]", b'{"id":"a","holds":[}', b'{"id":"a","holds":[{"id":"x"}]}', b'{"id":"a","holds":[1]}',
     b'{"id":"a","holds":[,]}', b'{"id":1,"holds":[]}'],
)  # fmt: skip
def test_one_that_is_none(damaged: bytes) -> None:
    with pytest.raises(msgspec.DecodeError):
        account_of(damaged)


def test_a_hold_that_is_found_damaged_when_it_is_looked_into() -> None:
    """Of each no more is read at first than what it comes to."""
    found = account_of(
        document_of(account_with(1)).replace(b'"authorization_code":"000001"', b'"authorization_code":1')
    )
    assert found.holds.total(UnixMs(1)) == 100
    with pytest.raises(msgspec.DecodeError):
        found.holds.all()


def read_again(kept: HoldList) -> HoldList:
    return account_of(document_of(replace(NOBODY, holds=kept))).holds


def one_by_one(shapes: list[tuple[int, CardId, int]]) -> HoldList:
    kept = NO_HOLDS
    for one in holds(shapes):
        kept = kept.with_one(one)
    return kept


def test_what_is_told_of_them_is_the_same_by_whichever_program() -> None:
    """The copy in Redis has it; compiled, it was an object, and neither program could read what the other had written."""
    kept = holds_of(holds([(100, CARDS[0], 3), (20, CARDS[1], 2), (3, CARDS[0], 4)]))
    assert kept.told == b'[{"card-1":103,"card-2":20},[3,2,4]]'


@given(SHAPES, st.integers(0, 11))
def test_what_they_come_to(shapes: list[tuple[int, CardId, int]], moment: int) -> None:
    """Made, read, or grown one by one: the same sums as over the holds themselves."""
    now, plain = UnixMs(moment), holds(shapes)
    is_open = [one for one in plain if one.expires > now]
    for kept in (holds_of(plain), read_again(holds_of(plain)), one_by_one(shapes), read_again(one_by_one(shapes))):
        assert (len(kept), bool(kept), tuple(kept), tuple(reversed(kept))) == (
            len(plain), bool(plain), plain, plain[::-1]
        )  # fmt: skip
        assert (kept.open(now), kept.total(now)) == (len(is_open), sum(one.amount for one in is_open))
        assert [kept.of_card(card, now) for card in CARDS] == [
            sum(one.amount for one in is_open if one.card == card) for card in CARDS
        ]
        assert kept.due(now) == [one for one in plain if one not in is_open]


@given(SHAPES, SHAPES)
def test_equal_when_the_holds_are(some: list[tuple[int, CardId, int]], others: list[tuple[int, CardId, int]]) -> None:
    assert (holds_of(holds(some)) == read_again(holds_of(holds(others)))) == (some == others)
    assert (replace(NOBODY, holds=one_by_one(some)) == replace(NOBODY, holds=holds_of(holds(others)))) == (
        some == others
    )


CHANGES = st.lists(
    st.one_of(
        st.tuples(st.just("placed"), st.integers(1, 40)),
        st.tuples(st.sampled_from(["ended", "changed"]), st.integers(0, 100)),
        st.tuples(st.just("read"), st.just(0)),
    ),
    max_size=30,
)


@given(CHANGES, st.integers(0, 11))
def test_any_life_of_holds(changes: list[tuple[str, int]], moment: int) -> None:
    """Given holds that come, end and change in any order, then they are what a plain list of them would be, sums and all; each
    is found by its name and by what it says; and the document reads back as its account."""
    plain: list[Hold] = []
    kept, now, names = NO_HOLDS, UnixMs(moment), count()
    for what, which in changes:
        place = which % len(plain) if plain else 0
        if what == "placed":
            for number in range(which):
                one = hold(next(names), 1 + number, CARDS[number % 2], number % 10)
                kept = kept.with_one(one)
                plain.append(one)
        elif what == "ended" and plain:
            kept = kept.without(plain.pop(place).id)
        elif what == "changed" and plain:
            plain[place] = replace(plain[place], amount=Minor(7))
            kept = kept.with_changed(plain[place])
        elif what == "read":
            kept = read_again(kept)
        same(kept, plain, now)
        account = replace(NOBODY, seq=5, holds=kept)
        assert (account_of(document_of(account)), len(kept.content)) == (account, kept.size)


def same(kept: HoldList, plain: list[Hold], now: UnixMs) -> None:
    is_open = [one for one in plain if one.expires > now]
    assert (list(kept), kept.open(now), kept.total(now)) == (plain, len(is_open), sum(one.amount for one in is_open))
    assert kept.of_card(CARDS[1], now) == sum(one.amount for one in is_open if one.card == CARDS[1])
    assert kept.due(now) == [one for one in plain if one.expires <= now]
    for one in plain[:3] + plain[-3:]:
        found = list(kept.having(one.origin.stan))
        assert [hold for hold in found if hold.origin.stan == one.origin.stan] == [
            hold for hold in reversed(plain) if hold.origin.stan == one.origin.stan
        ]
        assert kept.by_id(one.id) in plain


def test_a_name_that_no_hold_has() -> None:
    kept = holds_of(map(hold, range(40)))
    other = HoldId("acc-1-99")
    assert (kept.by_id(other), kept.without(other), list(kept.having("nothing"))) == (None, kept, [])


def theirs(one: Hold) -> bytes:
    """As another program may write it: the same, in another order."""
    fields = msgspec.json.decode(msgspec.json.encode(one))
    return msgspec.json.encode({name: fields[name] for name in sorted(fields, reverse=True)})


@given(st.lists(st.booleans(), min_size=1, max_size=6), st.data())
def test_holds_of_another_program(ours: list[bool], data: st.DataObject) -> None:
    """Given a document in which some holds are written in another order, then they are found and changed as ours are."""
    plain = [hold(number) for number in range(len(ours))]
    written = [msgspec.json.encode(one) if is_ours else theirs(one) for one, is_ours in zip(plain, ours, strict=True)]
    kept = account_of(b'{"id":"acc-1","holds":[' + b",".join(written) + b"]}").holds
    which = data.draw(st.sampled_from(plain))
    assert [one for one in kept.having(which.origin.stan) if one.origin.stan == which.origin.stan] == [which]
    assert kept.by_id(which.id) == which
    left = [one for one in plain if one is not which]
    same(kept.without(which.id), left, UnixMs(1))
    same(kept.without(which.id).with_one(hold(9)), [*left, hold(9)], UnixMs(1))
    other = replace(which, amount=Minor(1))
    assert list(kept.with_changed(other)) == [other if one is which else one for one in plain]


def test_a_text_that_looks_like_the_beginning_of_a_hold() -> None:
    """Within a text the quotes are escaped."""
    merchant = '},{"id":"acc-1-8","card":"card-1"'
    first, second = (
        replace(hold(n), origin=Origin("0100", "1121120000", f"{n:06d}", merchant=merchant)) for n in (7, 8)
    )
    kept = holds_of([first, second])
    assert (list(kept.having("000007")), kept.by_id(second.id)) == ([first], second)
    assert list(kept.having(merchant)) == [second, first]
    assert list(kept.without(second.id)) == [first]


def test_only_the_hold_that_is_looked_for_is_read() -> None:
    """Its neighbours may even be damaged: it is theirs to say so when somebody asks for them."""
    content = holds_of(map(hold, (1, 2, 3))).content.replace(b'"stan":"000002"', b'"stan":2')
    kept = account_of(b'{"id":"acc-1","holds":[' + content + b"]}").holds
    assert list(kept.having("000003")) == [hold(3)]
    assert len(kept.without(HoldId("acc-1-1"))) == 2
    with pytest.raises(msgspec.DecodeError):
        list(kept.having("acc-1-2"))
