"""Messages made by software that none of us wrote: `tests/data/wire/`, each file naming where it is from."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest

from authsvc.codec.describe import describe
from authsvc.codec.dialects import DIALECTS, MessageError

FILES = sorted((Path(__file__).parents[1] / "data" / "wire").glob("*.toml"))
MESSAGES = [(path.stem, tomllib.loads(path.read_text())) for path in FILES]
GOOD = [pytest.param(message, id=name) for name, message in MESSAGES if "error" not in message]
BAD = [pytest.param(message, id=name) for name, message in MESSAGES if "error" in message]


@pytest.mark.parametrize("message", GOOD)
def test_we_understand_it_and_would_say_it_the_same_way(message: dict[str, Any]) -> None:
    """The fields are those its maker put in, and encoding them gives its very bytes (`ours`: where two are right)."""
    dialect, payload = DIALECTS[message["dialect"]], bytes.fromhex(message["hex"])
    assert dialect.decode(payload) == message["fields"]
    assert dialect.encode(message["fields"]) == bytes.fromhex(message.get("ours", message["hex"]))


@pytest.mark.parametrize("message", BAD)
def test_we_refuse_it_by_the_field_that_is_wrong(message: dict[str, Any]) -> None:
    """And keep what was right in it, for the answer."""
    with pytest.raises(MessageError) as caught:
        DIALECTS[message["dialect"]].decode(bytes.fromhex(message["hex"]))
    assert caught.value.field == message["error"]
    assert caught.value.fields == message["fields"]


@pytest.mark.parametrize("message", GOOD + BAD)
def test_it_can_be_described(message: dict[str, Any]) -> None:
    """With a row for every field that is right, and the PAN masked."""
    told = describe(bytes.fromhex(message["hex"]), DIALECTS[message["dialect"]])
    labels, text = {row.field for row in told.rows}, str(told)
    assert (told.broken is None) == ("error" not in message)
    assert {"MTI" if field == "t" else f"DE{field}" for field in message["fields"]} <= labels
    assert message["fields"].get("2", "no PAN") not in text


def test_every_kind_of_origin_is_here() -> None:
    """pyiso8583, jPOS, iso8583sim, moov; every dialect; requests, reversals and network management."""
    makers = {name.split("-")[0] for name, _ in MESSAGES}
    assert {"pyiso8583", "jpos", "iso8583sim", "moov"} <= makers
    assert {message["dialect"] for _, message in MESSAGES} == set(DIALECTS)
    assert {"0100", "0200", "0400", "0800", "0810"} <= {message["fields"]["t"] for _, message in MESSAGES}
    assert all(message["origin"] and message["note"] for _, message in MESSAGES)
