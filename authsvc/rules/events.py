"""What the outside is told of a decision: facts that somebody (portal, SMS gateway, fraud desk) must act on."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from authsvc.model import (
    Approved,
    BlockCard,
    CardCaptured,
    CardId,
    CountersSet,
    Decision,
    HoldEnd,
    HoldEnded,
    HoldId,
    Noticed,
    Reason,
    Refused,
    UnixMs,
)
from authsvc.model.values import Value
from authsvc.rules.explain import percent


class Happened(StrEnum):
    """Kinds of events."""

    CARD_BLOCKED = "card_blocked"  # S §21.6, W §17, P §26: the holder is told
    CARD_CAPTURED = "card_captured"  # P §7.3
    PIN_BLOCKED = "pin_blocked"  # S §12.3, W §13.2
    HOLD_EXPIRED = "hold_expired"  # W §14.13, P §10.9
    DOUBTFUL = "doubtful_authorization"  # P §27.7
    MARGIN_NOTICE = "margin_notice"  # S §27.5 (second), W §14.5, P §19


class Event(Value, frozen=True, gc=False):
    """`id`: `ACCOUNT:SEQ:N`, never given twice; `at`: when it happened; `card`, `hold`: what it is about, "" if nothing."""

    id: str
    kind: Happened
    account: str
    at: UnixMs
    card: CardId = CardId("")
    hold: HoldId = HoldId("")
    detail: str = ""


def events_of(decision: Decision) -> list[Event]:
    """The events of one decision, in the order of its changes. Pure, so that reading them again gives the same ones."""
    return [
        Event(f"{decision.id}:{number}", kind, decision.account, at, card, hold, detail)
        for number, (kind, at, card, hold, detail) in enumerate(_found(decision))
    ]


Found = tuple[Happened, UnixMs, CardId, HoldId, str]


def _found(decision: Decision) -> Iterator[Found]:
    request, outcome = decision.request, decision.outcome
    no_card, no_hold = CardId(""), HoldId("")
    for change in decision.changes:
        if isinstance(change, HoldEnded) and change.how is HoldEnd.EXPIRED:
            yield Happened.HOLD_EXPIRED, change.at, no_card, change.hold, ""
        elif isinstance(change, Noticed):
            detail = f"{change.currency} {change.month} {percent(change.margin)}"
            yield Happened.MARGIN_NOTICE, decision.at, change.card, no_hold, detail
        elif isinstance(change, CardCaptured):
            yield Happened.CARD_CAPTURED, decision.at, change.card, no_hold, "third wrong PIN"
        elif isinstance(change, CountersSet) and _blocks_the_pin(decision):
            yield Happened.PIN_BLOCKED, decision.at, change.card, no_hold, "third wrong PIN"
    if isinstance(request, BlockCard) and isinstance(outcome, Approved) and decision.changes:
        yield Happened.CARD_BLOCKED, decision.at, request.card, no_hold, f"{request.kind.value} by {request.by.value}"
    if isinstance(outcome, Refused) and outcome.reason is Reason.SUSPECTED_FRAUD:
        yield Happened.DOUBTFUL, decision.at, getattr(request, "card", no_card), no_hold, outcome.rule


def _blocks_the_pin(decision: Decision) -> bool:
    """This very message was the third wrong PIN: the step "pin" refused with that reason."""
    outcome = decision.outcome
    return isinstance(outcome, Refused) and outcome.reason is Reason.PIN_TRIES_EXCEEDED and outcome.rule == "pin"
