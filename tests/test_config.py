"""One settings file, read once; a wrong one is refused by the name of its key, never by its value."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest

from authsvc.config import Config, ListenerConfig, RedisAddress, control_of, from_json, load, redis_address, to_json
from authsvc.errors import ConfigError

DEMO = Path(__file__).parent.parent / "config" / "demo.toml"
LEAST = "[listeners.main]\nport = 9000\n"


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_demo_is_what_the_contract_says() -> None:
    """wire.md section 1: addresses, dialect, framing, embedded defaults."""
    config = load(DEMO)
    assert (config.control.host, config.control.port) == ("127.0.0.1", 8580)
    assert config.listeners == {"main": ListenerConfig(port=8583, dialect="iso87-ascii", framing="2b")}
    assert (config.redis.url, config.ledger.url, config.clock, config.workers) == ("embedded", "embedded", "system", 1)
    assert (config.data_dir, config.seed_demo) == (Path("var"), True)


def test_the_demo_says_every_setting_and_its_default() -> None:
    """An operator sees every setting in demo.toml; what it says is the default, but for the seed and the tokens."""
    demo = load(DEMO)
    bare = Config(listeners={"main": ListenerConfig(port=8583)}, seed_demo=True)
    tokens = msgspec.structs.replace(demo.control, tokens={})
    assert msgspec.structs.replace(demo, control=tokens) == bare
    for kind in (Config, ListenerConfig):
        for field in kind.__struct_fields__:
            assert f"\n{field} = " in DEMO.read_text() or f"\n[{field}" in DEMO.read_text(), field


def test_the_demo_tokens_are_their_own_names() -> None:
    """`demo-operator` and its four colleagues, kept as SHA-256 only."""
    tokens = load(DEMO).control.tokens
    assert {name: token.role for name, token in tokens.items()} == {
        f"demo-{role}": role for role in ("operator", "hotline", "branch", "portal", "auditor")
    }
    assert all(token.sha256 == hashlib.sha256(name.encode()).hexdigest() for name, token in tokens.items())


def test_overrides() -> None:
    """--set changes anything by its dotted name, the last one counts, and a whole listener can be new."""
    config = load(
        DEMO,
        [
            "data_dir=/tmp/x", "clock=system", "clock=simulated", "control.port=1", "log.messages=true",
            "log.level=error", "redis.url=redis://h:1/2", "listeners.extra.port=9001",
            "listeners.extra.dialect=iso87-bcd", "listeners.extra.framing=4a",
            'listeners.third={port = 9002, host = "::1"}', "key_file=2026-01-01",
        ],
    )  # fmt: skip
    assert (config.data_dir, config.clock, config.control.port) == (Path("/tmp/x"), "simulated", 1)
    assert (config.log.messages, config.log.level, config.redis.url) == (True, "error", "redis://h:1/2")
    assert config.listeners["extra"] == ListenerConfig(port=9001, dialect="iso87-bcd", framing="4a")
    assert config.listeners["third"] == ListenerConfig(port=9002, host="::1")
    assert config.listeners["main"].port == 8583
    assert config.key_file == Path("2026-01-01")


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("listeners.main.prot=1", "listeners.main.prot"),
        ("listeners.main.port=high", "listeners.main.port"),
        ("listeners.main.port=70000", "listeners.main.port"),
        ("listeners.main.port=8580", "listeners.main.port"),
        ("listeners.extra.dialect=iso87-bcd", "listeners.extra.port"),
        ("listeners.extra=9001", "listeners.extra"),
        ("listeners.extra.port=8583", "listeners.extra.port"),
        ("listeners.main.tpdu=yes", "listeners.main.tpdu"),
        ("listeners.main.inclusive=1", "listeners.main.inclusive"),
        ('listeners.main={port = 1, framing = "4a", vap = true}', "listeners.main.vap"),
        ("listeners.main.mac=yes", "listeners.main.mac"),
        ("listeners.main.frame_seconds=0", "listeners.main.frame_seconds"),
        ("listeners.main.tls.crt=x", "listeners.main.tls"),
        ("listeners.main.tls.cert=secret", "listeners.main.tls.key: needed with cert"),
        ("listeners.main.tls.key=secret", "listeners.main.tls.cert: needed with key"),
        ("listeners.main.tls.client_ca=secret", "listeners.main.tls.cert: needed with client_ca"),
        (
            'listeners.main.tls={cert="a", key="b", client_ca="secret"}',
            "listeners.main.tls.client_names: needed with client_ca",
        ),
        (
            'listeners.main.tls={cert="a", key="b", client_names=["c"]}',
            "listeners.main.tls.client_ca: needed with client_names",
        ),
        ('listeners.main.allow=["10.0.0.0/33"]', "listeners.main.allow"),
        ('listeners.main.allow=["10.1.2.3/8"]', "listeners.main.allow"),
        ('listeners.main.allow=["localhost"]', "listeners.main.allow"),
        ("listeners=[]", "listeners"),
        ("listeners={}", "listeners"),
        ("control.prot=1", "control.prot"),
        ("control.tokens.anna.role=king", "control.tokens.anna"),
        ("control.tokens.demo-operator.sha256=secret", "control.tokens.demo-operator.sha256"),
        ("dat_dir=x", "dat_dir"),
        ("data_dir=7", "data_dir"),
        ("data_dir=", "data_dir"),
        ("clock=stopped", "clock"),
        ("clock.speed=2", "clock"),
        ("workers=2", "workers"),
        ("workers=0", "workers"),
        ("seed_demo=maybe", "seed_demo"),
        ("limits.in_flight=0", "limits.in_flight"),
        ("log.level=loud", "log.level"),
        ("log=loud", "log"),
        ("answer_within_ms=0", "answer_within_ms"),
        ("redis.url=redis+cluster://a:x", "redis.url"),
        ("redis.url=http://user:secret@a", "redis.url"),
        ("redis.url=redis://:secret@a:b", "redis.url"),
        ("redis.uri=embedded", "redis.uri"),
        ("ledger.url=postgresql://user:secret@a:b/c", "ledger.url"),
        ("ledger.url=oracle", "ledger.url"),
        ("data_dir", "data_dir"),
        ("=x", "--set"),
        (".a=x", "--set"),
    ],
)
def test_a_wrong_setting_is_named(override: str, key: str) -> None:
    """The start stops with the dotted name of the setting, and without its value, which may be a secret."""
    with pytest.raises(ConfigError) as raised:
        load(DEMO, [override])
    assert key in str(raised.value)
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


POSTGRES = "ledger.url=postgresql://user:secret@host:5432/bank"


@pytest.mark.parametrize(
    ("overrides", "key"),
    [
        (["workers=2"], "workers: more than 1 needs a PostgreSQL ledger"),
        (["workers=2", POSTGRES, "clock=simulated"], "clock"),
        (["workers=4", POSTGRES, "listeners.main.port=8583"], "listeners.main.port: the same as control.port"),
        (["workers=9", POSTGRES, "control.port=65530"], "control.port"),
    ],
)
def test_workers_need_what_they_share(overrides: list[str], key: str) -> None:
    """One ledger for all of them, one clock, and a control port each."""
    with pytest.raises(ConfigError) as raised:
        load(DEMO, overrides)
    assert key in str(raised.value)
    assert "secret" not in str(raised.value)


def test_workers_on_postgresql() -> None:
    """Each has its control API one port above the one before; with port 0 each gets any."""
    config = load(DEMO, ["workers=3", POSTGRES])
    assert [control_of(config, worker).port for worker in (1, 2, 3)] == [8580, 8581, 8582]
    assert control_of(load(DEMO, ["workers=3", POSTGRES, "control.port=0"]), 3).port == 0


def test_settings_travel_to_a_worker() -> None:
    """A worker has exactly the settings that its parent read."""
    config = load(DEMO, ["workers=3", POSTGRES, "listeners.extra.port=9001", "data_dir=/tmp/x"])
    assert from_json(to_json(config)) == config
    assert b"\n" not in to_json(config)


@pytest.mark.parametrize("text", ["", "listeners", "[listeners.main]\nport = 1\nport = 2", "x = '\x01'"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    """Missing settings and broken TOML are refused with the file's name."""
    with pytest.raises(ConfigError, match=r"settings\.toml"):
        load(write(tmp_path, text))


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is refused by its name."""
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


def test_the_least_that_starts(tmp_path: Path) -> None:
    """One listener's port is all one must say; it is not opened to the network by default."""
    config = load(write(tmp_path, LEAST))
    assert config.listeners["main"] == ListenerConfig(host="127.0.0.1", port=9000)
    assert config.control.tokens == {}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://h", RedisAddress(host="h")),
        ("redis://h:1/2", RedisAddress(host="h", port=1, db=2)),
        ("redis://u:p%40@[::1]:1", RedisAddress(host="::1", port=1, user="u", password="p@")),
        ("redis://:p@h", RedisAddress(host="h", password="p")),
        ("unix:///a%20b/c.sock?db=3", RedisAddress(path="/a b/c.sock", db=3)),
        ("unix://u:p@/c.sock", RedisAddress(path="/c.sock", user="u", password="p")),
    ],
)
def test_redis_address(url: str, address: RedisAddress) -> None:
    """A Redis URL in its parts; printing them shows no password."""
    assert redis_address(url) == address
    assert "p@" not in repr(redis_address(url))
