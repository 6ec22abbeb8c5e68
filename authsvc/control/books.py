"""The calls of a bookkeeper: charges, statements, billing periods, the trial balance."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from litestar import Response, get, post
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation
from msgspec import Struct

from authsvc.control.bodies import ChargeBody
from authsvc.control.desk import Desk, Found
from authsvc.control.errors import PROBLEMS, bad_field, unknown
from authsvc.control.idempotency import Once
from authsvc.control.roles import Action
from authsvc.control.views import rfc3339, unix_ms
from authsvc.model import AccountId, CardId, Charge, Minor, Posted, UnixMs
from authsvc.rules import views
from authsvc.rules.billing import Line, lines, period

PAGE = 500
"""Decisions read from the ledger at a time."""
LONGEST = timedelta(days=400)
MOST_LINES = 50_000
CSV = "text/csv"


class Charged(Struct, frozen=True):
    """`balance`: right after it."""

    decision: str
    account: str
    amount: int
    balance: int


class StatementLine(Struct, frozen=True):
    """`amount`: grosze, above zero for the holder; `transaction_amount` in minor units of `currency` (ISO 4217 numeric),
    `rate`: zloty for one unit of `converted_currency`, `table`: day of the bank's table; null where the amount was in PLN."""

    at: datetime
    kind: str
    amount: int
    balance: int
    reversal: bool
    card: str
    rrn: str
    merchant: str
    authorization_code: str
    reference: str
    transaction_amount: int | None
    currency: str | None
    converted_currency: str | None
    rate: str | None
    table: str | None
    decision: str
    posting: str


class Statement(Struct, frozen=True):
    """`opening`, `closing`: balance before `since` and before `until`; they differ by the sum of the lines."""

    account: str
    since: datetime
    until: datetime
    opening: int
    closing: int
    lines: list[StatementLine]


class Billing(Struct, frozen=True):
    """A billing period of a credit product. `debt`: what was owed before it and at its end, `owed`: of the debt as of now, what
    for; `available`: of the credit limit, as of now."""

    account: str
    period_first: str
    period_last: str
    closes: str
    debt_before: int
    debt: int
    repaid: int
    charged: int
    owed: dict[str, int]
    credit_limit: int
    available: int
    lines: list[StatementLine]


class TrialBalance(Struct, frozen=True):
    """Each account of the general ledger, grosze: debits above zero, credits below. `sum` is zero."""

    until: datetime
    accounts: dict[str, int]
    sum: int


@post("/accounts/{account:str}/charges", opt={"action": Action.CHARGE}, responses=PROBLEMS, tags=["books"])
async def charge(
    account: FromPath[str], data: JSONBody[ChargeBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> Charged:
    """A fee, interest or cost of the bank's, taken also into the red (S §30.3, W §21.3, P §17.6); or a debt given up."""
    found = await desk.account(AccountId(account))
    if data.card and data.card not in found.account.cards:
        raise unknown("card")
    command = Charge(
        found.account.id, data.kind, Minor(data.amount), data.reference, CardId(data.card), once.key,
        once.fingerprint(data),
    )  # fmt: skip
    decision = await desk.decide(command)
    balance = next(change.balance for change in decision.changes if isinstance(change, Posted))
    return Charged(decision.id, decision.account, data.amount, balance)


@get("/accounts/{account:str}/statement", opt={"action": Action.READ}, responses=PROBLEMS, tags=["books"])
async def statement(
    account: FromPath[str],
    desk: SkipValidation[Desk],
    since: Annotated[
        datetime | None, QueryParameter(description="RFC 3339; 30 days before `until` when absent")
    ] = None,
    until: Annotated[datetime | None, QueryParameter(description="RFC 3339; now when absent")] = None,
    format: Annotated[Literal["json", "csv"], QueryParameter()] = "json",  # noqa: A002 - the name of the parameter
) -> Response[Statement | str]:
    """Opening balance, every posting with both amounts and the rate, closing balance."""
    found = await desk.account(AccountId(account))
    to = _moment("until", until) if until else UnixMs(found.now + 1)
    first = _moment("since", since) if since else UnixMs(to - 30 * 86_400_000)
    if not first < to <= first + LONGEST // timedelta(milliseconds=1):
        raise bad_field("since", "must be before until, by at most 400 days")
    made = await _statement(found, desk, first, to)
    if format == "csv":
        return Response(as_csv(made.lines), media_type=CSV)
    return Response(made)


def _moment(name: str, moment: datetime) -> UnixMs:
    if moment.tzinfo is None:
        raise bad_field(name, "a time zone is needed")
    return unix_ms(moment)


async def _statement(found: Found, desk: Desk, since: UnixMs, until: UnixMs) -> Statement:
    account = found.account.id
    opening = await desk.engine.balance_before(account, since)
    shown = [_line(line) for line in await _lines(account, desk, since, until)]
    closing = await desk.engine.balance_before(account, until)
    return Statement(account, rfc3339(since), rfc3339(until), opening, closing, shown)


async def _lines(account: AccountId, desk: Desk, since: UnixMs, until: UnixMs) -> list[Line]:
    """Raises 400 when there are more than an answer can hold."""
    found: list[Line] = []
    after = 0
    while rows := await desk.engine.movements(account, since, until, after, PAGE):
        found += [line for decision in rows for line in lines(decision)]
        after = rows[-1].seq
        if len(found) > MOST_LINES:
            raise bad_field("since", f"there are more than {MOST_LINES} postings; ask for a shorter time")
    return found


def _line(line: Line) -> StatementLine:
    foreign = line.foreign
    return StatementLine(
        at=rfc3339(line.at), kind=line.kind.value, amount=line.amount, balance=line.balance, reversal=line.reversal,
        card=line.card, rrn=line.rrn, merchant=line.merchant, authorization_code=line.authorization_code,
        reference=line.reference, transaction_amount=foreign.amount if foreign else None,
        currency=foreign.currency if foreign else None, converted_currency=foreign.basis_currency if foreign else None,
        rate=f"{foreign.rate // 1_000_000}.{foreign.rate % 1_000_000:06}" if foreign else None,
        table=(foreign.table or None) if foreign else None, decision=line.decision, posting=line.posting,
    )  # fmt: skip


def as_csv(shown: list[StatementLine]) -> str:
    """RFC 4180, with a header; null is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, StatementLine.__struct_fields__, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(msgspec.to_builtins(line) for line in shown)
    return text.getvalue()


@get("/accounts/{account:str}/billing", opt={"action": Action.READ}, responses=PROBLEMS, tags=["books"])
async def billing(
    account: FromPath[str],
    desk: SkipValidation[Desk],
    month: Annotated[str, QueryParameter(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$", description="YYYY-MM it ends in")],
) -> Billing:
    """The billing period from the 8th of the month before to the 7th (S §2.31): debt, repayments, available limit."""
    found = await desk.account(AccountId(account))
    if found.product.funds != "credit":
        raise bad_field("account", "only a credit product has billing periods")
    asked = period(month)
    made = await _statement(found, desk, asked.since, asked.until)
    ins = sum(line.amount for line in made.lines if line.kind == "load")
    outs = -sum(line.amount for line in made.lines if line.kind != "load")
    now = found.account
    return Billing(
        account=now.id, period_first=asked.first, period_last=asked.last, closes=asked.closes,
        debt_before=max(0, -made.opening), debt=max(0, -made.closing), repaid=ins, charged=outs,
        owed={kind.value: amount for kind, amount in now.owed.items()}, credit_limit=now.credit_limit,
        available=views.available(now, found.now), lines=made.lines,
    )  # fmt: skip


@get("/trial-balance", opt={"action": Action.READ}, responses=PROBLEMS, tags=["books"])
async def trial_balance(
    desk: SkipValidation[Desk],
    until: Annotated[datetime | None, QueryParameter(description="RFC 3339; all there is when absent")] = None,
) -> TrialBalance:
    """What each account of the general ledger holds before `until`."""
    to = _moment("until", until) if until else UnixMs(desk.engine.now() + 1)
    accounts = await desk.engine.trial_balance(to)
    return TrialBalance(rfc3339(to), dict(accounts), sum(accounts.values()))


HANDLERS = (charge, statement, billing, trial_balance)
