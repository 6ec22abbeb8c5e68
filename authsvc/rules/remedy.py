"""What would have helped: for a refusal, what the cardholder could have done instead. Told from the step that refused.

A remedy is about this message only; a later rule might still have refused.
"""

from __future__ import annotations

from authsvc.model import Decision, Reason, Refused, Step

TOMORROW = frozenset({Reason.CASH_COUNT, Reason.CASHLESS_COUNT, Reason.INTERNET_COUNT})
LIMITS = frozenset({Reason.CASH_LIMIT, Reason.CASHLESS_LIMIT, Reason.INTERNET_LIMIT})
FUNDS = frozenset({Reason.INSUFFICIENT_FUNDS, Reason.CREDIT_LIMIT, Reason.INDIVIDUAL_LIMIT})
FIXED = {
    Reason.PIN_WRONG: "the right PIN",
    Reason.PIN_REQUIRED: "with PIN",
    Reason.CONTACT_FIRST: "first a payment with the chip and the PIN",
    Reason.SCA_REQUIRED: "with 3-D Secure",
    Reason.THREE_DS_LOCKED: "3-D Secure unlocked",
    Reason.CARD_INACTIVE: "the card activated",
    Reason.TEMPORARILY_BLOCKED: "the card unblocked",
    Reason.EXPIRED: "a card that has not expired",
    Reason.EXPIRY_MISMATCH: "the expiry date that is on the card",
    Reason.CVV2_WRONG: "the right CVV2",
    Reason.CASHBACK_NOT_ALLOWED: "without cashback",
    Reason.CARD_CAPTURED: "a new card",
    Reason.PERMANENTLY_BLOCKED: "a new card",
    Reason.LOST: "a new card",
    Reason.STOLEN: "a new card",
    Reason.REPLACED: "the card that replaced it",
}
"""Reasons whose remedy does not depend on the amounts."""


def remedy(decision: Decision) -> str:
    """A few words, as "18.20 less" or "tomorrow"; "" for an approval and where nothing would have helped."""
    outcome = decision.outcome
    if not isinstance(outcome, Refused):
        return ""
    step = next((step for step in reversed(decision.trace) if step.rule == outcome.rule), None)
    return "" if step is None else _of(outcome.reason, step)


def _of(reason: Reason, step: Step) -> str:
    if reason in FUNDS:
        return _less(_number(step, "available"), _number(step, "amount"), "")
    if reason in LIMITS:
        limit, amount = _number(step, "limit"), _number(step, "amount")
        return _less(limit - _number(step, "used"), amount, ", or tomorrow" if amount <= limit else "")
    if reason in TOMORROW:
        return "tomorrow"
    if reason is Reason.CASHBACK_ABOVE_MAXIMUM:
        return _less(_number(step, "maximum"), _number(step, "cashback"), "")
    if reason is Reason.PIN_TRIES_EXCEEDED:
        return _pin_block(step)
    if reason is Reason.CHANNEL_OFF:
        return "contactless switched on" if step.rule == "contactless_channel" else "a limit above zero"
    return FIXED.get(reason, "")


def _pin_block(step: Step) -> str:
    """On the day of the block only the hotline helps; from the next day on, the right PIN (S §12.3, W §13.3-4)."""
    same_day = step.inputs.get("blocked_on", step.inputs.get("day")) == step.inputs.get("day")
    return "the hotline today, or the right PIN tomorrow" if same_day else "with the right PIN"


def _less(room: int, amount: int, otherwise: str) -> str:
    """How much less would have fitted; when nothing fits, what else."""
    if room <= 0:
        return otherwise.removeprefix(", or ")
    missing = amount - room
    return f"{missing // 100}.{missing % 100:02} less{otherwise}"


def _number(step: Step, name: str) -> int:
    value = step.inputs.get(name, 0)
    return value if isinstance(value, int) else 0
