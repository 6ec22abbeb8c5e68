"""A message for a person: everything it says, nothing that must not be seen."""

from __future__ import annotations

import pytest
from codec_messages import ASCII, PAN, purchase
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.describe import describe, payload_from_text, rows
from authsvc.codec.framing import frame
from authsvc.errors import PeerError

SECRETS = {
    "35": "4111111111111111=28122010000000000000",
    "45": "B4111111111111111^KOWALSKI/JAN^2812201",
    "48": "4203210" + "4328SECRETSECRETSECRETSECRETSECR" + "9203987" + "220204",
    "52": "CAFEBABECAFEBABE",
    "55": "5A084111111111111111",
    "60": f"card {PAN} of mine",
}
FULL = ASCII.encode(purchase(**{f"f{field}": value for field, value in SECRETS.items()}))


@pytest.mark.parametrize(
    ("field", "value", "meaning"),
    [
        ("MTI", "0100", "authorization, request"),
        ("DE2", "411111******1111", ""),
        ("DE3", "000000", "purchase"),
        ("DE4", "000000001000", ""),
        ("DE22", "051", "chip"),
        ("DE25", "00", "normal"),
        ("DE35", "*** (37 characters)", ""),
        ("DE37", "000000000001", ""),
        ("DE48", "(52 characters)", ""),
        ("DE48.42", "210", ""),
        ("DE48.43", "*** (28 characters)", ""),
        ("DE48.92", "*** (3 characters)", ""),
        ("DE48.22", "04", "low value"),
        ("DE52", "*** (16 characters)", ""),
        ("DE55", "*** (20 characters)", ""),
        ("DE60", "card 411111******1111 of mine", ""),
    ],
)
def test_a_row(field: str, value: str, meaning: str) -> None:
    """Value and meaning, hidden or masked where they must be."""
    found, broken = rows(FULL, ASCII)
    assert broken == ""
    assert [(row.value, row.meaning) for row in found if row.field == field] == [(value, meaning)]


def test_names_are_those_of_the_specification() -> None:
    """A reader of the standard finds its words."""
    text = describe(FULL, ASCII)
    assert "Primary Account Number (PAN)" in text
    assert "Retrieval Reference Number" in text


def test_nothing_secret_is_shown() -> None:
    """No PAN, track, PIN block, CVV2, CAVV or chip data, in the text of the whole message."""
    text = describe(FULL, ASCII)
    for secret in (PAN, "KOWALSKI", "SECRET", "CAFEBABE", "987", "28122010"):
        assert secret not in text


@pytest.mark.parametrize(
    ("payload", "broken"),
    [
        (ASCII.encode(purchase())[:-1], "broken at DE49 (byte 183 of 185): is cut short: 2 of 3"),
        (ASCII.encode(purchase(f4="000x")), "broken at DE4 (content): is not digits alone"),
        (b"", "broken at MTI (byte 0 of 0): is cut short: 0 of 4"),
    ],
)
def test_a_broken_message_is_shown_as_far_as_it_goes(payload: bytes, broken: str) -> None:
    """What was read, and where and why reading stopped."""
    lines = describe(payload, ASCII).splitlines()
    assert lines[-1] == broken
    assert len(lines) == (1 if not payload else len(purchase()))


def test_private_data_that_is_no_list_of_sub_elements() -> None:
    """It is said, and the data is not shown."""
    found, _ = rows(ASCII.encode(purchase(f48="hello")), ASCII)
    assert [row.meaning or row.value for row in found if row.field == "DE48"] == [
        "(5 characters)",
        'at character 0: expected a tag and a length of two digits each, found "aaaa"',
    ]


@pytest.mark.parametrize(
    ("mti", "meaning"),
    [
        ("0110", "authorization, response"),
        ("0421", "reversal, advice, repeat"),
        ("0599", "reconciliation (not one we know)"),
    ],
)
def test_meaning_of_an_mti(mti: str, meaning: str) -> None:
    """Class, function, repeat."""
    assert rows(ASCII.encode({"t": mti, "39": "51", "70": "301"}), ASCII)[0][0].meaning == meaning


def test_meaning_of_codes() -> None:
    """Response and network management codes in words."""
    found, _ = rows(ASCII.encode({"t": "0810", "39": "51", "70": "301"}), ASCII)
    assert [row.meaning for row in found] == ["network management, response", "insufficient funds", "echo"]


PAYLOAD = ASCII.encode(purchase())


@pytest.mark.parametrize(
    "text",
    [
        PAYLOAD.decode(),
        PAYLOAD.decode() + "\n",
        PAYLOAD.hex(),
        PAYLOAD.hex(" ").upper() + "\r\n",
        frame(PAYLOAD).hex(),
        frame(PAYLOAD).decode("latin-1"),
    ],
)
def test_a_message_is_found_in_what_people_paste(text: str) -> None:
    """Raw or hexadecimal, with or without its header, with a line end or not."""
    assert payload_from_text(text, ASCII) == PAYLOAD


def test_a_raw_message_of_digits_alone_is_not_taken_for_hexadecimal() -> None:
    """An echo is digits from end to end."""
    echo = ASCII.encode({"t": "0800", "11": "000001", "37": "000000000001"})
    assert bytes.fromhex(echo.decode())
    assert payload_from_text(echo.decode(), ASCII) == echo


@given(st.text(max_size=60))
def test_what_holds_no_message_is_refused(text: str) -> None:
    """Whatever is pasted: a message of this dialect, or a peer error."""
    try:
        payload = payload_from_text(text, ASCII)
    except PeerError as error:
        refused = error.field
    else:
        refused = "" if ASCII.begins_at(payload, 0) and describe(payload, ASCII) else "found nothing"
    assert refused in ("", "frame")


@given(st.binary(max_size=300))
def test_anything_can_be_described(payload: bytes) -> None:
    """Garbage too."""
    assert describe(payload, ASCII)
    describe(b"0100" + payload, ASCII)
