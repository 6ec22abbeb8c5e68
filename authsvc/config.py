"""The settings file parsed once, into a type; after this nobody reads files of settings or the environment.

`config/demo.toml` explains every setting to an operator. A wrong one stops the start: ConfigError names file and dotted
key, never the value (a URL or a token may hold a secret). Times are in the unit the name says.
"""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec import Meta, Struct, structs

from authsvc.errors import ConfigError

Port = Annotated[int, Meta(ge=0, le=65_535)]
"""0: the operating system picks a free one."""
Positive = Annotated[int, Meta(ge=1)]
NotNegative = Annotated[int, Meta(ge=0)]
Acquirer = Annotated[str, Meta(pattern="^[1-9][0-9]{0,10}$")]
"""DE32 without leading zeros."""
Role = Literal["operator", "hotline", "branch", "portal", "auditor"]
EMBEDDED = "embedded"
CLUSTER = "redis+cluster://"


class _Part(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    pass


class RedisConfig(_Part, frozen=True, kw_only=True):
    """`url`: "embedded", "redis://[user:password@]host[:port][/db]" "unix://[user:password@]/path[?db=N]", or
    "redis+cluster://[user:password@]host:port[,host:port …]", any nodes of a cluster."""

    url: str = EMBEDDED


class LedgerConfig(_Part, frozen=True, kw_only=True):
    """`url`: "embedded" (SQLite under `data_dir`) or "postgresql://[user[:password]@]host[:port]/database".

    `partitions`: of the PostgreSQL tables, by hash of the account; counts when the schema is made. 0: not divided.
    """

    url: str = EMBEDDED
    partitions: Annotated[int, Meta(ge=0, le=1024)] = 0


class Token(_Part, frozen=True, kw_only=True):
    """Who may call the control API. `sha256`: lower-case hex of the SHA-256 of the bearer token."""

    role: Role
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class ControlTls(_Part, frozen=True, kw_only=True):
    """PEM files: `cert`, the certificate with those between it and its root; `key`, its key, not encrypted. "": no TLS."""

    cert: str = ""
    key: str = ""


class ControlConfig(_Part, frozen=True, kw_only=True):
    """`token_file`: tokens that `authsvc token` makes and ends, beside those of the settings; "": none."""

    host: str = "127.0.0.1"
    port: Port = 8580
    tokens: dict[str, Token] = {}
    token_file: str = ""
    tls: ControlTls = ControlTls()


class LimitsConfig(_Part, frozen=True, kw_only=True):
    """`in_flight`: most messages under way in the process; above it, links wait unread until some are answered;
    `connections`, `connections_per_address`: most links of a worker, in all and from one address (0: as many as there may be in
    all); `buffered_kb`: most bytes that links hold in all, unread answers and frames not whole yet, before the fullest is cut;
    `key_overlap_seconds`: a key that a peer has changed stays good for that long, for messages under way;
    `recent_accounts_kb`: memory for accounts lately decided on, kept at hand by an engine that decides alone."""

    in_flight: Positive = 4096
    connections: Positive = 4096
    connections_per_address: NotNegative = 0
    buffered_kb: Positive = 262_144
    key_overlap_seconds: NotNegative = 60
    recent_accounts_kb: Annotated[int, Meta(ge=0)] = 51_200


class LogConfig(_Part, frozen=True, kw_only=True):
    """`messages`: a line at level info for one message in `one_in`; off, only what an operator must know is logged."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    messages: bool = False
    one_in: Positive = 1


class TlsConfig(_Part, frozen=True, kw_only=True):
    """PEM files: `cert`, the listener's certificate with those between it and its root; `key`, its key, not encrypted;
    `client_ca`, who signs the certificates of peers, "" when they need none. `client_names`: a peer's has one of them."""

    cert: str = ""
    key: str = ""
    client_ca: str = ""
    client_names: tuple[str, ...] = ()


class ListenerConfig(_Part, frozen=True, kw_only=True):
    """One TCP port that speaks one dialect in one framing (both checked against the codec's tables by the caller).

    `inclusive`: the length counts its header too; `tpdu`: five bytes of addresses begin every payload, and come back with
    sender and receiver changed over; `vap`: two zero bytes follow the length, which is `2b`;
    `max_frame`: payload bytes; `max_in_flight`: messages under way on one link; `idle_seconds`: a link silent for this
    long is closed, 0 never; `garbage_limit`: this many unreadable messages on one link close it, 0 never; `mac`: whether
    messages have a MAC in DE64 or DE128: "checked" where there is one, "required" in all of them;
    `mac_key`, `zone_pin_key`: names in the key file's tables `mac_keys`, `zone_pin_keys`, "" the common keys; `kek`: name in
    `keks` of the key under which the peer may change them (0800, DE70 161), "" it may not; `tls`: without `cert`, none;
    `allow`: addresses and networks that may connect, all when empty; `acquirers`: DE32 that messages may have, any when empty;
    `messages_per_second`, of one link in the long run, 0 any, and `burst` of them at once: above it, the link waits unread;
    `frame_seconds`: a frame that has begun, or a TLS handshake, must be whole after that long.
    """

    host: str = "127.0.0.1"
    port: Port
    dialect: str = "iso87-ascii"
    framing: str = "2b"
    inclusive: bool = False
    tpdu: bool = False
    vap: bool = False
    max_frame: Annotated[int, Meta(ge=1, le=65_535)] = 4096
    max_in_flight: Positive = 256
    idle_seconds: NotNegative = 900
    garbage_limit: NotNegative = 50
    require_sign_on: bool = False
    mac: Literal["off", "checked", "required"] = "off"
    mac_key: str = ""
    zone_pin_key: str = ""
    kek: str = ""
    tls: TlsConfig = TlsConfig()
    allow: tuple[str, ...] = ()
    acquirers: tuple[Acquirer, ...] = ()
    messages_per_second: Annotated[float, Meta(ge=0, le=1_000_000)] = 0.0
    burst: Positive = 100
    frame_seconds: Annotated[float, Meta(gt=0, le=3600)] = 10.0


class Config(_Part, frozen=True, kw_only=True):
    """`answer_within_ms`: when a message has no decision after this long it is answered DE39 91 (wall time, monotonic).

    Relative paths count from the current directory.
    """

    data_dir: Path = Path("var")
    clock: Literal["system", "simulated"] = "system"
    workers: Positive = 1
    seed_demo: bool = False
    products_dir: Path = Path("config/products")
    response_codes_dir: Path = Path("config/response_codes")
    rates_dir: Path = Path("config/rates")
    chart_file: Path = Path("config/ledger/chart.toml")
    closed_holds_days: Annotated[int, Meta(ge=0, le=36_500)] = 400
    sweep_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    key_file: Path = Path("config/keys/demo.toml")
    answer_within_ms: Positive = 5_000
    redis: RedisConfig = RedisConfig()
    ledger: LedgerConfig = LedgerConfig()
    control: ControlConfig = ControlConfig()
    limits: LimitsConfig = LimitsConfig()
    log: LogConfig = LogConfig()
    listeners: dict[str, ListenerConfig]


class RedisAddress(Struct, frozen=True):
    """Where Redis is and how to sign on. `path` set: a unix socket; else TCP. `__repr__` shows no password."""

    host: str = ""
    port: int = 6379
    path: str = ""
    user: str = ""
    password: str = ""
    db: int = 0

    def __repr__(self) -> str:
        return f"RedisAddress({self.path or f'{self.host}:{self.port}'}, db={self.db})"


def load(path: Path, overrides: Sequence[str] = ()) -> Config:
    """The settings of `path` with each "KEY=VALUE" of `overrides` put over them, in order.

    VALUE is a TOML value if it reads as one, else a string. Raises ConfigError naming file and dotted key.
    """
    settings = _read(path)
    for override in overrides:
        _override(settings, override)
    try:
        config = msgspec.convert(settings, Config, dec_hook=_to_path)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {_with_key(error, settings)}") from None  # the settings may hold a secret
    _check(path, config)
    return config


def to_json(config: Config) -> bytes:
    """For a worker of ours; one line. It holds what the settings hold: for a pipe, not for a file."""
    return msgspec.json.encode(config, enc_hook=str)


def from_json(line: bytes) -> Config:
    return msgspec.json.decode(line, type=Config, dec_hook=_to_path)


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error


def _override(settings: dict[str, object], override: str) -> None:
    key, equals, text = override.partition("=")
    names = key.strip().split(".")
    if not equals or not all(names):
        raise ConfigError(f"--set {key}: expected KEY=VALUE, as in --set listeners.main.port=9001")
    table = settings
    for name in names[:-1]:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {key}: {name} is no table")
        table = inner
    table[names[-1]] = _value(text)


def _value(text: str) -> object:
    """What `text` means as a TOML value, else `text` itself; a path may look like a date, which no setting is."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = parsed["value"]
    return text if len(parsed) > 1 or isinstance(value, datetime.date | datetime.time) else value


def _to_path(kind: type, value: object) -> Path:
    if kind is not Path or not isinstance(value, str) or not value:
        raise TypeError("Expected a path")
    return Path(value)


_AT = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<at>[^`]*)`)?$", re.DOTALL)
_FIELD = re.compile(r"(?:unknown|required) field `(?P<field>[^`]*)`")


def _with_key(error: msgspec.ValidationError, settings: Mapping[str, object]) -> str:
    """The text of `error` with the dotted key in front. msgspec does not name the keys of a dict, so we look there."""
    for prefix, entry, kind in _named_tables(settings):
        try:
            msgspec.convert(entry, kind)
        except msgspec.ValidationError as inner:
            return _keyed(inner, prefix)
    return _keyed(error, "")


def _keyed(error: msgspec.ValidationError, prefix: str) -> str:
    found = _AT.match(str(error))
    assert found is not None  # every part of the pattern is optional
    field = _FIELD.search(found["problem"])
    names = (prefix, found["at"], field["field"] if field else "")
    return f"{'.'.join(name for name in names if name)}: {found['problem']}"


def _named_tables(settings: Mapping[str, object]) -> Iterator[tuple[str, object, type[_Part]]]:
    """Every table whose name is the operator's choice: its dotted key, what stands there, what should."""
    control = settings.get("control")
    tokens = control.get("tokens") if isinstance(control, dict) else None
    tables: tuple[tuple[str, object, type[_Part]], ...] = (
        ("listeners", settings.get("listeners"), ListenerConfig),
        ("control.tokens", tokens, Token),
    )
    for key, table, kind in tables:
        if isinstance(table, dict):
            yield from ((f"{key}.{name}", entry, kind) for name, entry in table.items())


def _check(path: Path, config: Config) -> None:
    """What types alone cannot say."""
    _check_ledger(path, config)
    if config.redis.url != EMBEDDED:
        try:
            (cluster_addresses if is_cluster(config.redis.url) else redis_address)(config.redis.url)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from None  # the cause would show the URL
    if not config.listeners:
        raise ConfigError(f"{path}: listeners: at least one is needed")
    _check_ports(path, config)
    _check_framings(path, config)
    for name, listener in config.listeners.items():
        _check_tls(f"{path}: listeners.{name}.tls", listener.tls)
        _check_networks(f"{path}: listeners.{name}.allow", listener.allow)
    if bool(config.control.tls.cert) != bool(config.control.tls.key):
        raise ConfigError(f"{path}: control.tls: cert and key are needed both, or none")


def _check_ledger(path: Path, config: Config) -> None:
    embedded = config.ledger.url == EMBEDDED
    if config.workers > 1 and embedded:
        raise ConfigError(f"{path}: workers: more than 1 needs a PostgreSQL ledger (ledger.url)")
    if config.workers > 1 and config.clock != "system":
        raise ConfigError(f"{path}: clock: a simulated one needs workers = 1, as each worker would have its own")
    if embedded:
        return
    try:
        parts = urlsplit(config.ledger.url)
        right = parts.scheme == "postgresql" and (parts.port is None or parts.port > 0)
    except ValueError:
        right = False
    if not right:
        expected = 'expected "embedded" or "postgresql://user:password@host:port/database"'
        raise ConfigError(f"{path}: ledger.url: {expected}") from None


def control_of(config: Config, worker: int) -> ControlConfig:
    """The control API of a worker, counted from 1: each has its own port, one above the other."""
    port = config.control.port
    return structs.replace(config.control, port=port and port + worker - 1)


def _check_ports(path: Path, config: Config) -> None:
    control = [control_of(config, worker) for worker in range(1, config.workers + 1)]
    if control[-1].port > 65_535:
        raise ConfigError(f"{path}: control.port: {config.workers} workers need as many ports from there on")
    taken = {(each.host, each.port): "control.port" for each in control}
    for name, listener in config.listeners.items():
        key = f"listeners.{name}.port"
        other = taken.setdefault((listener.host, listener.port), key)
        if listener.port and other != key:
            raise ConfigError(f"{path}: {key}: the same as {other}")


def _check_framings(path: Path, config: Config) -> None:
    for name, listener in config.listeners.items():
        if listener.vap and listener.framing != "2b":
            raise ConfigError(f"{path}: listeners.{name}.vap: only with framing 2b, not {listener.framing}")


def _check_tls(key: str, tls: TlsConfig) -> None:
    needs = (
        ("key", "cert", tls.key, tls.cert),
        ("cert", "key", tls.cert, tls.key),
        ("cert", "client_ca", tls.cert, tls.client_ca),
        ("client_ca", "client_names", tls.client_ca, tls.client_names),
        (
            "client_names",
            "client_ca",
            tls.client_names,
            tls.client_ca,
        ),  # else anybody the authority knows could be the bank
    )
    for needed, other, value, given in needs:
        if given and not value:
            raise ConfigError(f"{key}.{needed}: needed with {other}")


def _check_networks(key: str, networks: Sequence[str]) -> None:
    for network in networks:
        try:
            ip_network(network)
        except ValueError:
            raise ConfigError(f"{key}: one is no address and no network, as 10.1.0.0/16 or fd00::/8") from None


def redis_address(url: str) -> RedisAddress:
    """The parts of a redis:// or unix:// URL. Raises ConfigError naming `redis.url`, without the URL: it may hold a
    password."""
    try:
        parts = urlsplit(url)
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if parts.scheme == "redis" and parts.hostname:
            db = int(parts.path.strip("/") or 0)
            return RedisAddress(host=parts.hostname, port=parts.port or 6379, user=user, password=password, db=db)
        if parts.scheme == "unix" and len(parts.path) > 1:
            db = int(parse_qs(parts.query).get("db", ["0"])[0])
            return RedisAddress(path=unquote(parts.path), user=user, password=password, db=db)
    except ValueError:
        raise ConfigError("redis.url: port or database is no number") from None
    raise ConfigError(
        'redis.url: expected "embedded", "redis://host:port", "redis+cluster://host:port" or "unix:///path"'
    )


def is_cluster(url: str) -> bool:
    return url.startswith(CLUSTER)


def cluster_addresses(url: str) -> list[tuple[str, int]]:
    """The nodes that a redis+cluster:// URL names. Raises ConfigError naming `redis.url`, without the URL."""
    credentials, _, nodes = url.removeprefix(CLUSTER).rpartition("@")
    try:
        parts = [urlsplit(f"redis://{node}") for node in nodes.split(",")]
        found = [(part.hostname or "", part.port or 6379) for part in parts]
    except ValueError:
        raise ConfigError("redis.url: a port of the cluster is no number") from None
    if not is_cluster(url) or not all(host for host, _ in found) or any(part.path for part in parts):
        raise ConfigError('redis.url: expected "redis+cluster://host:port,host:port"')
    redis_address(f"redis://{credentials}@{nodes.split(',')[0]}" if credentials else f"redis://{nodes.split(',')[0]}")
    return found
