"""A product file parsed into a type. What the regulations fix and what the bank publishes: all of it is data here.

A wrong file stops the start and names the key. Money in grosze. Source: `rulebook.md` sections 1 and 5; the paragraph of
each step of a decision stands in the file's own `[paragraphs]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from authsvc.chart import CHART_FILE, Chart, load_chart
from authsvc.errors import ConfigError
from authsvc.model import COMMAND_REASONS, CREDITED, PostingKind, Reason, Scheme
from authsvc.rates import RateName, Rates, load_rates

Grosze = Annotated[int, Meta(ge=0)]
Mcc = Annotated[str, Meta(pattern=r"^\d{4}$")]
Percent = Annotated[int, Meta(ge=0, le=100)]
Country = Annotated[str, Meta(pattern=r"^\d{3}$")]

STEPS = (
    "repeat", "card", "expiry_date", "expired", "account_status", "card_status", "cvv2", "pin", "pin_block", "supported",
    "contactless_channel", "cash_channel", "cashless_channel", "internet_channel", "cashback", "merchant",
    "contactless_first", "atm_pin", "contactless_amount", "contactless_total", "contactless_random", "sca",
    "cash_limit", "cashless_limit", "internet_limit", "cash_count", "cashless_count", "internet_count", "funds", "hold",
    "reversal", "open_account", "load", "issue_card", "activate", "block", "unblock", "unblock_pin", "limits", "contactless",
    "pin_set", "virtual_card", "device", "virtual_create", "virtual_set", "renew", "replace", "duplicate", "individual_limit",
    "account_set",
    "cryptogram", "atc", "fallback", "stripe_cvv", "offline_pin", "currency", "margin_notice", "margin_notices",
    "three_ds", "unlock_3ds", "trusted_merchants",
    "incremental", "advice", "presentment", "posting", "refund", "deposit", "pin_change", "transfer", "charge",
)  # fmt: skip
"""Every step a decision can be made of; each has a paragraph in each product ("" where no regulation speaks)."""


OWED = frozenset(PostingKind) - CREDITED
"""What a debt can be for."""


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class DayLimit(_Part, frozen=True, kw_only=True):
    """`default`: what a new card gets; `ceiling`: most that may be set (None: available funds alone bound it); `count`:
    most transactions a day (None: uncounted)."""

    default: Grosze
    ceiling: Grosze | None = None
    count: Annotated[int, Meta(ge=0)] | None = None


class DayLimits(_Part, frozen=True, kw_only=True):
    cash: DayLimit
    cashless: DayLimit
    internet: DayLimit


class PinRules(_Part, frozen=True, kw_only=True):
    """`third_wrong`: what a third wrong PIN in a row does to the card; `change_at_atm`: whether an ATM may change it."""

    third_wrong: Literal["block", "capture"]
    change_at_atm: bool = False


class ContactlessRules(_Part, frozen=True, kw_only=True):
    """`one_payment`: most without PIN; `total_since_sca`: total without SCA, this one included, above which a PIN is due;
    `random_share`: share of payments that a PIN is asked for at random, 0 to 1; `unlock_in_poland_only`: the contact
    transaction with PIN that unlocks contactless must be in Poland."""

    one_payment: Grosze
    total_since_sca: Grosze
    random_share: Annotated[float, Meta(ge=0, le=1)]
    unlock_in_poland_only: bool


class LowValueRules(_Part, frozen=True, kw_only=True):
    """`one_payment`: most for one; `sum_previous`, `count_previous`: most of the previous ones since the last SCA;
    `counter`: which of the two must hold."""

    one_payment: Grosze
    sum_previous: Grosze
    count_previous: Annotated[int, Meta(ge=0)]
    counter: Literal["sum", "count", "either"]


class HoldRules(_Part, frozen=True, kw_only=True):
    """`days`, `pre_authorization_days`: Warsaw wall-clock days until a hold expires; `contactless_advice`: whether the advice
    of a contactless payment without SCA, which asked for no funds, sets any aside."""

    days: Annotated[int, Meta(ge=1)]
    pre_authorization_days: Annotated[int, Meta(ge=1)]
    contactless_advice: bool = True


class PresentmentRules(_Part, frozen=True, kw_only=True):
    """How far a presentment may go above its hold before the clearing desk looks at it, percent of the hold: as `over_by_mcc`
    says of the merchant's category, else `tolerance_percent`. It is posted in any case."""

    tolerance_percent: Percent = 0
    over_by_mcc: dict[Mcc, Percent] = {}

    def tolerated(self, held: int, mcc: str) -> int:
        """Grosze up to which a presentment of a hold of `held` grosze is as expected."""
        return held + held * self.over_by_mcc.get(mcc, self.tolerance_percent) // 100


class CashbackRules(_Part, frozen=True, kw_only=True):
    offered: bool
    maximum: Grosze


class TransferRules(_Part, frozen=True, kw_only=True):
    """Transfers out of the card account. `fee`: taken with each; `forbidden`: how the account numbers begin, behind "PL" and
    the two check digits, that none may go to."""

    offered: bool = False
    fee: Grosze = 0
    forbidden: tuple[Annotated[str, Meta(pattern=r"^\d{1,24}$")], ...] = ()


class ForbiddenMerchant(_Part, frozen=True, kw_only=True):
    """Refused: one of `mcc`, where `remote` and `abroad` (merchant outside Poland) hold if set."""

    name: str
    mcc: tuple[Mcc, ...]
    remote: bool = False
    abroad: bool = False


class Mccs(_Part, frozen=True, kw_only=True):
    """Merchant category codes (ISO 18245) that count as cash, and those of unattended transit and parking."""

    cash: tuple[Mcc, ...]
    quasi_cash: tuple[Mcc, ...]
    unattended: tuple[Mcc, ...]


class Lifecycle(_Part, frozen=True, kw_only=True):
    """`renews`: whether a card gets a new expiry when its own ends; `same_expiry_days`: calendar days after a block in
    which the card that takes the blocked one's place keeps its expiry (0: never)."""

    renews: bool = False
    same_expiry_days: Annotated[int, Meta(ge=0)] = 0


class DuplicateRules(_Part, frozen=True, kw_only=True):
    """Another plastic with the same number for a damaged card. `new_expiry`: it has a date of its own, else the card's;
    `new_pin`: whether a new PIN may be chosen."""

    offered: bool = False
    new_expiry: bool = False
    new_pin: bool = False


class Block(_Part, frozen=True, kw_only=True):
    """`holder_days`: calendar days after which a temporary block asked for by holder or user becomes permanent (None:
    never); `user_permanent`: whether a mere user may order a permanent block; `user_lifts`: whether a user may lift the
    temporary block that a user asked for; `hotline_lifts`: whether a temporary block can be lifted by telephone."""

    holder_days: Annotated[int, Meta(ge=1)] | None = None
    user_permanent: bool
    user_lifts: bool = True
    hotline_lifts: bool = True


class ForeignRules(_Part, frozen=True, kw_only=True):
    """Amounts in foreign currency. `bank`: whose tables (`config/rates/BANK.toml`, "" none); `markup_hundredths`: added to
    every converted debit, hundredths of a percent; `cash_rate`, `cashless_rate`, `credit_rate`: which rate of the table;
    `table`: which table, the last of the day before, or the one in force at `table_hour` of the business day before;
    `notice`: for which currencies the currency-margin notice is due, `notice_declinable`: whether the user may do
    without."""

    bank: Annotated[str, Meta(pattern=r"^[a-z0-9-]*$")] = ""
    markup_hundredths: Annotated[int, Meta(ge=0, le=10_000)] = 0
    cash_rate: RateName = "notes_sell"
    cashless_rate: RateName = "transfer_sell"
    credit_rate: RateName = "transfer_buy"
    table: Literal["day_before", "business_day_before"] = "day_before"
    table_hour: Annotated[int, Meta(ge=0, le=23)] = 15
    notice: Literal["EU", "EEA"] = "EU"
    notice_declinable: bool = False


class ChipRules(_Part, frozen=True, kw_only=True):
    """`require_cryptogram`: refuse a chip payment that brings none; `versions`: cryptogram versions (CVN) of the cards
    issued; `fallback`: whether the stripe may stand in for a chip that does not answer; `stripe_cvv`: whether the CVV on
    the stripe, where there is one, must be right."""

    require_cryptogram: bool = False
    versions: tuple[Annotated[int, Meta(ge=0, le=255)], ...] = ()
    fallback: bool = True
    stripe_cvv: bool = True


class ThreeDsRules(_Part, frozen=True, kw_only=True):
    """`opens_next_day`: whether a lock after three failures opens by itself the next day; `proof_minutes`: how long a proof
    is good."""

    opens_next_day: bool = False
    proof_minutes: Annotated[int, Meta(ge=1)] = 10

    @property
    def proof_ms(self) -> int:
        return self.proof_minutes * 60_000


Exemption = Literal[
    "low_value",
    "trusted",
    "one_leg",
    "unattended",
    "bank_risk",
    "merchant_initiated",
    "recurring",
    "acquirer_risk",
    "moto",
]


class Product(_Part, frozen=True, kw_only=True):
    """One bank's card product. `regulation`: its letter in the rulebook; `funds`: prepaid balance or credit limits;
    `cards_per_account`: None is many; `new_card`: status of a new card; `sca_resets`: which counters an SCA clears;
    `exemptions`: from SCA for remote payments, in the order they are tried; `deposit_at_atm`: whether it may be paid into
    at machines;
    `repayment_order`: which debt a payment settles first, credit products only."""

    id: Annotated[str, Meta(pattern=r"^[a-z0-9-]+$")]
    name: str
    regulation: Annotated[str, Meta(min_length=1)]
    scheme: Scheme
    bin: Annotated[str, Meta(pattern=r"^\d{6,8}$")]
    currency: Annotated[str, Meta(pattern=r"^\d{3}$")]
    funds: Literal["prepaid", "credit"]
    cards_per_account: Annotated[int, Meta(ge=1)] | None = None
    new_card: Literal["inactive", "active"]
    card_years: Annotated[int, Meta(ge=1, le=20)]
    limits: DayLimits
    pin: PinRules
    contactless: ContactlessRules
    low_value: LowValueRules
    sca_resets: Literal["both", "own"]
    exemptions: tuple[Exemption, ...]
    eea: tuple[Country, ...] = ()  # countries of the European Economic Area, for "one_leg"
    three_ds: ThreeDsRules = ThreeDsRules()
    hold: HoldRules
    presentment: PresentmentRules = PresentmentRules()
    cashback: CashbackRules
    deposit_at_atm: bool = False
    transfer: TransferRules = TransferRules()
    block: Block
    lifecycle: Lifecycle = Lifecycle()
    duplicate: DuplicateRules = DuplicateRules()
    mcc: Mccs
    forbidden: tuple[ForbiddenMerchant, ...] = ()
    foreign: ForeignRules = ForeignRules()
    chip: ChipRules = ChipRules()
    rates: Rates = Rates()
    chart: Chart = Chart()
    repayment_order: tuple[PostingKind, ...] = ()
    paragraphs: dict[str, str]
    response_codes: dict[Reason, str] = {}

    def code(self, reason: Reason) -> str:
        """DE39 of a refusal; total over the reasons that reach the wire (checked by `load_products`)."""
        return self.response_codes[reason]


Products = Mapping[str, Product]


class ResponseCodes(Struct, frozen=True, forbid_unknown_fields=True):
    """`config/response_codes/SCHEME.toml`: every reason that reaches the wire has a DE39 of two characters."""

    scheme: Scheme
    codes: dict[Reason, Annotated[str, Meta(pattern=r"^[0-9A-Z]{2}$")]]


def stray_product(codes: dict[Scheme, dict[Reason, str]]) -> Product:
    """The product of a message whose card nobody knows: it grants nothing and answers with the `iso87` codes."""
    nothing = DayLimit(default=0)
    return Product(
        id="none", name="no product: the card is unknown", regulation="-", scheme=Scheme.ISO87, bin="000000", currency="985",
        funds="prepaid", new_card="inactive", card_years=1, limits=DayLimits(cash=nothing, cashless=nothing, internet=nothing),
        pin=PinRules(third_wrong="block"),
        contactless=ContactlessRules(one_payment=0, total_since_sca=0, random_share=0, unlock_in_poland_only=False),
        low_value=LowValueRules(one_payment=0, sum_previous=0, count_previous=0, counter="either"), sca_resets="both",
        exemptions=(), hold=HoldRules(days=7, pre_authorization_days=7), cashback=CashbackRules(offered=False, maximum=0),
        block=Block(user_permanent=False), mcc=Mccs(cash=(), quasi_cash=(), unattended=()),
        paragraphs=dict.fromkeys(STEPS, ""), response_codes=codes[Scheme.ISO87],
    )  # fmt: skip


def load_products(
    products_dir: Path, codes_dir: Path, rates_dir: Path | None = None, chart_file: Path = CHART_FILE
) -> Products:
    """Read every product and response-code file, and check them against each other.

    `rates_dir`: exchange-rate tables; None: there are none, foreign amounts are refused unless the scheme converted them.
    `chart_file`: the chart of accounts.
    Returns the products by id, with "none" (see `stray_product`) among them. Raises ConfigError naming file and key.
    """
    codes = _load_codes(codes_dir)
    chart = load_chart(chart_file)
    products: dict[str, Product] = {"none": stray_product(codes)}
    for path in sorted(products_dir.glob("*.toml")):
        product = _decode(path, Product)
        _check(path, product, products)
        rates = load_rates(rates_dir, product.foreign.bank) if rates_dir and product.foreign.bank else Rates()
        products[product.id] = msgspec.structs.replace(
            product, response_codes=codes[product.scheme], rates=rates, chart=chart
        )
    if len(products) == 1:
        raise ConfigError(f"{products_dir}: no product file (*.toml)")
    return products


def _load_codes(codes_dir: Path) -> dict[Scheme, dict[Reason, str]]:
    tables: dict[Scheme, dict[Reason, str]] = {}
    for path in sorted(codes_dir.glob("*.toml")):
        table = _decode(path, ResponseCodes)
        missing = sorted(set(Reason) - COMMAND_REASONS - set(table.codes))
        if missing:
            raise ConfigError(f"{path}: codes.{missing[0]} is missing")
        tables[table.scheme] = dict(table.codes)
    for scheme in Scheme:
        if scheme not in tables:
            raise ConfigError(f"{codes_dir}: no file for scheme {scheme}")
    return tables


T = TypeVar("T")


def _decode(path: Path, kind: type[T]) -> T:
    try:
        return msgspec.toml.decode(path.read_bytes(), type=kind)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error


def _check(path: Path, product: Product, others: Products) -> None:
    """What types alone cannot say."""
    if product.id in others:
        raise ConfigError(f"{path}: id {product.id!r} is used by another file")
    for step in STEPS:
        if step not in product.paragraphs:
            raise ConfigError(f"{path}: paragraphs.{step} is missing")
    for step in product.paragraphs:
        if step not in STEPS:
            raise ConfigError(f"{path}: paragraphs.{step} is no step of a decision")
    for name in ("cash", "cashless", "internet"):
        limit: DayLimit = getattr(product.limits, name)
        if limit.ceiling is not None and limit.default > limit.ceiling:
            raise ConfigError(f"{path}: limits.{name}.default is above limits.{name}.ceiling")
    if "one_leg" in product.exemptions and not product.eea:
        raise ConfigError(f"{path}: eea is missing, the exemption one_leg needs it")
    if product.funds == "credit" and set(product.repayment_order) != OWED:
        raise ConfigError(f"{path}: repayment_order must name each of {', '.join(sorted(OWED))} once")
    _check_elsewhere(path, product)


def _check_elsewhere(path: Path, product: Product) -> None:
    """What has files of its own."""
    if product.rates != Rates():
        raise ConfigError(f"{path}: rates belong into config/rates/")
    if product.chart != Chart():
        raise ConfigError(f"{path}: chart belongs into config/ledger/")
    if product.response_codes:
        raise ConfigError(f"{path}: response_codes belong into config/response_codes/")
