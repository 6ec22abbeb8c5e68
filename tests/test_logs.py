"""What a log line may say: only what is on the list, and nothing of an exception but where it was."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any, cast

import pytest
import structlog
from structlog.typing import FilteringBoundLogger

from authsvc import logs
from authsvc.errors import PeerError
from authsvc.logs import HIDDEN, LOGGABLE, MessageLog, configure, get_logger, log_loop_exception, set_level
from authsvc.model import CardId, Reason

PAN = "4180390000000001"


@pytest.fixture
def output() -> Iterator[io.StringIO]:
    """Where the lines go; everything about logging is as before afterwards."""
    root, ours = logging.getLogger(), structlog.get_config()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure("info", stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.configure(**ours)


@pytest.fixture
def log(output: io.StringIO) -> FilteringBoundLogger:
    assert output.getvalue() == ""
    return get_logger("authsvc.tested")


def lines(output: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.getvalue().splitlines()]


def test_a_line(log: FilteringBoundLogger, output: io.StringIO) -> None:
    """One JSON object a line: what, who, when, how bad, and the fields."""
    log.info("answered", mti="0100", card=CardId("c1"), reason=Reason.SCA_REQUIRED, elapsed_us=840, rrn=None)
    (line,) = lines(output)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "answered", "level": "info", "module": "authsvc.tested",
        "mti": "0100", "card": "c1", "reason": "SCA_REQUIRED", "elapsed_us": 840, "rrn": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "fields",
    [
        {"pan": PAN}, {"anything": PAN}, {"de35": PAN}, {"token": PAN}, {"url": PAN}, {"Card": PAN},
        {"card": {"pan": PAN}}, {"card": [PAN]}, {"problem": PAN.encode()}, {"problem": ValueError(PAN)},
        {"exception": PAN}, {"exception": [PAN]}, {"exc_info": PAN},
    ],
)  # fmt: skip
def test_what_is_not_on_the_list_is_hidden(
    log: FilteringBoundLogger, output: io.StringIO, fields: dict[str, Any]
) -> None:
    """An unknown field, or a known one with more than a plain value, fails closed."""
    log.info("answered", **fields)
    assert PAN not in output.getvalue()
    assert lines(output)[0]["event"] == "answered"


def test_the_list_has_no_secret_on_it() -> None:
    """Names that could hold card data, secrets or whole messages are not loggable."""
    secrets = {
        "pan",
        "track",
        "track2",
        "pin",
        "pin_block",
        "cvv2",
        "pvv",
        "token",
        "url",
        "payload",
        "message",
        "value",
        "request",
    }
    assert not LOGGABLE & secrets


def fail(pan: str) -> None:
    try:
        raise KeyError(pan)
    except KeyError as error:
        raise PeerError("DE2", "not 12 to 19 digits") from error


def test_an_exception_is_types_and_places(log: FilteringBoundLogger, output: io.StringIO) -> None:
    """The chain of an exception is told without messages or locals; only what authsvc raises speaks for itself."""
    try:
        fail(PAN)
    except PeerError:
        log.exception("fault")
    (line,) = lines(output)
    ours, cause = line["exception"]
    assert (ours["type"], ours["message"]) == ("authsvc.errors.PeerError", "DE2: not 12 to 19 digits")
    assert [place.split(":")[0] for place in ours["at"]] == ["tests/test_logs.py"] * 2
    assert ours["at"][-1].endswith(" fail")
    assert (cause["type"], "message" in cause) == ("builtins.KeyError", False)
    assert PAN not in output.getvalue()


def test_deep_and_endless_chains_are_cut(log: FilteringBoundLogger, output: io.StringIO) -> None:
    """A recursion a thousand deep, or a chain that bites its tail, is still one short line."""

    def deeper() -> None:
        deeper()

    try:
        deeper()
    except RecursionError as error:
        other = ValueError()
        other.__cause__, error.__cause__ = error, other
        log.error("fault", exc_info=error)
    chain = lines(output)[0]["exception"]
    assert len(chain) == logs.CHAIN_MAX
    assert all(len(link["at"]) <= logs.FRAMES_MAX for link in chain)


def test_below_the_level_nothing_is_said(log: FilteringBoundLogger, output: io.StringIO) -> None:
    """What is below the level costs and says nothing; what is at it is said."""
    log.debug("small talk")
    logging.getLogger("other").debug("small talk %s", 1)
    assert output.getvalue() == ""
    log.warning("heed")
    assert lines(output)[0]["level"] == "warning"


@pytest.mark.parametrize(
    ("logger", "text", "arguments", "event"),
    [
        ("uvicorn.error", "Started server process [%d]", (7,), "Started server process [%d]"),
        ("uvicorn.error", "Application startup complete.", (), "Application startup complete."),
        ("litestar", "refused %r", (PAN,), "refused %r"),
        ("asyncio", f"Task exception was never retrieved {PAN}", (), HIDDEN),
        ("anything", PAN, (), HIDDEN),
    ],
)
def test_other_libraries(
    output: io.StringIO, logger: str, text: str, arguments: tuple[object, ...], event: str
) -> None:
    """uvicorn and the standard library speak through the same door: literals without their values, the rest hidden."""
    try:
        raise ValueError(PAN)
    except ValueError:
        logging.getLogger(logger).error(text, *arguments, exc_info=True)
    (line,) = lines(output)
    assert (line["event"], line["level"], line["module"]) == (event, "error", logger)
    assert line["exception"][0]["type"] == "builtins.ValueError"
    assert PAN not in output.getvalue()


def test_access_lines_are_off(output: io.StringIO) -> None:
    """uvicorn's line per request (its path may hold anything) is not written."""
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "1.2.3.4", "GET", "/x", "1.1", 200)
    assert output.getvalue() == ""


async def test_faults_of_the_event_loop(output: io.StringIO) -> None:
    """A fault in a callback is told by type and place, without the values of the callback."""
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(log_loop_exception)
    loop.call_soon(fail, PAN)
    loop.call_exception_handler({"message": PAN, "future": PAN})
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sorted("exception" in line for line in lines(output)) == [False, True]
    assert PAN not in output.getvalue()


def test_before_it_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever logs without having configured anything is held to the list as well."""
    get_logger("early").warning("early", pan=PAN)
    cast(FilteringBoundLogger, structlog.get_logger()).warning("early", pan=PAN)
    said = capsys.readouterr()
    assert PAN not in said.out + said.err
    assert said.err.count("early") >= 2


def test_unknown_level() -> None:
    """The levels are those of the settings."""
    with pytest.raises(KeyError):
        configure("loud")


def test_the_level_changes_while_it_runs(log: FilteringBoundLogger, output: io.StringIO) -> None:
    """For loggers that have spoken before as well, and for those of other libraries."""
    said = []
    for level in ("info", "debug", "error", "warning"):
        set_level(level)
        for name in ("debug", "info", "warning", "error"):
            getattr(log, name)("line")
        logging.getLogger("other").warning("theirs %s", 1)
        said.append([json.loads(line)["level"] for line in output.getvalue().splitlines()])
        output.truncate(output.seek(0))
    assert said == [
        ["info", "warning", "error", "warning"], ["debug", "info", "warning", "error", "warning"],
        ["error"], ["warning", "error", "warning"],
    ]  # fmt: skip


@pytest.mark.parametrize(("one_in", "of_ten"), [(1, 10), (2, 5), (3, 3), (10, 1), (11, 0)])
def test_one_message_in_so_many(one_in: int, of_ten: int) -> None:
    sampled = MessageLog(one_in)
    assert sum(sampled.is_due() for _ in range(10)) == of_ten
