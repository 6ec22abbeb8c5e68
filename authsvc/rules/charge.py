"""Money in, and the bank's own charges: loads, repayments, fees, interest, costs, and debt that is given up.

A charge is taken also above the limit and into the red (S §30.3, W §21.3, P §17.6). A payment settles the debt in the order of
S §41.2; what is above it is an overpayment (S §26.4-5).
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.model import (
    Account,
    CardId,
    Charge,
    Load,
    Minor,
    OpeningDebt,
    Origin,
    Posting,
    PostingKind,
    Reason,
    UnixMs,
)
from authsvc.products import Product
from authsvc.rules import posting
from authsvc.rules.calendar import day_of
from authsvc.rules.done import Done, Inputs

NO_MESSAGE = Origin("", "", "")
TAKEN_OVER = "import"
"""Reference of what was on an account when it came from another system."""
CHARGES = frozenset(
    {
        PostingKind.FEE, PostingKind.COMMISSION, PostingKind.INTEREST, PostingKind.OVERDUE_INTEREST,
        PostingKind.REMINDER_COST, PostingKind.COURT_COST, PostingKind.WRITE_OFF,
    }
)  # fmt: skip


def load(command: Load, account: Account, product: Product, now: UnixMs) -> Done:
    """A top-up (W §11, P §9.3), or a repayment (S §26.4-5, §29.4)."""
    money = _money(account, CardId(""), PostingKind.LOAD, Minor(-command.amount), command.reference, now)
    posted = posting.post(account, money, product)
    inputs: Inputs = {"amount": command.amount, "reference": command.reference, "balance": posted.balance}
    return Done("load", inputs, posted)


def charge(command: Charge, account: Account, product: Product, now: UnixMs) -> Done:
    """Taken whatever is there. Only a debt can be given up, and no more than it is."""
    kind = PostingKind(command.kind)
    inputs: Inputs = {"kind": kind.value, "amount": command.amount, "reference": command.reference}
    if kind not in CHARGES or (command.card and command.card not in account.cards):
        return Done("charge", {**inputs, "card": command.card}, reason=Reason.NOT_ALLOWED)
    if kind is PostingKind.WRITE_OFF and command.amount > -account.balance:
        return Done("charge", {**inputs, "balance": account.balance}, reason=Reason.NOT_ALLOWED)
    amount = -command.amount if kind is PostingKind.WRITE_OFF else command.amount
    posted = posting.post(account, _money(account, command.card, kind, Minor(amount), command.reference, now), product)
    return Done("charge", {**inputs, "balance": posted.balance}, posted)


def taken_over(step: Load | OpeningDebt, number: int, account: Account, product: Product, now: UnixMs) -> Done:
    """What was on an account in the system that it comes from: its balance, or a debt of a card of it, of a kind that payments
    settle (S §41.2). In the books against what was taken over: nobody paid it in or claimed it here. `number`: of the posting
    among those of its decision."""
    debt = step if isinstance(step, OpeningDebt) else None
    kind, card = (PostingKind.LOAD, CardId("")) if debt is None else (PostingKind(debt.kind), debt.card)
    inputs: Inputs = {"kind": kind.value, "amount": step.amount, "card": card}
    if debt is not None and (kind not in product.repayment_order or card not in account.cards):
        return Done("charge", inputs, reason=Reason.NOT_ALLOWED)
    amount = Minor(-step.amount if debt is None else step.amount)
    money = replace(_money(account, card, kind, amount, TAKEN_OVER, now), id=posting.id_of(account, number))
    return Done("charge", inputs, replace(posting.post(account, money, product), legs=product.chart.opening(amount)))


def _money(
    account: Account, card: CardId, kind: PostingKind, amount: Minor, reference: str, now: UnixMs
) -> Posting:  # fmt: skip
    return Posting(
        id=posting.id_of(account), card=card, kind=kind, amount=amount, at=now, origin=NO_MESSAGE, day=day_of(now),
        reference=reference,
    )  # fmt: skip
