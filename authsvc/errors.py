"""What authsvc raises on purpose. A decline is a value (`model.Reason`); an exception names who must act.

Each class has one handler, in the shell (`server`, `control`, `cli`).
"""

from __future__ import annotations


class AuthsvcError(Exception):
    """Base of what authsvc raises on purpose."""


class ConfigError(AuthsvcError):
    """A file or a setting is wrong. The start stops; the message names the file and the key."""


class PeerError(AuthsvcError):
    """The peer broke the format. Answer DE39 30, or close the link if nothing can be answered.

    `field`: the data element that is wrong, as "DE4" (or "MTI", "bitmap", "frame"); `problem`: what is wrong with it.
    Neither ever holds the value of the field: values can be secrets.
    """

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class StaleAccountError(AuthsvcError):
    """Another decision of this account was committed first. Load and decide again, a bounded number of times."""


class NotThereError(ConfigError):
    """A server that settings name cannot be reached, which may be different in a moment: exit 1, not 2."""


class LedgerDownError(AuthsvcError):
    """We cannot remember, so we must not approve. Answer DE39 91, readiness false."""


class LateError(LedgerDownError):
    """The account could not be read within `answer_within_ms`: nobody waits any more, so nothing is decided."""


class StateDownError(AuthsvcError):
    """The Redis copy cannot be reached in time. Read the journal's head row instead; nobody else needs to know."""
