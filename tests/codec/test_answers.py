"""Answers: what is echoed, what is added, and to what there is none."""

from __future__ import annotations

import pytest
from codec_messages import ASCII, purchase, reversal

from authsvc.codec.answers import RESPONSES, to_answer, to_refusal
from authsvc.codec.dialects import Fields
from authsvc.model import Answer, Minor

ECHO = ("2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49")


def echo_of(fields: Fields) -> Fields:
    return {field: fields[field] for field in (*ECHO, "90") if field in fields}


def test_an_approval() -> None:
    """Echo, 39, 38, and the balance where it was asked for."""
    answer = Answer("00", "A1B2C3", Minor(87_655))
    assert to_answer(purchase(f3="012000"), answer) == {
        "t": "0110",
        **echo_of(purchase(f3="012000")),
        "38": "A1B2C3",
        "39": "00",
        "54": "2002985C000000087655",
    }


def test_a_refusal_of_the_rules() -> None:
    """39 alone is added: no 38, no 54."""
    assert to_answer(purchase(), Answer("51")) == {"t": "0110", **echo_of(purchase()), "39": "51"}


def test_an_answer_to_a_reversal_names_the_original_again() -> None:
    """DE90 comes back with the rest."""
    answer = to_answer(reversal(), Answer("25"))
    assert answer == {"t": "0410", **echo_of(reversal()), "39": "25"}
    assert answer["90"] == reversal()["90"]


@pytest.mark.parametrize(
    ("available", "group"),
    [(0, "0002985C000000000000"), (-1, "0002985D000000000001"), (999_999_999_999, "0002985C999999999999")],
)
def test_available(available: int, group: str) -> None:
    """C above water, D below, twelve digits of grosze."""
    assert to_answer(purchase(), Answer("00", "1", Minor(available)))["54"] == group


@pytest.mark.parametrize(
    ("private", "cvv2", "answered"),
    [
        (None, "", None),
        ("4203210", "", None),
        ("42032106315ABCDEFGHIJKLMNO", "", "6315ABCDEFGHIJKLMNO"),
        ("9203123", "M", "8701M"),
        ("92031236315ABCDEFGHIJKLMNO", "N", "6315ABCDEFGHIJKLMNO8701N"),
    ],
)
def test_private_data_of_an_answer(private: str | None, cvv2: str, answered: str | None) -> None:
    """63 comes back, 87 says how the CVV2 check ended, nothing else of DE48 leaves us."""
    assert to_answer(purchase(f48=private), Answer("00"), cvv2).get("48") == answered


@pytest.mark.parametrize(
    ("mti", "response"),
    [
        ("0100", "0110"), ("0101", "0110"), ("0120", "0130"), ("0121", "0130"), ("0200", "0210"), ("0201", "0210"),
        ("0220", "0230"), ("0221", "0230"), ("0400", "0410"), ("0401", "0410"), ("0420", "0430"), ("0421", "0430"),
        ("0800", "0810"), ("0801", "0810"),
    ],
)  # fmt: skip
def test_response_mti(mti: str, response: str) -> None:
    """A repeat is answered as its original is, an advice as an advice."""
    refused = to_refusal(purchase(t=mti), "30")
    assert refused == {"t": response, **echo_of(purchase()), "39": "30"}
    assert RESPONSES[mti] == response


@pytest.mark.parametrize("fields", [{}, {"11": "000001"}, purchase(t="0110"), purchase(t="0430"), purchase(t="0140")])
def test_what_is_never_answered(fields: Fields) -> None:
    """No MTI, or a response: answering it could go on for ever."""
    assert to_refusal(fields, "30") is None


def test_a_refusal_says_what_could_be_understood() -> None:
    """With the STAN alone the peer finds its request."""
    assert to_refusal({"t": "0100", "11": "000001", "48": "nonsense"}, "30") == {
        "t": "0110",
        "11": "000001",
        "39": "30",
    }


def test_nothing_secret_goes_back() -> None:
    """No track, PIN block, chip data or expiry in an answer, and it can be said in our dialect."""
    fields = purchase(f35="4111111111111111=2812", f52="0123456789ABCDEF", f55="9F02", f48="9203123")
    answer = to_answer(fields, Answer("00", "123456", Minor(1)), "M")
    assert not {"14", "35", "52", "55"} & answer.keys()
    assert "123" not in answer["48"]
    assert ASCII.decode(ASCII.encode(answer)) == answer
