"""Repeats and reversals, in any order: wire.md section 3, rulebook section 4."""

from __future__ import annotations

from itertools import permutations

import pytest
from e2e_bank import Bank
from e2e_wire import decode, encode

# ------------------------------------------------------------------------------------------------------ repeats


@pytest.mark.parametrize("amount", [10_00, 10_000_00_00], ids=["approved", "refused"])
@pytest.mark.parametrize("t", ["0100", "0101"])
def test_a_repeat_gets_the_very_same_bytes(bank: Bank, amount: int, t: str) -> None:
    """Marked as one or not; nothing is held twice, and nothing decided twice."""
    card = bank.issue("prepaid-bps")
    message = card.message(amount, pin="1234")
    first = bank.wire.ask_payload(encode(message))
    held = card.held
    for _ in range(3):
        assert bank.wire.ask_payload(encode({**message, "t": t})) == first
    assert card.held == held
    assert bank.decision(message)["seq"] > 0  # there is one


def test_a_repeat_is_one_whatever_happened_since(bank: Bank) -> None:
    """Reversed, blocked, out of date, seven days over: the stored answer again, and no hold."""
    card = bank.issue("prepaid-bps", expiry="2606")
    message = card.message(10_00, pin="1234")
    first = bank.wire.ask_payload(encode(message))
    card.reverse(message)
    card.change("POST", "block", {"kind": "stolen", "by": "holder"})
    bank.advance(days=30)
    assert bank.wire.ask_payload(encode({**message, "t": "0101"})) == first
    assert card.held == 0


def test_a_wrong_pin_repeated_counts_once(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    message = card.message(pin="0000")
    assert [bank.wire.ask(message)["39"] for _ in range(5)] == ["55"] * 5
    assert card.view()["pin_tries_left"] == 2


@pytest.mark.parametrize("change", [
    {"4": "000000001001"}, {"3": "010000"}, {"14": "2811"}, {"18": "5412"}, {"22": "071"}, {"25": "02"},
    {"37": "000000000000"}, {"49": "978"},
])  # fmt: skip
def test_the_same_key_with_another_content_is_a_duplicate(bank: Bank, change: dict[str, str]) -> None:
    """94, and the first one stays what it is (rule 2)."""
    card = bank.issue("prepaid-bps")
    message = card.message(10_00)
    first = bank.wire.ask_payload(encode(message))
    assert bank.wire.ask({**message, **change})["39"] == "94"
    assert bank.wire.ask_payload(encode(message)) == first
    assert card.held == 10_00


@pytest.mark.parametrize("field", ["7", "11", "32", "41", "42"])
def test_another_key_is_another_message(bank: Bank, field: str) -> None:
    """Class, 2, 7, 11, 32, 41, 42 make a message the same one; change one, and it is a second payment."""
    card = bank.issue("prepaid-bps")
    message = card.message(10_00)
    other = {"7": "0615100001", "11": "000001", "32": "423457", "41": "POS00043", "42": "SHOP00000000043"}[field]
    assert bank.wire.ask(message)["39"] == "00"
    assert bank.wire.ask({**message, field: other})["39"] == "00"
    assert card.held == 20_00


def test_a_new_pin_block_does_not_make_it_another_message(bank: Bank) -> None:
    """Senders encrypt anew: the block may differ, the message is the same."""
    card = bank.issue("prepaid-bps")
    message = card.message(10_00, pin="1234")
    first = bank.wire.ask_payload(encode(message))
    assert bank.wire.ask_payload(encode({**message, "t": "0101", "52": card.message(pin="4321")["52"]})) == first


@pytest.mark.parametrize("copies", [2, 20])
def test_repeats_pipelined_behind_their_first(bank: Bank, copies: int) -> None:
    """Sent before the first is answered, all get one answer and one hold."""
    card = bank.issue("prepaid-bps")
    message = card.message(10_00)
    bank.wire.send(message, *[{**message, "t": "0101"}] * (copies - 1))
    answers = {bank.wire.receive_payload() for _ in range(copies)}
    assert len(answers) == 1
    assert decode(answers.pop())["39"] == "00"
    assert card.held == 10_00


def test_a_repeat_that_comes_first_is_decided(bank: Bank) -> None:
    """Its original was lost on the way: the 0101 is the first we hear of it, and the late 0100 its repeat."""
    card = bank.issue("prepaid-bps")
    message = card.message(10_00)
    first = bank.wire.ask_payload(encode({**message, "t": "0101"}))
    assert (decode(first)["t"], decode(first)["39"]) == ("0110", "00")
    assert bank.wire.ask_payload(encode(message)) == first
    assert card.held == 10_00


def test_a_repeat_of_long_ago_is_still_one(bank: Bank) -> None:
    """After the account has forgotten its key the journal knows it: same answer, no second hold."""
    card = bank.issue("credit-business")
    message = card.message(10_00)
    first = bank.wire.ask_payload(encode(message))
    for _ in range(70):  # more keys than an account carries along
        card.pay(1)
    bank.advance(days=8)
    assert bank.wire.ask_payload(encode({**message, "t": "0101"})) == first
    assert card.held == 0


# ---------------------------------------------------------------------------------------------------- reversals


@pytest.mark.parametrize("t", ["0400", "0420"])
def test_a_full_reversal_gives_back_everything(bank: Bank, t: str) -> None:
    """Hold, day limit, count."""
    card = bank.issue("prepaid-sgb")
    card.pay(40_00)
    card.pay(30_00)
    assert card.reverse(card.sent, t=t) == "00"
    used = card.view()["used_today"]
    assert (card.held, used["cashless"], used["cashless_count"]) == (40_00, 40_00, 1)


def test_an_answer_to_a_reversal(bank: Bank) -> None:
    """The reversal's own fields again, DE90 too, and no authorization code."""
    card = bank.issue("prepaid-bps")
    card.pay(40_00)
    reversal = card.reversal(card.sent)
    echoed = {
        name: reversal[name] for name in ("2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49", "90")
    }
    assert bank.wire.ask(reversal) == {"t": "0410", "39": "00", **echoed}


def test_a_partial_reversal_leaves_what_the_amount_becomes(bank: Bank) -> None:
    """DE95; the difference is given back, the count is not (rulebook section 4)."""
    card = bank.issue("prepaid-sgb")
    card.pay(40_00)
    original = card.sent
    assert card.reverse(original, becomes=15_00) == "00"
    used = card.view()["used_today"]
    assert (card.held, used["cashless"], used["cashless_count"]) == (15_00, 15_00, 1)
    assert card.reverse(original, becomes=10_00) == "00"
    assert card.held == 10_00
    assert card.reverse(original) == "00"
    used = card.view()["used_today"]
    assert (card.held, used["cashless"], used["cashless_count"]) == (0, 0, 0)


def test_becomes_zero_is_a_full_reversal(bank: Bank) -> None:
    card = bank.issue("prepaid-sgb")
    card.pay(40_00)
    assert card.reverse(card.sent, becomes=0) == "00"
    used = card.view()["used_today"]
    assert (card.held, used["cashless"], used["cashless_count"]) == (0, 0, 0)


def test_a_reversal_cannot_raise_a_hold(bank: Bank) -> None:
    card = bank.issue("prepaid-sgb")
    card.pay(40_00)
    assert card.reverse(card.sent, becomes=40_01) != "00"
    assert card.held == 40_00


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_reversals_of_several_payments_in_any_order(bank: Bank, order: tuple[int, ...]) -> None:
    """Each finds its own."""
    card = bank.issue("prepaid-bps")
    payments = []
    for amount in (10_00, 20_00, 40_00):
        card.pay(amount)
        payments.append(card.sent)
    left = 70_00
    for index in order:
        assert card.reverse(payments[index]) == "00"
        left -= int(payments[index]["4"])
        assert card.held == left


@pytest.mark.parametrize(("t", "code"), [("0400", "25"), ("0420", "00")])
def test_a_reversal_before_its_original(bank: Bank, t: str, code: str) -> None:
    """Remembered: the late original is refused and holds nothing, and so is its repeat; the next payment is untouched."""
    card = bank.issue("prepaid-bps")
    late = card.message(10_00)
    assert card.reverse(late, t=t) == code
    assert [bank.wire.ask({**late, "t": mti})["39"] for mti in ("0100", "0101")] == ["05", "05"]
    assert card.pay(1_00) == "00"
    assert card.held == 1_00


def test_reversed_twice(bank: Bank) -> None:
    """By another message of the same meaning: what the sender wants is there, nothing is given back twice."""
    card = bank.issue("prepaid-bps")
    card.pay(10_00)
    original = card.sent
    card.pay(5_00)
    assert [card.reverse(original), card.reverse(original), card.reverse(original, t="0420")] == ["00"] * 3
    assert card.held == 5_00


@pytest.mark.parametrize(("first", "again"), [("0400", "0401"), ("0420", "0421"), ("0400", "0400")])
def test_a_repeated_reversal_gets_the_same_bytes(bank: Bank, first: str, again: str) -> None:
    card = bank.issue("prepaid-bps")
    card.pay(10_00)
    reversal = card.reversal(card.sent, t=first)
    answer = bank.wire.ask_payload(encode(reversal))
    assert decode(answer)["39"] == "00"
    assert bank.wire.ask_payload(encode({**reversal, "t": again})) == answer
    assert card.held == 0


def test_a_reversal_of_a_refused_payment(bank: Bank) -> None:
    """It held nothing, so there is nothing to do: 00."""
    card = bank.issue("prepaid-bps", load=1_00)
    assert card.pay(2_00) == "51"
    assert card.reverse(card.sent) == "00"
    assert card.money() == (0, 1_00)


def test_a_reversal_by_rrn_alone(bank: Bank) -> None:
    """Without DE90 the RRN, terminal and merchant name the original."""
    card = bank.issue("prepaid-bps")
    card.pay(10_00)
    reversal = card.reversal(card.sent)
    del reversal["90"]
    assert bank.wire.ask(reversal)["39"] == "00"
    assert card.held == 0


@pytest.mark.parametrize("change", [{"41": "OTHER001"}, {"42": "OTHERSHOP000001"}])
def test_a_reversal_from_elsewhere_finds_nothing(bank: Bank, change: dict[str, str]) -> None:
    card = bank.issue("prepaid-bps")
    card.pay(10_00)
    assert bank.wire.ask({**card.reversal(card.sent), **change})["39"] == "25"
    assert card.held == 10_00


def test_a_reversal_names_nothing(bank: Bank) -> None:
    """Neither DE90 nor RRN: 30."""
    card = bank.issue("prepaid-bps")
    card.pay(10_00)
    reversal = card.reversal(card.sent)
    del reversal["90"], reversal["37"]
    assert bank.wire.ask(reversal)["39"] == "30"


@pytest.mark.parametrize("kind", ["temporary", "permanent", "lost", "stolen"])
def test_a_blocked_card_can_be_reversed(bank: Bank, kind: str) -> None:
    card = bank.issue("prepaid-bps")
    card.pay(10_00)
    original = card.sent
    card.change("POST", "block", {"kind": kind, "by": "holder"})
    assert card.reverse(original) == "00"
    assert card.held == 0


def test_a_reversal_right_behind_its_original(bank: Bank) -> None:
    """Pipelined, before the original is answered."""
    card = bank.issue("prepaid-bps")
    for _ in range(20):
        original = card.message(10_00)
        reversal = card.reversal(original)
        answers = bank.wire.ask_all([original, reversal])
        assert [answers[message["11"]]["39"] for message in (original, reversal)] == ["00", "00"]
    assert card.held == 0


def test_a_reversal_right_before_its_original(bank: Bank) -> None:
    """Pipelined, either may be decided first: 25 and 05, or 00 and 00; nothing is held in the end."""
    card = bank.issue("prepaid-bps")
    for _ in range(20):
        original = card.message(10_00)
        reversal = card.reversal(original)
        answers = bank.wire.ask_all([reversal, original])
        assert [answers[message["11"]]["39"] for message in (reversal, original)] in (["25", "05"], ["00", "00"])
    assert card.held == 0


def test_limits_go_back_into_the_day_of_the_original(bank: Bank) -> None:
    """A reversal tomorrow makes no room in tomorrow's limit."""
    card = bank.issue("prepaid-sgb")
    card.draw_cash(1_000_00)
    original = card.sent
    bank.next_day()
    card.draw_cash(600_00)
    assert card.reverse(original) == "00"
    assert card.view()["used_today"]["cash"] == 600_00
    assert [card.draw_cash(900_01), card.draw_cash(900_00)] == ["61", "00"]


def test_a_reversal_of_cash_makes_room_today(bank: Bank) -> None:
    card = bank.issue("prepaid-sgb")
    assert card.draw_cash(1_500_00) == "00"
    original = card.sent
    assert card.draw_cash(1_00) == "61"
    assert card.reverse(original) == "00"
    assert card.draw_cash(1_500_00) == "00"
