"""The calls on accounts: open, read, load, and the journal."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
from litestar.params import FromPath, JSONBody, QueryParameter, SkipValidation

from authsvc.control.bodies import AccountStatusBody, LoadBody, OpenAccountBody
from authsvc.control.desk import Desk
from authsvc.control.errors import PROBLEMS, bad_field, unknown
from authsvc.control.idempotency import Once
from authsvc.control.records import DecisionView, decision_view
from authsvc.control.roles import Action
from authsvc.control.views import AccountCreated, AccountView, Loaded, account_view
from authsvc.model import AccountId, Decision, Load, Minor, OpenAccount, Posted, SetAccountStatus
from authsvc.products import Product

PAGE = 100


@post("/accounts", opt={"action": Action.OPEN_ACCOUNT}, responses=PROBLEMS, tags=["accounts"])
async def open_account(
    data: JSONBody[OpenAccountBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> AccountCreated:
    """Open an account of a product."""
    _check_credit_limit(data, desk.product(data.product))
    command = OpenAccount(
        account=desk.mint.account_id(once.key),
        product=data.product,
        credit_limit=None if data.credit_limit is None else Minor(data.credit_limit),
        holder=data.holder,
        idempotency=once.key,
        fingerprint=once.fingerprint(data),
    )
    decision = await desk.decide(command)
    return AccountCreated(decision.account)


def _check_credit_limit(body: OpenAccountBody, product: Product) -> None:
    """A credit product lives on its credit limit; any other has none (rulebook section 1, "funds")."""
    if product.funds == "credit" and body.credit_limit is None:
        raise bad_field("credit_limit", "needed for a credit product")
    if product.funds != "credit" and body.credit_limit is not None:
        raise bad_field("credit_limit", "only a credit product has one")


@get("/accounts/{account:str}", opt={"action": Action.READ}, responses=PROBLEMS, tags=["accounts"])
async def read_account(account: FromPath[str], desk: SkipValidation[Desk]) -> AccountView:
    """The account as of now: balance, holds, what is available."""
    return account_view(await desk.account(AccountId(account)))


@post("/accounts/{account:str}/loads", opt={"action": Action.LOAD}, responses=PROBLEMS, tags=["accounts"])
async def load_account(
    account: FromPath[str], data: JSONBody[LoadBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> Loaded:
    """A top-up, or the repayment of a credit card."""
    found = await desk.account(AccountId(account))
    command = Load(found.account.id, Minor(data.amount), data.reference, once.key, once.fingerprint(data))
    decision = await desk.decide(command)
    return Loaded(decision.id, decision.account, data.amount, _balance_after(decision))


def _balance_after(decision: Decision) -> Minor:
    balances = [change.balance for change in decision.changes if isinstance(change, Posted)]
    assert balances  # a load that is not refused changes the balance
    return balances[-1]


@get("/accounts/{account:str}/journal", opt={"action": Action.READ}, responses=PROBLEMS, tags=["accounts"])
async def read_journal(
    account: FromPath[str],
    desk: SkipValidation[Desk],
    after: Annotated[int, QueryParameter(ge=0, description="sequence number to go on from")] = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=1000)] = PAGE,
) -> list[DecisionView]:
    """The decisions of an account in order, each with its trace."""
    decisions = await desk.engine.journal(AccountId(account), after, limit)
    # What was asked with an unknown PAN is journaled under names that are no accounts, and can be read here too.
    if not decisions and await desk.engine.account(AccountId(account)) is None:
        raise unknown("account")
    return [decision_view(decision) for decision in decisions]


@post(
    "/accounts/{account:str}/status",
    opt={"action": Action.SET_ACCOUNT_STATUS},
    responses=PROBLEMS,
    tags=["accounts"],
    status_code=200,
)
async def set_status(
    account: FromPath[str], data: JSONBody[AccountStatusBody], desk: SkipValidation[Desk], once: SkipValidation[Once]
) -> AccountView:
    """The agreement has ended, the holder has died or lost legal capacity, or has got it back. The death of a mere user
    is a permanent block of that user's card."""
    found = await desk.account(AccountId(account))
    await desk.decide(SetAccountStatus(found.account.id, data.status, once.key, once.fingerprint(data)))
    return account_view(await desk.account(AccountId(account)))


HANDLERS = (set_status, open_account, read_account, load_account, read_journal)
