"""One message being decided: what is known, and what the rules have found out so far.

A `Case` lives for one call of `decide` and is never shared; rules read it, replace its `counters`, and add to its
trace. That keeps each rule a small function and the whole of `decide` pure.
"""

from __future__ import annotations

from authsvc.model import (
    Account,
    Bucket,
    Card,
    CardId,
    CardStatus,
    Change,
    Counters,
    Day,
    Foreign,
    Hold,
    HoldEnd,
    HoldEnded,
    Limits,
    Message,
    Minor,
    Reason,
    Refused,
    ScaUse,
    Step,
    UnixMs,
    Used,
    Verdict,
)
from authsvc.products import Product
from authsvc.rules.calendar import day_of
from authsvc.rules.pending import as_of

NO_LIMITS = Limits(Minor(0), Minor(0), Minor(0))
NO_CARD = Card(id=CardId(""), last4="", expiry="", pvv="", status=CardStatus.INACTIVE, limits=NO_LIMITS)


class Case:
    """`counters` and `changes` grow while rules run; `bucket`: which day limits it counts into; `sca_use`: which counter
    of payments without SCA; `has_sca`: whether the cardholder was strongly authenticated in this very message; `cash`: part
    of the amount paid out as cashback; `adds_to`: the hold that an incremental authorization adds to; `asked`: the amount
    asked for, when less is approved."""

    __slots__ = (
        "account", "adds_to", "asked", "bucket", "by_three_ds", "card", "cash", "changes", "counters", "day", "exemption",
        "foreign", "has_sca", "now", "product", "request", "sca_use",
        "trace", "used",
    )  # fmt: skip

    def __init__(self, request: Message, account: Account, product: Product, now: UnixMs) -> None:
        self.request = request
        self.account = account
        self.product = product
        self.now = now
        self.day: Day = day_of(now)
        self.card: Card = as_of(account.cards.get(request.card, NO_CARD), now)
        self.counters: Counters = self.card.counters
        self.used: Used = self.counters.used if self.counters.used.day == self.day else Used(day=self.day)
        self.bucket = Bucket.NONE
        self.sca_use = ScaUse.NONE
        self.has_sca = False
        self.by_three_ds = False  # the SCA was a 3-D Secure proof that came with it
        self.cash = Minor(0)
        self.adds_to: Hold | None = None
        self.asked: Minor | None = None
        self.exemption = ""  # what freed it from SCA
        self.foreign: Foreign | None = None  # how the amount came to PLN, None where it was
        self.trace: list[Step] = []
        self.changes: list[Change] = expired_holds(account, now)

    def passed(self, rule: str, inputs: dict[str, int | str | bool]) -> None:
        self.trace.append(Step(rule, Verdict.PASSED, self.product.paragraphs[rule], inputs))

    def not_applicable(self, rule: str) -> None:
        self.trace.append(_not_applicable(rule, self.product.paragraphs[rule]))

    def refused(self, rule: str, reason: Reason, inputs: dict[str, int | str | bool]) -> Refused:
        paragraph = self.product.paragraphs[rule]
        self.trace.append(Step(rule, Verdict.REFUSED, paragraph, inputs))
        return Refused(reason, rule, paragraph)


_NOT_APPLICABLE: dict[tuple[str, str], Step] = {}
"""By rule and paragraph, of which there are as many as the products have: a third of all steps says nothing else."""


def _not_applicable(rule: str, paragraph: str) -> Step:
    step = _NOT_APPLICABLE.get((rule, paragraph))
    if step is None:
        step = _NOT_APPLICABLE[rule, paragraph] = Step(rule, Verdict.NOT_APPLICABLE, paragraph, {})
    return step


def expired_holds(account: Account, now: UnixMs) -> list[Change]:
    """Holds whose time is over end with the next decision of the account, at the moment they were due (P §10.9)."""
    return [HoldEnded(hold.id, HoldEnd.EXPIRED, hold.expires) for hold in account.holds.due(now)]
