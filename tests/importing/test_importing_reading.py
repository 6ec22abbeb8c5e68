"""Lines of a file: what they say, and what is wrong with them, by line and field and without any value."""

from __future__ import annotations

from io import BytesIO

import pytest
from importing_parts import card, line, text

from authsvc.importing.reading import AccountWanted, FieldError, read
from authsvc.model import PostingKind

HEADER = "account,product,holder,credit_limit,pan,expiry,pvv,cash,internet,active,debt_purchase,debt_interest\n"
CSV = (
    HEADER
    + '7,credit-business,"Żuk, Sp. z o.o.",500000,4180390000000017,4912,4711,100,,,2500,7\n'
    + "7,,,,4180390000000025,2812,0815,,5,false,,0\n"
    + ",prepaid-bps,,,5575290000000019,4912,1111,,,,,\n"
)
JSONL = text(
    {
        "product": "credit-business", "holder": "Żuk, Sp. z o.o.", "credit_limit": 5000_00,
        "cards": [
            {"pan": "4180390000000017", "expiry": "4912", "pvv": "4711", "limits": {"cash": 100},
             "debts": {"purchase": 2500, "interest": 7}},
            {"pan": "4180390000000025", "expiry": "2812", "pvv": "0815", "limits": {"internet": 5}, "active": False},
        ],
    },
    {"product": "prepaid-bps", "cards": [{"pan": "5575290000000019", "expiry": "4912", "pvv": "1111"}]},
)  # fmt: skip


def wanted(file: bytes | str, *, is_csv: bool = False) -> list[tuple[int, AccountWanted | FieldError]]:
    return list(read(BytesIO(file.encode() if isinstance(file, str) else file), is_csv=is_csv))


def test_csv_and_jsonl_say_the_same() -> None:
    """A card a line against an account a line; an account stands where its first line stands."""
    by_csv, by_json = wanted(CSV, is_csv=True), wanted(JSONL)
    assert [account for _, account in by_csv] == [account for _, account in by_json]
    assert ([line for line, _ in by_csv], [line for line, _ in by_json]) == ([2, 4], [1, 2])
    account = by_csv[0][1]
    assert isinstance(account, AccountWanted)
    assert account.cards[0].debts == {PostingKind.PURCHASE: 25_00, PostingKind.INTEREST: 7}


def test_a_spreadsheets_byte_order_mark_is_no_part_of_the_first_column() -> None:
    assert wanted(b"\xef\xbb\xbf" + CSV.encode(), is_csv=True) == wanted(CSV, is_csv=True)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"pan": "41803900000000x7"}, "cards[0].pan"),
        ({"pan": "5575290000000019\n"}, "cards[0].pan"),
        ({"expiry": "2013"}, "cards[0].expiry"),
        ({"pin": "12"}, "cards[0].pin"),
        ({"pin": 1234}, "cards[0].pin"),
        ({"limits": {"cash": -1}}, "cards[0].limits.cash"),
        ({"debts": {"gambling": 5}}, "cards[0].debts"),
        ({"debts": {"purchase": 0}}, "cards[0].debts[...]"),
        ({"colour": "red"}, "cards[0].colour"),
    ],
)
def test_a_wrong_card_is_named_by_its_field(wrong: dict[str, object], field: str) -> None:
    first, (number, problem), last = wanted(text(line(1), line(2, cards=[card(2, **wrong)]), line(3)))
    assert isinstance(first[1], AccountWanted)
    assert isinstance(last[1], AccountWanted)
    assert isinstance(problem, FieldError)
    assert (number, problem.field) == (2, field)
    assert "gambling" not in problem.why


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"balance": -1}, "balance"),
        ({"cards": []}, "cards"),
        ({"credit_limit": "5"}, "credit_limit"),
        ({"bank": 1}, "bank"),
    ],
)
def test_a_wrong_account_is_named_by_its_field(fields: dict[str, object], field: str) -> None:
    ((_, problem),) = wanted(text(line(1, **fields)))
    assert isinstance(problem, FieldError)
    assert problem.field == field


def test_lines_that_are_no_json() -> None:
    found = wanted(b'{\n\xff\xfe\n[]\n\n  \n{"x": "' + b"y" * 1_000_000 + b'"}\n' + text(line()))
    assert [number for number, _ in found] == [1, 2, 3, 6, 7]
    assert [isinstance(account, AccountWanted) for _, account in found] == [False, False, False, False, True]
    assert str(found[3][1]) == "is longer than 1000000 bytes"


@pytest.mark.parametrize(
    ("rows", "line", "field", "why"),
    [
        ("7,prepaid-bps,,,4180390000000017,4912,12,,,,,\n", 2, "pvv", "regex"),
        ("7,prepaid-bps,,,,4912,1234,,,,,\n", 2, "pan", "required"),
        ("7,prepaid-bps,,,4180390000000017,4912,1234,,,,,\n7,credit-business,,,1,1,1,,,,,\n", 3, "pan", "regex"),
        (
            "7,prepaid-bps,,,4180390000000017,4912,1234,,,,,\n7,credit-business,,,4180390000000025,4912,1234,,,,,\n",
            3, "product", "is not as in the account's first line",
        ),
        ("7,prepaid-bps\n", 2, "", "has 2 values for 12 columns"),
        ('7,"prepaid"-bps,,,4180390000000017,4912,1234,,,,,\n', 2, "", "is no CSV"),
        ("7,prepaid-bps,,x,4180390000000017,4912,1234,,,,,\n", 2, "credit_limit", "Expected"),
    ],
)  # fmt: skip
def test_a_wrong_row_is_named_and_the_others_are_read(rows: str, line: int, field: str, why: str) -> None:
    """The account of a wrong row is refused whole."""
    good = ",prepaid-bps,,,5575290000000019,4912,1111,,,,,\n"
    (number, problem), (_, after) = wanted(HEADER + rows + good, is_csv=True)
    assert isinstance(problem, FieldError)
    assert (number, problem.field) == (line, field)
    assert why in problem.why
    assert isinstance(after, AccountWanted)


def test_a_row_that_is_not_utf_8() -> None:
    file = (HEADER + ",prepaid-bps,ZZ,,5575290000000019,4912,1111,,,,,\n").encode().replace(b"ZZ", b"\xb3\xf3")
    ((number, problem),) = wanted(file, is_csv=True)
    assert (number, str(problem)) == (2, "is not UTF-8")


@pytest.mark.parametrize("header", ["pan,pan\n", "product,colour\n", "5575290000000019,product\n"])
def test_a_column_that_there_is_not_stops_all(header: str) -> None:
    with pytest.raises(FieldError, match=r"column [12]: there is no such column, or it is there twice") as found:
        wanted(header, is_csv=True)
    assert "5575" not in str(found.value)
