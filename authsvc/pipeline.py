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
from authsvc.decider import Decider, reason_of
from authsvc.errors import LedgerDownError, PeerError, StaleAccountError
from authsvc.ledger.journal import CommitUnknownError
from authsvc.logs import MessageLog, get_logger
from authsvc.metrics import Metrics, NetworkKind
from authsvc.model import Authorization, Decision, Message, Reason
from authsvc.products import Product
from authsvc.rules.places import CONTACTLESS
from authsvc.security.draws import Draws
from authsvc.security.hsm import Hsm
from authsvc.security.vault import Vault

log = get_logger(__name__)

NETWORK_KINDS: dict[str, NetworkKind] = {"001": "sign_on", "002": "sign_off", "161": "key_change", "301": "echo"}


class Link(Protocol):
    """What the pipeline must know of the connection a message came on; `server` implements it."""

    listener: str
    dialect: Dialect
    signed_on: bool


class Pipeline:
    """Bytes of one message in, bytes of its answer out. `products`: "none" among them answers where no card is known."""

    def __init__(
        self,
        decider: Decider,
        vault: Vault,
        hsm: Hsm,
        draws: Draws,
        products: Mapping[str, Product],
        metrics: Metrics,
        message_log: MessageLog,
    ) -> None:
        self._decider = decider
        self._vault = vault
        self._hsm = hsm
        self._draws = draws
        self._products = products
        self._metrics = metrics
        self._message_log = message_log

    async def answer(self, link: Link, payload: bytes) -> bytes | None:
        """The whole way. Budget: 120 us of this worker's CPU; the commit runs on its own thread."""
        started = perf_counter()
        fields = link.dialect.decode(payload)  # codec: bytes -> data elements
        if network.is_network_management(fields["t"]):
            return self._network(link, fields)
        received = await self._understand(fields)  # codec, security: -> meaning; the PAN stops here
        request = received.request
        self._metrics.stage("decode", perf_counter() - started)
        if not link.signed_on:
            return self._refuse(link, fields, Reason.LEDGER_UNAVAILABLE)
        decision = await self._decider.decide(  # state, rules, ledger: decided, and durable
            request, received.offered_pvv, chip_answer=received.chip_answer
        )
        answer = link.dialect.encode(_response(fields, decision))  # codec: meaning -> bytes
        self._metrics.stage("total", perf_counter() - started)
        if self._message_log.one_in and self._message_log.is_due():
            _log_line(request, decision, perf_counter() - started)
        return answer

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
        try:
            return self._refuse(link, link.dialect.decode(payload), Reason.SYSTEM_ERROR)
        except PeerError:
            return None

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

    def _network(self, link: Link, fields: Fields) -> bytes:
        """0800: no account, no decision; only the link's own state."""
        answer, link.signed_on = network.answer_network(fields, link.signed_on)
        self._metrics.network_message(NETWORK_KINDS.get(fields["70"], "other"))
        return link.dialect.encode(answer)

    def _format_error(self, link: Link, error: PeerError, fields: Fields) -> bytes | None:
        self._metrics.frame_refused(link.listener, "format")
        log.warning("format_error", listener=link.listener, field=error.field, problem=error.problem)
        return self._refuse(link, fields, Reason.FORMAT_ERROR)

    def _refuse(self, link: Link, fields: Fields, reason: Reason) -> bytes | None:
        """An answer that no decision stands behind: nothing was looked up, nothing is remembered."""
        self._metrics.undecided(reason)
        refusal = to_refusal(fields, self._products["none"].code(reason))
        return None if refusal is None else link.dialect.encode(refusal)


def _response(fields: Fields, decision: Decision) -> Fields:
    assert decision.answer is not None  # every decision on a message carries its whole answer
    cvv2 = decision.request.cvv2 if isinstance(decision.request, Authorization) else ""
    return to_answer(fields, decision.answer, cvv2)


def _log_line(request: Message, decision: Decision, elapsed: float) -> None:
    """One line per message, of as many as are asked for; all of it is on the allow-list of `logs`."""
    origin = request.origin
    log.info(
        "answered", mti=origin.mti, stan=origin.stan, rrn=origin.rrn, card=request.card, decision=decision.id,
        outcome="approved" if not reason_of(decision) else "refused", reason=reason_of(decision),
        elapsed_us=int(elapsed * 1_000_000),
    )  # fmt: skip
