"""JSON lines on stderr, and an allow-list of what they may say: `style.md` lesson 9. It fails closed.

A field nobody put on the list is "***"; so is a value that is not plain. An exception is its types and where they were
raised, without messages or locals, which can hold secrets; only messages of AuthsvcError are ours and safe. `event` is
a literal in our code, never built from values. What other libraries log comes the same way, unformatted.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor

from authsvc.errors import AuthsvcError

LOGGABLE = frozenset(
    {
        "event", "level", "timestamp", "module", "exception",
        "account", "card", "decision", "key", "kind", "mti", "outcome", "paragraph", "product", "reason",
        "response_code", "rrn", "rule", "seq", "stan",
        "address", "bytes", "cause", "count", "dialect", "elapsed_us", "field", "framing", "host", "limit", "link",
        "listener", "method", "path", "peer", "port", "problem", "role", "route", "status",
        "token_id",
        "attempt", "clock", "delay_ms", "exit_code", "now", "pid", "signal", "version", "worker",
    }
)  # fmt: skip
"""Names of the fields a line may hold. Before adding one: can its value ever hold a PAN, a PIN, a key, a token?"""

_NUMBERS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
HIDDEN = "***"
CHAIN_MAX = 5
FRAMES_MAX = 20

_TRUSTED = frozenset({"uvicorn.error"})
"""Loggers of other libraries whose texts without arguments are literals of theirs (no f-strings, no data of a peer)."""

_PLAIN = (str, int, float, bool, type(None))


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines say who speaks: `log = get_logger(__name__)`."""
    return cast(FilteringBoundLogger, structlog.get_logger(module=name))


class MessageLog:
    """Which messages get a line of their own: one in so many, 0 none. One per process; changed while it runs."""

    def __init__(self, one_in: int) -> None:
        self.one_in = one_in
        self._passed = 0

    def is_due(self) -> bool:
        """Whether this message gets one; to be asked once of each, and not when `one_in` is 0."""
        self._passed += 1
        if self._passed < self.one_in:
            return False
        self._passed = 0
        return True


class _Threshold:
    """What is said at all, as a number of `logging`; loggers are made once, so it is asked at every call."""

    level = logging.WARNING


def level() -> str:
    """debug, info, warning or error."""
    return logging.getLevelName(_Threshold.level).lower()


def set_level(name: str) -> None:
    """From now on, everywhere in this process. `name`: debug, info, warning or error."""
    _Threshold.level = logging.getLevelNamesMapping()[name.upper()]
    logging.getLogger().setLevel(_Threshold.level)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send all logging, ours and the standard library's, as JSON lines to `stream` (default: stderr).

    `level`: debug, info, warning or error; `set_level` changes it. Call once, at the start: loggers already
    used keep their stream.
    """
    output = stream if stream is not None else sys.stderr
    _configure_ours(lambda *_args: structlog.WriteLogger(output), cache=True)
    root = logging.getLogger()
    root.handlers[:] = [_Foreign(output)]
    set_level(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "litestar", "asyncio"):
        logging.getLogger(name).handlers.clear()  # whoever put their own there must not speak past the allow-list
        logging.getLogger(name).propagate = True
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.WARNING)  # a line per scrape, a line per start: they say nothing


def _configure_ours(factory: Callable[..., structlog.WriteLogger], *, cache: bool) -> None:
    structlog.configure(
        processors=[_above_threshold, *_processors()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=factory,
        cache_logger_on_first_use=cache,
    )


def _above_threshold(_logger: object, method: str, line: EventDict) -> EventDict:
    if _NUMBERS[method] < _Threshold.level:
        raise structlog.DropEvent
    return line


def log_loop_exception(_loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
    """For `loop.set_exception_handler`: the default one prints futures and callbacks with all their values."""
    get_logger(__name__).error("fault in the event loop", exc_info=context.get("exception"))


def only_loggable(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Hide every value whose name is not on the list, or that is more than a plain value."""
    return {name: value if _may_say(name, value) else HIDDEN for name, value in line.items()}


def _may_say(name: str, value: object) -> bool:
    if name == "exception":
        return type(value) is _Chain
    return name in LOGGABLE and isinstance(value, _PLAIN)


class _Chain(list[dict[str, object]]):
    """What `exception_as_locations` made; anything else under the name "exception" is hidden."""


def exception_as_locations(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Replace `exc_info` by the chain of exceptions, the raised first: type, where, and the message if it is ours."""
    line.pop("exception", None)
    info = line.pop("exc_info", None)
    error = _exception_of(info)
    if error is not None:
        line["exception"] = _Chain(_described(link) for link in _chain(error))
    return line


def _exception_of(info: object) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return info[1] if isinstance(info[1], BaseException) else None
    return sys.exc_info()[1] if info else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    for _ in range(CHAIN_MAX):
        if link is None:
            return
        yield link
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)


def _described(error: BaseException) -> dict[str, object]:
    described: dict[str, object] = {"type": f"{type(error).__module__}.{type(error).__qualname__}"}
    if isinstance(error, AuthsvcError):
        described["message"] = str(error)
    described["at"] = _locations(error)
    return described


def _locations(error: BaseException) -> list[str]:
    """Innermost last, as "folder/file.py:12 function"; of a deep recursion only the last `FRAMES_MAX`."""
    places: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{'/'.join(Path(code.co_filename).parts[-2:])}:{trace.tb_lineno} {code.co_name}")
        trace = trace.tb_next
    return places[-FRAMES_MAX:]


def _processors() -> list[Processor]:
    return [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        exception_as_locations,
        only_loggable,
        structlog.processors.JSONRenderer(serializer=_json),
    ]


def _json(line: object, **_kw: object) -> str:
    return msgspec.json.encode(line).decode()


class _Foreign(logging.Handler):
    """What the standard library's loggers say, through the same door."""

    def __init__(self, output: TextIO) -> None:
        super().__init__()
        self._output = output
        self._processors = _processors()

    def emit(self, record: logging.LogRecord) -> None:
        line: EventDict = {"event": _foreign_event(record), "module": record.name, "exc_info": record.exc_info}
        for processor in self._processors:
            line = cast(EventDict, processor(None, record.levelname.lower(), line))
        self._output.write(f"{line}\n")
        self._output.flush()


def _foreign_event(record: logging.LogRecord) -> str:
    """The unformatted text: with arguments it is a literal, the values stay out; without, it may be built of them."""
    literal = bool(record.args) or record.name in _TRUSTED
    return str(record.msg) if literal else HIDDEN


# Until `configure` is called, and where it never is: the same allow-list, not structlog's own open default.
_configure_ours(lambda *_args: structlog.WriteLogger(sys.stderr), cache=False)
