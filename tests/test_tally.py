"""What stands behind the figures of (EU) 2018/389 Art. 21: each approved payment under one channel and one reason."""

from __future__ import annotations

from typing import Any

import pytest
from engine_parts import payment
from prometheus_client import CollectorRegistry

from authsvc.metrics import Metrics
from authsvc.model import (
    AccountId,
    Approved,
    Decision,
    Entry,
    Kind,
    Minor,
    Outcome,
    Pin,
    Reason,
    Refused,
    UnixMs,
    VirtualId,
)  # fmt: skip
from authsvc.payment_series import EXEMPTIONS
from authsvc.rules.exemptions import COVERS
from authsvc.tally import tally

TAP, WEB = Entry.CONTACTLESS_CHIP, Entry.ECOMMERCE


def tallied(outcome: Outcome, **message: Any) -> CollectorRegistry:
    """The counters after one decision on such a message."""
    registry = CollectorRegistry()
    metrics = Metrics(registry, bins={"prepaid-bps": "557529"}, currencies={"985": "PLN", "978": "EUR"})
    made = Decision(AccountId("acc"), 2, UnixMs(0), "prepaid-bps", payment(amount=99_00, **message), outcome, (), ())
    counts = tally(made)
    if counts is not None:
        counts.count(metrics)
    return registry


def counted(registry: CollectorRegistry, name: str) -> dict[tuple[str, ...], float]:
    """The series of a counter that are not zero, by their label values."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == f"authsvc_{name}_total" and sample.value
    }


@pytest.mark.parametrize(
    ("message", "exemption", "channel", "sca"),
    [
        ({"pin": Pin.RIGHT}, "", "terminal", "authenticated"),
        ({"offline_pin": True}, "", "terminal", "authenticated"),
        ({}, "", "terminal", "without"),
        ({"entry": TAP}, "", "terminal", "contactless"),  # Art. 11
        ({"entry": TAP, "pin": Pin.RIGHT}, "", "terminal", "authenticated"),
        ({"entry": TAP, "virtual": VirtualId("v")}, "", "terminal", "authenticated"),  # the device asked
        ({"entry": TAP}, "unattended", "terminal", "unattended"),  # Art. 12
        ({"entry": WEB}, "", "remote", "authenticated"),
        ({"entry": WEB}, "low_value", "remote", "low_value"),  # Art. 16
        ({"entry": Entry.MANUAL, "condition": "08"}, "moto", "remote", "moto"),
    ],
)
def test_channel_and_sca(message: dict[str, Any], exemption: str, channel: str, sca: str) -> None:
    """One payment, and its amount in grosze."""
    registry = tallied(Approved(Minor(99_00), exemption=exemption), **message)
    assert counted(registry, "sca_payments") == {("prepaid-bps", channel, sca): 1}
    assert counted(registry, "sca_grosze") == {("prepaid-bps", channel, sca): 99_00}


def test_every_exemption_has_a_series() -> None:
    """An exemption that is added to the rules cannot be forgotten here."""
    assert set(EXEMPTIONS) == set(COVERS)


@pytest.mark.parametrize(("number", "letters"), [("985", "PLN"), ("978", "EUR"), ("840", "other")])
def test_currency(number: str, letters: str) -> None:
    """What was asked in which currency; the amount is what was decided, grosze."""
    registry = tallied(Approved(Minor(43_00)), currency=number)
    assert counted(registry, "approved_grosze") == {("prepaid-bps", letters): 43_00}


@pytest.mark.parametrize(
    ("outcome", "message"),
    [
        (Refused(Reason.EXPIRED, "expired", ""), {}),
        (Approved(Minor(99_00)), {"kind": Kind.REFUND}),
        (Approved(), {"kind": Kind.BALANCE_INQUIRY}),
        (Approved(Minor(99_00)), {"mti": "0120"}),  # somebody else decided it
    ],
)
def test_what_is_no_payment_of_ours(outcome: Outcome, message: dict[str, Any]) -> None:
    """Refusals, money given back, questions and advices are in neither figure."""
    registry = tallied(outcome, **message)
    assert not counted(registry, "sca_payments")
    assert not counted(registry, "approved_payments")


@pytest.mark.parametrize(
    ("pin", "then"),
    [(Pin.WRONG, {("557529", "wrong"): 1}), (Pin.RIGHT, {("557529", "right"): 1}), (Pin.ABSENT, {})],
)
def test_pins_by_bin(pin: Pin, then: dict[tuple[str, ...], float]) -> None:
    """Whatever the answer was: an attack on a BIN is many cards with a wrong PIN each."""
    assert counted(tallied(Refused(Reason.PIN_WRONG, "pin", ""), pin=pin), "pins") == then
