"""The bits of the chip's data, each against EMV's own example or table."""

from __future__ import annotations

import pytest

from authsvc.codec import chip_words
from authsvc.codec.chip_words import bits_set, cryptogram_information, cvm_results, terminal_type


@pytest.mark.parametrize(
    ("value", "then"),
    [
        ("0000000000", "no bit set"),
        ("8000000000", "offline data authentication not performed"),
        ("0000240000", "PIN tries exceeded, online PIN entered"),
        ("0080008000", "application versions differ, above the floor limit"),
        ("0000000001", "byte 5 bit 1"),  # reserved: told by its place
    ],
)
def test_terminal_verification_results(value: str, then: str) -> None:
    """EMV 4.3 Book 3 annex C5."""
    assert bits_set(bytes.fromhex(value), chip_words.TVR) == then


@pytest.mark.parametrize(
    ("value", "then"),
    [
        ("410302", "plain PIN by the chip, if the terminal can, successful"),
        ("420300", "PIN online, if the terminal can, outcome unknown"),
        ("1E0000", "signature, always, outcome unknown"),
        ("3F0000", "no CVM performed, always, outcome unknown"),
        ("1F0002", "no CVM required, always, successful"),
        ("2A8001", "unknown method, unknown condition, failed"),
    ],
)
def test_cvm_results(value: str, then: str) -> None:
    """EMV 4.3 Book 3 annex C3; Book 4 annex A4."""
    assert cvm_results(bytes.fromhex(value)) == then


@pytest.mark.parametrize(
    ("value", "then"),
    [
        ("80", "ARQC: the chip asks the issuer"),
        ("40", "TC: the chip approves offline"),
        ("00", "AAC: the chip declines"),
        ("0A", "AAC: the chip declines, advice required, PIN tries exceeded"),
        ("C0", "unknown kind of cryptogram"),
    ],
)
def test_cryptogram_information(value: str, then: str) -> None:
    """EMV 4.3 Book 3 table 14."""
    assert cryptogram_information(bytes.fromhex(value)) == then


@pytest.mark.parametrize(
    ("value", "then"),
    [
        ("22", "merchant's, attended, online or offline"),
        ("14", "bank's, unattended, online only"),
        ("FF", "unknown, unknown kind"),
    ],
)
def test_terminal_type(value: str, then: str) -> None:
    """EMV 4.3 Book 4 annex A1."""
    assert terminal_type(bytes.fromhex(value)) == then


def test_what_is_hidden_has_a_name() -> None:
    """So that it can be told that it is there."""
    assert chip_words.NAMES.keys() >= chip_words.HIDDEN
    assert chip_words.NAMES.keys() >= chip_words.MEANINGS.keys()
