"""decide: one request, one decision. Pure: no clock, no I/O, no randomness, no configuration inside."""

from __future__ import annotations

from authsvc.model import (
    NOTHING_MORE,
    Account,
    Answer,
    Approved,
    Authorization,
    Change,
    Command,
    Decision,
    Key,
    Message,
    Operate,
    Outcome,
    Past,
    Presentment,
    Reason,
    Refused,
    Request,
    Step,
    UnixMs,
    Verdict,
    request_key,
)
from authsvc.products import Product
from authsvc.rules import authorization, commands, memory, presentment, reversal
from authsvc.rules.case import Case, expired_holds


def decide(
    request: Request,
    account: Account,
    product: Product,
    now: UnixMs,
    past: Past = NOTHING_MORE,
    key: Key | None = None,
) -> Decision:
    """What becomes of `request` on `account` at `now` (never before the account's last decision). `key`: of the request, from
    who has it already.

    `past`: what `memory.missing` asked for. A repeat returns the earlier decision itself (its `seq` is not above the
    account's): nothing new is to be remembered, the same answer goes out again.
    """
    now = max(now, account.at)
    key = key or request_key(request)
    if past.earlier is not None:
        if past.earlier.request.fingerprint == request.fingerprint:
            return past.earlier
        return _duplicate(request, account, product, now, past.earlier)
    if isinstance(request, Operate):
        return _operate(request, account, product, now, key)
    if isinstance(request, Message):
        return _message(request, account, product, now, past, key or Key(0))
    return _command(request, account, product, now, key)


def _message(request: Message, account: Account, product: Product, now: UnixMs, past: Past, key: Key) -> Decision:
    case = Case(request, account, product, now)
    if isinstance(request, Authorization):
        outcome, answer = authorization.decide(case)
    elif isinstance(request, Presentment):
        outcome, answer = presentment.decide(case, past)
    else:
        outcome, answer = reversal.decide(case, past)
    if key:
        case.changes.append(memory.remember(account, key, now))
    return _decision(request, account, product, now, outcome, case.changes, case.trace, key, answer)


def _command(request: Command, account: Account, product: Product, now: UnixMs, key: Key | None) -> Decision:
    outcome, changes, step = commands.decide(request, account, product, now)
    changes = expired_holds(account, now) + changes
    return _decision(request, account, product, now, outcome, changes, [step], key or Key(0), None)


def _operate(request: Operate, account: Account, product: Product, now: UnixMs, key: Key | None) -> Decision:
    """About the engine, not about money: nothing to refuse, no regulation to quote, no account changed."""
    step = Step("operation", Verdict.PASSED, "", {request.what.value: request.version})
    return _decision(request, account, product, now, Approved(), [], [step], key or Key(0), None)


def _duplicate(request: Request, account: Account, product: Product, now: UnixMs, earlier: Decision) -> Decision:
    """The same key with another content: refused, and the first one stays what it is."""
    step = Step("repeat", Verdict.REFUSED, product.paragraphs["repeat"], {"same_key_as": earlier.id})
    outcome = Refused(Reason.DUPLICATE, "repeat", product.paragraphs["repeat"])
    is_message = isinstance(request, Message)
    answer = Answer(product.code(Reason.DUPLICATE)) if is_message else None
    changes = expired_holds(account, now)
    return _decision(request, account, product, now, outcome, changes, [step], Key(0), answer)


def _decision(
    request: Request, account: Account, product: Product, now: UnixMs, outcome: Outcome, changes: list[Change],
    trace: list[Step], key: Key, answer: Answer | None,
) -> Decision:  # fmt: skip
    return Decision(
        account=account.id, seq=account.seq + 1, at=now, product=product.id, request=request, outcome=outcome,
        changes=tuple(changes), trace=tuple(trace), key=key, answer=answer,
    )  # fmt: skip
