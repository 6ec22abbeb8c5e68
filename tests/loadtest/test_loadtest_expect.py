"""The model of what an answer should be, paragraph by paragraph of the rulebook."""

from __future__ import annotations

import pytest

from loadtest.expect import PRODUCTS, UNLIMITED, Book, Rules, State, from_views
from loadtest.messages import Kind

VISA, MASTERCARD, COUNTED = (PRODUCTS[name] for name in ("credit-business", "prepaid-bps", "prepaid-sgb"))
MONDAY = 1
PLENTY = (UNLIMITED,) * 3
PAY, TAP, CASH, WEB, WRONG, ADVICE = (
    Kind.CHIP_PIN, Kind.CONTACTLESS, Kind.ATM, Kind.WEB, Kind.WRONG_PIN, Kind.ADVICE,
)  # fmt: skip


def book(rules: Rules = VISA, room: int = 10_000_00, limits: tuple[int, int, int] = PLENTY) -> Book:
    return Book(State(rules, room, limits))


def played(made: Book, *story: tuple[Kind, int, str], day: int = MONDAY) -> None:
    """Each message is answered by exactly this code."""
    for kind, amount, code in story:
        right, _, expected = made.pay(kind, amount, code.encode(), day)
        assert right, f"{kind} {amount}: expected {expected}, not {code}"


@pytest.mark.parametrize(
    ("rules", "room", "limits", "story"),
    [
        (VISA, 100_00, PLENTY, [(PAY, 99_99, "00"), (PAY, 2, "51"), (PAY, 1, "00"), (PAY, 1, "51")]),  # funds
        (VISA, 100_00, PLENTY, [(ADVICE, 150_00, "00"), (PAY, 1, "51")]),  # it happened: also above the funds
        (VISA, 10_000_00, (500_00, 100_00, 0), [(CASH, 500_00, "00"), (CASH, 1, "61"), (WEB, 1, "57")]),
        (VISA, 10_000_00, (0, 100_00, 50_00), [(CASH, 1, "57"), (WEB, 50_00, "00"), (WEB, 1, "61"), (PAY, 50_01, "61")]),
        (VISA, 10_000_00, PLENTY, [(TAP, 1, "1A"), (PAY, 1, "00"), (TAP, 1, "00")]),  # first by contact with PIN
        (MASTERCARD, 10_000_00, PLENTY, [(TAP, 1, "65"), (PAY, 1, "00"), (TAP, 100_01, "65"), (TAP, 100_00, "00")]),
        (VISA, 10_000_00, PLENTY, [(PAY, 1, "00"), (TAP, 100_00, "00"), (TAP, 100_00, "00"), (TAP, 1, "70"), (PAY, 1, "00"),
                                   (TAP, 1, "00")]),  # 200.00 since the last SCA, this one included
        (VISA, 10_000_00, PLENTY, [(WEB, 120_01, "1A"), *[(WEB, 100_00, "00")] * 6, (WEB, 100_00, "1A"), (PAY, 1, "00"),
                                   (WEB, 1_00, "00")]),  # previous ones: 500.00 and six, both past
        (VISA, 10_000_00, PLENTY, [(WRONG, 1, "55"), (PAY, 1, "00"), (WRONG, 1, "55"), (WRONG, 1, "55"), (WRONG, 1, "75"),
                                   (PAY, 1, "75"), (WEB, 1, "75")]),  # a right one clears the count; the third blocks
        (COUNTED, 10_000_00, PLENTY, [(WRONG, 1, "55"), (WRONG, 1, "55"), (WRONG, 1, "04"), (PAY, 1, "04")]),  # captured
        (COUNTED, 10_000_00, PLENTY, [*[(CASH, 1, "00")] * 5, (CASH, 1, "61"), (PAY, 1, "00")]),  # five a day
    ],
)  # fmt: skip
def test_what_each_answer_should_be(
    rules: Rules, room: int, limits: tuple[int, int, int], story: list[tuple[Kind, int, str]]
) -> None:
    """One card's messages in order, with DE39 of each."""
    played(book(rules, room, limits), *story)


def test_a_pin_block_ends_with_a_right_pin_on_a_later_day() -> None:
    """Until then nothing works; a wrong one on that day begins a count of three anew (S §12.3)."""
    made = book()
    played(made, *[(WRONG, 1, "55")] * 2, (WRONG, 1, "75"), (PAY, 1, "75"))
    played(made, (WEB, 1, "75"), (WRONG, 1, "55"), (PAY, 1, "00"), (WEB, 1, "00"), day=MONDAY + 1)


def test_a_day_later_the_limits_are_whole_again() -> None:
    made = book(limits=(100_00, 100_00, 100_00))
    played(made, (CASH, 100_00, "00"), (CASH, 1, "61"))
    played(made, (CASH, 100_00, "00"), day=MONDAY + 1)


def test_a_reversal_gives_back_funds_limits_and_counters_unless_an_sca_came_between() -> None:
    """Rulebook section 4: "restored", "restored if no SCA since"."""
    made = book(room=500_00, limits=(0, 500_00, 100_00))
    _, counted, _ = made.pay(WEB, 100_00, b"00", MONDAY)
    played(made, (WEB, 1, "61"))
    assert counted is not None
    made.reverse(counted, 100_00, MONDAY, done=True)
    assert (made.states[0].room, made.states[0].used, made.states[0].low_count) == (500_00, [0, 0, 0], 0)
    _, counted, _ = made.pay(WEB, 100_00, b"00", MONDAY)
    played(made, (PAY, 1, "00"))
    assert counted is not None
    made.reverse(counted, 100_00, MONDAY, done=True)
    assert made.states[0].low_sum == 0


@pytest.mark.parametrize(("room", "wrong", "right"), [(100_00, "51", "00"), (99_99, "00", "51")])
@pytest.mark.parametrize("next_answer", ["00", "51"])
def test_after_a_wrong_answer_both_possibilities_are_kept(room: int, wrong: str, right: str, next_answer: str) -> None:
    """Was only the answer wrong, or what was done, too? The next answer tells; either is right."""
    made = book(room=room)
    verdict, counted, expected = made.pay(PAY, 100_00, wrong.encode(), MONDAY)
    assert (verdict, counted is not None, expected) == (False, wrong == "00", [right.encode()])
    assert sorted(state.room for state in made.states) == [room - 100_00, room]
    assert made.pay(PAY, 99_99, next_answer.encode(), MONDAY)[0] is True
    assert len(made.states) == 1


def test_what_fits_no_possibility_is_wrong() -> None:
    made = book(room=100_00)
    made.pay(PAY, 100_00, b"51", MONDAY)
    assert made.pay(PAY, 99_99, b"61", MONDAY) == (False, None, [b"00", b"51"])


def test_no_answer_leaves_both_possibilities_and_no_decision_changes_nothing() -> None:
    """Silence: decided or never arrived. 91 and 96: not decided, and nobody can say it was wrong."""
    made = book(room=100_00)
    made.unanswered(PAY, 100_00, MONDAY)
    assert sorted(state.room for state in made.states) == [0, 100_00]
    assert made.pay(PAY, 100_00, b"91", MONDAY)[0] is None
    assert sorted(state.room for state in made.states) == [0, 100_00]


def test_a_card_with_two_messages_at_once_is_not_checked_any_more() -> None:
    """Nobody can say which was first."""
    made = book()
    made.lose()
    assert made.pay(PAY, 1, b"51", MONDAY) == (None, None, [])


def test_it_begins_where_the_card_is() -> None:
    """What the control API tells of a card is what the model begins with; of a blocked card nothing is known."""
    account = {"available": 70_00, "holds": [{}, {}]}
    card = {
        "status": "active", "limits": {"cash": 1, "cashless": 2, "internet": 3}, "pin_tries_left": 1,
        "used_today": {"cash": 4, "cashless": 5, "internet": 6, "cash_count": 7, "cashless_count": None, "internet_count": 8},
        "contactless": {"unlocked": True, "since_sca": 9}, "low_value": {"sum": 10, "count": 11},
    }  # fmt: skip
    state = from_views(VISA, account, card, MONDAY)
    assert state is not None
    assert (state.room, state.holds, state.limits, state.used, state.times) == (
        70_00,
        2,
        (1, 2, 3),
        [4, 5, 6],
        [7, 0, 8],
    )
    assert (state.failures, state.tapped, state.unlocked, state.low_sum, state.low_count) == (2, 9, True, 10, 11)
    assert from_views(VISA, account, {**card, "status": "temporarily_blocked"}, MONDAY) is None
