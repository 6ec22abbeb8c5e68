"""What a durable decision adds to the counters of payments: amounts by currency, and what stood behind SCA.

The figures of (EU) 2018/389 Art. 21(1)(b), (c) come from here: payments and their value, remote or not, with SCA or by
exemption.
"""

from __future__ import annotations

from authsvc.metrics import Metrics
from authsvc.model import Approved, Authorization, Decision, Kind, Pin
from authsvc.rules.chip import has_offline_pin
from authsvc.rules.places import CONTACTLESS, is_remote

PAYMENTS = frozenset(
    {Kind.PURCHASE, Kind.CASH, Kind.CASHBACK, Kind.QUASI_CASH, Kind.TRANSFER, Kind.PRE_AUTHORIZATION, Kind.INCREMENTAL}
)
"""What takes money; the others give it back, or only ask."""


class Tally:
    """What one decision counts as. `pin`: ABSENT where none came; `how`: what stood behind SCA, "" where nothing was paid."""

    __slots__ = ("amount", "channel", "currency", "how", "pin", "product")

    def __init__(self, product: str, pin: Pin, currency: str, channel: str, how: str, amount: int) -> None:
        self.product = product
        self.pin = pin
        self.currency = currency
        self.channel = channel
        self.how = how
        self.amount = amount

    def count(self, metrics: Metrics) -> None:
        """Once, when the decision is durable."""
        if self.pin is not Pin.ABSENT:
            metrics.payments.pin(self.product, self.pin)
        if self.how:
            metrics.payments.approved(self.product, self.currency, self.channel, self.how, self.amount)


def tally(decision: Decision) -> Tally | None:
    """None: there is nothing to count. Advices are not: somebody else decided them."""
    request, outcome = decision.request, decision.outcome
    if not isinstance(request, Authorization):
        return None
    channel, how, amount = "", "", 0
    if isinstance(outcome, Approved) and request.kind in PAYMENTS and not request.is_advice:
        channel = "remote" if is_remote(request) else "terminal"
        how, amount = outcome.exemption or _authenticated(request), outcome.amount
    if not how and request.pin is Pin.ABSENT:
        return None
    return Tally(decision.product, request.pin, request.currency, channel, how, amount)


def _authenticated(request: Authorization) -> str:
    """How the holder was authenticated, no exemption having been named: a remote payment is approved only with SCA then."""
    if request.pin is Pin.RIGHT or has_offline_pin(request) or is_remote(request) or request.virtual:
        return "authenticated"
    return "contactless" if request.entry in CONTACTLESS else "without"
