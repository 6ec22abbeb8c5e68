"""Load, decide, remember; and again when somebody else was faster. Laws 3, 4 and 5 of the architecture live here.

No lock is held while anything is awaited. Decisions on their way to the disk are kept as the account's tip, so the next
message of the same account is decided on top of them and joins the same commit. Whoever decided on an account that has
moved on loses the journal's compare-and-set, reads the journal and decides again, a bounded number of times.
"""

from __future__ import annotations

from asyncio import Future, shield
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
    request_key,
)
from authsvc.products import Product
from authsvc.rules.audit import audited
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve
from authsvc.rules.memory import MAX_RECENT_KEYS, Missing, claim_undone, missing
from authsvc.state.copy import RedisState
from authsvc.state.recent import RecentHeads
from authsvc.stepping import SHARED
from authsvc.tally import tally

ChipAnswer = Callable[[str], str]
"""DE39 -> DE55 of the answer."""
ATTEMPTS = 50
"""How often one request is decided before it is given up. Each lost race means that another decision was taken; several
workers on one busy account lose some ten in a row now and then, and the time that a decision is worth ends it anyway."""


class _Line:
    """Decisions of one account that stand on each other; when one of them loses, all above it do."""


class Way:
    """A decision in the queue to the disk: the head it leaves, and `durable`, to be waited for before anybody is told. Nothing
    else of it is kept meanwhile: hundreds are on their way at once, and what they keep alive has left the processor's caches
    when it is looked at again."""

    __slots__ = ("counts", "decided", "decider", "durable", "head", "key", "line", "product", "reason")

    def __init__(
        self, decider: Decider, head: Head, durable: Future[None], line: _Line, decision: Decision, decided: float
    ) -> None:
        self.decider = decider
        self.head = head
        self.durable = durable
        self.line = line
        self.key = decision.key
        self.product = decision.product
        self.reason = reason_of(decision)
        self.counts = tally(decision)
        self.decided = decided

    def landed(self, durable: Future[None]) -> None:
        """Called when it is on the disk, or never will be."""
        if durable.cancelled():
            self.decider.gone(self)
            return
        error = durable.exception()
        if error is None:
            self.decider.remembered(self)
        else:
            self.decider.not_remembered(self, error)


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
        self._tips: dict[AccountId, Way] = {}
        self._on_their_way: dict[tuple[AccountId, Key], Way] = {}
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
        deadline = self.deadline()
        for attempt in range(ATTEMPTS):
            try:
                decision, way = await self.begin(request, offered_pvv, vault, chip_answer, actor, attempt > 0, deadline)
                if way is not None:
                    await shield(way.durable)
                return decision
            except StaleAccountError:
                self.lost_a_race()
        raise lost(request.account)

    def deadline(self) -> float:
        """When a decision on what came just now is not worth making any more, by `perf_counter`."""
        return perf_counter() + self._within

    def lost_a_race(self) -> None:
        self._metrics.conflict()

    async def begin(
        self,
        request: Request,
        offered_pvv: str,
        vault: VaultEntry | None,
        chip_answer: ChipAnswer | None,
        actor: Actor | None,
        from_journal: bool,
        deadline: float,
    ) -> tuple[Decision, Way | None]:
        """The decision, and the way it is on: nobody may be told before its `durable` is done, which may raise what `decide`
        raises, and is not to be cancelled. None: it is durable already. `from_journal`: once more, after a lost race. Raises as
        `decide` does."""
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
            return decision, None
        decision = with_chip_answer(decision, chip_answer)
        after = evolve(account, decision)
        if actor is not None:
            decision = audited(decision, actor, account, after)
        decided = perf_counter()
        self._metrics.stage("load", loaded - started)
        self._metrics.stage("decide", decided - loaded)
        return decision, self._append(head, decision, after, None if reason_of(decision) else vault, decided)

    def _append(self, head: Head, decision: Decision, after: Account, vault: VaultEntry | None, decided: float) -> Way:
        """Nothing is awaited between deciding and taking the place in the queue, so nobody can come in between."""
        account = decision.account
        below = self._tips.get(account)
        tip, durable = self._ledger.append(head, decision, after, vault)
        line = below.line if below is not None and below.head is head else _Line()
        way = Way(self, tip, durable, line, decision, decided)
        self._tips[account] = way
        if decision.key:
            self._on_their_way[account, decision.key] = way
        durable.add_done_callback(way.landed, context=SHARED)  # whatever becomes of who waits for it
        return way

    def remembered(self, way: Way) -> None:
        """It is on the disk."""
        self.gone(way)
        head = way.head
        self._state.store(head)
        for left in self._recent.put(head):
            self._state.call_for(left)  # else both would keep it, and there is no bound to what waits for Redis
        if head.account.id in self._readers:
            self._committed[head.account.id] = head
        self._metrics.stage("commit", perf_counter() - way.decided)
        self._metrics.decided(way.product, "refused" if way.reason else "approved", way.reason)
        if way.counts is not None:
            way.counts.count(self._metrics)

    def not_remembered(self, way: Way, error: BaseException) -> None:
        """It is not, or nobody knows."""
        self.gone(way)
        if isinstance(error, StaleAccountError | LedgerDownError | PanTakenError):
            account = way.head.account.id
            self._recent.drop(account)
            self._drop(account, way.line)  # whatever stands on top of a loser loses too

    def gone(self, way: Way) -> None:
        """Nobody waits for it any more."""
        account = way.head.account.id
        if self._tips.get(account) is way:
            del self._tips[account]
        self._on_their_way.pop((account, way.key), None)

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
        """Decisions still on their way to the disk are in nobody's journal yet, so they are waited for."""
        earlier = None
        if need.earlier and key is not None:
            waiting = self._on_their_way.get((request.account, key))
            if waiting is not None:
                await shield(waiting.durable)
            stan = request.origin.stan if isinstance(request, Message) else ""
            earlier = await self._ledger.earlier(request.account, key, stan)
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
        tip = self._tips.get(account)
        if found is None and tip is not None:
            # It may be on its way to the disk, and posted so many others ago that the document has let it go.
            await shield(tip.durable)
            found = await self._ledger.original(account, request.card, original, origin.terminal, origin.merchant)
        if found is None:
            return past
        decision, end = found
        outcome = decision.outcome
        if not isinstance(outcome, Approved):
            return replace(past, original=decision)
        posting = await self._ledger.posting(account, outcome.posting) if outcome.posting else None
        return replace(past, original=decision, original_end=end, original_hold=outcome.hold, posting=posting)

    async def _claim_undone(self, reversal: Reversal) -> Posting | None:
        """The posting of the presentment that it names, when that has left the account's document; by its RRN alone."""
        if not reversal.original.rrn:
            return None
        rows = await self._ledger.find(reversal.original.rrn, "", reversal.account)
        made = [change.posting.id for row in rows for change in row.decision.changes if isinstance(change, Posted)]
        found = [await self._ledger.posting(reversal.account, posting) for posting in made]
        return claim_undone(reversal, [posting for posting in found if posting])

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


def lost(account: AccountId) -> StaleAccountError:
    """What is raised after the last of `ATTEMPTS`."""
    return StaleAccountError(f"{account}: lost {ATTEMPTS} races in a row")


def reason_of(decision: Decision) -> Reason | Literal[""]:
    """The reason of a refusal, "" of an approval."""
    return "" if isinstance(decision.outcome, Approved) else decision.outcome.reason
