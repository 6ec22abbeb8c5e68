"""CSV and JSON Lines: the API's fields, and errors that name line and field."""

from __future__ import annotations

import json

import pytest

from authsvc.clearing import reading
from authsvc.clearing.records import Line, Wrong
from authsvc.errors import PeerError

COLUMNS = (
    "scheme,rrn,authorization_code,pan_or_card,amount,currency,merchant_id,mcc,"  # what each has
    "final,kind,billing_amount,reversal,decision"
)
ROW = "visa,RRN000000001,A1B2C3,card-1,12345,PLN,SHOP42,5411,,,,,"
OBJECT = {
    "scheme": "visa", "rrn": "RRN000000001", "authorization_code": "A1B2C3", "pan_or_card": "card-1", "amount": 12345,
    "currency": "PLN", "merchant_id": "SHOP42", "mcc": "5411",
}  # fmt: skip


def csv_of(*rows: str) -> bytes:
    return "\n".join((COLUMNS, *rows, "")).encode()


def test_a_row_and_an_object_say_the_same() -> None:
    """An empty cell is an absent field; a mark of the byte order, empty lines and the last line's end are nothing."""
    objects = json.dumps(OBJECT).encode()
    by_row, by_object = reading.read(csv_of(ROW)), reading.read(objects)
    assert (by_row.form, by_object.form) == ("csv", "jsonl")
    assert by_row.lines[0].body == by_object.lines[0].body
    assert (by_row.lines[0].number, by_object.lines[0].number) == (2, 1)
    for spread in (b"\xef\xbb\xbf" + objects, b"\n\n" + objects + b"\r\n\n"):
        assert [line.body for line in reading.read(spread).lines] == [by_object.lines[0].body]
    with_quotes = csv_of(",,,", ROW.replace("SHOP42", '"SHOP, 42"')).replace(b"\n", b"\r\n")
    assert [line.body.merchant_id for line in reading.read(with_quotes).lines] == ["SHOP, 42"]


@pytest.mark.parametrize(("cell", "final"), [("", True), ("true", True), ("false", False), ("0", False)])
def test_truth_values(cell: str, final: bool) -> None:
    (line,) = reading.read(csv_of(ROW.replace("5411,", f"5411,{cell}"))).lines
    assert line.body.final is final


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (ROW.replace("12345", "123.45"), "amount"),
        (ROW.replace("12345", "-1"), "amount"),
        (ROW.replace("12345", ""), "amount"),
        (ROW.replace("visa", "amex"), "scheme"),
        (ROW.replace("5411,", "5411,maybe"), "final"),
        (ROW.replace("5411", "54"), "mcc"),
        (ROW.replace("SHOP42", "SHOP\x00"), "merchant_id"),
        ("visa,,,card-1,12345,PLN,SHOP42,5411,,,,true,", "rrn"),
        (ROW + "acc-1:5", "decision"),
        (ROW + ",", ""),
        (ROW[:-1], ""),
    ],
)
def test_what_is_wrong_with_a_row(row: str, field: str) -> None:
    """The others are read all the same; whether they are posted is another question."""
    file = reading.read(csv_of(ROW, row, ROW))
    assert [(wrong.number, wrong.field) for wrong in file.wrong] == [(3, field)]
    assert [line.number for line in file.lines] == [2, 4]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        (json.dumps({**OBJECT, "amount": "12345"}), "amount"),
        (json.dumps({**OBJECT, "final": 1}), "final"),
        (json.dumps({**OBJECT, "cvv2": "123"}), "cvv2"),
        (json.dumps({name: value for name, value in OBJECT.items() if name != "mcc"}), "mcc"),
        (json.dumps({**OBJECT, "rrn": "", "authorization_code": "", "reversal": True}), "rrn"),
        ('{"scheme"', ""),
        ("[]", ""),
    ],
)
def test_what_is_wrong_with_an_object(text: str, field: str) -> None:
    """JSON has numbers and truth values of its own: a text is none."""
    found = reading.read((json.dumps(OBJECT) + "\n" + text).encode()).records
    assert [type(one) for one in found] == [Line, Wrong]
    assert isinstance(found[1], Wrong)
    assert (found[1].number, found[1].field) == (2, field)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "line 1: the header has no column scheme"),
        (b"hello\n", "line 1: the header has no column scheme"),
        (COLUMNS.replace("mcc,", "").encode(), "line 1: the header has no column mcc"),
        (f"{COLUMNS},rrn".encode(), "line 1: the header has column rrn twice"),
        (COLUMNS.encode(), "file: has no records"),
        (csv_of(ROW, '"open'), "line 3: is no CSV"),
        (csv_of(ROW) + b"\xff", "byte"),
    ],
)
def test_a_file_that_is_broken_as_a_whole(content: bytes, named: str) -> None:
    with pytest.raises(PeerError, match=named):
        reading.read(content)


def test_a_form_that_is_named_is_not_guessed() -> None:
    with pytest.raises(PeerError, match="IPM"):
        reading.read(csv_of(ROW), "ipm")


def test_two_equal_lines_are_two_presentments() -> None:
    """And the same bytes name them the same way again; another file, another way. A reference of the file's own is kept."""
    first, again, other = (reading.read(content) for content in (csv_of(ROW, ROW), csv_of(ROW, ROW), csv_of(ROW)))
    names = [[file.reference(line) for line in file.lines] for file in (first, again, other)]
    assert names[0] == names[1]
    assert len({*names[0], *names[2]}) == 3
    (own,) = reading.read(json.dumps({**OBJECT, "reference": "mine-1"}).encode()).lines
    assert first.reference(own) == "mine-1"
