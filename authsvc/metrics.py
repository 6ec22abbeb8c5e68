"""What Prometheus may read of us, in one class. No label can grow without bound: every label value comes from a closed
set known at the start; anything else counts under "none" or "other".

The methods the hot path calls only look up a ready-made series and add to it (0.2 to 0.5 µs each, see `series`). Names start
with `authsvc_` and carry their unit.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest

from authsvc.gauges import Gauges
from authsvc.model import Reason
from authsvc.payment_series import PaymentSeries
from authsvc.series import Count, Counts, Spreads

Outcome = Literal["approved", "refused"]
Stage = Literal["decode", "load", "decide", "commit", "total"]
FrameCause = Literal[
    "too_long",
    "cut_short",
    "garbage",
    "format",
    "idle",
    "too_many_in_flight",
    "mac",
    "address",
    "no_room",
    "tls",
    "certificate",
    "acquirer",
    "memory",
]
MissCause = Literal["missing", "damaged", "down"]
KeyChange = Literal[
    "taken", "repeated", "malformed", "not_ours", "wrong_usage", "wrong_key", "used_before", "not_stored", "not_offered"
]
ControlRefusal = Literal["unknown_token", "role_too_weak"]
NetworkKind = Literal["sign_on", "sign_off", "echo", "key_change", "other"]

STAGES: tuple[Stage, ...] = get_args(Stage)
KEY_CHANGES: tuple[KeyChange, ...] = get_args(KeyChange)
FRAME_CAUSES: tuple[FrameCause, ...] = get_args(FrameCause)
MISS_CAUSES: tuple[MissCause, ...] = ("missing", "damaged", "down")
NETWORK_KINDS: tuple[NetworkKind, ...] = ("sign_on", "sign_off", "echo", "key_change", "other")

UNDECIDED = (
    Reason.FORMAT_ERROR,
    Reason.LEDGER_UNAVAILABLE,
    Reason.SYSTEM_ERROR,
    Reason.MAC_INVALID,
    Reason.ACQUIRER_NOT_ALLOWED,
)
"""What can be answered without a decision."""
ROLES = ("operator", "hotline", "branch", "portal", "auditor")
CONTROL_REFUSALS: tuple[tuple[ControlRefusal, str], ...] = (
    ("unknown_token", ""),
    *(("role_too_weak", role) for role in ROLES),
)
"""Why a call of the control API had no right to be, and the role of its token."""

# fmt: off
SECONDS = (5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
           1.0, 2.0, 3.0, 5.0)
BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
# fmt: on
CONTROL = "control"
"""In place of a listener's name: the port of the control API."""
NOT_KNOWN = "none"

disable_created_metrics()  # type: ignore[no-untyped-call] # when each series was made: as many lines again in every scrape, and nobody asks


class Metrics:
    """One per process. `products` and `listeners` are the ids and names from the files: what else is reported under
    such a label is counted as "none". `bins`, `currencies`: see `PaymentSeries`, by default without any."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        products: Iterable[str] = (),
        listeners: Iterable[str] = (),
        bins: Mapping[str, str] | None = None,
        currencies: Mapping[str, str] | None = None,
    ) -> None:
        self._registry = registry
        self._products = frozenset(products)
        self.payments = PaymentSeries(registry, bins or dict.fromkeys(self._products, NOT_KNOWN), currencies or {})
        self.gauges = Gauges(registry)
        self._listeners = tuple(dict.fromkeys((*listeners, NOT_KNOWN)))
        self._make_message_series(registry)
        self._make_link_series(registry)
        self._make_journal_series(registry)
        self._make_state_series(registry)
        build = Gauge("authsvc_build_info", "What runs here; always 1.", ("version", "python"), registry=registry)
        build.labels(version("authsvc"), platform.python_version()).set(1)

    # ------------------------------------------------------------------------------------------------ messages

    def _make_message_series(self, registry: CollectorRegistry) -> None:
        self._decisions = Counts(
            registry,
            "authsvc_decisions",
            "Decisions remembered in the journal; reason is empty for an approval.",
            ("product", "outcome", "reason"),
        )
        self._decided: dict[tuple[str, str, str], Count] = {}
        self._make_decided()
        stages = Spreads(registry, "authsvc_stage_seconds", "Time a message spends in a stage.", SECONDS, ("stage",))
        self._stages = {stage: stages.of(stage) for stage in STAGES}
        self._in_flight = Gauge("authsvc_in_flight", "Messages under way, not answered yet.", registry=registry)
        network = Counter(
            "authsvc_network_messages", "0800 messages answered, by what they ask.", ("kind",), registry=registry
        )
        self._network = {kind: network.labels(kind) for kind in NETWORK_KINDS}
        undecided = Counter(
            "authsvc_refused_undecided", "Messages refused without a decision.", ("reason",), registry=registry
        )
        self._undecided = {reason: undecided.labels(reason) for reason in UNDECIDED}
        control = Counter(
            "authsvc_control_refused", "Calls of the control API without the right to be.", ("cause", "role"),
            registry=registry,
        )  # fmt: skip
        self._control_refused = {key: control.labels(*key) for key in CONTROL_REFUSALS}

    def decided(self, product: str, outcome: Outcome, reason: Reason | Literal[""] = "") -> None:
        """One decision is durable. `reason`: of a refusal, "" of an approval."""
        series = self._decided.get((product, outcome, reason))
        (series if series is not None else self._decisions_of(product, outcome, reason)).inc()

    def _make_decided(self) -> None:
        """Every product with every reason at zero: a counter that appears with its first refusal would hide that one from
        any rate, and a panel without refusals would be empty instead of zero."""
        for product in (*self._products, NOT_KNOWN):
            self._decisions_of(product, "approved", "")
            for reason in Reason:
                self._decisions_of(product, "refused", reason)

    def _decisions_of(self, product: str, outcome: str, reason: str) -> Count:
        """The series of a combination not seen before, its labels bounded first."""
        product = product if product in self._products else NOT_KNOWN
        outcome = outcome if outcome in ("approved", "refused") else "other"
        reason = reason if reason in _REASONS else "other"
        labels = (product, outcome, reason)
        series = self._decided.get(labels)
        if series is None:
            series = self._decided[labels] = self._decisions.of(*labels)
        return series

    def know_products(self, bins: Mapping[str, str], currencies: Mapping[str, str]) -> None:
        """The products of a reload: ids with their BINs. A series once made stays."""
        self._products = frozenset(bins)
        self._make_decided()
        self.payments.know(bins, currencies)

    def control_refused(self, cause: ControlRefusal, role: str) -> None:
        """A call of the control API had no right to be. `role`: of its token, "" without a known one."""
        self._control_refused[cause, role].inc()

    def undecided(self, reason: Reason) -> None:
        """A message was refused with no decision behind it: nothing was looked up, or nothing could be remembered."""
        self._undecided[reason].inc()

    def stage(self, name: Stage, seconds: float) -> None:
        """A message spent `seconds` (monotonic) in the stage."""
        self._stages[name].observe(seconds)

    def watch_in_flight(self, read: Callable[[], int]) -> None:
        """`read` tells how many messages are under way; asked only when someone scrapes, so a message costs nothing."""
        self._in_flight.set_function(read)

    def network_message(self, kind: NetworkKind) -> None:
        self._network[kind].inc()

    # --------------------------------------------------------------------------------------------------- links

    def _make_link_series(self, registry: CollectorRegistry) -> None:
        connections = Gauge("authsvc_connections", "Open links.", ("listener",), registry=registry)
        self._connections = {listener: connections.labels(listener) for listener in self._listeners}
        frames = Counter(
            "authsvc_frames_refused", "Frames or links refused, by cause.", ("listener", "cause"), registry=registry
        )
        self._frames = {(name, cause): frames.labels(name, cause) for name in self._listeners for cause in FRAME_CAUSES}

        changes = Counter(
            "authsvc_key_changes", "Keys that peers sent (0800, 161), by what became of them.", ("listener", "outcome"),
            registry=registry,
        )  # fmt: skip
        self._key_changes = {
            (name, outcome): changes.labels(name, outcome) for name in self._listeners for outcome in KEY_CHANGES
        }

        held = Counter(
            "authsvc_links_held_back", "Times a link sent faster than it may and waited unread.", ("listener",),
            registry=registry,
        )  # fmt: skip
        self._held = {name: held.labels(name) for name in self._listeners}
        self._expires = Gauge(
            "authsvc_certificate_expires_seconds", "When a listener's certificate does, since 1970.", ("listener",),
            registry=registry,
        )  # fmt: skip

    def held_back(self, listener: str) -> None:
        self._held[self._known(listener)].inc()

    def certificate_expires(self, listener: str, at: float) -> None:
        """`at`: seconds since 1970; a listener without TLS has no such series. `CONTROL`: the control API's."""
        self._expires.labels(listener if listener == CONTROL else self._known(listener)).set(at)

    def key_change(self, listener: str, outcome: KeyChange) -> None:
        self._key_changes[self._known(listener), outcome].inc()

    def connected(self, listener: str) -> None:
        self._connections[self._known(listener)].inc()

    def disconnected(self, listener: str) -> None:
        self._connections[self._known(listener)].dec()

    def frame_refused(self, listener: str, cause: FrameCause) -> None:
        self._frames[self._known(listener), cause].inc()

    def _known(self, listener: str) -> str:
        return listener if listener in self._connections else NOT_KNOWN

    # ------------------------------------------------------------------------------------------------- journal

    def _make_journal_series(self, registry: CollectorRegistry) -> None:
        self._batch = Spreads(registry, "authsvc_journal_batch_decisions", "Decisions in one commit.", BATCH).of()
        self._commit = Spreads(
            registry, "authsvc_journal_commit_seconds", "Time of one commit, fsync included.", SECONDS
        ).of()
        self._conflicts = Counter(
            "authsvc_conflicts",
            "Decisions that lost the race for their account and were made again.",
            registry=registry,
        )
        self._swept = Counter(
            "authsvc_swept_accounts", "Idle accounts on which expired holds were ended.", registry=registry
        )
        self._ledger_up = Gauge("authsvc_ledger_up", "1 when decisions can be remembered.", registry=registry)

    def committed(self, decisions: int, seconds: float) -> None:
        """One group commit of the journal."""
        self._batch.observe(decisions)
        self._commit.observe(seconds)

    def conflict(self) -> None:
        self._conflicts.inc()

    def swept(self, accounts: int) -> None:
        """The sweeper has ended holds on so many accounts."""
        self._swept.inc(accounts)

    def ledger_up(self, up: bool) -> None:
        self._ledger_up.set(up)

    # --------------------------------------------------------------------------------------------------- state

    def _make_state_series(self, registry: CollectorRegistry) -> None:
        misses = Counter(
            "authsvc_state_misses",
            "Accounts read from the journal because Redis had no answer.",
            ("cause",),
            registry=registry,
        )
        self._misses = {cause: misses.labels(cause) for cause in MISS_CAUSES}
        self._store_failures = Counter(
            "authsvc_state_store_failures", "Account states Redis did not take; the copy is behind.", registry=registry
        )
        self._state_up = Gauge("authsvc_state_up", "1 when the Redis copy answers.", registry=registry)

    def state_miss(self, cause: MissCause) -> None:
        self._misses[cause].inc()

    def state_store_failed(self) -> None:
        self._store_failures.inc()

    def state_up(self, up: bool) -> None:
        self._state_up.set(up)

    # -------------------------------------------------------------------------------------------------- render

    def render(self) -> bytes:
        """Everything, in the Prometheus text format."""
        return generate_latest(self._registry)


_REASONS = frozenset({"", *Reason})
