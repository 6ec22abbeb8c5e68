"""Where a message comes from: contactless, remote, an ATM. Facts of the message, the same for every product."""

from __future__ import annotations

from authsvc.model import Authorization, Entry, Presentment

ATM = "6011"
CONTACTLESS = frozenset({Entry.CONTACTLESS_CHIP, Entry.CONTACTLESS_STRIPE})
REMOTE = frozenset({Entry.MANUAL, Entry.CREDENTIAL_ON_FILE, Entry.ECOMMERCE})
MAIL_OR_TELEPHONE = "08"
ECOMMERCE = "59"


def is_remote(request: Authorization | Presentment) -> bool:
    """Without the card in the terminal: internet, mail, telephone, credential on file."""
    return request.entry in REMOTE or request.condition in (MAIL_OR_TELEPHONE, ECOMMERCE)


def is_internet(request: Authorization | Presentment) -> bool:
    """Remote, but not by mail or telephone: MOTO is cashless, not internet."""
    return request.entry in (Entry.ECOMMERCE, Entry.CREDENTIAL_ON_FILE) or request.condition == ECOMMERCE
