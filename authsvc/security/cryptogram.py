"""Application cryptograms: is the chip's ARQC right, and the issuer's answer to it (ARPC). By pyemv.

Which cryptogram version a card speaks stands in its issuer application data (9F10); what a version means is a row of
`VERSIONS`. Sources: EMV 4.3 Book 2 section 8 and annex A1; the schemes' versions as pyemv documents them.
"""

from __future__ import annotations

import warnings
from enum import Enum
from typing import Protocol

from cryptography.utils import CryptographyDeprecationWarning
from msgspec import Struct
from pyemv import ac, kd

from authsvc.security.compare import same
from authsvc.security.keys import Keys

# EMV computes with TDES; that cryptography would rather it did not is nothing to tell an operator with every start.
warnings.filterwarnings("ignore", category=CryptographyDeprecationWarning, module="pyemv")

APPROVED = ("00", "10", "85")
"""DE39 that the chip is to take for a yes: approved, approved in part, verification passed."""


class CardKey(Enum):
    """How the card's master key comes from the issuer's (EMV 4.3 Book 2 annex A1.4)."""

    A = "A"
    B = "B"


class SessionKey(Enum):
    """How the session key comes from the card's: not at all, by Mastercard's own way, or by EMV's common one."""

    NONE = "none"
    MASTERCARD = "mastercard"
    COMMON = "common"


class Method(Enum):
    """How ARPC is made: from two bytes of response code, or from four of card status update (CSU)."""

    ONE = 1
    TWO = 2


class Version(Struct, frozen=True):
    """One cryptogram version. `issuer_part`: which bytes of 9F10 are signed at the end, as slices; `approve`, `decline`:
    what the answer tells the chip (None: DE39 itself)."""

    card_key: CardKey
    session: SessionKey
    answer_session: SessionKey
    padding: ac.PaddingType
    issuer_part: tuple[tuple[int, int | None], ...]
    method: Method
    approve: bytes | None = None
    decline: bytes | None = None


_EMV, _VISA = ac.PaddingType.EMV, ac.PaddingType.VISA
_MCHIP = {"approve": b"\x00\x12", "decline": b"\x00\x02"}
_CSU = {"approve": b"\x00\x82\x00\x00", "decline": b"\x00\x00\x00\x00"}
_CVR_VISA, _CVR_MCHIP, _COUNTERS_MCHIP = (3, 7), (2, 8), (10, 18)

VISA, MASTERCARD = "visa", "mastercard"
VERSIONS: dict[tuple[str, int], Version] = {
    (VISA, 10): Version(CardKey.A, SessionKey.NONE, SessionKey.NONE, _VISA, (_CVR_VISA,), Method.ONE),
    (VISA, 18): Version(CardKey.B, SessionKey.COMMON, SessionKey.COMMON, _EMV, ((0, None),), Method.TWO, **_CSU),
    (VISA, 22): Version(CardKey.B, SessionKey.COMMON, SessionKey.COMMON, _EMV, ((0, None),), Method.TWO, **_CSU),
    (MASTERCARD, 16): Version(
        CardKey.A, SessionKey.MASTERCARD, SessionKey.NONE, _EMV, (_CVR_MCHIP,), Method.ONE, **_MCHIP
    ),
    (MASTERCARD, 17): Version(
        CardKey.A, SessionKey.MASTERCARD, SessionKey.NONE, _EMV, (_CVR_MCHIP, _COUNTERS_MCHIP), Method.ONE, **_MCHIP
    ),
    (MASTERCARD, 20): Version(
        CardKey.A, SessionKey.COMMON, SessionKey.COMMON, _EMV, (_CVR_MCHIP,), Method.ONE, **_MCHIP
    ),
    (MASTERCARD, 21): Version(
        CardKey.A, SessionKey.COMMON, SessionKey.COMMON, _EMV, (_CVR_MCHIP, _COUNTERS_MCHIP), Method.ONE, **_MCHIP
    ),
}  # fmt: skip
"""By scheme and CVN; the CVN is byte 3 of 9F10 at Visa, byte 2 at Mastercard."""


class Offered(Protocol):
    """What a chip says, to be checked. `sequence`: PAN sequence number, two digits; `data`: what was signed, without the
    issuer's part; `counter`: 9F36; `unpredictable`: 9F37; `issuer_data`: 9F10; `cryptogram`: 9F26."""

    @property
    def sequence(self) -> str: ...
    @property
    def data(self) -> bytes: ...
    @property
    def counter(self) -> bytes: ...
    @property
    def unpredictable(self) -> bytes: ...
    @property
    def issuer_data(self) -> bytes: ...
    @property
    def cryptogram(self) -> bytes: ...


class Cryptograms(Protocol):
    """What the engine asks of whoever holds the issuer master key."""

    def cryptogram_version(self, pan: str, issuer_data: bytes) -> int:
        """The CVN in 9F10, 0 when it is too short to have one."""

    def cryptogram_verdict(self, pan: str, chip: Offered) -> str:
        """ "M": the cryptogram is right, "N": it is not, "U": its version is unknown."""

    def issuer_authentication(self, pan: str, chip: Offered, response_code: str) -> bytes:
        """Issuer authentication data (tag 91) for a cryptogram that is right and the DE39 that goes with it."""


class SoftCryptograms:
    """`Cryptograms` in software."""

    def __init__(self, keys: Keys) -> None:
        self._issuer_key = keys.issuer_master.reveal()

    def cryptogram_version(self, pan: str, issuer_data: bytes) -> int:
        place = 2 if _scheme(pan) == VISA else 1
        return issuer_data[place] if len(issuer_data) > place else 0

    def cryptogram_verdict(self, pan: str, chip: Offered) -> str:
        version = self._known(pan, chip)
        if version is None:
            return "U"
        parts = [chip.issuer_data[start:end] for start, end in version.issuer_part]
        wanted = [None if end is None else end - start for start, end in version.issuer_part]
        if any(size is not None and len(part) != size for part, size in zip(parts, wanted, strict=True)):
            return "N"
        key = _session_key(version.session, self._card_key(version, pan, chip), chip)
        right = ac.generate_ac(key, chip.data + b"".join(parts), version.padding, 8)
        return "M" if same(right.hex(), chip.cryptogram.hex()) else "N"

    def issuer_authentication(self, pan: str, chip: Offered, response_code: str) -> bytes:
        version = self._known(pan, chip)
        assert version is not None  # only what was checked is answered
        key = _session_key(version.answer_session, self._card_key(version, pan, chip), chip)
        word = version.approve if response_code in APPROVED else version.decline
        if word is None:
            word = response_code.encode("ascii")
        if version.method is Method.TWO:
            return ac.generate_arpc_2(key, chip.cryptogram, word) + word
        return ac.generate_arpc_1(key, chip.cryptogram, word) + word

    def _known(self, pan: str, chip: Offered) -> Version | None:
        return VERSIONS.get((_scheme(pan), self.cryptogram_version(pan, chip.issuer_data)))

    def _card_key(self, version: Version, pan: str, chip: Offered) -> bytes:
        derive = kd.derive_icc_mk_a if version.card_key is CardKey.A else kd.derive_icc_mk_b
        return derive(self._issuer_key, pan, chip.sequence)


def _scheme(pan: str) -> str:
    """Visa's numbers begin with 4 (ISO/IEC 7812)."""
    return VISA if pan.startswith("4") else MASTERCARD


def _session_key(how: SessionKey, card_key: bytes, chip: Offered) -> bytes:
    if how is SessionKey.NONE:
        return card_key
    rest = b"\x00\x00" + chip.unpredictable if how is SessionKey.MASTERCARD else bytes(6)
    return kd.derive_common_sk(card_key, chip.counter + rest)
