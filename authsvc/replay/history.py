"""What deciding needs of the past beyond the account's document, kept in memory for one account.

It answers what the ledger answers the decider (`journal.Ledger`: earlier, original, hold_by_code, posting), from the
decisions it was given: in a replay these are the new ones.
"""

from __future__ import annotations

from msgspec.structs import replace

from authsvc.ledger.holds import HoldRow, row_of
from authsvc.model import (
    NOTHING_MORE,
    Account,
    Approved,
    Authorization,
    CardId,
    Decision,
    HoldEnded,
    HoldId,
    HoldPlaced,
    Key,
    Message,
    Past,
    Posted,
    Posting,
    PostingId,
    PostingReduced,
    Presentment,
    Request,
    Reversal,
    UnixMs,
    names,
    request_key,
)
from authsvc.rules.memory import claim_undone, missing


class History:
    """The decisions of one account so far."""

    def __init__(self) -> None:
        self._first: dict[Key, Decision] = {}
        self._by_name: dict[tuple[str, str], list[Decision]] = {}
        self._holds: dict[HoldId, HoldRow] = {}
        self._coded: dict[tuple[CardId, str], HoldId] = {}
        self._postings: dict[PostingId, Posting] = {}
        self._by_rrn: dict[str, list[PostingId]] = {}

    def record(self, decision: Decision) -> None:
        """The next decision of the account."""
        if decision.key:
            self._first.setdefault(decision.key, decision)
        request = decision.request
        if isinstance(request, Authorization | Presentment):
            for name in (("stan", request.origin.stan), ("rrn", request.origin.rrn)):
                if name[1]:
                    self._by_name.setdefault(name, []).append(decision)
        for change in decision.changes:
            if isinstance(change, HoldPlaced):
                self._holds[change.hold.id] = row_of(change.hold, decision.account, decision.product)
                self._coded[change.hold.card, change.hold.authorization_code] = change.hold.id
            elif isinstance(change, HoldEnded):
                self._holds[change.hold] = replace(self._holds[change.hold], status=change.how.value)
            elif isinstance(change, Posted | PostingReduced):
                self._postings[change.posting.id] = change.posting
            if isinstance(change, Posted) and isinstance(request, Message):
                self._by_rrn.setdefault(request.origin.rrn, []).append(change.posting.id)

    def has_held(self, hold: HoldId) -> bool:
        """Whether this hold was ever placed."""
        return hold in self._holds

    def has_posted(self, posting: PostingId) -> bool:
        """Whether this posting was ever made."""
        return posting in self._postings

    def past(self, request: Request, account: Account, now: UnixMs) -> Past:
        """What `decide` needs for `request` on `account` at `now`, and nothing when the document knows enough."""
        key = request_key(request)
        need = missing(request, key, account, now)
        if need is None:
            return NOTHING_MORE
        past = Past(earlier=self._first.get(key) if need.earlier and key is not None else None)
        if need.original and isinstance(request, Reversal) and request.undoes_claim:
            return replace(past, posting=self._claim_undone(request))
        if need.original and isinstance(request, Reversal | Presentment):
            return self._with_original(past, request)
        return past

    def _with_original(self, past: Past, request: Reversal | Presentment) -> Past:
        if isinstance(request, Presentment) and request.code and not request.original.stan:
            hold = self._coded.get((request.card, request.code))
            if hold is not None:
                return replace(past, original_hold=hold, original_end=self._holds[hold].end)
        found = self._original(request)
        if found is None or not isinstance(found.outcome, Approved):
            return replace(past, original=found)
        held = self._holds.get(found.outcome.hold)
        return replace(
            past, original=found, original_end=held.end if held else None, original_hold=found.outcome.hold,
            posting=self._postings.get(found.outcome.posting),
        )  # fmt: skip

    def _claim_undone(self, reversal: Reversal) -> Posting | None:
        """The posting of the presentment that it names by its RRN (see `Decider`)."""
        rrn = reversal.original.rrn
        made = reversed(self._by_rrn.get(rrn, ())) if rrn else ()
        return claim_undone(reversal, [self._postings[posting] for posting in made])

    def _original(self, request: Reversal | Presentment) -> Decision | None:
        """The newest approved decision that it names, else the newest (see `journal.Ledger.original`)."""
        original, origin = request.original, request.origin
        name = ("stan", original.stan) if original.stan else ("rrn", original.rrn)
        kind = Presentment if original.mti[:3] == "022" else Authorization
        named = [
            decision
            for decision in reversed(self._by_name.get(name, ()))
            if isinstance(decision.request, kind)
            and decision.request.card == request.card
            and names(original, origin.terminal, origin.merchant, decision.request.origin)
        ]
        return next((one for one in named if isinstance(one.outcome, Approved)), named[0] if named else None)
