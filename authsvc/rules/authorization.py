"""An 0100, rule by rule. The order of this tuple is policy (rulebook section 2)."""

from __future__ import annotations

from collections.abc import Callable

from authsvc.model import Answer, Authorization, Counters, CountersSet, Outcome, Reason, Refused
from authsvc.rules import (
    advice,
    approve,
    card,
    channel,
    chip,
    contactless,
    currency,
    funds,
    incremental,
    limits,
    offered,
    pin,
    remote,
    renewal,
    virtual,
)
from authsvc.rules.case import Case
from authsvc.rules.memory import early_reversal_of

Rule = Callable[[Case], Refused | None]


def not_reversed_before(case: Case) -> Refused | None:
    """A late original whose reversal was here first is refused and holds nothing."""
    assert isinstance(case.request, Authorization)
    early = early_reversal_of(case.request, case.account)
    if early is None:
        return None
    return case.refused("reversal", Reason.ALREADY_REVERSED, {"reversed_at": early.at})


RULES: tuple[Rule, ...] = (
    not_reversed_before,
    card.known,
    card.usable,
    pin.card_data,
    chip.check,
    pin.check,
    renewal.activate_at_atm,
    virtual.device,
    chip.offline_pin,
    channel.supported,
    offered.check,
    incremental.find,
    currency.convert,
    channel.switched_on,
    channel.merchant,
    contactless.check,
    remote.check,
    limits.check,
    funds.check,
    approve.room_for_a_hold,
)


def decide(case: Case) -> tuple[Outcome, Answer]:
    """The first rule that refuses decides; counters changed on the way (PIN tries, SCA) are kept either way."""
    before = case.card.counters
    assert isinstance(case.request, Authorization)
    if case.request.is_advice:
        outcome = advice.decide(case)
        _keep_counters(case, before)
        return outcome
    for rule in RULES:
        if (refused := rule(case)) is not None:
            _keep_counters(case, before)
            return refused, Answer(case.product.code(refused.reason))
    outcome = approve.approve(case)
    _keep_counters(case, before)
    return outcome


def _keep_counters(case: Case, before: Counters) -> None:
    if case.counters is not before:
        case.changes.append(CountersSet(case.card.id, case.counters))
