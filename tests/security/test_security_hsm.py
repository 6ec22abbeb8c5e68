"""The soft HSM against known answers and against psec, which computes the same the slow way."""

from __future__ import annotations

import traceback
import warnings
from pathlib import Path

import msgspec
import psec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from authsvc.security.hsm import NOT_FOUR_DIGITS, Hsm, SoftHsm, ZoneHsm, _decimals, same
from authsvc.security.keys import Secret, load_keys
from authsvc.security.zone_key import ZoneKey, ZoneKeyFile

pytestmark = pytest.mark.filterwarnings("ignore:.*TripleDES.*")

DEMO_KEYS = load_keys(Path(__file__).parents[2] / "config" / "keys" / "demo.toml")
KEY = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PAN = "4180390000000694"
OTHER_PAN = "5575290000009161"
HSM: Hsm = SoftHsm(DEMO_KEYS)

digits = st.text("0123456789", min_size=1)
pans = st.text("0123456789", min_size=13, max_size=19)
pins = st.text("0123456789", min_size=4, max_size=4)
des_keys = st.binary(min_size=16, max_size=16).map(psec.des.adjust_key_parity)


def quiet(call: object, *arguments: object) -> object:
    """psec builds its ciphers by names that cryptography has deprecated."""
    assert callable(call)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(*arguments)


def enciphered(clear: bytes, key: bytes = KEY) -> bytes:
    block = quiet(psec.des.encrypt_tdes_ecb, key, clear)
    assert isinstance(block, bytes)
    return block


def pin_block(pin: str, pan: str, key: bytes = KEY) -> bytes:
    return enciphered(psec.pinblock.encode_pinblock_iso_0(pin, pan), key)


def hsm_with(**changes: object) -> SoftHsm:
    return SoftHsm(msgspec.structs.replace(DEMO_KEYS, **changes))


@pytest.mark.parametrize(
    ("index", "pin", "pan", "then"),
    [
        ("3", "4524", "1122334455667788", "4021"),  # psec's published example
        ("1", "1234", PAN, "2507"),
    ],
)
def test_pvv_known_answers(index: str, pin: str, pan: str, then: str) -> None:
    """A PVV is the one that the algorithm's published example gives."""
    assert hsm_with(pvv_index=index).pvv(pin, pan) == then


def test_cvv2_known_answer() -> None:
    """A CVV2 is a CVV over YYMM with service code 000, under the demo key."""
    assert HSM.cvv2(PAN, "2812") == quiet(psec.cvv.generate_cvv, KEY, PAN, "2812", "000") == "555"


def test_cvv2_in_the_other_order_of_the_expiry() -> None:
    """An issuer that writes MMYY into its CVV2 says so in the key file; the caller still gives YYMM."""
    assert hsm_with(cvv2_expiry="MMYY").cvv2(PAN, "2812") == quiet(psec.cvv.generate_cvv, KEY, PAN, "1228", "000")


@given(des_keys, des_keys, st.sampled_from("0123456789"), pins, pans)
@settings(max_examples=150)
def test_an_offered_pin_gives_the_pvv_psec_gives(zone: bytes, pvv: bytes, index: str, pin: str, pan: str) -> None:
    """Any PIN in a block under any key leads to the PVV of that PIN, ours and psec's."""
    hsm = hsm_with(zone_pin=Secret(zone), pvv=Secret(pvv), pvv_index=index)
    expected = quiet(psec.pin.generate_visa_pvv, pvv, index, pin, pan)
    assert hsm.offered_pvv(pin_block(pin, pan, zone), pan) == hsm.pvv(pin, pan) == expected


@given(des_keys, pans, st.text("0123456789", min_size=4, max_size=4))
@settings(max_examples=150)
def test_cvv2_is_the_one_psec_gives(key: bytes, pan: str, expiry: str) -> None:
    """Any card's CVV2 is psec's; where psec runs out of digits it answers short, and we go on as the standard says."""
    ours = hsm_with(cvv=Secret(key)).cvv2(pan, expiry)
    theirs = quiet(psec.cvv.generate_cvv, key, pan, expiry, "000")
    assert isinstance(theirs, str)
    assert len(ours) == 3
    assert ours.startswith(theirs)


@st.composite
def nearly_blocks(draw: st.DrawFn, pan: str) -> bytes:
    """A valid clear block for the PAN, most of the time with one half-byte changed."""
    pin = draw(st.text("0123456789", min_size=4, max_size=12))
    text = list(psec.pinblock.encode_pinblock_iso_0(pin, pan).hex())
    if draw(st.integers(0, 3)):
        text[draw(st.integers(0, 15))] = draw(st.sampled_from("0123456789abcdef"))
    return bytes.fromhex("".join(text))


@given(pans, st.data())
@settings(max_examples=300)
def test_any_block_is_read_as_psec_reads_it(pan: str, data: st.DataObject) -> None:
    """Whatever the clear block is: psec and we agree whether it is an ISO-0 block of that PAN."""
    clear = data.draw(nearly_blocks(pan) | st.binary(min_size=8, max_size=8))
    try:
        pin = psec.pinblock.decode_pinblock_iso_0(clear, pan)
    except ValueError:
        with pytest.raises(ValueError, match="not an ISO-0 PIN block"):
            HSM.offered_pvv(enciphered(clear), pan)
    else:
        assert HSM.offered_pvv(enciphered(clear), pan) == (HSM.pvv(pin, pan) if len(pin) == 4 else NOT_FOUR_DIGITS)


@pytest.mark.parametrize("pin", ["12345", "123456", "123456789012"])
def test_a_longer_pin_is_never_the_cards(pin: str) -> None:
    """A valid block with five or more digits counts as a wrong PIN, although its first four may be the card's."""
    assert HSM.offered_pvv(pin_block(pin, PAN), PAN) == NOT_FOUR_DIGITS
    assert not same(NOT_FOUR_DIGITS, HSM.pvv("1234", PAN))


@pytest.mark.parametrize(
    "block",
    [
        pin_block("7391", OTHER_PAN),  # of another card
        pin_block("7391", PAN, bytes.fromhex("1023456789ABCDEFFEDCBA9876543210")),  # under another key
        enciphered(bytes.fromhex("1473" + "91FFFFFFFFFF")),  # format 1
        enciphered(bytes.fromhex("0373" + "91FFFFFFFFFF")),  # three digits
        enciphered(bytes.fromhex("0D73" + "91739173917F")),  # thirteen digits
        bytes(8),
        b"",
        bytes(7),
        bytes(16),
    ],
)
def test_a_block_that_is_none_of_this_card_is_a_fault_without_secrets(block: bytes) -> None:
    """A wrong block raises ValueError; PIN, block and PAN are neither in its text nor in its traceback."""
    with pytest.raises(ValueError, match="PIN block") as caught:
        HSM.offered_pvv(block, PAN)
    shown = "".join(traceback.format_exception(caught.value))
    for canary in ("7391", PAN, PAN[3:15], OTHER_PAN, KEY.hex()):
        assert canary.lower() not in shown.lower()
    assert not block or block.hex() not in shown


@pytest.mark.parametrize("pin", ["", "739", "73915", "73a1", "٧٣٩١", "-739", "7 39"])
def test_a_new_pin_is_four_digits(pin: str) -> None:
    """A PIN has exactly four digits (S §2.21); the refusal does not repeat it."""
    with pytest.raises(ValueError, match=r"^a PIN is four digits$"):
        HSM.pvv(pin, PAN)


@pytest.mark.parametrize("pan", ["", "418039000000", "41803900000006941234", "418039000000069A", "418039 000000694"])
def test_a_pan_is_digits(pan: str) -> None:
    """A PAN has 13 to 19 digits; the refusal does not repeat it."""
    for call in (lambda: HSM.pvv("7391", pan), lambda: HSM.cvv2(pan, "2812"), lambda: HSM.offered_pvv(bytes(8), pan)):
        with pytest.raises(ValueError, match=r"^a PAN is 13 to 19 digits$"):
            call()


@pytest.mark.parametrize(
    ("cvv2", "expiry", "then"),
    [
        ("555", "2812", True),
        ("556", "2812", False),
        ("555", "2811", False),
        ("555", "1228", False),
        ("55", "2812", False),
        ("5555", "2812", False),
        ("", "2812", False),
        ("٥٥٥", "2812", False),
        ("555", "", False),
        ("555", "28/12", False),
    ],
)
def test_cvv2_matches(cvv2: str, expiry: str, then: bool) -> None:
    """A CVV2 matches exactly when it is that card's, for that expiry."""
    assert HSM.cvv2_matches(cvv2, PAN, expiry) is then


def test_one_call_leaves_nothing_for_the_next() -> None:
    """The shared cipher contexts keep no state: a failed call in between changes nothing."""
    first = HSM.offered_pvv(pin_block("7391", PAN), PAN)
    with pytest.raises(ValueError, match="PIN block"):
        HSM.offered_pvv(bytes(8), PAN)
    assert HSM.offered_pvv(pin_block("7391", PAN), PAN) == first


def test_too_few_digits_are_filled_from_the_letters() -> None:
    """Fewer decimal digits than needed: the letters follow, a as 0 to f as 5. No vector is public, so by hand."""
    assert _decimals(bytes.fromhex("ABCDEF1ABCDEF2AB"), 4) == "1201"
    assert _decimals(bytes.fromhex("ABCDEFABCDEFABCD"), 3) == "012"
    assert _decimals(bytes.fromhex("A1B2C3D4E5F60000"), 4) == "1234"


def test_the_pin_of_a_card_by_its_device_number() -> None:
    """The block is made with the number on the wire, the PVV with the card's own: it is the card's PIN."""
    device = "5575290000000019"
    assert HSM.offered_pvv(pin_block("1234", device), device, PAN) == HSM.pvv("1234", PAN)


@given(st.binary(min_size=16, max_size=16), pins, pans)
@settings(max_examples=50)
def test_a_pin_in_a_block_of_16_bytes_gives_the_same_pvv(key: bytes, pin: str, pan: str) -> None:
    """ISO-4 under the AES key leads where ISO-0 under the DES key leads."""
    block = psec.pinblock.encipher_pinblock_iso_4(key, pin, pan)
    assert hsm_with(zone_pin_aes=Secret(key)).offered_pvv(block, pan) == HSM.pvv(pin, pan)


def test_a_longer_pin_in_a_block_of_16_bytes_is_a_wrong_one() -> None:
    """As in ISO-0: a PVV covers four digits."""
    assert HSM.offered_pvv(psec.pinblock.encipher_pinblock_iso_4(KEY, "12345", PAN), PAN) == NOT_FOUR_DIGITS


@pytest.mark.parametrize("pan", [OTHER_PAN, "1"])
def test_a_block_of_16_bytes_of_another_card_is_refused_without_its_secret(pan: str) -> None:
    """In our words and with nothing chained: psec's say what stood in the block."""
    block = psec.pinblock.encipher_pinblock_iso_4(KEY, "4829", PAN)
    with pytest.raises(ValueError, match=r"not an ISO-4 PIN block of this card|a PAN is 13 to 19 digits") as caught:
        HSM.offered_pvv(block, pan)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_without_an_aes_key_no_block_of_16_bytes_is_taken() -> None:
    """The key may be left out of the file; such a block is then no PIN block of this link."""
    block = psec.pinblock.encipher_pinblock_iso_4(KEY, "4829", PAN)
    with pytest.raises(ValueError, match="16 where there is an AES key"):
        hsm_with(zone_pin_aes=None).offered_pvv(block, PAN)


def test_a_link_with_its_own_zone_pin_key(tmp_path: Path) -> None:
    """Its PIN blocks come under it and under no other; after a change both are good for a while, then the new one only."""
    first, second = (quiet(psec.des.adjust_key_parity, bytes([byte]) * 8 + bytes(8)) for byte in (0x11, 0x22))
    assert isinstance(first, bytes)
    assert isinstance(second, bytes)
    now = [0.0]
    key = ZoneKey(Secret(first), ZoneKeyFile(tmp_path, "zone_pin_keys.bank", Secret(bytes(32))), 60, lambda: now[0])
    hsm = ZoneHsm(msgspec.structs.replace(DEMO_KEYS, zone_pin_aes=None), key)

    def fits(under: bytes) -> bool:
        try:
            return hsm.offered_pvv(pin_block("1234", PAN, under), PAN) == HSM.pvv("1234", PAN)
        except ValueError:
            return False

    assert [fits(each) for each in (KEY, first, second)] == [False, True, False]
    key.store(key.changed(Secret(second)))
    assert [fits(each) for each in (KEY, first, second)] == [False, True, True]
    now[0] = 60.0
    assert [fits(each) for each in (KEY, first, second)] == [False, False, True]
    with pytest.raises(ValueError, match="8 bytes long on this link"):
        hsm.offered_pvv(bytes(16), PAN)
