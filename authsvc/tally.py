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


def tally(metrics: Metrics, decision: Decision) -> None:
    """Count a decision once, when it is durable. Advices are not in: somebody else decided them."""
    request, outcome = decision.request, decision.outcome
    if not isinstance(request, Authorization):
        return
    if request.pin is not Pin.ABSENT:
        metrics.payments.pin(decision.product, request.pin)
    if isinstance(outcome, Approved) and request.kind in PAYMENTS and not request.is_advice:
        channel = "remote" if is_remote(request) else "terminal"
        how = outcome.exemption or _authenticated(request)
        metrics.payments.approved(decision.product, request.currency, channel, how, outcome.amount)


def _authenticated(request: Authorization) -> str:
    """How the holder was authenticated, no exemption having been named: a remote payment is approved only with SCA then."""
    if request.pin is Pin.RIGHT or has_offline_pin(request) or is_remote(request) or request.virtual:
        return "authenticated"
    return "contactless" if request.entry in CONTACTLESS else "without"
