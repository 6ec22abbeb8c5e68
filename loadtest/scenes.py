"""The story, scene by scene. Each makes its own accounts and cards, so it can be played any number of times.

The codes stand in `rulebook.md` section 3: Mastercard says 65 where Visa says 70 (PIN) or 1A (SCA).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from loadtest.messages import WARSAW, Card, Kind
from loadtest.stage import Stage

PLN = 100
"""Grosze."""
WRONG = "9999"
RIGHT = "1234"


class Scene(NamedTuple):
    """`moves_clock`: it needs an engine whose clock is simulated."""

    title: str
    play: Callable[[Stage], None]
    moves_clock: bool = False


def purchase(stage: Stage) -> None:
    stage.echo()
    card = stage.card("prepaid-bps", load=1_000 * PLN)
    paid = stage.pay(Kind.CHIP_PIN, card, 123_45, "00", held=123_45)
    stage.repeat(paid, card, "00", held=123_45)
    stage.pay(Kind.CHIP_PIN, card, 876_56, "51", held=123_45)
    stage.pay(Kind.ATM, card, 200 * PLN, "00", held=323_45)


def contactless_mastercard(stage: Stage) -> None:
    card = stage.card("prepaid-bps", load=1_000 * PLN)
    _contactless(stage, card, contact_first="65", pin_asked="65")


def contactless_visa(stage: Stage) -> None:
    card = stage.card("credit-business", credit_limit=5_000 * PLN)
    _contactless(stage, card, contact_first="1A", pin_asked="70")


def _contactless(stage: Stage, card: Card, contact_first: str, pin_asked: str) -> None:
    tap = Kind.CONTACTLESS
    stage.pay(tap, card, 40 * PLN, contact_first)
    stage.pay(Kind.CHIP_PIN, card, 10 * PLN, "00", why="pin")
    for amount in (80 * PLN, 80 * PLN, 40 * PLN):
        stage.pay(tap, card, amount, "00", why="contactless_total")
    stage.pay(tap, card, 1, pin_asked)
    stage.pay(tap, card, 1, "00", pin=RIGHT, why="contactless_amount")
    stage.pay(tap, card, 40 * PLN, "00", why="contactless_total")


def low_value(stage: Stage) -> None:
    card = stage.card("credit-business", credit_limit=5_000 * PLN, limits={"internet": 2_000 * PLN})
    for _ in range(6):
        stage.pay(Kind.WEB, card, 100 * PLN, "00", why="sca")
    stage.pay(Kind.WEB, card, 100 * PLN, "1A", held=600 * PLN)
    stage.pay(Kind.CHIP_PIN, card, 10 * PLN, "00", why="pin")
    stage.pay(Kind.WEB, card, 100 * PLN, "00", why="sca")


def three_ds(stage: Stage) -> None:
    card = stage.card("prepaid-bps", load=2_000 * PLN, limits={"internet": 2_000 * PLN})
    asked = stage.pay(Kind.WEB, card, 500 * PLN, "65")
    cavv = stage.authenticate(card, asked)
    proof = {"48": f"420321243{len(cavv):02}{cavv}"}
    stage.send(Kind.WEB, card, 500 * PLN, "00", what="3DS", changes=proof, why="sca", held=500 * PLN)
    stage.send(Kind.WEB, card, 1 * PLN, "65", what="3DS again", changes=proof, held=500 * PLN)


def cashback(stage: Stage) -> None:
    card = stage.card("prepaid-bps", load=1_000 * PLN)
    cash = {"3": "090000", "54": f"0040985D{100 * PLN:012}"}
    paid = stage.send(
        Kind.CHIP_PIN, card, 130 * PLN, "00", what="cashback", changes=cash, why="cashback", held=130 * PLN
    )
    stage.reverse(paid, card, "00", held=0)
    stage.send(Kind.CHIP_PIN, card, 100 * PLN, "57", what="only cash", changes=cash, held=0)


def hotel(stage: Stage) -> None:
    card = stage.card("prepaid-sgb", load=1_000 * PLN)
    stay = {"18": "7011", "25": "06"}
    booked = stage.send(Kind.CHIP_PIN, card, 300 * PLN, "00", what="hotel", changes=stay, held=300 * PLN)
    more = {"18": "7011", "90": f"0100{booked['11']}{booked['7']}{booked['32']:0>11}{'0' * 11}"}
    stage.send(Kind.CHIP_PIN, card, 80 * PLN, "00", what="one more", changes=more, why="incremental", held=380 * PLN)
    claim = {"t": "0220", "18": "7011", "37": booked["37"]}
    stage.send(Kind.CHIP_PIN, card, 365 * PLN, "00", what="claim", changes=claim, why="presentment", held=0)


def part(stage: Stage) -> None:
    card = stage.card("prepaid-sgb", load=70 * PLN)
    stage.pay(Kind.CHIP_PIN, card, 100 * PLN, "51")
    takes_part = {"48": "61011"}
    stage.send(Kind.CHIP_PIN, card, 100 * PLN, "10", what="in part", changes=takes_part, why="funds", held=70 * PLN)


def reversals(stage: Stage) -> None:
    card = stage.card("prepaid-sgb", load=500 * PLN)
    paid = stage.pay(Kind.CHIP_PIN, card, 200 * PLN, "00", held=200 * PLN)
    stage.reverse(paid, card, "00", held=150 * PLN, becomes=150 * PLN)
    stage.reverse(paid, card, "00", held=0)
    stage.reverse(paid, card, "00", held=0)


def reversal_first(stage: Stage) -> None:
    card = stage.card("prepaid-sgb", load=500 * PLN)
    slow = stage.unsent(Kind.CHIP_PIN, card, 80 * PLN)
    stage.reverse(slow, card, "25", held=0)
    stage.late(slow, card, "05", held=0)


def captured(stage: Stage) -> None:
    card = stage.card("prepaid-sgb-minor", load=100 * PLN)
    for code in ("55", "55", "04"):
        stage.pay(Kind.CHIP_PIN, card, 20 * PLN, code, pin=WRONG)
    stage.pay(Kind.CHIP_PIN, card, 20 * PLN, "04", held=0)


def wrong_pin(stage: Stage) -> None:
    card = stage.card("prepaid-bps", load=1_000 * PLN)
    for code in ("55", "55", "75"):
        stage.pay(Kind.CHIP_PIN, card, 50 * PLN, code, pin=WRONG)
    stage.pay(Kind.CHIP_PIN, card, 50 * PLN, "75", held=0)
    stage.go_to(_next_morning(stage.now()), "the next day")
    stage.pay(Kind.CHIP_PIN, card, 50 * PLN, "00", why="pin", held=50 * PLN)


def seven_days(stage: Stage) -> None:
    card = stage.card("prepaid-sgb", load=100 * PLN)
    stage.pay(Kind.CHIP_PIN, card, 90 * PLN, "00", held=90 * PLN)
    stage.pay(Kind.CHIP_PIN, card, 50 * PLN, "51", held=90 * PLN)
    stage.go_to(_later(stage.now(), days=7, minutes=1), "seven days and one minute later")
    stage.pay(Kind.CHIP_PIN, card, 100 * PLN, "00", why="funds", held=100 * PLN)


def _next_morning(now: datetime) -> datetime:
    return now.astimezone(WARSAW).replace(hour=8, minute=0, second=0, microsecond=0) + timedelta(days=1)


def _later(now: datetime, days: int, minutes: int) -> datetime:
    """By the clock on the wall in Warsaw, as holds count: a day may have 23 or 25 hours."""
    return now.astimezone(WARSAW) + timedelta(days=days, minutes=minutes)


STORY = (
    Scene("A purchase by chip and PIN, its repeat, and one too many", purchase),
    Scene("Contactless up to 200.00, then the PIN (Mastercard)", contactless_mastercard),
    Scene("Contactless up to 200.00, then the PIN (Visa)", contactless_visa),
    Scene("Low value on the internet: six without SCA, not the seventh", low_value),
    Scene("On the internet with 3-D Secure: the proof is good once, for its shop and amount", three_ds),
    Scene("Cashback: goods and cash each in their own limit", cashback),
    Scene("A hotel: held, increased, claimed", hotel),
    Scene("Not enough, and a terminal that takes a part", part),
    Scene("A reversal, first in part, then of the rest", reversals),
    Scene("The reversal that came before its original", reversal_first),
    Scene("A child's card: the third wrong PIN takes it away", captured),
    Scene("Wrong PIN three times, and the next day", wrong_pin, moves_clock=True),
    Scene("A hold that nobody claimed: seven days and one minute", seven_days, moves_clock=True),
)
"""Those that move the clock come last: on an engine with the system's clock they need another engine."""
