"""Chip and currency over TCP: a card that signs, an issuer that answers it, and amounts of other countries."""

from __future__ import annotations

import warnings
from typing import Any

import psec
import pytest
from e2e_bank import Bank, Plastic
from e2e_wire import CVV_KEY
from pyemv import cvn, tlv

ISSUER_KEY = bytes.fromhex("2315208C9110AD402315208C9110AD40")
ISSUER_DATA = {
    "VisaCVN10": "06010A03A00000",
    "VisaCVN18": "06011203A00000",
    "MasterCardCVN16": "0110A0400322000012340000000000000000FF",
}
PRODUCT = {"VisaCVN10": "credit-business", "VisaCVN18": "credit-business", "MasterCardCVN16": "prepaid-bps"}


def chip_of(name: str, pan: str) -> Any:
    return getattr(cvn, name)(ISSUER_KEY, ISSUER_KEY, ISSUER_KEY, pan, "00")


def signed(name: str, pan: str, atc: int, amount: int = 10_00, cvm: str = "1F0302") -> tuple[str, bytes]:
    """DE55 as the chip makes it, and its ARQC."""
    data = {
        "9F02": f"{amount:012}", "9F03": "0" * 12, "9F1A": "0616", "95": "8000048000", "5F2A": "0985", "9A": "260615",
        "9C": "00", "9F37": "52BF4585", "82": "1800", "9F36": f"{atc:04X}",
    }  # fmt: skip
    named = {f"tag_{tag.lower()}": bytes.fromhex(value) for tag, value in data.items()}
    issuer_data = bytes.fromhex(ISSUER_DATA[name])
    with warnings.catch_warnings(action="ignore"):
        if name == "VisaCVN18":
            arqc = chip_of(name, pan).generate_ac(**named, tag_9f10=issuer_data)
        else:
            cvr = issuer_data[3:7] if name == "VisaCVN10" else issuer_data[2:8]
            arqc = chip_of(name, pan).generate_ac(**named, cvr=cvr)
    tags = {**data, "9F10": ISSUER_DATA[name], "9F26": arqc.hex(), "9F27": "80", "9F34": cvm, "9F7C": "AB"}
    return tlv.encode(tags).hex().upper(), arqc


@pytest.mark.parametrize("name", list(ISSUER_DATA))
def test_the_chip_is_checked_and_answered(bank: Bank, name: str) -> None:
    """S §15.1.2, W §9.4.2: a right cryptogram is answered with ARPC, the same again to a repeat; a used one is refused."""
    card = bank.issue(PRODUCT[name])
    de55, arqc = signed(name, card.pan, 1)
    first = card.ask(f55=de55)
    repeat = bank.wire.ask({**card.sent, "t": "0101"})
    assert (first["39"], repeat["55"]) == ("00", first["55"])
    answer = tlv.decode(bytes.fromhex(first["55"]))["91"]
    with warnings.catch_warnings(action="ignore"):
        if name == "VisaCVN18":
            assert answer[:4] == chip_of(name, card.pan).generate_arpc(arqc, bytes([0, 1]), answer[4:])
        else:
            assert answer[:8] == chip_of(name, card.pan).generate_arpc(arqc, answer[8:])
    wrong = "82" if name.startswith("Visa") else "88"
    assert card.pay(f55=de55) == wrong  # another message, the same counter
    assert card.pay(f55=signed(name, card.pan, 2)[0][:-2] + "00") == "00"  # what is not signed may say anything
    assert card.pay(f55=de55.replace(arqc.hex().upper(), "00" * 8)) == wrong
    assert card.pay() == "00"  # no cryptogram at all: the product file lets it pass
    assert "55" not in card.ask()


def test_chip_data_of_no_form_is_a_format_error(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    assert [card.pay(f55=broken) for broken in ("9F", "9F2608AA", "9F02010A", "820218008202")] == ["30"] * 4


def test_a_pin_that_the_chip_verified_unlocks_contactless(bank: Bank) -> None:
    """W §12.3: inserted, with PIN; here the chip itself verified it (9F34)."""
    card = bank.issue("prepaid-bps")
    assert card.tap() == "65"
    assert card.pay(f55=signed("MasterCardCVN16", card.pan, 1, cvm="440302")[0]) == "00"
    assert card.tap() == "00"


def test_the_cvv_of_a_stripe(bank: Bank) -> None:
    """W §9.4.2: wrong is refused, none is not."""
    card = bank.issue("prepaid-bps")
    with warnings.catch_warnings(action="ignore"):
        right = psec.cvv.generate_cvv(CVV_KEY, card.pan, card.expiry, "201")
    wrong = f"{(int(right) + 1) % 999 or 1:03}"
    tracks = [f"{card.pan}={card.expiry}20100000{cvv}00000"[:37] for cvv in (right, wrong, "000")]
    assert [card.pay(f35=track, f22="901", pin="1234") for track in tracks] == ["00", "63", "00"]


def hold_of(card: Plastic) -> int:
    held: int = card.bank.api.get(f"/v1/accounts/{card.account}")["held"]
    return held


@pytest.mark.parametrize(
    ("product", "zloty"), [("credit-business", 44_81), ("prepaid-bps", 43_20), ("prepaid-sgb", 43_20)]
)
def test_a_payment_in_euro(bank: Bank, product: str, zloty: int) -> None:
    """S §27.2-3, W §14.4, P §17.1: held in PLN, half of it given back at the hold's own rate, then the rest."""
    card = bank.issue(product)
    assert card.pay_with_pin(10_00, f49="978") == "00"
    paid = card.sent
    assert hold_of(card) == zloty
    bank.wire.ask(card.reversal(paid, 5_00, f49="978"))
    assert hold_of(card) == (zloty + 1) // 2  # a half upwards
    assert card.reverse(paid) == "00"
    assert hold_of(card) == 0


def test_what_the_scheme_converted(bank: Bank) -> None:
    """Rulebook section 5: DE6 in PLN; else in euro; else the table; else refused."""
    card = bank.issue("prepaid-bps")
    assert card.pay(10_00, f49="840", f6="000000004000", f51="985") == "00"
    assert hold_of(card) == 40_00
    assert card.pay(10_00, f49="840", f6="000000001000", f51="978") == "00"
    assert hold_of(card) == 83_20
    assert card.pay(10_00, f49="840") == "12"
