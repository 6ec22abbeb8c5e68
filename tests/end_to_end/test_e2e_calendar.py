"""What the day, the month and the week decide: all in Warsaw, by the moment the switch received the message."""

from __future__ import annotations

from datetime import timedelta

import pytest
from e2e_bank import Bank


@pytest.mark.parametrize(("before", "midnight", "after"), [
    ((2026, 6, 15, 23, 59, 59), (2026, 6, 16), "summer, 22:00 UTC"),
    ((2026, 1, 15, 23, 59, 59), (2026, 1, 16), "winter, 23:00 UTC"),
    ((2026, 12, 31, 23, 59, 59), (2027, 1, 1), "the last day of the year"),
    ((2028, 2, 28, 23, 59, 59), (2028, 2, 29), "into a leap day"),
])  # fmt: skip
def test_limits_are_new_at_midnight_in_warsaw(bank: Bank, before: tuple[int], midnight: tuple[int], after: str) -> None:
    """A limit used up at 23:59:59 is whole again at 00:00:00 local time, not at midnight UTC."""
    bank.set_warsaw(*before)
    card = bank.issue("prepaid-sgb", expiry="2912")
    assert [card.draw_cash(1_500_00), card.draw_cash(1)] == ["00", "61"]
    bank.set_warsaw(*midnight)
    assert [card.draw_cash(1_500_00), card.draw_cash(1)] == ["00", "61"], after


def test_midnight_utc_is_no_midnight(bank: Bank) -> None:
    bank.set_warsaw(2026, 6, 15, 1, 59, 59)
    card = bank.issue("prepaid-sgb")
    assert card.draw_cash(1_500_00) == "00"
    bank.advance(seconds=1)  # 00:00 UTC of 15 June
    assert bank.now.hour == 0
    assert card.draw_cash(1) == "61"


@pytest.mark.parametrize(("first", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25)])
def test_days_when_the_clock_changes(bank: Bank, first: tuple[int], hours: int) -> None:
    """They have 23 and 25 hours, and one limit."""
    bank.set_warsaw(*first)
    card = bank.issue("prepaid-sgb")
    assert card.draw_cash(1_500_00) == "00"
    bank.advance(hours=hours, seconds=-1)
    assert card.draw_cash(1) == "61"
    bank.advance(seconds=1)
    assert card.draw_cash(1) == "00"


@pytest.mark.parametrize("product", ["credit-business", "prepaid-bps", "prepaid-sgb", "prepaid-sgb-minor"])
def test_a_card_is_good_to_the_last_minute_of_its_month(bank: Bank, product: str) -> None:
    """S §32.2, W §6.3: to the last day of the month printed, in Warsaw."""
    card = bank.issue(product, expiry="2606")
    bank.set_warsaw(2026, 6, 30, 23, 59)
    assert card.pay(1_00) == "00"
    bank.set_warsaw(2026, 7, 1)
    assert card.pay(1_00) == "54"
    assert card.reason() == "EXPIRED"


def test_the_last_of_february_in_a_leap_year(bank: Bank) -> None:
    card = bank.issue("prepaid-bps", expiry="2802")
    bank.set_warsaw(2028, 2, 29, 23, 59)
    assert card.pay() == "00"
    bank.set_warsaw(2028, 3, 1)
    assert card.pay() == "54"


def test_an_expired_card_can_still_be_reversed(bank: Bank) -> None:
    """A reversal only ever gives back."""
    bank.set_warsaw(2026, 6, 30, 23, 59)
    card = bank.issue("prepaid-bps", expiry="2606")
    assert card.pay(30_00) == "00"
    original = card.sent
    bank.set_warsaw(2026, 7, 1, 0, 1)
    assert card.pay() == "54"
    assert card.reverse(original) == "00"
    assert card.held == 0


def test_a_hold_lasts_seven_days(bank: Bank) -> None:
    """Seven days to the minute: at the last moment the money is held, a minute later it can be spent again."""
    card = bank.issue("prepaid-bps", load=100_00)
    assert card.pay(90_00) == "00"
    bank.advance(days=7, minutes=-1)
    assert card.money() == (90_00, 10_00)
    assert card.pay(10_01) == "51"
    bank.advance(minutes=2)
    assert card.money() == (0, 100_00)
    assert card.pay(100_00) == "00"
    assert card.held == 100_00


@pytest.mark.parametrize(("made", "before", "after"), [
    ((2026, 3, 27, 12), (2026, 4, 3, 11, 59), (2026, 4, 3, 12, 1)),
    ((2026, 10, 23, 12), (2026, 10, 30, 11, 59), (2026, 10, 30, 12, 1)),
])  # fmt: skip
def test_seven_days_are_of_the_wall_clock(bank: Bank, made: tuple[int], before: tuple[int], after: tuple[int]) -> None:
    """7 x 24 h of Warsaw wall clock: the hour of the day stays, also over a change of the clock (rulebook section 5)."""
    bank.set_warsaw(*made)
    card = bank.issue("prepaid-bps")
    card.pay(50_00)
    bank.set_warsaw(*before)
    assert card.held == 50_00
    bank.set_warsaw(*after)
    assert card.held == 0


def test_a_day_limit_does_not_come_back_with_the_hold(bank: Bank) -> None:
    """Expiry releases the hold and restores no limit (rulebook section 4); by then it is another day anyway."""
    card = bank.issue("prepaid-bps", load=100_00)
    card.pay(90_00)
    bank.advance(days=7, minutes=1)
    assert card.view()["used_today"]["cashless"] == 0
    assert card.reverse(card.sent) == "00"  # nothing is left to give back
    assert card.money() == (0, 100_00)


def test_a_pin_block_ends_the_next_day_by_the_right_pin(bank: Bank) -> None:
    """S §12.3, W §13.3-4: not by midnight itself, and no other channel opens it."""
    bank.set_warsaw(2026, 6, 15, 23, 59, 30)
    card = bank.issue("prepaid-bps")
    assert [card.pay_with_pin(pin="0000") for _ in range(4)] == ["55", "55", "75", "75"]
    assert card.pay_with_pin() == "75"
    bank.advance(minutes=1)
    assert [card.pay(), card.order(), card.tap()] == ["75"] * 3
    assert card.view()["pin_tries_left"] == 3
    assert card.pay_with_pin(pin="0000") == "55"
    assert card.pay() == "75"
    assert card.pay_with_pin() == "00"
    assert card.pay() == "00"


def test_pin_tries_survive_midnight(bank: Bank) -> None:
    """Only the right PIN or the hotline clears them."""
    bank.set_warsaw(2026, 6, 15, 23, 59, 30)
    card = bank.issue("credit-business")
    assert [card.pay_with_pin(pin="0000") for _ in range(2)] == ["55", "55"]
    bank.advance(minutes=1)
    assert card.pay_with_pin(pin="0000") == "75"


def test_the_right_pin_clears_the_count(bank: Bank) -> None:
    card = bank.issue("credit-business")
    wrong, right = "0000", "1234"
    assert [card.pay_with_pin(pin=pin) for pin in (wrong, wrong, right, wrong, wrong, right)] == ["55", "55", "00"] * 2


def test_the_hotline_ends_a_pin_block_on_the_same_day(bank: Bank) -> None:
    card = bank.issue("credit-business")
    for _ in range(3):
        card.pay_with_pin(pin="0000")
    assert card.view()["pin_tries_left"] == 0
    assert card.change("POST", "unblock-pin", role="hotline").json()["pin_tries_left"] == 3
    assert card.pay_with_pin() == "00"


@pytest.mark.parametrize(("by", "then"), [("holder", "permanently_blocked"), ("bank", "temporarily_blocked")])
@pytest.mark.parametrize("product", ["credit-business", "prepaid-bps"])
def test_a_temporary_block_not_lifted_in_sixty_days(bank: Bank, product: str, by: str, then: str) -> None:
    """One that the holder asked for becomes permanent, one by the bank never by itself (S §21.8-9, W §17.3, §17.5)."""
    card = bank.issue(product)
    card.change("POST", "block", {"kind": "temporary", "by": by})
    bank.advance(days=59)
    assert card.view()["status"] == "temporarily_blocked"
    bank.advance(days=1)
    assert card.view()["status"] == then
    assert card.pay() == "62"
    assert card.change("POST", "unblock").status_code == (409 if then == "permanently_blocked" else 200)


def test_a_temporary_block_of_p_stays_temporary(bank: Bank) -> None:
    card = bank.issue("prepaid-sgb")
    card.change("POST", "block", {"kind": "temporary", "by": "holder"})
    bank.advance(days=365)
    assert card.change("POST", "unblock").status_code == 200
    assert card.pay() == "00"


def test_the_clock_may_go_back(bank: Bank) -> None:
    """now = max(clock, the account's last time): an account never lives an hour twice, others follow the clock."""
    card = bank.issue("prepaid-bps")
    card.pay(10_00)
    first = bank.decision(card.sent)["at"]
    bank.set_clock(bank.now - timedelta(days=3))
    assert card.pay(20_00) == "00"
    assert bank.decision(card.sent)["at"] == first
    assert card.held == 30_00
    other = bank.issue("prepaid-bps")
    other.pay(5_00)
    assert bank.decision(other.sent)["at"] == "2026-06-12T10:00:00Z"
