"""Load, decide, remember; and again when somebody else was faster. Laws 3, 4 and 5 of the architecture live here.

No lock is held while anything is awaited. Decisions on their way to the disk are kept as the account's tip, so the next
message of the same account is decided on top of them and joins the same commit. Whoever decided on an account that has
moved on loses the journal's compare-and-set, reads the journal and decides again, a bounded number of times.
"""

from __future__ import annotations

from asyncio import Future
from collections import Counter
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Literal

from msgspec.structs import replace

from authsvc.clock import Clock
from authsvc.errors import LateError, LedgerDownError, StaleAccountError
from authsvc.ledger.journal import ZERO_HASH, Ledger, PanTakenError, VaultEntry
from authsvc.metrics import Metrics
from authsvc.model import (
    NOTHING_MORE,
    Account,
    AccountId,
    Actor,
    Approved,
    Authorization,
    Decision,
    Head,
    ImportAccount,
    Key,
    Message,
    OpenAccount,
    Past,
    Pin,
    Posted,
    Posting,
    Presentment,
    Reason,
    Request,
    Reversal,
    UnixMs,
    names,
    request_key,
)
from authsvc.products import Product
from authsvc.rules.audit import audited
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve
from authsvc.rules.memory import MAX_RECENT_KEYS, Missing, claim_undone, missing
from authsvc.state.copy import RedisState
from authsvc.state.recent import RecentHeads
from authsvc.tally import tally

ChipAnswer = Callable[[str], str]
"""DE39 -> DE55 of the answer."""
ATTEMPTS = 50
"""How often one request is decided before it is given up. Each lost race means that another decision was taken; several
workers on one busy account lose some ten in a row now and then, and the time that a decision is worth ends it anyway."""


class _Line:
    """Decisions of one account that stand on each other; when one of them loses, all above it do."""


class _Tip:
    """The newest decision of an account that is on its way to the disk, and the line it ends."""

    __slots__ = ("head", "line")

    def __init__(self, head: Head, line: _Line) -> None:
        self.head = head
        self.line = line


class Decider:
    """One request in, one durable decision out. Constructed once per worker. `within`: seconds in which a decision is
    worth making; `recent`: accounts to keep at hand, where no other worker decides."""

    def __init__(
        self,
        products: Mapping[str, Product],
        state: RedisState,
        ledger: Ledger,
        clock: Clock,
        metrics: Metrics,
        within: float = 5.0,
        recent: RecentHeads | None = None,
    ) -> None:
        self._products = products
        self._state = state
        self._ledger = ledger
        self._metrics = metrics
        self._within = within
        self._tips: dict[AccountId, _Tip] = {}
        self._on_their_way: dict[tuple[AccountId, Key], tuple[Decision, Future[None]]] = {}
        self._readers: Counter[AccountId] = Counter()
        self._committed: dict[AccountId, Head] = {}
        self._recent = recent if recent is not None else RecentHeads(0)
        self.now = clock

    async def decide(
        self,
        request: Request,
        offered_pvv: str = "",
        vault: VaultEntry | None = None,
        chip_answer: ChipAnswer | None = None,
        actor: Actor | None = None,
    ) -> Decision:
        """The decision on `request`, durable; the earlier one for a repeat. `actor`: who ordered it.

        Raises StaleAccountError after `ATTEMPTS` lost races, LedgerDownError when nothing can be remembered,
        LateError when it is too late to decide.
        """
        deadline = perf_counter() + self._within
        for attempt in range(ATTEMPTS):
            try:
                return await self._once(request, offered_pvv, vault, chip_answer, attempt > 0, deadline, actor)
            except StaleAccountError:
                self._metrics.conflict()
        raise StaleAccountError(f"{request.account}: lost {ATTEMPTS} races in a row")

    async def _once(
        self,
        request: Request,
        offered_pvv: str,
        vault: VaultEntry | None,
        chip_answer: ChipAnswer | None,
        from_journal: bool,
        deadline: float,
        actor: Actor | None,
    ) -> Decision:
        started = perf_counter()
        key = request_key(request)
        now = self.now()
        head, past = await self._known(request, key, now, from_journal)
        loaded = perf_counter()
        if loaded > deadline:
            raise LateError(f"{request.account}: not read within {self._within} s")
        account, product = head.account, self._product(request, head.account)
        decision = decide(with_pin_verdict(request, offered_pvv, account), account, product, now, past, key)
        if decision is past.earlier or decision.seq <= account.seq:  # the first: in the journal, and the copy is older
            return await self._remembered(decision)
        decision = with_chip_answer(decision, chip_answer)
        after = evolve(account, decision)
        if actor is not None:
            decision = audited(decision, actor, account, after)
        decided = perf_counter()
        self._metrics.stage("load", loaded - started)
        self._metrics.stage("decide", decided - loaded)
        await self._commit(head, decision, after, None if reason_of(decision) else vault)
        self._metrics.stage("commit", perf_counter() - decided)
        reason = reason_of(decision)
        self._metrics.decided(decision.product, "refused" if reason else "approved", reason)
        tally(self._metrics, decision)
        return decision

    async def _commit(self, head: Head, decision: Decision, after: Account, vault: VaultEntry | None) -> None:
        """Nothing is awaited between deciding and taking the place in the queue, so nobody can come in between."""
        account, place = decision.account, (decision.account, decision.key)
        below = self._tips.get(account)
        tip, durable = self._ledger.append(head, decision, after, vault)
        line = below.line if below is not None and below.head is head else _Line()
        self._tips[account] = _Tip(tip, line)
        if decision.key:
            self._on_their_way[place] = (decision, durable)
        try:
            await durable
            self._state.store(tip)
            self._recent.put(tip)
            if account in self._readers:
                self._committed[account] = tip
        except (StaleAccountError, LedgerDownError, PanTakenError):
            self._recent.drop(account)
            self._drop(account, line)  # whatever stands on top of a loser loses too
            raise
        finally:
            if (top := self._tips.get(account)) is not None and top.head is tip:
                del self._tips[account]
            self._on_their_way.pop(place, None)

    def _drop(self, account: AccountId, line: _Line) -> None:
        """Forget the tip of this line of decisions; one that was begun anew from the journal stays."""
        top = self._tips.get(account)
        if top is not None and top.line is line:
            del self._tips[account]

    async def _known(self, request: Request, key: Key | None, now: UnixMs, from_journal: bool) -> tuple[Head, Past]:
        """The newest head of the account and what else `decide` needs; asked again only when the account moved so far
        meanwhile that the first answer may be out of date."""
        head, past = await self._newest(request.account, from_journal), NOTHING_MORE
        need = missing(request, key, head.account, now)
        while need is not None:
            asked, past = head, await self._fetch(need, request, key)
            head = await self._newest(request.account, from_journal)
            if past.earlier is not None or self._still_new(request, key, asked, head):
                break
            need = missing(request, key, head.account, now)
        return head, past

    async def _newest(self, account: AccountId, from_journal: bool = False) -> Head:
        """What the next decision of the account has to stand on."""
        tip = self._tips.get(account)
        if tip is not None:
            return tip.head
        recent = self._recent.get(account)
        if recent is not None:  # never after a lost race: it is dropped then
            return recent
        self._readers[account] += 1
        try:
            loaded = await (self._state.rebuild(account) if from_journal else self._state.load(account))
        finally:
            committed = self._read(account)
        tip = self._tips.get(account)
        known = [head for head in (loaded, committed, tip.head if tip else None) if head is not None]
        return max(known, key=lambda head: head.account.seq, default=Head(Account(id=account), ZERO_HASH))

    def _read(self, account: AccountId) -> Head | None:
        """One reader less. Returns what was decided and made durable here while it read: what it found may be older."""
        committed = self._committed.get(account)
        self._readers[account] -= 1
        if not self._readers[account]:
            del self._readers[account]
            self._committed.pop(account, None)
        return committed

    def _still_new(self, request: Request, key: Key | None, asked: Head, head: Head) -> bool:
        """Whether a key that was in no journal at `asked` has not been decided on since. The keys of messages are in the
        document, the newest `MAX_RECENT_KEYS` of them; those of commands are in the journal alone."""
        if head is asked or key is None or head.account.seq == asked.account.seq:
            return True
        since = head.account.seq - asked.account.seq
        is_message = isinstance(request, Message) and bool(request.origin.stan)
        return is_message and 0 < since < MAX_RECENT_KEYS and key not in head.account.recent_keys

    async def _fetch(self, need: Missing, request: Request, key: Key | None) -> Past:
        """Decisions still on their way to the disk are in nobody's journal yet, so they are looked up here first."""
        earlier = None
        if need.earlier and key is not None:
            waiting = self._on_their_way.get((request.account, key))
            stan = request.origin.stan if isinstance(request, Message) else ""
            earlier = waiting[0] if waiting else await self._ledger.earlier(request.account, key, stan)
        if not need.original or not isinstance(request, Reversal | Presentment):
            return Past(earlier=earlier)
        if isinstance(request, Reversal) and request.undoes_claim:
            return Past(earlier=earlier, posting=await self._claim_undone(request))
        return await self._with_original(Past(earlier=earlier), request)

    async def _with_original(self, past: Past, request: Reversal | Presentment) -> Past:
        """What the message refers to, when that is no longer in the account's document."""
        account, origin, original = request.account, request.origin, request.original
        if isinstance(request, Presentment) and request.code and not original.stan:
            hold = await self._ledger.hold_by_code(account, request.card, request.code)
            if hold is not None:
                return replace(past, original_hold=hold.id, original_end=hold.end)
        found = await self._ledger.original(account, request.card, original, origin.terminal, origin.merchant)
        if found is None:
            return self._with_pending(past, request)
        decision, end = found
        outcome = decision.outcome
        if not isinstance(outcome, Approved):
            return replace(past, original=decision)
        posting = await self._ledger.posting(account, outcome.posting) if outcome.posting else None
        return replace(past, original=decision, original_end=end, original_hold=outcome.hold, posting=posting)

    def _with_pending(self, past: Past, request: Reversal | Presentment) -> Past:
        """An original that is still on its way to the disk, and posted so many others ago that the document has let it go."""
        origin = request.origin
        for (account, _), (decision, _) in self._on_their_way.items():
            made = decision.request
            if account != request.account or not isinstance(made, Authorization | Presentment):
                continue
            if made.card == request.card and names(request.original, origin.terminal, origin.merchant, made.origin):
                posted = (change.posting for change in decision.changes if isinstance(change, Posted))
                return replace(past, original=decision, posting=next(posted, None))
        return past

    async def _claim_undone(self, reversal: Reversal) -> Posting | None:
        """The posting of the presentment that it names, when that has left the account's document; by its RRN alone."""
        if not reversal.original.rrn:
            return None
        rows = await self._ledger.find(reversal.original.rrn, "", reversal.account)
        made = [change.posting.id for row in rows for change in row.decision.changes if isinstance(change, Posted)]
        found = [await self._ledger.posting(reversal.account, posting) for posting in made]
        return claim_undone(reversal, [posting for posting in found if posting])

    async def _remembered(self, decision: Decision) -> Decision:
        """A repeat's answer leaves only when the first one's decision is durable."""
        waiting = self._on_their_way.get((decision.account, decision.key))
        if waiting is not None and waiting[0] is decision:
            await waiting[1]
        return decision

    def _product(self, request: Request, account: Account) -> Product:
        """Of an account that is being opened, the product it asks for; of one that nobody opened, the one for strays."""
        name = account.product or (request.product if isinstance(request, OpenAccount | ImportAccount) else "none")
        return self._products[name]

    async def account(self, account: AccountId) -> Account | None:
        """The account as of its last durable decision, None when there never was one. What is still on its way to the
        disk is shown to nobody: a crash would take it back (architecture, law 5). Nor is the copy, which may be behind."""
        head = self._recent.get(account) or await self._ledger.head(account)
        return head.account if head and head.account.product else None


def with_pin_verdict(request: Request, offered_pvv: str, account: Account) -> Request:
    """The request with what its PIN came to; the PIN verification value offered goes no further."""
    if not offered_pvv or not isinstance(request, Authorization):
        return request
    card = account.cards.get(request.card)
    right = card is not None and offered_pvv == card.pvv
    return replace(request, pin=Pin.RIGHT if right else Pin.WRONG)


def with_chip_answer(decision: Decision, chip_answer: ChipAnswer | None) -> Decision:
    """The decision with what its answer tells the chip: made from its DE39, and kept, so that a repeat gets it again."""
    if chip_answer is None or decision.answer is None:
        return decision
    return replace(decision, answer=replace(decision.answer, chip=chip_answer(decision.answer.response_code)))


def reason_of(decision: Decision) -> Reason | Literal[""]:
    """The reason of a refusal, "" of an approval."""
    return "" if isinstance(decision.outcome, Approved) else decision.outcome.reason
