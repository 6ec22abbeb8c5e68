"""What Prometheus may read of the money: approved payments by currency, by what stood behind SCA, and PINs by BIN.

Amounts are grosze, so a counter holds 2^53 of them exactly: 90 000 billion PLN. Every label comes from the product files.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry

from authsvc.series import Count, Counts

NOT_KNOWN, OTHER = "none", "other"
CHANNELS = ("remote", "terminal")
PINS = ("right", "wrong")
EXEMPTIONS = (
    "low_value", "trusted", "one_leg", "unattended", "bank_risk", "merchant_initiated", "recurring", "acquirer_risk", "moto",
)  # fmt: skip
SCA = ("authenticated", "contactless", "without", *EXEMPTIONS)
"""Who was authenticated, or why not: `contactless` is (EU) 2018/389 Art. 11, `without` a contact payment without PIN."""


class _Pair:
    """How many, and how much."""

    __slots__ = ("amount", "count")

    def __init__(self, count: Count, amount: Count) -> None:
        self.count, self.amount = count, amount

    def add(self, grosze: int) -> None:
        self.count.inc()
        self.amount.inc(grosze)


class PaymentSeries:
    """`bins`: product id -> BIN; `currencies`: ISO 4217 number -> letters. What is in neither counts as "none", "other"."""

    def __init__(self, registry: CollectorRegistry, bins: Mapping[str, str], currencies: Mapping[str, str]) -> None:
        by: tuple[str, ...] = ("product", "currency")
        self._approved = _counters(
            registry, "authsvc_approved", "Approved payments, by the currency they were asked in.", by
        )
        by = ("product", "channel", "sca")
        self._sca = _counters(registry, "authsvc_sca", "Approved payments, by what stood behind SCA (RTS Art. 21).", by)
        self._pins = Counts(registry, "authsvc_pins", "PINs offered, and what they came to.", ("bin", "verdict"))
        self.know(bins, currencies)

    def know(self, bins: Mapping[str, str], currencies: Mapping[str, str]) -> None:
        """The products and currencies of now. Series once made stay, so a counter never goes back."""
        self._currencies = dict(currencies)
        products = [*dict.fromkeys((*bins, NOT_KNOWN))]
        letters = (*currencies.values(), OTHER)
        self._by_currency = _pairs(self._approved, ((product, name) for product in products for name in letters))
        self._by_sca = _pairs(self._sca, ((p, channel, sca) for p in products for channel in CHANNELS for sca in SCA))
        self._pins_of = {
            (product, verdict): self._pins.of(bins.get(product, NOT_KNOWN), verdict)
            for product in products for verdict in PINS
        }  # fmt: skip

    def approved(self, product: str, currency: str, channel: str, sca: str, grosze: int) -> None:
        """A payment was approved. `currency`: DE49; `channel`, `sca`: of `CHANNELS` and `SCA`."""
        product = product if (product, "right") in self._pins_of else NOT_KNOWN
        self._by_currency[product, self._currencies.get(currency, OTHER)].add(grosze)
        self._by_sca[product, channel, sca].add(grosze)

    def pin(self, product: str, verdict: str) -> None:
        """A PIN was offered. `verdict`: of `PINS`."""
        self._pins_of.get((product, verdict), self._pins_of[NOT_KNOWN, verdict]).inc()


def _counters(registry: CollectorRegistry, name: str, text: str, labels: tuple[str, ...]) -> tuple[Counts, Counts]:
    return (
        Counts(registry, f"{name}_payments", text, labels),
        Counts(registry, f"{name}_grosze", f"{text} In grosze.", labels),
    )


def _pairs(of: tuple[Counts, Counts], labels: Iterable[tuple[str, ...]]) -> dict[tuple[str, ...], _Pair]:
    count, amount = of
    return {each: _Pair(count.of(*each), amount.of(*each)) for each in labels}
