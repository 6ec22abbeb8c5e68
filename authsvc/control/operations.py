"""The calls for those who run the engine: the simulated clock, health, readiness, metrics."""

from __future__ import annotations

from litestar import MediaType, Response, get, post, put
from litestar.params import JSONBody, SkipValidation
from msgspec import Struct

from authsvc.clock import SimulatedClock
from authsvc.control.bodies import ClockBody, LogBody
from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS, bad_field, conflict, unknown
from authsvc.control.ports import LogSettings, MetricsText, Readiness
from authsvc.control.roles import Action
from authsvc.control.views import ClockView, rfc3339, unix_ms
from authsvc.model import UnixMs

HTTP_OK = 200
HTTP_SERVICE_UNAVAILABLE = 503
PROMETHEUS_TEXT = "text/plain; version=0.0.4"  # Litestar adds the charset

CLOCK_FROM = UnixMs(946_684_800_000)
CLOCK_UNTIL = UnixMs(4_102_444_800_000)
"""2000-01-01 and 2100-01-01: the century that the YY of an expiry date and the MMDD of DE7 are read in."""


@post("/clock", opt={"action": Action.MOVE_CLOCK}, responses=PROBLEMS, tags=["operations"], status_code=HTTP_OK)
async def move_clock(data: JSONBody[ClockBody], clock: SkipValidation[SimulatedClock | None]) -> ClockView:
    """Move the simulated clock, backwards too. There is no such call when the clock is the system's."""
    if clock is None:
        raise unknown("call: the clock is not simulated")
    return ClockView(rfc3339(clock.set(_target(data, clock()))))


def _target(body: ClockBody, now: UnixMs) -> UnixMs:
    """Where the clock goes. Raises 400."""
    if (body.now is None) == (body.advance_seconds is None):
        raise bad_field("now", "exactly one of now, advance_seconds is needed")
    target = unix_ms(body.now) if body.now else UnixMs(now + (body.advance_seconds or 0) * 1000)
    if not CLOCK_FROM <= target < CLOCK_UNTIL:
        raise bad_field("now" if body.now else "advance_seconds", "leads out of the years 2000 to 2099")
    return target


class InForce(Struct, frozen=True):
    """`version`: of the product files, the hash of what they say."""

    version: str


@get("/products", opt={"action": Action.READ}, responses=PROBLEMS, tags=["operations"], sync_to_thread=False)
def products_in_force(desk: SkipValidation[Desk]) -> InForce:
    """Which product files decide now."""
    return InForce(desk.engine.version)


@post("/reload", opt={"action": Action.RELOAD}, responses=PROBLEMS, tags=["operations"], status_code=HTTP_OK)
async def reload_products(desk: SkipValidation[Desk]) -> InForce:
    """Read products, response codes, rates and chart anew, all or none; and certificates, each for itself. 409 says what is
    wrong; that has not changed then."""
    problem = await desk.engine.reload(desk.actor)
    if problem:
        raise conflict(problem)
    return InForce(desk.engine.version)


class Log(Struct, frozen=True):
    """`messages_one_in`: a line for one message in so many; 0: none."""

    level: str
    messages_one_in: int


@get("/log", opt={"action": Action.READ}, responses=PROBLEMS, tags=["operations"], sync_to_thread=False)
def read_log(desk: SkipValidation[Desk]) -> Log:
    """What this worker logs."""
    return Log(*desk.engine.log)


@put("/log", opt={"action": Action.SET_LOG}, responses=PROBLEMS, tags=["operations"])
async def set_log(data: JSONBody[LogBody], desk: SkipValidation[Desk]) -> Log:
    """Change it until the next start; what is not given stays."""
    now = desk.engine.log
    one_in = now.one_in if data.messages_one_in is None else data.messages_one_in
    await desk.engine.set_log(LogSettings(data.level or now.level, one_in), desk.actor)
    return Log(*desk.engine.log)


class Health(Struct, frozen=True):
    status: str


class Ready(Struct, frozen=True):
    """`dependencies`: each that is needed, and whether it can be used; `useful`: those that are not needed; `detail`: which of
    the needed fail."""

    ready: bool
    detail: str
    dependencies: dict[str, bool]
    useful: dict[str, bool]


@get("/healthz", tags=["operations"], sync_to_thread=False)
def healthz() -> Health:
    """The process runs and its event loop turns."""
    return Health("ok")


@get("/readyz", tags=["operations"], sync_to_thread=False)
def readyz(readiness: SkipValidation[Readiness]) -> Response[Ready]:
    """Whether authorizations can be decided; 503 names what is missing."""
    needed, useful = readiness()
    failing = ", ".join(name for name, is_up in needed.items() if not is_up)
    ready = Ready(not failing, f"not ready: {failing}" if failing else "ready", needed, useful)
    return Response(ready, status_code=HTTP_SERVICE_UNAVAILABLE if failing else HTTP_OK)


@get("/metrics", tags=["operations"], media_type=MediaType.TEXT)
async def metrics(metrics_text: SkipValidation[MetricsText]) -> Response[bytes]:
    """All metrics in the Prometheus text format."""
    return Response(await metrics_text(), media_type=PROMETHEUS_TEXT)


HANDLERS = (move_clock, products_in_force, reload_products, read_log, set_log)
OPEN_HANDLERS = (healthz, readyz, metrics)
"""For probes and scrapers: no token is needed."""
