"""Comparing secrets."""

from __future__ import annotations

import hmac


def same(left: str, right: str) -> bool:
    """Equality in a time that does not tell how much of it was right; for PVVs, CVV2s, cryptograms, MACs."""
    return hmac.compare_digest(left.encode(), right.encode())
