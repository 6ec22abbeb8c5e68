"""`make load`: put load on an ISO 8583 host and report. Exit 0: every message was answered, by its answer; 1: not.

`python -m loadtest --help` lists everything. Without options: a minute at a moderate rate on the engine of `make run`. Any
other host: `--expect none --cards FILE --iso HOST:PORT`, with `--dialect` and `--framing` as it speaks.
"""

from __future__ import annotations

import gc
import ipaddress
import random
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import click
import msgspec
import uvloop
from msgspec.structs import replace

from authsvc.codec.dialects import DIALECTS
from authsvc.codec.framing import FRAMINGS
from loadtest import accounts, mix, report
from loadtest.api import Api, ApiError
from loadtest.engine import DEMO_TOKEN, ROOT
from loadtest.expect import Book
from loadtest.fast import ASCII, Wire
from loadtest.generator import Generator, Plan
from loadtest.live import Live
from loadtest.messages import Card, zone_key
from loadtest.page import page
from loadtest.rates import find_knee, held
from loadtest.timeline import Second
from loadtest.traffic import Clock, Payer, Templates, Traffic, payers_of

DEMO_MIX = Path(__file__).parent / "mixes" / "demo.toml"
Progress = Callable[[Second], None]


class Target(NamedTuple):
    """The host. `zone`: key of its PIN blocks."""

    host: str
    port: int
    zone: bytes
    wire: Wire = ASCII
    tls: ssl.SSLContext | None = None


def fresh_numbers() -> Clock:
    """STANs and RRNs that no earlier run has used, very likely."""
    return Clock(random.randrange(10**11))


async def run(
    target: Target, plan: Plan, made_of: mix.Mix, payers: Sequence[Payer], progress: Progress | None = None
) -> report.Result:
    """One run of the mix. Raises OSError when nobody listens."""
    traffic = Traffic(made_of, payers, fresh_numbers(), plan.seed, Templates(target.wire, target.zone), plan.expect)
    gc.collect()
    gc.freeze()  # templates and cards stay: a collection that looks at them again would be a pause of ours
    try:
        return await Generator(plan, traffic, target.wire, target.tls).run(target.host, target.port, progress)
    finally:
        gc.unfreeze()


_OPTIONS = (
    click.option("--rate", type=click.FloatRange(0, min_open=True), default=500.0, help="Messages a second, open loop."),
    click.option("--to", type=click.FloatRange(0), default=0.0, help="A ramp: from --rate to this, over --seconds."),
    click.option("--steps", metavar="R1,R2,…", default="", help="These rates one after another, --seconds each."),
    click.option("--knee", is_flag=True, help="Find the highest rate that is held, from --rate on, --seconds a try."),
    click.option("--knee-p99", type=click.FloatRange(0, min_open=True), default=100.0, help="Ms that p99 may reach."),
    click.option("--closed", type=click.IntRange(0), metavar="N", default=0, help="Closed loop: N under way on each link."),
    click.option("--seconds", type=click.FloatRange(0, 86_400, min_open=True), default=60.0, help="How long."),
    click.option("--most", type=click.IntRange(1), default=2_000_000, help="Never more messages than this."),
    click.option("--links", type=click.IntRange(1, 5_000), default=4, help="TCP connections."),
    click.option("--wait", type=click.FloatRange(0, min_open=True), default=10.0, help="Seconds for an answer."),
    click.option("--accounts", "count", type=click.IntRange(1, 10_000_000), default=1_000, help="Accounts, a card each."),
    click.option("--name", default="load", help="Of the set of accounts; the same name finds the same accounts again."),
    click.option("--cards", "cards_file", type=click.Path(path_type=Path), help="Cards of that file, imported before."),
    click.option("--write-cards", "write_file", type=click.Path(path_type=Path), metavar="FILE",
                 help="Only write --accounts cards into FILE, for authsvc account import FILE --pins."),
    click.option("--fresh", is_flag=True, help="Nobody has used the cards of --cards yet: else nothing is known of them."),
    click.option("--mix", "mix_file", type=click.Path(path_type=Path), default=DEMO_MIX, help="What is sent (TOML)."),
    click.option("--expect", type=click.Choice(["model", "basic", "none"]), default="model",
                 help="What is checked: everything; MTI, echoes and repeats; nothing (any host)."),
    click.option("--arrivals", type=click.Choice(["poisson", "even"]), default="poisson", help="Of the open loop."),
    click.option("--seed", type=int, default=1, help="Of everything random."),
    click.option("--every", type=click.FloatRange(0), default=5.0, help="Seconds between live lines; 0: none."),
    click.option("--iso", default="127.0.0.1:8583", metavar="HOST:PORT", help="Where the host speaks ISO 8583."),
    click.option("--dialect", type=click.Choice(list(DIALECTS)), default="iso87-ascii"),
    click.option("--framing", type=click.Choice(list(FRAMINGS)), default="2b"),
    click.option("--inclusive", is_flag=True, help="The length counts its own bytes."),
    click.option("--vap", is_flag=True, help="Two zero bytes follow the length."),
    click.option("--tpdu", metavar="HEX", default="", help="Five bytes in front of each message."),
    click.option("--tls", is_flag=True, help="Encrypted links."),
    click.option("--tls-ca", type=click.Path(path_type=Path), help="Who may have signed the host's certificate (PEM)."),
    click.option("--tls-cert", type=click.Path(path_type=Path), help="Our certificate and its key (PEM)."),
    click.option("--api", "base", default="http://127.0.0.1:8580", metavar="URL", help="Control API, for the accounts."),
    click.option("--token", default=DEMO_TOKEN, help="For the control API."),
    click.option("--keys", type=click.Path(path_type=Path), default=ROOT / "config/keys/demo.toml", help="Zone PIN key."),
    click.option("--report", "report_file", type=click.Path(path_type=Path), metavar="NAME",
                 help="Write NAME.json and NAME.html."),
    click.option("--allow-remote", is_flag=True, help="Allow hosts other than this machine."),
)  # fmt: skip


class Options(msgspec.Struct, frozen=True):
    """The command line, as it was given."""

    rate: float
    to: float
    steps: str
    knee: bool
    knee_p99: float
    closed: int
    seconds: float
    most: int
    links: int
    wait: float
    count: int
    name: str
    cards_file: Path | None
    write_file: Path | None
    fresh: bool
    mix_file: Path
    expect: Any
    arrivals: Any
    seed: int
    every: float
    iso: str
    dialect: str
    framing: str
    inclusive: bool
    vap: bool
    tpdu: str
    tls: bool
    tls_ca: Path | None
    tls_cert: Path | None
    base: str
    token: str
    keys: Path
    report_file: Path | None
    allow_remote: bool

    @property
    def plan(self) -> Plan:
        return Plan(
            links=self.links, seconds=self.seconds, most=self.most, rate=0.0 if self.closed else self.rate, to=self.to,
            under_way=self.closed, arrivals=self.arrivals, wait_seconds=self.wait, expect=self.expect, seed=self.seed,
        )  # fmt: skip


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@_with_options
def main(**given: Any) -> None:
    """Put load on an ISO 8583 host, check its answers, and report rate, latency and refusals."""
    options = Options(**given)
    try:
        target, made_of, rates = _target(options), mix.load(options.mix_file), _rates(options.steps)
    except (mix.MixError, ValueError, OSError) as error:  # OSError: of ssl, whose errors are
        raise click.UsageError(str(error)) from error
    if options.write_file is not None:
        _write_cards(options.write_file, made_of, options)
        return
    begun = datetime.now(UTC)
    try:
        payers = _payers(options, made_of, target.zone)
        found, knee = uvloop.run(_stages(options, target, made_of, payers, rates))
    except ValueError as error:  # CardsError; a message that cannot be said in this dialect or framing
        raise click.UsageError(str(error)) from error
    except (ApiError, OSError) as error:
        raise click.ClickException(f"{error}; make run starts an engine") from error
    command: dict[str, bool | str | int | float] = {
        name: value if isinstance(value, int | float) else str(value)
        for name, value in given.items()
        if name != "token"
    }
    whole = report.Report(options.iso, begun.isoformat(timespec="seconds"), command, found, knee)
    _tell(whole, options)
    sys.exit(0 if whole.clean else 1)


async def _stages(
    options: Options, target: Target, made_of: mix.Mix, payers: Sequence[Payer], rates: Sequence[float]
) -> tuple[list[report.Stage], float | None]:
    """One run, or several rates one after another, or as many as the search for the knee takes."""

    async def at(rate: float) -> report.Stage:
        plan = replace(options.plan, rate=rate, seed=options.seed + int(rate)) if rate else options.plan
        click.echo(_what(plan, target))
        live = Live(options.every)
        result = await run(target, plan, made_of, payers, live)
        live.close()
        return report.Stage(plan.rate, not plan.rate or held(plan, result, options.knee_p99), result, plan.to)

    if options.knee:
        return await find_knee(at, options.rate)
    return [await at(rate) for rate in rates or (0.0,)], None


def _what(plan: Plan, target: Target) -> str:
    loop = f"closed loop, {plan.under_way} under way" if plan.under_way else f"open loop at {plan.rate:.0f} a second"
    ramp = f" to {plan.to:.0f}" if plan.to else ""
    return f"{loop}{ramp} on {plan.links} links to {target.host}:{target.port} for {plan.seconds:.0f} s"


def _tell(whole: report.Report, options: Options) -> None:
    for stage in whole.stages if len(whole.stages) == 1 else ():
        for line in report.lines(stage.result):
            click.echo(line)
    if len(whole.stages) > 1:
        for line in report.stage_lines(whole.stages):
            click.echo(line)
    if whole.knee is not None:
        click.echo(f"the knee: {whole.knee:.0f} messages a second were the most that was held")
    if options.report_file is not None:
        options.report_file.parent.mkdir(parents=True, exist_ok=True)
        data, shown = (options.report_file.with_suffix(suffix) for suffix in (".json", ".html"))
        data.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=1))
        shown.write_text(page(whole), "utf-8")
        click.echo(f"report: {data} and {shown}")


def _payers(options: Options, made_of: mix.Mix, zone: bytes) -> list[Payer]:
    """The cards, and what is known of each."""
    api = Api(options.base, options.token)
    books: Sequence[Book] | None = None
    if options.cards_file is not None:
        cards = accounts.read(options.cards_file, options.count)
        books = accounts.fresh(made_of.accounts, cards) if options.fresh else None
    else:
        cards = _prepared(api, made_of, options.name, options.count)
        books = accounts.looked_up(api, made_of.accounts, cards) if options.expect == "model" else None
    return payers_of(cards, zone, books)


def _write_cards(path: Path, made_of: mix.Mix, options: Options) -> None:
    try:
        accounts.write(path, made_of.accounts, options.name, options.count)
    except OSError as error:
        raise click.UsageError(f"--write-cards: {path}: {error.strerror}") from error
    click.echo(f"{options.count} cards in {path}; then: authsvc account import {path} --pins")


def _prepared(api: Api, made_of: mix.Mix, name: str, count: int) -> list[Card]:
    click.echo(f"{count} accounts of {made_of.accounts.product}, set {name!r}, at {api.base}")
    return accounts.prepare(api, made_of.accounts, name, count, lambda done: click.echo(f"  {done} ready"))


def _target(options: Options) -> Target:
    """Raises ValueError or OSError."""
    host, port = _address(options.iso)
    if not options.allow_remote:
        _only_here("--iso", host)
        _only_here("--api", urlsplit(options.base).hostname or "")
    tpdu = bytes.fromhex(options.tpdu)
    if tpdu and len(tpdu) != 5:
        raise click.UsageError("--tpdu: five bytes, ten hexadecimal characters")
    framing = replace(
        FRAMINGS[options.framing], inclusive=options.inclusive, vap=options.vap, tpdu=bool(tpdu), header=0, largest=0
    )
    tls = _tls(options) if options.tls else None
    return Target(host, port, zone_key(options.keys), Wire(DIALECTS[options.dialect], framing, tpdu), tls)


def _tls(options: Options) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.tls_ca)
    if options.tls_cert is not None:
        context.load_cert_chain(options.tls_cert)
    return context


def _rates(steps: str) -> list[float]:
    try:
        rates = [float(step) for step in steps.split(",") if step]
    except ValueError as error:
        raise click.UsageError(f"--steps {steps}: expected numbers, as in 500,1000,2000") from error
    if any(rate <= 0 for rate in rates):
        raise click.UsageError("--steps: every rate is above 0")
    return rates


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise click.UsageError(f"--iso {text}: expected HOST:PORT, as in 127.0.0.1:8583")
    return host.strip("[]"), int(port)


def _only_here(option: str, host: str) -> None:
    """Load on somebody else's machine must be asked for in so many words."""
    try:
        found = socket.getaddrinfo(host, None)
    except OSError as error:
        raise click.UsageError(f"{option}: {host}: {error.strerror}") from error
    if not all(ipaddress.ip_address(address[4][0]).is_loopback for address in found):
        raise click.UsageError(f"{option}: {host} is not this machine; --allow-remote allows it")


if __name__ == "__main__":
    main()
