"""What the load tester says is what the engine understands: two codecs that share no code."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from authsvc.codec.dialects import DIALECTS
from authsvc.codec.translate import to_request
from authsvc.model import AccountId, Authorization, CardId, CardRef, Entry, Reversal, names
from authsvc.model import Kind as Wanted
from authsvc.security.hsm import SoftHsm
from authsvc.security.keys import load_keys
from loadtest.api import pan_of
from loadtest.messages import Card, Kind, Terminal, luhn, repeat, zone_key
from loadtest.wire import encode

KEYS = Path(__file__).parents[2] / "config/keys/demo.toml"
HSM = SoftHsm(load_keys(KEYS))
CARD = Card("4180390000000017", "2912", "1234")
REF = CardRef(AccountId("acc-1"), CardId("card-1"))
NOON = datetime(2026, 6, 15, 10, 0, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning:psec")


def terminal() -> Terminal:
    return Terminal(zone_key(KEYS), 41)


def understood(fields: dict[str, str]) -> tuple[Authorization | Reversal, str]:
    received = to_request(DIALECTS["iso87-ascii"].decode(encode(fields)), REF, HSM)
    return received.request, received.offered_pvv


@pytest.mark.parametrize(
    ("kind", "typed", "then"),
    [
        (Kind.CHIP_PIN, None, (Wanted.PURCHASE, Entry.CHIP, "00", "5411", "1234")),
        (Kind.CHIP_PIN, "9999", (Wanted.PURCHASE, Entry.CHIP, "00", "5411", "9999")),
        (Kind.CONTACTLESS, None, (Wanted.PURCHASE, Entry.CONTACTLESS_CHIP, "00", "5411", "")),
        (Kind.CONTACTLESS, "1234", (Wanted.PURCHASE, Entry.CONTACTLESS_CHIP, "00", "5411", "1234")),
        (Kind.ATM, None, (Wanted.CASH, Entry.CHIP, "02", "6011", "1234")),
        (Kind.WEB, None, (Wanted.PURCHASE, Entry.ECOMMERCE, "59", "5732", "")),
    ],
)
def test_a_payment_means_what_its_kind_says(kind: Kind, typed: str | None, then: tuple[object, ...]) -> None:
    """Kind, entry mode, condition, merchant; and the PIN block opens to the PIN that was typed."""
    request, offered = understood(terminal().pay(kind, CARD, 123_45, NOON, typed))
    assert isinstance(request, Authorization)
    pin = then[-1]
    assert (request.kind, request.entry, request.condition, request.mcc) == then[:-1]
    assert offered == (HSM.pvv(str(pin), CARD.pan) if pin else "")
    assert (request.amount, request.currency, request.expiry, request.unsupported) == (123_45, "985", "2912", "")
    assert (request.origin.sent, request.origin.stan, request.origin.rrn) == ("0615100000", "000041", "000000000041")


def test_a_repeat_differs_in_its_mti_alone() -> None:
    """0101: the same message, so the engine knows it again by everything else."""
    message = terminal().pay(Kind.CHIP_PIN, CARD, 100, NOON)
    assert repeat(message) == {**message, "t": "0101"}


@pytest.mark.parametrize("becomes", [None, 0, 40_00])
def test_a_reversal_names_its_original(becomes: int | None) -> None:
    """DE90 is the original's, DE95 the amount that stays, and the RRN is the payment's."""
    at = terminal()
    message = at.pay(Kind.WEB, CARD, 100_00, NOON)
    original, _ = understood(message)
    request, _ = understood(at.reverse(message, NOON, becomes))
    assert isinstance(request, Reversal)
    assert names(request.original, request.origin.terminal, request.origin.merchant, original.origin)
    assert request.becomes == becomes
    assert (request.origin.rrn, request.origin.stan) == (original.origin.rrn, "000042")


def test_an_echo_is_an_0800() -> None:
    """Network management carries no card."""
    fields = DIALECTS["iso87-ascii"].decode(encode(terminal().echo(NOON)))
    assert fields == {"t": "0800", "7": "0615100000", "11": "000041", "70": "301"}


@pytest.mark.parametrize(("partial", "then"), [("7992739871", "79927398713"), ("411111111111111", "4111111111111111")])
def test_luhn(partial: str, then: str) -> None:
    """Check digits as ISO/IEC 7812-1 computes them."""
    assert luhn(partial) == then


@pytest.mark.parametrize(
    ("product", "then"), [("credit-business", "4180390000000017"), ("prepaid-sgb", "5575290000000019")]
)
def test_pans_are_of_the_products_bin(product: str, then: str) -> None:
    """Cards made here carry the demo BIN of their scheme."""
    assert pan_of(product, 1) == then


@pytest.mark.parametrize("text", ["", "zone_pin = 7", 'zone_pin = "not hex"', "zone_pin = "])
def test_a_wrong_key_file_is_named_and_its_content_is_not(tmp_path: Path, text: str) -> None:
    """The message says which key of which file, never what stands there."""
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"keys.toml: zone_pin cannot be read: \w+$"):
        zone_key(path)
