"""The product files and response codes: each figure of the rulebook, and that a wrong file stops the start."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from authsvc.errors import ConfigError
from authsvc.model import COMMAND_REASONS, Reason, Scheme
from authsvc.products import STEPS, Products, load_products

CONFIG = Path(__file__).parents[1] / "config"
PRODUCTS = load_products(CONFIG / "products", CONFIG / "response_codes")
CREDIT, BPS, SGB, MINOR = "credit-business", "prepaid-bps", "prepaid-sgb", "prepaid-sgb-minor"
ALL = (CREDIT, BPS, SGB, MINOR)
GAMBLING = ("7800", "7801", "7802", "7995", "9406")


def value_at(product: str, path: str) -> Any:
    """The value a dotted path leads to, as `limits.cash.default`; lists of tables are not walked into."""
    value: Any = msgspec.to_builtins(PRODUCTS[product])
    for name in path.split("."):
        value = value[name]
    return value


# fmt: off
FIGURES = [
    # parameter, paragraphs, then the value for credit-business, prepaid-bps, prepaid-sgb, prepaid-sgb-minor
    ("regulation", "rulebook 1", "S", "W", "P", "P"),
    ("scheme", "S §2.32 · W §14.4 · P §1.1", "visa", "mastercard", "mastercard", "mastercard"),
    ("bin", "published", "418039", "557529", "557529", "557529"),
    ("currency", "S §2.39 · W §5.2.1 · P §14.3", "985", "985", "985", "985"),
    ("funds", "S §2.26-27 · W §10.1 · P §9.1", "credit", "prepaid", "prepaid", "prepaid"),
    ("cards_per_account", "S §4.5 · W §6.2 · P §1.5", None, 1, 1, 1),
    ("new_card", "S §8.4 · W §6.6 · P §6.2", "inactive", "inactive", "active", "active"),
    ("limits.cash.default", "published · W §10.1.1 · P zał.2", 200_000, 500_000, 150_000, 10_000),
    ("limits.cash.ceiling", "S §23.1 · W §10.1.1 · P zał.2", None, 500_000, None, 10_000),
    ("limits.cash.count", "P zał.2", None, None, 5, 5),
    ("limits.cashless.default", "published · W §10.1.2 · P zał.2", 1_000_000, 500_000, 300_000, 10_000),
    ("limits.cashless.ceiling", "S §23.1 · W §10.1.2 · P zał.2", None, 500_000, None, 10_000),
    ("limits.cashless.count", "P zał.2", None, None, 15, 15),
    ("limits.internet.default", "portal notice · P zał.2", 0, 0, 300_000, 10_000),
    ("limits.internet.ceiling", "S §23.1.3 · W §10.1.2 · P zał.2", None, 500_000, None, 10_000),
    ("limits.internet.count", "P zał.2", None, None, 10, 10),
    ("pin.third_wrong", "S §12.3 · W §13.2 · P §7.2-3", "block", "block", "capture", "capture"),
    ("contactless.one_payment", "published", 10_000, 10_000, 10_000, 10_000),
    ("contactless.total_since_sca", "S §15.1.4 · published", 20_000, 20_000, 20_000, 20_000),
    ("contactless.random_share", "published", 0, 0, 0, 0),
    ("contactless.unlock_in_poland_only", "S §16.5 · W §12.3 · P §4.4", False, False, True, True),
    ("low_value.one_payment", "published", 12_000, 12_000, 12_000, 12_000),
    ("low_value.sum_previous", "published", 40_000, 40_000, 40_000, 40_000),
    ("low_value.count_previous", "S §2.43", 5, 5, 5, 5),
    ("low_value.counter", "S §2.43", "either", "either", "either", "either"),
    ("sca_resets", "rulebook 2", "both", "both", "both", "both"),
    ("hold.days", "published · W §14.13 · P §10.2", 7, 7, 7, 7),
    ("hold.pre_authorization_days", "published", 7, 7, 7, 7),
    ("presentment.tolerance_percent", "published", 0, 0, 0, 0),
    ("presentment.over_by_mcc.5812", "published", 20, 20, 20, 20),
    ("presentment.over_by_mcc.7011", "published", 15, 15, 15, 15),
    ("cashback.offered", "S §13.1 · W §2, §8.7 · P §4.2", False, True, False, False),
    ("cashback.maximum", "W §8.7, §10.1.3", 0, 100_000, 0, 0),
    ("block.holder_days", "S §21.9 · W §17.5", 60, 60, None, None),
    ("block.user_permanent", "S §21.7 · W §26.6 · P §24.1 · P §1.3", True, False, True, False),
]
# fmt: on


@pytest.mark.parametrize(("parameter", "paragraph", "credit", "bps", "sgb", "minor"), FIGURES)
def test_each_figure_of_the_rulebook(
    parameter: str, paragraph: str, credit: object, bps: object, sgb: object, minor: object
) -> None:
    """Each product's file holds the figure that its regulation gives, or the published one (rulebook 1 and 5)."""
    assert [value_at(product, parameter) for product in ALL] == [credit, bps, sgb, minor], paragraph


@pytest.mark.parametrize("product", ALL)
def test_merchant_codes(product: str) -> None:
    """The same codes count as cash, quasi-cash and unattended for all (rulebook 5)."""
    mcc = PRODUCTS[product].mcc
    assert mcc.cash == ("6010", "6011")
    assert mcc.quasi_cash == ("4829", "6050", "6051", "6540")
    assert mcc.unattended == ("4111", "4112", "4131", "4784", "7523")


@pytest.mark.parametrize("product", ALL)
def test_only_p_forbids_foreign_internet_gambling(product: str) -> None:
    """Gambling on the internet with a merchant outside Poland is refused by P §4.9 alone."""
    forbidden = [(rule.mcc, rule.remote, rule.abroad) for rule in PRODUCTS[product].forbidden]
    assert forbidden == ([(GAMBLING, True, True)] if product in (SGB, MINOR) else [])


@pytest.mark.parametrize("product", ALL)
def test_the_exemptions_in_their_order(product: str) -> None:
    """S §2.43, §18.9.6, W §9.5; P §4.7 has more of them. No product allows the acquirer's own risk analysis."""
    of_p = ("one_leg", "unattended", "bank_risk", "merchant_initiated", "recurring", "moto")
    assert PRODUCTS[product].exemptions == ("low_value", "trusted", *(of_p if product in (SGB, MINOR) else ()))
    assert PRODUCTS[product].three_ds.opens_next_day is (product in (CREDIT, BPS))


SECTION = r"§\d+(\.\d+)*[a-z]?(-\d+)?"
PARAGRAPHS = re.compile(rf"^[SWP] ({SECTION}|zał\.\d( {SECTION})?)(, ({SECTION}|zał\.\d( {SECTION})?))*$")
SILENT = {  # where the regulation says nothing
    CREDIT: {"repeat", "supported", "fallback", "cash_count", "cashless_count", "internet_count"},
    BPS: {"repeat", "supported", "fallback", "cash_count", "cashless_count", "internet_count", "reversal", "refund"},
    SGB: {"repeat", "supported", "fallback"},
    MINOR: {"repeat", "supported", "fallback"},
}


@pytest.mark.parametrize("product", ALL)
def test_every_step_names_its_paragraph(product: str) -> None:
    """Each step has a paragraph of its own regulation, except where that regulation is silent."""
    loaded = PRODUCTS[product]
    assert set(loaded.paragraphs) == set(STEPS)
    assert {step for step, text in loaded.paragraphs.items() if not text} == SILENT[product]
    for step, text in loaded.paragraphs.items():
        assert not text or (PARAGRAPHS.match(text) and text[0] == loaded.regulation), step


@pytest.mark.parametrize(
    ("step", "credit", "bps", "sgb"),
    [
        ("pin", "S §12.3", "W §13.2", "P §7.2-3"),
        ("contactless_first", "S §16.5", "W §12.3", "P §4.4"),
        ("contactless_total", "S §15.1.4", "W §12.6", "P §10.5"),
        ("merchant", "S §19.1", "W §26.1.5", "P §4.9"),
        ("hold", "S §26.3", "W §14.12-13", "P §10.2, §10.9"),
        ("contactless_channel", "S §16.8", "W §12.7", "P §3.2.1"),
    ],
)
def test_paragraphs_a_reader_would_look_up(step: str, credit: str, bps: str, sgb: str) -> None:
    """The paragraphs read in the Polish originals, for the refusals people ask about most."""
    assert [PRODUCTS[product].paragraphs[step] for product in (CREDIT, BPS, SGB)] == [credit, bps, sgb]


# fmt: off
CODES = [
    # reasons, then DE39 for visa, mastercard, iso87 (rulebook section 3)
    ("FORMAT_ERROR", "30", "30", "30"), ("DUPLICATE", "94", "94", "94"), ("SYSTEM_ERROR", "96", "96", "96"),
    ("LEDGER_UNAVAILABLE", "91", "91", "91"), ("MAC_INVALID", "96", "96", "96"), ("ACQUIRER_NOT_ALLOWED", "58", "58", "58"),
    ("UNKNOWN_CARD", "14", "14", "14"),
    ("EXPIRED EXPIRY_MISMATCH", "54", "54", "54"), ("CARD_INACTIVE", "78", "62", "62"),
    ("TEMPORARILY_BLOCKED PERMANENTLY_BLOCKED REPLACED", "62", "62", "62"),
    ("LOST", "41", "41", "41"), ("STOLEN", "43", "43", "43"),
    ("ACCOUNT_CLOSED HOLDER_DECEASED CAPACITY_LOST", "46", "62", "62"), ("CVV2_WRONG", "N7", "63", "63"),
    ("CRYPTOGRAM_WRONG", "82", "88", "63"), ("PIN_WRONG", "55", "55", "55"), ("PIN_TRIES_EXCEEDED", "75", "75", "75"),
    ("CARD_CAPTURED", "04", "04", "38"),
    ("CHANNEL_OFF MERCHANT_FORBIDDEN THREE_DS_LOCKED CASHBACK_NOT_ALLOWED", "57", "57", "57"),
    ("CASHBACK_ABOVE_MAXIMUM", "N4", "61", "61"), ("PIN_REQUIRED", "70", "65", "70"),
    ("CONTACT_FIRST SCA_REQUIRED", "1A", "65", "1A"), ("CASH_LIMIT CASHLESS_LIMIT INTERNET_LIMIT", "61", "61", "61"),
    ("CASH_COUNT CASHLESS_COUNT INTERNET_COUNT", "65", "61", "65"),
    ("INSUFFICIENT_FUNDS CREDIT_LIMIT INDIVIDUAL_LIMIT", "51", "51", "51"), ("ORIGINAL_NOT_FOUND", "25", "25", "25"),
    ("ALREADY_REVERSED", "05", "05", "05"), ("UNSUPPORTED_TRANSACTION", "12", "12", "12"),
    ("SUSPECTED_FRAUD", "59", "63", "59"),
]
# fmt: on


@pytest.mark.parametrize(("reasons", "visa", "mastercard", "iso87"), CODES)
def test_each_response_code_of_the_rulebook(reasons: str, visa: str, mastercard: str, iso87: str) -> None:
    """A refusal has the DE39 of the card's scheme, and the iso87 one for a card nobody knows."""
    for reason in map(Reason, reasons.split()):
        assert [PRODUCTS[product].code(reason) for product in (CREDIT, BPS, "none")] == [visa, mastercard, iso87]


def test_the_code_table_covers_all_that_reaches_the_wire() -> None:
    """The table above names every reason but those of commands, once."""
    named = [reason for row in CODES for reason in row[0].split()]
    assert sorted(named) == sorted(set(Reason) - COMMAND_REASONS)


def test_the_unknown_card_has_a_product_that_grants_nothing() -> None:
    stray = PRODUCTS["none"]
    assert stray.scheme is Scheme.ISO87
    assert [stray.limits.cash.default, stray.limits.cashless.default, stray.limits.internet.default] == [0, 0, 0]


# ------------------------------------------------------------------------------------------------------- wrong files


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of config/ to spoil."""
    for name in ("products", "response_codes"):
        shutil.copytree(CONFIG / name, tmp_path / name)
    return tmp_path


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, "the test spoils exactly one line"
    path.write_text(text.replace(old, new), "utf-8")


def load(config: Path) -> Products:
    return load_products(config / "products", config / "response_codes")


@pytest.mark.parametrize(
    ("old", "new", "then"),
    [
        ("[pin]\n", "[pim]\n", "unknown field `pim`"),
        ('third_wrong = "block" ', "", "`third_wrong`"),
        ('third_wrong = "block" ', 'third_wrong = "shred" ', "$.pin.third_wrong"),
        ("one_payment = 10_000 ", "one_payment = 100.00 ", "$.contactless.one_payment"),
        ("one_payment = 10_000 ", "one_payment = -1 ", "$.contactless.one_payment"),
        ("total_since_sca = 20_000 ", "total_since_sca = 20_000\ntotal = 1 ", "unknown field `total`"),
        ("random_share = 0.0 ", "random_share = 1.5 ", "$.contactless.random_share"),
        ('currency = "985" ', "currency = 985 ", "$.currency"),
        ('id = "prepaid-bps"', 'id = "Prepaid BPS"', "$.id"),
        ('id = "prepaid-bps"', "", "`id`"),
        ('id = "prepaid-bps"', 'id = "credit-business"', "id 'credit-business' is used by another file"),
        ('id = "prepaid-bps"', 'id = "none"', "id 'none' is used by another file"),
        ('scheme = "mastercard" ', 'scheme = "amex" ', "$.scheme"),
        ("default = 0 ", "default = 500_001 ", "limits.internet.default is above limits.internet.ceiling"),
        ('pin_block = "W §13.2-4"\n', "", "paragraphs.pin_block is missing"),
        (
            'pin_block = "W §13.2-4"\n',
            'pin_block = ""\npin_blok = ""\n',
            "paragraphs.pin_blok is no step of a decision",
        ),
        ('cash = ["6010", "6011"]', 'cash = ["6010", "ATM"]', "$.mcc.cash"),
        ("\ndays = 7 ", "\ndays = 0 ", "$.hold.days"),
        ("[hold]\n", "[hold\n", "TOML|Expected|invalid"),
        ('currency = "985" ', 'currency = "985"\nresponse_codes = {LOST = "41"} ', "response_codes belong into config"),
    ],
)
def test_a_wrong_product_file_stops_the_start(old: str, new: str, then: str, config: Path) -> None:
    """One wrong line in a product file: the engine does not start, and says which file and which key."""
    path = config / "products" / "prepaid-bps.toml"
    spoil(path, old, new)
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert "prepaid-bps.toml" in str(caught.value)
    assert any(word in str(caught.value) for word in then.split("|"))


@pytest.mark.parametrize(
    ("old", "new", "then"),
    [
        ('LOST = "41"\n', "", "codes.LOST is missing"),
        ('LOST = "41"\n', 'LOST = "4"\n', "$.codes"),
        ('LOST = "41"\n', "LOST = 41\n", "$.codes"),
        ('LOST = "41"\n', 'LOSS = "41"\n', "LOSS"),
        ('scheme = "visa"\n', "", "`scheme`"),
        ('scheme = "visa"\n', 'scheme = "visa"\nbank = "BPS"\n', "`bank`"),
    ],
)
def test_a_wrong_code_file_stops_the_start(old: str, new: str, then: str, config: Path) -> None:
    """One wrong line in a table of response codes: the engine does not start, and says which file and which key."""
    spoil(config / "response_codes" / "visa.toml", old, new)
    with pytest.raises(ConfigError) as caught:
        load(config)
    assert "visa.toml" in str(caught.value)
    assert then in str(caught.value)


def test_a_scheme_without_codes_stops_the_start(config: Path) -> None:
    (config / "response_codes" / "mastercard.toml").unlink()
    with pytest.raises(ConfigError, match="no file for scheme mastercard"):
        load(config)


def test_no_product_at_all_stops_the_start(config: Path) -> None:
    shutil.rmtree(config / "products")
    with pytest.raises(ConfigError, match="no product file"):
        load(config)
