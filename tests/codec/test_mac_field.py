"""Where the MAC of a message is, in every dialect: found from the bitmap alone, and over all the other bytes."""

from __future__ import annotations

import iso8583
import pytest
from codec_messages import purchase, reversal
from hypothesis import given
from hypothesis import strategies as st
from iso8583.specs import default_ascii

from authsvc.codec.dialects import DIALECTS
from authsvc.codec.layout import load_layouts
from authsvc.codec.mac_field import MacField
from authsvc.codec.reference import Fields

MAC = bytes.fromhex("A1B2C3D4E5F60718")
NETWORK: Fields = {"t": "0800", "7": "0615100000", "11": "000001", "70": "301"}
WITHOUT_70 = [name for name in DIALECTS if name != "moov87-wide"]


def fixed(_data: bytes) -> bytes:
    return MAC


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "fields", [purchase(), reversal(), reversal(f90=None, f37="000000000001")], ids=["0100", "0400", "RRN"]
)
def test_a_mac_is_found_where_it_was_put(dialect: str, fields: Fields) -> None:
    """The message with it is one of the dialect, says the same otherwise, and its MAC is over everything but itself."""
    codec, covered = DIALECTS[dialect], []
    plain = codec.encode(fields)
    sent = codec.mac_field.with_mac(plain, lambda data: covered.append(data) or MAC)  # type: ignore[func-returns-value]
    decoded = codec.decode(sent)
    (number,) = decoded.keys() - fields.keys()
    assert decoded == {**fields, number: MAC.hex().upper()}
    assert codec.encode(decoded) == sent
    assert codec.mac_field.split(sent) == (covered[0], MAC)
    assert codec.mac_field.split(plain) is None


@pytest.mark.parametrize(("dialect", "fields", "number"), [
    *[(name, purchase(), "64") for name in DIALECTS],                        # one bitmap
    *[(name, reversal(), "128") for name in WITHOUT_70],                     # DE90 needs a second one
    *[(name, NETWORK, "128") for name in WITHOUT_70],
    ("moov87-wide", reversal(), "64"),                                       # has no DE128; DE90 stands behind the MAC
])  # fmt: skip
def test_which_element_it_is(dialect: str, fields: Fields, number: str) -> None:
    codec = DIALECTS[dialect]
    sent = codec.mac_field.with_mac(codec.encode(fields), fixed)
    assert codec.decode(sent)[number] == MAC.hex().upper()


def test_on_the_wire_it_is_as_the_reference_writes_it() -> None:
    """Against pyiso8583 alone: the MAC behind the last field, its bit in the bitmap, both under the MAC's own cover."""
    codec = DIALECTS["iso87-ascii"]
    sent = bytes(iso8583.encode({**purchase(), "64": MAC.hex().upper()}, default_ascii)[0])
    assert codec.mac_field.with_mac(codec.encode(purchase()), fixed) == sent
    assert codec.mac_field.split(sent) == (sent[:-16], MAC)


def test_what_stands_behind_it_is_under_it_too() -> None:
    """moov87-wide, DE90: else the original of a reversal could be changed on its way."""
    codec = DIALECTS["moov87-wide"]
    sent = codec.mac_field.with_mac(codec.encode(reversal()), fixed)
    parts = codec.mac_field.split(sent)
    assert parts is not None
    assert reversal()["90"].encode() in parts[0]
    changed = codec.mac_field.split(sent[:-1] + b"9")
    assert changed is not None
    assert changed[0] != parts[0]


def test_a_mac_in_the_wrong_place_is_none() -> None:
    """DE64 of a message with two bitmaps is not what its sender vouches with."""
    codec = DIALECTS["iso87-ascii"]
    assert codec.mac_field.split(codec.encode({**reversal(), "64": MAC.hex().upper()})) is None


@pytest.mark.parametrize("dialect", DIALECTS)
@given(payload=st.binary(max_size=60))
def test_garbage_has_no_fault_in_it(dialect: str, payload: bytes) -> None:
    """Before the MAC is right anything can stand there: no exception, and never a MAC longer than eight bytes."""
    parts = DIALECTS[dialect].mac_field.split(payload)
    assert parts is None or len(parts[1]) <= 16


@pytest.mark.parametrize("dialect", DIALECTS)
@given(st.data())
def test_a_changed_byte_is_a_changed_message(dialect: str, data: st.DataObject) -> None:
    """Whichever byte changes, what is covered or the MAC changes, or there is none any more."""
    codec = DIALECTS[dialect]
    sent = codec.mac_field.with_mac(codec.encode(data.draw(st.sampled_from([purchase(), reversal()]))), fixed)
    place = data.draw(st.integers(0, len(sent) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda value: value != sent[place]))
    changed = sent[:place] + bytes([byte]) + sent[place + 1 :]
    before, after = codec.mac_field.split(sent), codec.mac_field.split(changed)
    if bytes.upper(changed) != sent:  # a hexadecimal digit in the other case is the same digit
        assert after != before


def test_a_dialect_whose_mac_could_not_be_found() -> None:
    """Without DE128, with an element of any length behind DE64: said when the dialect is loaded, not when a peer sends it."""
    layout = load_layouts()["moov87-wide"]
    contents = {**layout.contents, "102": layout.contents["48"]}
    with pytest.raises(ValueError, match="DE102: without DE128"):
        MacField(
            type(layout)(
                **{name: getattr(layout, name) for name in layout.__struct_fields__ if name != "contents"},
                contents=contents,
            )
        )
