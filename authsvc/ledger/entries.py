"""From the postings of decisions to rows of the general ledger."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from authsvc.ledger.holds import Decided
from authsvc.model import AccountId, CardId, Minor, Posted, PostingId, PostingKind, PostingReduced, UnixMs

CARDHOLDER = "cardholder"
"""The ledger account that holds the balances of all card accounts."""


class EntryRow(Struct, frozen=True, gc=False):
    """`amount` grosze come to `debit` and leave `credit`. `leg`: its number in the decision."""

    account: AccountId
    seq: int
    leg: int
    at: UnixMs
    posting: PostingId
    kind: PostingKind
    card: CardId
    debit: str
    credit: str
    amount: Minor

    @property
    def for_holder(self) -> int:
        """What it adds to the balance of the card account, grosze."""
        return self.amount if self.credit == CARDHOLDER else -self.amount if self.debit == CARDHOLDER else 0


def entries_of(decision: Decided) -> Iterator[EntryRow]:
    """The entries of all that a decision posts or takes back, in the order of its changes."""
    leg = 0
    for change in decision.changes:
        if isinstance(change, Posted | PostingReduced):
            posting = change.posting
            for debit, credit, amount in ((one.debit, one.credit, one.amount) for one in change.legs):
                yield EntryRow(
                    decision.account, decision.seq, leg, decision.at, posting.id, posting.kind, posting.card, debit,
                    credit, amount,
                )  # fmt: skip
                leg += 1
