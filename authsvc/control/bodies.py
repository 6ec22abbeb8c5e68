"""What may be sent: one type per body, decoded strictly: "100" is no number, nor is true; unknown fields are errors.

Money in grosze; `expiry` is YYMM. A body is never printed: its repr is the name of its type.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from litestar.dto import MsgspecDTO
from msgspec import Meta, Struct
from msgspec.structs import force_setattr

from authsvc.codec.pan import holds_pan, without_pans
from authsvc.control.errors import bad_field
from authsvc.model import AccountStatus, BlockKind, By, DuplicateCause, Scheme

if TYPE_CHECKING:
    from litestar._openapi.schema_generation import SchemaCreator
    from litestar.openapi.spec import Reference, Schema
    from litestar.typing import FieldDefinition

LARGEST = 999_999_999_999
"""DE4 has twelve digits; no amount here is larger."""

# `$` also matches before a last line feed; the lookahead does not. Both are good JSON Schema, `\Z` is not.
Amount = Annotated[int, Meta(ge=1, le=LARGEST, description="grosze, above zero")]
Limit = Annotated[int, Meta(ge=0, le=LARGEST, description="grosze a day; 0 switches this kind of transaction off")]
# A PVV covers four digits: a longer PIN could be set and would then never be right (`security.hsm`; S §2.21).
PinDigits = Annotated[str, Meta(pattern=r"^[0-9]{4}$(?!\n)", description="four digits")]
# A PIN block is made of twelve digits of the PAN before the last one (ISO 9564-1 format 0).
PanDigits = Annotated[
    str, Meta(pattern=r"^[0-9]{13,19}$(?!\n)", description="13 to 19 digits, the last is the Luhn digit")
]
Expiry = Annotated[str, Meta(pattern=r"^[0-9]{2}(0[1-9]|1[0-2])$(?!\n)", description="YYMM, this month or later")]
PaymentReference = Annotated[str, Meta(min_length=1, max_length=140)]
Currency = Annotated[str, Meta(pattern=r"^([0-9]{3}|PLN|EUR|USD|GBP|CHF)$(?!\n)")]
Holder = Annotated[str, Meta(max_length=140)]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339")]
Seconds = Annotated[int, Meta(ge=-3_200_000_000, le=3_200_000_000, description="about a century either way")]


class Body(Struct, frozen=True, forbid_unknown_fields=True):
    """Base of all bodies. `free_text`: fields that people type into; a card number in one is masked right here, before
    anything remembers it (`docs/decisions/0031-card-numbers-in-free-text.md`)."""

    free_text: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for name in self.free_text:
            force_setattr(self, name, without_pans(getattr(self, name)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"


class OpenAccountBody(Body, frozen=True):
    """`credit_limit`: needed for a credit product, forbidden for any other."""

    free_text: ClassVar = ("holder",)

    product: str
    credit_limit: Amount | None = None
    holder: Holder = ""


class ThreeDsBody(Body, frozen=True):
    """`amount`: minor units of `currency` (ISO 4217 numeric, or PLN, EUR, USD, GBP); `merchant_id`: as in DE42."""

    amount: Amount
    currency: Annotated[str, Meta(pattern=r"^([0-9]{3}|PLN|EUR|USD|GBP)$(?!\n)")]
    merchant_id: Annotated[
        str, Meta(pattern=r"^[!-~]([ -~]{0,13}[!-~])?$(?!\n)", description="DE42, without its padding")
    ]
    outcome: Literal["succeeded", "failed"]


class LoadBody(Body, frozen=True):
    free_text: ClassVar = ("reference",)

    amount: Amount
    reference: PaymentReference


class TransferBody(Body, frozen=True):
    """`iban`: with or without spaces, with or without "PL"."""

    free_text: ClassVar = ("reference",)

    card: str
    amount: Amount
    iban: Annotated[str, Meta(min_length=15, max_length=42)]
    reference: PaymentReference


class ChargeBody(Body, frozen=True):
    """`card`: whose share it is, on an account with several cards."""

    free_text: ClassVar = ("reference",)

    kind: Literal["fee", "commission", "interest", "overdue_interest", "reminder_cost", "court_cost", "write_off"]
    amount: Amount
    reference: PaymentReference
    card: str = ""


class PresentmentBody(Body, frozen=True):
    """One claim of an acquirer. `amount`: minor units of `currency` (ISO 4217 numeric, or PLN, EUR, USD, GBP, CHF);
    `billing_amount`: what the scheme converted it to, minor units of `billing_currency`; `final`: no other will come of
    the same authorization; `internet`: how it counts when it has no authorization. `reference`: its own idempotency key, in
    place of the list's.

    `reversal`: it takes back an earlier presentment of the same kind, amount and currency, whole; named by `rrn`,
    `authorization_code` and `decision` (the id of the decision that posted it), as far as they are given, at least one."""

    scheme: Scheme
    rrn: Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{0,12}$(?!\n)")]
    authorization_code: Annotated[str, Meta(pattern=r"^[0-9A-Za-z]{0,6}$(?!\n)")]
    pan_or_card: Annotated[str, Meta(min_length=1, max_length=64)]
    amount: Amount
    currency: Currency
    merchant_id: Annotated[str, Meta(pattern=r"^[ -~]{0,15}$(?!\n)")]
    mcc: Annotated[str, Meta(pattern=r"^[0-9]{4}$(?!\n)")]
    billing_amount: Amount | None = None
    billing_currency: Currency = "PLN"
    final: bool = True
    kind: Literal["purchase", "cash", "quasi_cash", "refund", "deposit"] = "purchase"
    internet: bool = False
    reversal: bool = False
    decision: Annotated[str, Meta(max_length=80, pattern=r"^[!-~]*$(?!\n)")] = ""
    reference: Annotated[str, Meta(max_length=128, pattern=r"^[!-~]*$(?!\n)")] = ""

    @property
    def flaw(self) -> tuple[str, str] | None:
        """What the types alone cannot say: a field, and what is wrong with it."""
        if self.reversal and not (self.rrn or self.authorization_code or self.decision):
            return "rrn", "a reversal needs it, or authorization_code, or decision"
        if self.decision and not self.reversal:
            return "decision", "only a reversal names one"
        for name in ("reference", "decision"):
            if holds_pan(getattr(self, name)):
                return name, "it is kept, so it must not hold a card number"
        return None


class LimitsBody(Body, frozen=True):
    """Day limits; one that is not given stays as it is."""

    cash: Limit | None = None
    cashless: Limit | None = None
    internet: Limit | None = None

    @property
    def is_empty(self) -> bool:
        return self.cash is None and self.cashless is None and self.internet is None


class ChangeLimitsBody(LimitsBody, frozen=True):
    """`individual_limit`: credit products only; `effective_at`: when all of it begins to apply, at once when absent."""

    individual_limit: Amount | None = None
    effective_at: Moment | None = None

    @property
    def changes_nothing(self) -> bool:
        return self.is_empty and self.individual_limit is None


class UnblockBody(Body, frozen=True):
    """`by`: whose temporary block is lifted, on whose word; absent: bank staff lift whatever stands."""

    by: By | None = None


class AccountStatusBody(Body, frozen=True):
    status: AccountStatus


class RenewBody(Body, frozen=True):
    """`expiry`: of the renewed card; absent: the product's term after the old one."""

    expiry: Expiry | None = None


class ReplaceBody(Body, frozen=True):
    """Without `pan` one is generated in the product's BIN; without `expiry` the regulation decides which it gets."""

    pin: PinDigits
    pan: PanDigits | None = None
    expiry: Expiry | None = None


class DuplicateBody(Body, frozen=True):
    """`cause`: only damage gets a duplicate; `pin`: a new one, where the regulation offers it, else the old one stays;
    `expiry`: where a duplicate has a date of its own; absent: the product's term from this month."""

    cause: DuplicateCause
    pin: PinDigits | None = None
    expiry: Expiry | None = None


class VirtualCardBody(Body, frozen=True):
    """A device number. Without `pan` one is generated in the product's BIN, without `expiry` it is the card's."""

    pan: PanDigits | None = None
    expiry: Expiry | None = None
    wallet: Annotated[str, Meta(max_length=40, pattern=r"^[A-Za-z ._-]*$(?!\n)")] = ""


class IssueCardBody(Body, frozen=True):
    """Without `pan` one is generated in the product's BIN; `individual_limit`: credit products only."""

    pin: PinDigits
    pan: PanDigits | None = None
    expiry: Expiry | None = None
    individual_limit: Amount | None = None
    limits: LimitsBody = LimitsBody()


class BlockBody(Body, frozen=True):
    kind: BlockKind
    by: By


class ContactlessBody(Body, frozen=True):
    enabled: bool


class PinBody(Body, frozen=True):
    pin: PinDigits


class ClockBody(Body, frozen=True):
    """Exactly one of the two."""

    now: Moment | None = None
    advance_seconds: Seconds | None = None


class LogBody(Body, frozen=True):
    """`messages_one_in`: a line for one message in so many, 0 none."""

    level: Literal["debug", "info", "warning", "error"] | None = None
    messages_one_in: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None


B = TypeVar("B")

_AT = re.compile(r"^(?P<problem>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_NAMED = re.compile(r"^Object (?P<what>missing required|contains unknown) field `(?P<name>.*)`$", re.DOTALL)


def decode_body(body: bytes, kind: type[B]) -> B:
    """The body as `kind`. Raises ApiError 400 that names the field, and never its value."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        # `from None`: a traceback must not lead back to msgspec's message, which quotes wrong enum values.
        raise bad_field(*explain(str(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise bad_field("", "not JSON") from None


def explain(message: str) -> tuple[str, str]:
    """msgspec's message as (field, problem), without any value that was sent."""
    at = _AT.match(message)
    assert at is not None  # every part of the pattern may be empty
    path, problem = at["path"] or "", at["problem"]
    if named := _NAMED.match(problem):
        field = f"{path}.{named['name']}" if path else named["name"]
        return field, "missing" if named["what"] == "missing required" else "unknown field"
    if problem.startswith("Invalid enum value"):
        return path, "not one of the values allowed"
    return path, problem[:1].lower() + problem[1:]


class StrictBody(MsgspecDTO[Any]):
    """Litestar decodes bodies leniently and quotes them in its errors; `decode_body` does it instead."""

    @classmethod
    def create_for_field_definition(cls, *_args: Any, **_kwargs: Any) -> None:
        """Nothing to prepare: there is no transfer model between the body and its type."""

    def decode_bytes(self, value: bytes) -> Any:
        field = self.asgi_connection.route_handler.parsed_data_field
        assert field is not None  # Litestar asks for a body only where the handler has `data`
        return decode_body(value, field.annotation)

    @classmethod
    def create_openapi_schema(
        cls,
        field_definition: FieldDefinition,
        handler_id: str,  # noqa: ARG003 - Litestar passes it by name
        schema_creator: SchemaCreator,
    ) -> Reference | Schema:
        return schema_creator.for_field_definition(field_definition)
