"""The files that settings name, read and checked before anything listens."""

from __future__ import annotations

import os

from authsvc.codec.dialects import DIALECTS
from authsvc.codec.framing import FRAMINGS
from authsvc.config import Config
from authsvc.errors import ConfigError
from authsvc.products import Products, load_products
from authsvc.security.keys import Keys, load_keys, master_key
from authsvc.security.tls import context_of
from authsvc.security.zones import check_key_names


def check_listeners(config: Config) -> None:
    """Whether the codec speaks what the listeners name, and their certificates are some. Raises ConfigError."""
    for name, listener in config.listeners.items():
        _one_of(f"listeners.{name}.dialect", listener.dialect, DIALECTS)
        _one_of(f"listeners.{name}.framing", listener.framing, FRAMINGS)
        context_of(listener.tls, f"listeners.{name}.tls")


def keys_of(config: Config) -> Keys:
    """The key file under the master key of the environment, with what the listeners name in it. Raises ConfigError."""
    keys = load_keys(config.key_file, master_key(os.environ))
    check_key_names(config.listeners, keys)
    return keys


def products_of(config: Config) -> Products:
    """Every file that decides how decisions turn out, read and checked. Raises ConfigError."""
    return load_products(config.products_dir, config.response_codes_dir, config.rates_dir, config.chart_file)


def _one_of(key: str, value: str, known: dict[str, object] | object) -> None:
    assert isinstance(known, dict)
    if value not in known:
        raise ConfigError(f"{key}: {value!r} is not one of {', '.join(known)}")
