"""A message for a person: everything it says and where, nothing that must not be seen."""

from __future__ import annotations

import pytest
from codec_messages import ASCII, PAN, purchase
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec.describe import Broken, Description, describe
from authsvc.codec.dialects import DIALECTS, Dialect
from authsvc.codec.pan import PanDisplay

CHIP = "82023C00" + "95050080008000" + "5F2A020985" + "9F0206000000001234" + "DF010411223344" + "5A084111111111111111"
SECRETS = {
    "35": "4111111111111111=28122010000000000000",
    "45": "B4111111111111111^KOWALSKI/JAN^2812201",
    "48": "4203210" + "4328SECRETSECRETSECRETSECRETSECR" + "9203987" + "220204",
    "52": "CAFEBABECAFEBABE",
    "54": "0040985D000000001000",
    "55": CHIP,
    "60": f"card {PAN} of mine",
}
FULL = ASCII.encode(purchase(**{f"f{field}": value for field, value in SECRETS.items()}))

GOES_ON = "the message goes on after its last field"
AN_MTI = "a message type: 0, a class 1 to 8, two digits"
A_BITMAP = "a bitmap of 16 hexadecimal characters"


def text_of(told: Description) -> str:
    return "\n".join(f"{row.field} {row.name} {row.value} {row.meaning}" for row in told.rows) + str(told.broken)


@pytest.mark.parametrize(
    ("field", "value", "meaning"),
    [
        ("MTI", "0100", "authorization, request"),
        ("bitmap", "723C648128E99610", ""),
        ("DE2", "411111******1111", ""),
        ("DE3", "000000", "purchase"),
        ("DE4", "000000001000", "10.00 PLN"),
        ("DE7", "0615100000", "15 June, 10:00:00"),
        ("DE14", "2812", "December 2028"),
        ("DE19", "616", "Poland"),
        ("DE22", "051", "chip; terminal can take a PIN"),
        ("DE25", "00", "normal"),
        ("DE35", "*** (37 characters)", ""),
        ("DE35.PAN", "411111******1111", ""),
        ("DE35.expiry", "2812", "December 2028"),
        ("DE35.own", "*** (13 characters)", ""),
        ("DE37", "000000000001", ""),
        ("DE45", "*** (38 characters)", ""),
        ("DE48", "(52 characters)", ""),
        ("DE48.42", "210", "not authenticated"),
        ("DE48.43", "*** (28 characters)", ""),
        ("DE48.92", "*** (3 characters)", ""),
        ("DE48.22", "04", "low value"),
        ("DE49", "985", "PLN, Zloty"),
        ("DE52", "*** (16 characters)", ""),
        ("DE54.1", "10.00 PLN", "default account"),
        ("DE55", f"*** ({len(CHIP)} characters)", ""),
        ("DE55.95", "0080008000", "application versions differ, above the floor limit"),
        ("DE55.9F02", "000000001234", "12.34 PLN"),
        ("DE55.DF01", "*** (4 bytes)", ""),  # nobody knows what a private tag holds
        ("DE55.5A", "411111******1111", ""),
        ("DE60", "card 411111******1111 of mine", ""),
    ],
)
def test_a_row(field: str, value: str, meaning: str) -> None:
    """Value and meaning, hidden or masked where they must be."""
    told = describe(FULL, ASCII)
    assert told.broken is None
    assert [(row.value, row.meaning) for row in told.rows if row.field == field] == [(value, meaning)]


def test_names_are_those_of_the_specification() -> None:
    """A reader of the standard finds its words."""
    names = {row.field: row.name for row in describe(FULL, ASCII).rows}
    assert names["DE2"] == "Primary Account Number (PAN)"
    assert names["DE37"] == "Retrieval Reference Number"
    assert names["DE55.95"] == "Terminal verification results"


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_the_place_of_every_field_is_told(dialect: Dialect) -> None:
    """In every dialect: the rows of whole fields follow one another from the first byte to the last."""
    payload = dialect.encode(purchase(f35=SECRETS["35"], f48=SECRETS["48"], f90="0" * 42))
    whole = [row for row in describe(payload, dialect).rows if "." not in row.field]
    assert [row.offset for row in whole] == [0, *(row.offset + row.length for row in whole[:-1])]
    assert whole[-1].offset + whole[-1].length == len(payload)


@pytest.mark.parametrize(
    ("field", "found"),
    [("DE48.42", b"4203210"), ("DE54.1", b"0040985D000000001000"), ("DE55.9F02", b"9F0206000000001234")],
)
def test_the_place_of_a_part_is_told(field: str, found: bytes) -> None:
    """Counted in the message, not in its field."""
    (row,) = [row for row in describe(FULL, ASCII).rows if row.field == field]
    assert FULL[row.offset : row.offset + row.length] == found


def test_the_place_of_a_part_in_bytes() -> None:
    """Where the chip's data are bytes, two of their hexadecimal digits are one."""
    binary = DIALECTS["iso87-bcd"]
    payload = binary.encode(purchase(f55=CHIP, f35=SECRETS["35"]))
    rows = {row.field: row for row in describe(payload, binary).rows}
    amount, expiry = rows["DE55.9F02"], rows["DE35.service"]
    assert payload[amount.offset : amount.offset + amount.length].hex().upper() == "9F0206000000001234"
    assert payload[expiry.offset : expiry.offset + expiry.length].hex() == "2201"  # 201 begins in the middle of a byte


def test_nothing_secret_is_shown() -> None:
    """No PAN, track, PIN block, CVV2, CAVV or chip data that nobody knows, in the text of the whole message."""
    text = text_of(describe(FULL, ASCII))
    for secret in (PAN, "KOWALSKI", "SECRET", "CAFEBABE", "987", "28122010", "0000000000000", "11223344"):
        assert secret not in text


def test_in_clear_the_card_number_is_shown_and_nothing_else() -> None:
    """`--clear` is for the PAN alone: tracks, PIN block, CVV2 and CAVV stay hidden."""
    text = text_of(describe(FULL, ASCII, PanDisplay.CLEAR))
    assert text.count(PAN) == 4  # DE2, the PAN of the track, 5A, free text
    for secret in ("KOWALSKI", "SECRET", "CAFEBABE", "987", "28122010", "11223344"):
        assert secret not in text


@pytest.mark.parametrize(
    ("payload", "broken"),
    [
        (
            ASCII.encode(purchase())[:-1],
            Broken("DE49", 183, "is cut short: 2 of 3", "3 letters or digits", "2 bytes", "************", "99"),
        ),
        (
            ASCII.encode(purchase(f4="000x")),
            Broken("DE4", 44, "is not digits alone", "12 digits", '"99999999999a"', "******000000", "*" * 12),
        ),
        (
            ASCII.encode(purchase()) + b"4111",
            Broken("DE49", 186, GOES_ON, "the end of the message", "4 bytes", "*********985", "9999"),
        ),
        (b"", Broken("MTI", 0, "is cut short: 0 of 4", AN_MTI, "0 bytes", "", "")),
        (
            b"0100zz00000000000000",
            Broken("bitmap", 4, "is not hexadecimal digits", A_BITMAP, "16 bytes", "0100", "aa9999999999"),
        ),
    ],
)  # fmt: skip
def test_where_a_message_broke(payload: bytes, broken: Broken) -> None:
    """Field, byte, expected and found; the bytes before as they may be seen, those behind by kind, none of a secret field."""
    assert describe(payload, ASCII).broken == broken


def test_a_field_that_holds_what_it_may_not_is_a_row_too() -> None:
    """By kinds, because nobody knows what slipped into it; the fields behind it are shown."""
    told = describe(ASCII.encode(purchase(f7="9913100000", f14="2899")), ASCII)
    rows = {row.field: row for row in told.rows}
    assert (rows["DE7"].value, rows["DE7"].meaning) == ('"9999999999"', "broken: is no date and time MMDDhhmmss")
    assert (rows["DE14"].value, rows["DE14"].meaning) == ('"9999"', "broken: is no year and month YYMM")
    assert rows["DE42"].value == "MERCHANT0000001"


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("48", "hello", 'expected a tag and a length of two digits each, found "aaaa"'),
        ("54", "0040985X000000001000", 'expected C or D, found "A"'),
        ("55", "82021800950500", "expected 5 bytes of tag 95, found 1"),
        ("35", f"{PAN}=281", 'expected an expiry YYMM, found "999"'),
    ],
)
def test_a_part_that_is_made_otherwise(field: str, value: str, told: str) -> None:
    """It is said in a row of its own, after what was right; the message as a whole is not broken by it."""
    described = describe(ASCII.encode(purchase(**{f"f{field}": value})), ASCII)
    assert [row.value for row in described.rows if row.meaning == "broken"] == [told]
    assert described.broken is None


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
    assert describe(ASCII.encode({"t": mti, "39": "51", "70": "301"}), ASCII).rows[0].meaning == meaning


@given(st.binary(max_size=300), st.sampled_from(list(DIALECTS.values())))
def test_anything_can_be_described(payload: bytes, dialect: Dialect) -> None:
    """Garbage too, in every dialect, and a message that begins well."""
    begun = dialect.encode(purchase())[:30]
    for data in (payload, begun + payload):
        told = describe(data, dialect)
        assert told.broken is None or 0 <= told.broken.offset <= len(data)
