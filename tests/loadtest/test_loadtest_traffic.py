"""The traffic: shares as asked for, reversals and repeats of what was really sent, wrong answers found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from loadtest import mix
from loadtest.__main__ import DEMO_MIX
from loadtest.fast import ASCII, Reading
from loadtest.messages import Card, Kind, luhn, zone_key
from loadtest.traffic import RESPONSES, Clock, Sent, Templates, Traffic, payers_of
from loadtest.wire import HEADER, Fields, decode

KEYS = Path(__file__).parents[2] / "config/keys/demo.toml"
ZONE = zone_key(KEYS)
CARDS = [Card(luhn(f"418039{number:09}"), "4912", "1234") for number in range(64)]

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning:psec")


def traffic(seed: int = 1) -> Traffic:
    return Traffic(mix.load(DEMO_MIX), payers_of(CARDS, ZONE), Clock(0), seed, Templates(ASCII, ZONE), "basic")


def fields(sent: Sent) -> Fields:
    return decode(sent.frame[HEADER:])


def approval(sent: Sent, code: bytes = b"00") -> Reading:
    return Reading(RESPONSES[sent.mti], sent.stan, sent.amount, sent.rrn, b"123456", code)


def of_kind(made: Traffic, kind: Kind, code: bytes = b"00") -> tuple[Sent, dict[str, Fields]]:
    """The next message of `kind`, and all before it by STAN, each answered `code`."""
    before: dict[str, Fields] = {}
    while (sent := made.next()).kind is not kind:
        before[fields(sent)["11"]] = fields(sent)
        assert made.answered(sent, approval(sent, code)).what == "right"
    return sent, before


def test_kinds_come_as_often_as_their_shares_say() -> None:
    """Over ten thousand messages within two per cent of all."""
    made, seen = traffic(), Counter[Kind]()
    for _ in range(10_000):
        sent = made.next()
        seen[sent.kind] += 1
        made.answered(sent, approval(sent))
    asked = {
        "chip_pin": 44, "contactless": 17, "atm": 5, "web": 6, "wrong_pin": 1, "advice": 2, "presentment": 17, "reversal": 5,
        "repeat": 3,
    }  # fmt: skip
    assert all(abs(seen[Kind(kind)] / 100 - share) < 2 for kind, share in asked.items())


def test_amounts_and_merchants_are_of_the_mix() -> None:
    """Never below `least` or above `most`, never another merchant."""
    made, parts = traffic(), mix.load(DEMO_MIX).purchases()
    for _ in range(2_000):
        sent = made.next()
        part = parts[sent.kind]
        made.unanswered(sent)
        assert part.least <= int(fields(sent)["4"]) <= part.most
        assert fields(sent)["18"] in part.mcc


def test_the_same_seed_makes_the_same_messages() -> None:
    """A run can be made again."""
    first, second = traffic(7), traffic(7)
    assert all(first.next().frame[22:] == second.next().frame[22:] for _ in range(50))


def test_a_reversal_is_of_an_approved_payment() -> None:
    """DE90 names a message that was sent and approved; card and RRN are the same."""
    sent, before = of_kind(traffic(), Kind.REVERSAL)
    said = fields(sent)
    original = before[said["90"][4:10]]
    assert said["t"] == "0400"
    assert said["90"] == original["t"] + original["11"] + original["7"] + original["32"] + "0" * 11
    assert all(said[name] == original[name] for name in ("2", "4", "18", "32", "37", "41", "42"))


def test_what_was_refused_is_never_reversed() -> None:
    """Without approvals there are neither reversals nor presentments: a payment is sent instead."""
    made = traffic()
    for _ in range(500):
        sent = made.next()
        assert sent.kind not in (Kind.REVERSAL, Kind.PRESENTMENT)
        made.answered(sent, approval(sent, b"51"))


@pytest.mark.parametrize(("code", "then"), [(b"00", True), (b"51", False)])
def test_a_repeat_must_get_the_first_answer(code: bytes, then: bool) -> None:
    """The same bytes but for the MTI go out, and any other answer than the first one is wrong."""
    made = traffic()
    sent, before = of_kind(made, Kind.REPEAT)
    said = fields(sent)
    assert said == {**before[said["11"]], "t": before[said["11"]]["t"][:3] + "1"}
    assert (made.answered(sent, approval(sent, code)).what == "right") is then


@pytest.mark.parametrize("code", [b"91", b"96"])
def test_what_was_not_decided_is_not_repeated(code: bytes) -> None:
    """An engine that could not decide has stored nothing; the repeat of that would be decided afresh."""
    made = traffic()
    for _ in range(500):
        sent = made.next()
        assert sent.kind is not Kind.REPEAT
        made.answered(sent, approval(sent, code))
