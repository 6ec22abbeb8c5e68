"""The way of a message, as one function. Read `Pipeline.answer` first."""

from __future__ import annotations

from collections.abc import Mapping
from time import perf_counter
from typing import Protocol

from msgspec.structs import replace

from authsvc.codec import network
from authsvc.codec.answers import to_answer, to_refusal
from authsvc.codec.dialects import Dialect, Fields, MessageError
from authsvc.codec.translate import Received, pan_of, to_request
from authsvc.decider import ATTEMPTS, Decider, Way, reason_of
from authsvc.errors import LedgerDownError, PeerError, StaleAccountError
from authsvc.ledger.journal import CommitUnknownError
from authsvc.logs import MessageLog, get_logger
from authsvc.metrics import KeyChange, Metrics, NetworkKind
from authsvc.model import Authorization, Decision, Message, Reason
from authsvc.products import Product
from authsvc.rules.calendar import day_of
from authsvc.rules.places import CONTACTLESS
from authsvc.security.draws import Draws
from authsvc.security.exchange import CODES, Exchange
from authsvc.security.hsm import Hsm
from authsvc.security.vault import Vault
from authsvc.seldom import Seldom

log = get_logger(__name__)

NETWORK_KINDS: dict[str, NetworkKind] = {"001": "sign_on", "002": "sign_off", "161": "key_change", "301": "echo"}


class Link(Protocol):
    """What the pipeline must know of the connection a message came on; `link` implements it. `refused`: how many of its
    messages went no further."""

    listener: str
    dialect: Dialect
    signed_on: bool
    refused: int

    @property
    def peer(self) -> str: ...


class Pipeline:
    """Bytes of one message in, bytes of its answer out. `products`: "none" among them answers where no card is known;
    `exchange`: of keys, with a peer that may change them; `acquirers`: DE32 of its messages, any when empty."""

    def __init__(
        self,
        decider: Decider,
        vault: Vault,
        hsm: Hsm,
        draws: Draws,
        products: Mapping[str, Product],
        metrics: Metrics,
        message_log: MessageLog,
        exchange: Exchange | None = None,
        acquirers: frozenset[str] = frozenset(),
    ) -> None:
        self._decider = decider
        self._vault = vault
        self._hsm = hsm
        self._draws = draws
        self._products = products
        self._metrics = metrics
        self._message_log = message_log
        self._exchange = exchange
        self._acquirers = acquirers
        self._seldom = Seldom()

    async def answer(self, link: Link, payload: bytes) -> bytes | None:
        """The whole way, and again when somebody else was faster. Budget: 120 us of this worker's CPU; the commit runs in its
        own process. While it runs, nothing is kept of a message but its bytes, its answer, and the account after it."""
        started, deadline = perf_counter(), self._decider.deadline()
        for attempt in range(ATTEMPTS):
            try:
                answer, way, told = await self._decided(link, payload, started, attempt > 0, deadline)
                if way is not None:
                    await way.durable  # law 5: no answer before it is remembered
                    self._metrics.stage("total", perf_counter() - started)
                if told is not None:
                    _log_line(told, perf_counter() - started)
                return answer
            except StaleAccountError:
                self._decider.lost_a_race()
        raise StaleAccountError(f"lost {ATTEMPTS} races in a row")

    async def _decided(
        self, link: Link, payload: bytes, started: float, again: bool, deadline: float
    ) -> tuple[bytes | None, Way | None, Decision | None]:
        """The answer, and the way its decision is on; None where there is none to wait for. And the decision, for those that a
        line of the log is asked of."""
        fields = link.dialect.decode(payload)  # codec: bytes -> data elements
        if network.is_network_management(fields["t"]):
            return await self._network(link, fields), None, None
        if self._acquirers and not self._may_speak(fields):
            self._metrics.frame_refused(link.listener, "acquirer")
            return self._refuse(link, fields, Reason.ACQUIRER_NOT_ALLOWED), None, None
        received = await self._understand(self._dated(link, fields))  # codec, security: -> meaning; the PAN stops here
        self._metrics.stage("decode", perf_counter() - started)
        if not link.signed_on:
            return self._refuse(link, fields, Reason.LEDGER_UNAVAILABLE), None, None
        decision, way = await self._decider.begin(  # state, rules, ledger: decided, and on its way to the disk
            received.request, received.offered_pvv, None, received.chip_answer, None, again, deadline
        )
        answer = link.dialect.encode(_response(fields, decision))  # codec: meaning -> bytes
        if way is None:
            self._metrics.stage("total", perf_counter() - started)  # a repeat
        told = decision if self._message_log.one_in and self._message_log.is_due() else None
        return answer, way, told

    async def handle(self, link: Link, payload: bytes) -> bytes | None:
        """`answer`, with every fault turned into the answer it deserves. None: nothing that could be answered."""
        try:
            return await self.answer(link, payload)
        except MessageError as error:
            return self._format_error(link, error, error.fields)
        except PeerError as error:
            return self._format_error(link, error, link.dialect.decode(payload))
        except CommitUnknownError:
            return None  # neither yes nor no is known to be true; the repeat finds out
        except LedgerDownError:
            return self._refuse(link, link.dialect.decode(payload), Reason.LEDGER_UNAVAILABLE)
        except StaleAccountError as error:
            log.error("conflict", listener=link.listener, problem=str(error))
            return self._refuse(link, link.dialect.decode(payload), Reason.SYSTEM_ERROR)

    def fault(self, link: Link, payload: bytes) -> bytes | None:
        """The answer when we failed in a way nobody foresaw: DE39 96. The decision, if there is one, stays durable."""
        return self.refuse(link, payload, Reason.SYSTEM_ERROR)

    def refuse(self, link: Link, payload: bytes, reason: Reason) -> bytes | None:
        """The answer to a message that goes no further; None when not even that can be read of it."""
        try:
            fields = link.dialect.decode(payload)
        except MessageError as error:
            fields = error.fields
        return self._refuse(link, fields, reason)

    def _may_speak(self, fields: Fields) -> bool:
        """Whether the acquirer (DE32) is one of this link, and so is that of the message that DE90 names, if it names one."""
        original = fields.get("90", "")[20:31].lstrip("0")
        named = {fields.get("32", "").lstrip("0"), *([original] if original else [])}
        return named <= self._acquirers

    def _dated(self, link: Link, fields: Fields) -> Fields:
        """The message with a DE7, where its dialect has speakers that leave it out: the day on which it came, Warsaw.

        Without it, a STAN that comes again on another day would be taken for a repeat, and answered with the old approval.
        """
        if "7" in fields or not link.dialect.layout.undated:
            return fields
        day = day_of(self._decider.now())
        return {**fields, "7": f"{day[5:7]}{day[8:]}000000"}

    async def _understand(self, fields: Fields) -> Received:
        """What the message means, what its PIN block came to, and how to answer its chip."""
        pan = pan_of(fields)
        card = self._vault.cached(pan) or await self._vault.find(pan)
        received = to_request(fields, card, self._hsm)
        if card.virtual and received.offered_pvv:  # the PIN is the card's, whatever number it came with
            card_pan = await self._vault.pan_of(card.card) or ""
            offered = self._hsm.offered_pvv(bytes.fromhex(fields["52"]), pan, card_pan)
            received = replace(received, offered_pvv=offered)
        request = received.request
        if isinstance(request, Authorization) and request.entry in CONTACTLESS:
            origin = request.origin
            draw = self._draws.draw(request.card, origin.sent, origin.stan, origin.acquirer, origin.terminal)
            return replace(received, request=replace(request, draw=draw))
        return received

    async def _network(self, link: Link, fields: Fields) -> bytes:
        """0800: no account, no decision; only the link's own state and keys."""
        key_change: KeyChange = "not_offered"
        if network.is_key_change(fields):
            key_change = await self._change_key(link, fields)
        answer, link.signed_on = network.answer_network(fields, link.signed_on, CODES[key_change])
        self._metrics.network_message(NETWORK_KINDS.get(fields["70"], "other"))
        return link.dialect.encode(answer)

    async def _change_key(self, link: Link, fields: Fields) -> KeyChange:
        outcome: KeyChange = "not_offered"
        problem = "the listener has no key-encryption key"
        if self._exchange is not None:
            outcome, problem = await self._exchange.take(network.key_block_of(fields))
        self._metrics.key_change(link.listener, outcome)
        log.warning("key change", listener=link.listener, peer=link.peer, outcome=outcome, problem=problem)
        return outcome

    def _format_error(self, link: Link, error: PeerError, fields: Fields) -> bytes | None:
        self._metrics.frame_refused(link.listener, "format")
        if count := self._seldom.count((link.listener, error.field), perf_counter()):
            log.warning(
                "format_error",
                listener=link.listener,
                peer=link.peer,
                field=error.field,
                problem=error.problem,
                count=count,
            )
        return self._refuse(link, fields, Reason.FORMAT_ERROR)

    def _refuse(self, link: Link, fields: Fields, reason: Reason) -> bytes | None:
        """An answer that no decision stands behind: nothing was looked up, nothing is remembered."""
        self._metrics.undecided(reason)
        link.refused += 1
        refusal = to_refusal(fields, self._products["none"].code(reason))
        return None if refusal is None else link.dialect.encode(refusal)


def _response(fields: Fields, decision: Decision) -> Fields:
    assert decision.answer is not None  # every decision on a message carries its whole answer
    cvv2 = decision.request.cvv2 if isinstance(decision.request, Authorization) else ""
    return to_answer(fields, decision.answer, cvv2)


def _log_line(decision: Decision, elapsed: float) -> None:
    """One line per message, of as many as are asked for; all of it is on the allow-list of `logs`."""
    request = decision.request
    assert isinstance(request, Message)
    origin = request.origin
    log.info(
        "answered", mti=origin.mti, stan=origin.stan, rrn=origin.rrn, card=request.card, decision=decision.id,
        outcome="approved" if not reason_of(decision) else "refused", reason=reason_of(decision),
        elapsed_us=int(elapsed * 1_000_000),
    )  # fmt: skip
