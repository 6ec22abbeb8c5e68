"""The chart of accounts: between which two ledger accounts each kind of posting moves money (`config/ledger/chart.toml`)."""

from __future__ import annotations

from pathlib import Path

import msgspec
from msgspec import Struct

from authsvc.errors import ConfigError
from authsvc.model import CREDITED, Leg, Minor, PostingKind

CHART_FILE = Path("config/ledger/chart.toml")
CARDHOLDER = "cardholder"
MARKUP = "markup"
OPENING = "opening"


class Movement(Struct, frozen=True, forbid_unknown_fields=True):
    """`debit`: the account that money comes to; `credit`: the one it leaves. Names of `Chart.accounts`."""

    debit: str
    credit: str


class Chart(Struct, frozen=True, forbid_unknown_fields=True):
    """`accounts`: by name, what each is for; `movements`: one for each kind of posting, "markup", and "opening"."""

    accounts: dict[str, str] = {}
    movements: dict[str, Movement] = {}

    def legs(self, kind: PostingKind, amount: int, markup: int = 0) -> tuple[Leg, ...]:
        """The entries of a posting of `amount` grosze, `markup` of it the bank's; negative ones go backwards. None of zero."""
        rest = amount - markup
        pairs = ((kind.value, -rest if kind in CREDITED else rest), (MARKUP, markup))
        return tuple(self._leg(name, part) for name, part in pairs if part)

    def opening(self, amount: int) -> tuple[Leg, ...]:
        """The entry of `amount` grosze that an account owed when it was taken over; negative ones it had. Charts that journals
        remember from before there was this movement have it as a payment in."""
        return (self._leg(OPENING, amount),) if OPENING in self.movements else self.legs(PostingKind.LOAD, amount)

    def _leg(self, name: str, amount: int) -> Leg:
        movement = self.movements[name]
        if amount < 0:
            return Leg(movement.credit, movement.debit, Minor(-amount))
        return Leg(movement.debit, movement.credit, Minor(amount))


def load_chart(path: Path) -> Chart:
    """Raises ConfigError naming file and key."""
    try:
        chart = msgspec.toml.decode(path.read_bytes(), type=Chart)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    wanted = {*(kind.value for kind in PostingKind), MARKUP, OPENING}
    for name in sorted(wanted ^ set(chart.movements)):
        raise ConfigError(f"{path}: movements.{name} is {'missing' if name in wanted else 'no kind of posting'}")
    for name, movement in chart.movements.items():
        _check(path, chart, name, movement)
    return chart


def _check(path: Path, chart: Chart, name: str, movement: Movement) -> None:
    for side in (movement.debit, movement.credit):
        if side not in chart.accounts:
            raise ConfigError(f"{path}: movements.{name}: accounts.{side} is missing")
    if [movement.debit, movement.credit].count(CARDHOLDER) != 1:
        raise ConfigError(f"{path}: movements.{name}: one side, and one only, is {CARDHOLDER}")
