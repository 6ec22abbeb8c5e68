"""Cryptograms: ours are those of pyemv's own classes, version by version; and the answer to the chip."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from pyemv import cvn

from authsvc.security.cryptogram import VERSIONS, SoftCryptograms
from authsvc.security.keys import load_keys

KEYS = load_keys(Path(__file__).parents[2] / "config/keys/demo.toml")
CHECKS = SoftCryptograms(KEYS)
ISSUER_KEY = bytes.fromhex("2315208C9110AD402315208C9110AD40")
VISA_PAN, LONG_VISA_PAN, MC_PAN = "4180390000000018", "4180390000000000018", "5575290000000017"
VISA_10, VISA_18, VISA_22 = (bytes.fromhex(f"0601{version}03A00000") for version in ("0A", "12", "16"))
MCHIP_16, MCHIP_17, MCHIP_20, MCHIP_21 = (
    bytes.fromhex(f"01{version}A0400322000012340000000000000000FF") for version in ("10", "11", "14", "15")
)
TAGS = {
    "tag_9f02": "000000001000", "tag_9f03": "000000000000", "tag_9f1a": "0616", "tag_95": "8000048000",
    "tag_5f2a": "0985", "tag_9a": "260615", "tag_9c": "00", "tag_9f37": "52BF4585", "tag_82": "1800",
    "tag_9f36": "0012",
}  # fmt: skip


class Chip(Struct, frozen=True):
    sequence: str
    data: bytes
    counter: bytes
    unpredictable: bytes
    issuer_data: bytes
    cryptogram: bytes


def pyemv_of(name: str, pan: str, sequence: str = "01") -> Any:
    with warnings.catch_warnings(action="ignore"):
        return getattr(cvn, name)(ISSUER_KEY, ISSUER_KEY, ISSUER_KEY, pan, sequence)


def signed_by(card: Any, name: str, issuer_data: bytes) -> bytes:
    tags = {tag: bytes.fromhex(value) for tag, value in TAGS.items()}
    if name in ("VisaCVN18", "VisaCVN22"):
        return bytes(card.generate_ac(**tags, tag_9f10=issuer_data))
    if name == "VisaCVN10":
        return bytes(card.generate_ac(**tags, cvr=issuer_data[3:7]))
    if name in ("MasterCardCVN17", "MasterCardCVN21"):
        return bytes(card.generate_ac(**tags, cvr=issuer_data[2:8], counters=issuer_data[10:18]))
    return bytes(card.generate_ac(**tags, cvr=issuer_data[2:8]))


def chip(issuer_data: bytes, cryptogram: bytes, sequence: str = "01", **but: str) -> Chip:
    tags = {**TAGS, **but}
    return Chip(
        sequence, b"".join(map(bytes.fromhex, tags.values())), bytes.fromhex(tags["tag_9f36"]),
        bytes.fromhex(tags["tag_9f37"]), issuer_data, cryptogram,
    )  # fmt: skip


CARDS = [
    ("VisaCVN10", VISA_PAN, VISA_10, 10), ("VisaCVN18", VISA_PAN, VISA_18, 18), ("VisaCVN18", LONG_VISA_PAN, VISA_18, 18),
    ("VisaCVN22", VISA_PAN, VISA_22, 22), ("MasterCardCVN16", MC_PAN, MCHIP_16, 16),
    ("MasterCardCVN17", MC_PAN, MCHIP_17, 17), ("MasterCardCVN20", MC_PAN, MCHIP_20, 20),
    ("MasterCardCVN21", MC_PAN, MCHIP_21, 21),
]  # fmt: skip


@pytest.mark.parametrize(("name", "pan", "issuer_data", "version"), CARDS)
def test_a_cryptogram_of_each_version_is_right_and_any_change_makes_it_wrong(
    name: str, pan: str, issuer_data: bytes, version: int
) -> None:
    """Another amount, counter, sequence number or cryptogram, and the chip is not believed."""
    right = signed_by(pyemv_of(name, pan), name, issuer_data)
    assert CHECKS.cryptogram_version(pan, issuer_data) == version
    assert CHECKS.cryptogram_verdict(pan, chip(issuer_data, right)) == "M"
    for wrong in (
        chip(issuer_data, right, tag_9f02="000000001001"),
        chip(issuer_data, right, tag_9f36="0013"),
        chip(issuer_data, right, sequence="02"),
        chip(issuer_data, bytes(8)),
    ):
        assert CHECKS.cryptogram_verdict(pan, wrong) == "N"


@pytest.mark.parametrize(("name", "pan", "issuer_data", "version"), CARDS)
@pytest.mark.parametrize("code", ["00", "51"])
def test_the_answer_is_the_one_that_the_chip_computes(
    name: str, pan: str, issuer_data: bytes, version: int, code: str
) -> None:
    """Tag 91 holds ARPC and what it was made of, so a chip can verify it; yes and no differ."""
    card = pyemv_of(name, pan)
    arqc = signed_by(card, name, issuer_data)
    answer = CHECKS.issuer_authentication(pan, chip(issuer_data, arqc), code)
    counter = bytes.fromhex(TAGS["tag_9f36"])
    if version in (18, 22):
        assert answer[:4] == card.generate_arpc(arqc, counter, answer[4:])
        assert answer[4:].hex() == ("00820000" if code == "00" else "00000000")
    else:
        expected = (
            card.generate_arpc(arqc, answer[8:])
            if version in (10, 16, 17)
            else card.generate_arpc(arqc, counter, answer[8:])
        )
        assert answer[:8] == expected
        assert answer[8:] == (code.encode() if version == 10 else bytes.fromhex("0012" if code == "00" else "0002"))


@pytest.mark.parametrize(
    ("pan", "issuer_data", "verdict"),
    [
        (VISA_PAN, bytes.fromhex("0601FF03A00000"), "U"),
        (VISA_PAN, b"", "U"),
        (MC_PAN, bytes.fromhex("01"), "U"),
        (MC_PAN, VISA_10, "U"),
        (VISA_PAN, bytes.fromhex("06010A03"), "N"),  # too short for its own version
        (MC_PAN, bytes.fromhex("0111A0400322"), "N"),
    ],
)
def test_issuer_data_of_no_version_or_cut_short_is_never_right(pan: str, issuer_data: bytes, verdict: str) -> None:
    assert CHECKS.cryptogram_verdict(pan, chip(issuer_data, bytes(8))) == verdict


def test_the_table_holds_the_common_versions_of_both_schemes() -> None:
    assert sorted(VERSIONS) == [("mastercard", n) for n in (16, 17, 20, 21)] + [("visa", n) for n in (10, 18, 22)]
