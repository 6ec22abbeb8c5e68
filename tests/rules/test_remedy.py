"""What would have helped, told with the refusal (issue B, item 9)."""

from __future__ import annotations

import pytest
from given import (
    BPS,
    NOON,
    Story,
    account,
    authorization,
    card,
    contactless,
    limits,
    online,
    withdrawal,
    wrong_pin,
)  # fmt: skip

from authsvc.model import Authorization, Counters, Limits
from authsvc.rules.decide import decide
from authsvc.rules.remedy import remedy


@pytest.mark.parametrize(
    ("balance", "day_limits", "request_", "then"),
    [
        (100_00, limits(), authorization(100_00), ""),
        (100_00, limits(), authorization(118_20), "18.20 less"),
        (0, limits(), authorization(1), ""),
        (900_00, limits(cashless=50_00), authorization(60_00), "10.00 less"),  # tomorrow's limit is no higher
        (900_00, limits(cash=0), withdrawal(60_00), "a limit above zero"),
        (900_00, limits(), contactless(10_00), "first a payment with the chip and the PIN"),
        (900_00, limits(), online(200_00), "with 3-D Secure"),
        (900_00, limits(), wrong_pin(authorization(1_00)), "the right PIN"),
    ],
)
def test_remedy(balance: int, day_limits: Limits, request_: Authorization, then: str) -> None:
    """A refusal says what would have helped; an approval, and an empty account, say nothing."""
    assert (
        remedy(decide(request_, account(BPS, balance, card(limits=day_limits, counters=Counters())), BPS, NOON)) == then
    )


def test_tomorrow_helps_when_today_is_used_up() -> None:
    """What is within a whole day's limit, and not within what is left of it, fits tomorrow (S §23.1, W §10.1, P zał.2)."""
    story = Story(BPS, account(BPS, 900_00, card(limits=limits(cashless=50_00))))
    story.approve(authorization(20_00))
    assert remedy(story.send(authorization(40_00))) == "10.00 less, or tomorrow"
    story.approve(authorization(30_00))
    assert remedy(story.send(authorization(1_00))) == "tomorrow"
