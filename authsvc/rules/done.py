"""What a command comes to, and the words its rules share."""

from __future__ import annotations

from authsvc.model import CardStatus, Change, Reason

FINAL = frozenset(
    {CardStatus.PERMANENTLY_BLOCKED, CardStatus.LOST, CardStatus.STOLEN, CardStatus.CAPTURED, CardStatus.REPLACED}
)
"""Statuses that nothing lifts (S §22.4, W §16.3, P §25.4)."""
Inputs = dict[str, int | str | bool]


class Done:
    """What a command comes to: its changes, or the reason against it."""

    __slots__ = ("changes", "inputs", "reason", "rule")

    def __init__(self, rule: str, inputs: Inputs, *changes: Change, reason: Reason | None = None) -> None:
        self.rule = rule
        self.inputs = inputs
        self.changes = changes
        self.reason = reason
