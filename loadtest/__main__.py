"""`make load`: put load on an ISO 8583 host and report. Exit 0: every message was answered, by its answer; 1: not.

`python -m loadtest --help` lists everything. Without options: a minute at a moderate rate, a line every five seconds.
"""

from __future__ import annotations

import gc
import ipaddress
import random
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import click
import uvloop

from loadtest import accounts, generator, mix, report
from loadtest.api import Api, ApiError
from loadtest.engine import DEMO_TOKEN, ROOT
from loadtest.messages import Card, Terminal, zone_key
from loadtest.traffic import Numbers, Opening, Traffic, Wallet

DEMO_MIX = Path(__file__).parent / "mixes" / "demo.toml"
OPENING_LINKS = 4
OPENING_UNDER_WAY = 16
OPENING_SECONDS = 600.0


def wallets_of(cards: Sequence[Card], zone: bytes) -> list[Wallet]:
    """The cards as the traffic uses them, all at one terminal."""
    terminal = Terminal(zone, 1)
    return [Wallet(card, terminal) for card in cards]


def fresh_numbers() -> Numbers:
    """STANs and RRNs that no earlier run has used, very likely."""
    return Numbers(random.randrange(10**11))


async def run(
    host: str, port: int, plan: generator.Plan, made_of: mix.Mix, wallets: Sequence[Wallet], every: float = 0.0
) -> report.Result:
    """One run of the mix; a line every `every` seconds, 0: none. Raises OSError when nobody listens."""
    traffic = Traffic(made_of, wallets, fresh_numbers(), plan.seed)
    gc.collect()
    gc.freeze()  # templates and wallets stay: a collection that looks at them again would be a pause of ours
    working = generator.Generator(plan, traffic)
    return await working.run(host, port, _Ticker(every) if every else None, every or 1.0)


async def open_cards(host: str, port: int, wallets: Sequence[Wallet]) -> report.Result:
    """One payment with chip and PIN by each card, so that contactless is unlocked everywhere."""
    plan = generator.Plan(links=OPENING_LINKS, seconds=OPENING_SECONDS, most=len(wallets), under_way=OPENING_UNDER_WAY)
    return await generator.Generator(plan, Opening(wallets, fresh_numbers())).run(host, port)


class _Ticker:
    """Prints how it goes."""

    def __init__(self, every: float) -> None:
        self._every = every
        self._passed = 0.0

    def __call__(self, working: generator.Generator) -> None:
        self._passed += self._every
        fresh = working.tally.take_fresh()
        refused = sum(count for (_, code), count in working.tally.codes.items() if code != b"00")
        click.echo(
            f"{self._passed:5.0f} s  {fresh.count / self._every:7.0f} /s  p50 {fresh.at(50) / 1000:7.2f} ms  "
            f"p99 {fresh.at(99) / 1000:7.2f} ms  under way {working.waiting:5}  refused {refused}"
        )


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--rate", type=click.FloatRange(0, min_open=True), default=500.0, help="Messages a second, open loop.")
@click.option("--closed", type=click.IntRange(1), metavar="N", help="Closed loop instead: N under way on each link.")
@click.option("--seconds", type=click.FloatRange(0, 86_400, min_open=True), default=60.0, help="How long.")
@click.option("--most", type=click.IntRange(1), default=2_000_000, help="Never more messages than this.")
@click.option("--links", type=click.IntRange(1, 5_000), default=4, help="TCP connections.")
@click.option("--accounts", "count", type=click.IntRange(1, 1_000_000), default=1_000, help="Accounts, a card each.")
@click.option("--name", default="load", help="Of the set of accounts; the same name finds the same accounts again.")
@click.option("--mix", "mix_file", type=click.Path(path_type=Path), default=DEMO_MIX, help="What is sent (TOML).")
@click.option("--arrivals", type=click.Choice(["poisson", "even"]), default="poisson", help="Of the open loop.")
@click.option("--seed", type=int, default=1, help="Of everything random.")
@click.option("--every", type=click.FloatRange(0), default=5.0, help="Seconds between live lines; 0: none.")
@click.option("--iso", default="127.0.0.1:8583", metavar="HOST:PORT", help="Where the host speaks ISO 8583.")
@click.option("--api", "base", default="http://127.0.0.1:8580", metavar="URL", help="Control API, for the accounts.")
@click.option("--token", default=DEMO_TOKEN, help="For the control API.")
@click.option("--keys", type=click.Path(path_type=Path), default=ROOT / "config/keys/demo.toml", help="Zone PIN key.")
@click.option("--anywhere", is_flag=True, help="Allow hosts other than this machine.")
def main(
    rate: float, closed: int | None, seconds: float, most: int, links: int, count: int, name: str, mix_file: Path,
    arrivals: str, seed: int, every: float, iso: str, base: str, token: str, keys: Path, anywhere: bool,
) -> None:  # fmt: skip
    """Put load on a running engine, and report rate, latency and answers."""
    host, port = _address(iso)
    if not anywhere:
        _only_here("--iso", host)
        _only_here("--api", urlsplit(base).hostname or "")
    plan = generator.Plan(
        links=links, seconds=seconds, most=most, rate=0.0 if closed else rate, under_way=closed or 0,
        arrivals="even" if arrivals == "even" else "poisson", seed=seed,
    )  # fmt: skip
    try:
        made_of, zone = mix.load(mix_file), zone_key(keys)
    except (mix.MixError, ValueError) as error:
        raise click.UsageError(str(error)) from error
    try:
        cards = _prepared(Api(base, token), made_of, name, count)
        result = uvloop.run(_all(host, port, plan, made_of, wallets_of(cards, zone), every))
    except (ApiError, OSError) as error:
        raise click.ClickException(f"{error}; make run starts an engine") from error
    for line in report.lines(result):
        click.echo(line)
    sys.exit(0 if result.clean else 1)


async def _all(
    host: str, port: int, plan: generator.Plan, made_of: mix.Mix, wallets: Sequence[Wallet], every: float
) -> report.Result:
    opened = await open_cards(host, port, wallets)
    click.echo(f"a first payment by each card: {report.code_counts(opened.codes['chip_pin'])} (DE39)")
    loop = f"closed loop, {plan.under_way} under way" if plan.under_way else f"open loop at {plan.rate:.0f} a second"
    click.echo(f"{loop} on {plan.links} links to {host}:{port} for {plan.seconds:.0f} s")
    return await run(host, port, plan, made_of, wallets, every)


def _prepared(api: Api, made_of: mix.Mix, name: str, count: int) -> list[Card]:
    click.echo(f"{count} accounts of {made_of.accounts.product}, set {name!r}, at {api.base}")
    return accounts.prepare(api, made_of.accounts, name, count, lambda done: click.echo(f"  {done} ready"))


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
        raise click.UsageError(f"{option}: {host} is not this machine; --anywhere allows it")


if __name__ == "__main__":
    main()
