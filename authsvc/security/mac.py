"""Message authentication codes: the retail MAC, ANSI X9.19, which is ISO/IEC 9797-1 algorithm 3 with padding method 1.

psec is the reference, and tests/security/test_security_mac.py holds both equal. It makes its ciphers anew for each message;
with those made once, an 0100 takes 12 µs in place of 29, and a message on such a link has two MACs (bench/test_bench_links.py).
"""

from __future__ import annotations

import hmac

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from authsvc.security.secret import Secret
from authsvc.security.zone_key import Tools

BLOCK_BYTES = 8


class RetailMac:
    """Of one double-length key. Its contexts are shared by all calls: one thread only, the event loop's."""

    def __init__(self, key: Secret) -> None:
        value = key.reveal()
        left, right = value[:BLOCK_BYTES], value[BLOCK_BYTES:]
        self._chain = Cipher(
            TripleDES(left * 3), modes.CBC(bytes(BLOCK_BYTES))
        )  # single DES, written as TDES of one key
        self._back = Cipher(TripleDES(right * 3), modes.ECB()).decryptor()
        self._again = Cipher(TripleDES(left * 3), modes.ECB()).encryptor()

    def over(self, data: bytes) -> bytes:
        """The 8 bytes of the MAC over `data`, filled up with zero bytes."""
        padded = data + bytes(-len(data) % BLOCK_BYTES or (0 if data else BLOCK_BYTES))
        last = self._chain.encryptor().update(padded)[-BLOCK_BYTES:]
        return self._again.update(self._back.update(last))

    def is_right(self, data: bytes, mac: bytes) -> bool:
        """Whether `mac` is that of `data`; of any other length it is not."""
        return hmac.compare_digest(self.over(data), mac)


class OneMacKey:
    """The MAC keys of a link that has one, always the same."""

    def __init__(self, key: Secret) -> None:
        self.current = RetailMac(key)

    def that_made(self, mac: bytes, data: bytes) -> RetailMac | None:
        """The key under which `mac` is right over `data`; None: it is wrong."""
        return self.current if self.current.is_right(data, mac) else None


class ZoneMac:
    """Those of a link whose peer may change the key: one that was changed a moment ago still makes right MACs."""

    def __init__(self, tools: Tools[RetailMac]) -> None:
        self._tools = tools

    @property
    def current(self) -> RetailMac:
        return self._tools.current

    def that_made(self, mac: bytes, data: bytes) -> RetailMac | None:
        """The key under which `mac` is right over `data`; None: it is wrong."""
        return self._tools.first(lambda key: key if key.is_right(data, mac) else None)
