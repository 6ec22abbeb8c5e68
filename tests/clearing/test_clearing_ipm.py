"""IPM files: every form they come in, what each field says, and what is wrong with a broken one. Sources: docs/clearing.md."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from clearing_files import DATA, HEADER, PAN, TRAILER, ipm, only, record
from hypothesis import given
from hypothesis import strategies as st

from authsvc.clearing import reading
from authsvc.clearing.records import Left, Line, Wrong
from authsvc.errors import PeerError


def body(**but: str | None) -> Any:
    found = only(record(**but))
    assert isinstance(found, Line), found
    return found.body


@pytest.mark.parametrize("blocked", [True, False])
@pytest.mark.parametrize("encoding", ["cp500", "latin_1"])
@pytest.mark.parametrize("count", [1, 3, 40])
def test_every_form_is_told_by_its_bytes(encoding: str, blocked: bool, count: int) -> None:
    """One block, several blocks, records that go over the end of a block."""
    records = [record(DE37=f"{number:012}") for number in range(count)]
    file = reading.read(ipm(HEADER, *records, TRAILER, encoding=encoding, blocked=blocked))
    assert file.form == f"IPM {encoding}{', 1014-blocked' if blocked else ''}"
    assert [line.body.rrn for line in file.lines] == [f"{number:012}" for number in range(count)]
    assert [line.number for line in file.lines] == list(range(2, count + 2))
    assert [(left.what, left.money) for left in file.left] == [
        ("1644/697 administrative", False), ("1644/695 administrative", False),
    ]  # fmt: skip


def test_what_each_field_becomes() -> None:
    found = body(PDS0025=None)
    told = {name: getattr(found, name) for name in found.__struct_fields__}
    assert told == {
        "scheme": "mastercard", "rrn": "000000000001", "authorization_code": "A1B2C3", "pan_or_card": PAN,
        "amount": 123_45, "currency": "985", "merchant_id": "SHOP00000000042", "mcc": "5411", "billing_amount": None,
        "billing_currency": "PLN", "final": True, "kind": "purchase", "internet": False, "reversal": False,
        "decision": "", "reference": "",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("but", "name", "value"),
    [
        ({"DE3": "010000"}, "kind", "cash"),
        ({"DE3": "120000"}, "kind", "cash"),
        ({"DE3": "180000"}, "kind", "quasi_cash"),
        ({"DE3": "200000"}, "kind", "refund"),
        ({"DE3": "280000"}, "kind", "deposit"),
        ({"DE3": "090000"}, "kind", "purchase"),
        ({"DE25": "1403"}, "final", False),
        ({"DE25": "1404"}, "final", True),
        ({"DE25": "1401"}, "final", True),
        ({"PDS0025": "R260615"}, "reversal", True),
        ({"PDS0025": " 000000"}, "reversal", False),
        ({"DE22": "051000510001"}, "internet", False),
        ({"DE22": "051010110001"}, "internet", False),  # nobody there, no word of how: mail or telephone
        ({"DE22": "051050110001"}, "internet", True),  # by electronic order
        ({"DE22": "051000S10001"}, "internet", True),  # electronic commerce
        ({"DE37": None}, "rrn", ""),
        ({"DE38": None}, "authorization_code", ""),
        ({"DE6": "25000", "DE51": "985"}, "billing_amount", 250_00),
        ({"DE6": "25000", "DE51": "978"}, "billing_currency", "978"),
        ({"DE6": "0", "DE51": "985"}, "billing_amount", None),
        ({"DE26": "0742"}, "mcc", "0742"),
    ],
)
def test_what_a_field_says(but: dict[str, str | None], name: str, value: object) -> None:
    assert getattr(body(**but), name) == value


@pytest.mark.parametrize(
    ("but", "field"),
    [
        ({"DE2": None}, "DE2"),
        ({"DE4": None}, "DE4"),
        ({"DE4": "0"}, "DE4"),
        ({"DE26": None}, "DE26"),
        ({"DE49": None}, "DE49"),
        ({"DE49": "ZŁO"[:1] + "XX"}, "DE49"),
        ({"DE3": "170000"}, "DE3"),
        ({"DE3": None}, "DE3"),
        ({"DE37": "A-B"}, "DE37"),
        ({"DE38": "a b"}, "DE38"),
        ({"DE6": "1", "DE51": None}, "DE51"),
        ({"PDS0025": "R260615", "DE37": None, "DE38": None}, "DE37"),
    ],
)
def test_what_is_wrong_names_the_field(but: dict[str, str | None], field: str) -> None:
    """And only the field: what stands in its place may be a card number."""
    found = only(record(**but))
    assert isinstance(found, Wrong), found
    assert (found.number, found.field) == (1, field)
    assert PAN not in found.problem


@pytest.mark.parametrize(
    ("mti", "function", "what", "money"),
    [
        ("1240", "205", "1240/205 presentment", True),
        ("1240", "282", "1240/282 presentment", True),
        ("1442", "450", "1442/450 chargeback", True),
        ("1740", "700", "1740/700 fee collection", True),
        ("1644", "685", "1644/685 administrative", False),
        ("1999", None, "1999/- unknown", True),
    ],
)
def test_other_messages_are_left(mti: str, function: str | None, what: str, money: bool) -> None:
    """A second presentment answers a chargeback: a person decides on it."""
    assert only(record(MTI=mti, DE24=function)) == Left(1, what, money)


@pytest.mark.parametrize("name", ["cardutil-ascii-1014.ipm", "cardutil-ebcdic-vbs.ipm"])
def test_cardutil_s_own_file(name: str) -> None:
    """Fifteen records of MTI 1144: sound, and nothing that is posted."""
    file = reading.read((DATA / name).read_bytes())
    assert [(left.number, left.what) for left in file.left] == [(n, "1144/333 unknown") for n in range(1, 16)]


@pytest.mark.parametrize("blocked", [True, False])
def test_a_file_cut_short_is_refused_whole(blocked: bool) -> None:
    """Wherever it is cut: the rest of it will come in another file, whose records would be posted a second time."""
    records = [record(DE37=f"{number:012}") for number in range(12)]
    whole = ipm(*records, blocked=blocked)
    assert len(reading.read(whole).lines) == 12
    end = whole.rindex(bytes(4))  # the record of length zero; what follows is fill
    for cut in (*range(24, end, 97), *range(end - 5, end + 4)):
        with pytest.raises(PeerError, match="record"):
            reading.read(whole[:cut])


@given(st.binary(max_size=200), st.integers(0, 5000), st.integers(1, 40))
def test_garbage_is_a_clear_error(garbage: bytes, place: int, length: int) -> None:
    """Of a file with garbage in it something is wrong, or it says the same or something else; it never faults."""
    whole = ipm(HEADER, record(), record(DE2="5575290000000019"), TRAILER)
    at = place % len(whole)
    for content in (garbage, whole[:at] + garbage + whole[at + length :]):
        with suppress(PeerError):
            reading.read(content)
