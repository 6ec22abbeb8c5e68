"""A decision as a person would tell it: what was asked, each rule with its paragraph, what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from authsvc.model import (
    Approved,
    Authorization,
    CardCaptured,
    Change,
    Decision,
    HoldEnded,
    HoldIncreased,
    HoldPlaced,
    HoldReduced,
    Noticed,
    PinChanged,
    Posted,
    PostingReduced,
    Presentment,
    Refused,
    Reversal,
    ReversalRemembered,
    Step,
    UnixMs,
    Verdict,
)
from authsvc.rules.calendar import WARSAW
from authsvc.rules.remedy import remedy

MARKS = {Verdict.PASSED: "+", Verdict.REFUSED: "x", Verdict.NOT_APPLICABLE: " "}
MONEY = frozenset(
    {
        "amount", "available", "balance", "becomes", "before", "cash", "cashback", "cashless", "credit_limit", "fee",
        "free", "given_back", "held", "individual_limit", "internet", "limit", "maximum", "missing", "one_payment", "part",
        "posted", "sum_limit", "sum_previous", "used",
    }
)  # fmt: skip
COUNTS = frozenset({"cash_count", "cashless_count", "internet_count"})
TITLES = {
    "repeat": "Seen before?", "card": "Card known", "expiry_date": "Expiry date on the wire", "expired": "Card in date",
    "account_status": "Account status", "card_status": "Card status", "cvv2": "CVV2", "pin": "PIN",
    "pin_block": "PIN block", "supported": "Kind of transaction", "contactless_channel": "Contactless switched on",
    "cash_channel": "Cash switched on", "cashless_channel": "Cashless switched on",
    "internet_channel": "Internet switched on", "cashback": "Cashback", "merchant": "Merchant allowed",
    "contactless_first": "First contactless use", "atm_pin": "PIN at the ATM", "contactless_amount": "Contactless without PIN",
    "contactless_total": "Contactless total since SCA", "contactless_random": "Random PIN request",
    "sca": "Remote payment: SCA or exemption", "cash_limit": "Cash limit today", "cashless_limit": "Cashless limit today",
    "internet_limit": "Internet limit today", "cash_count": "Cash count today", "cashless_count": "Cashless count today",
    "internet_count": "Internet count today", "funds": "Funds", "hold": "Hold", "reversal": "Reversal",
    "open_account": "Open an account", "load": "Load", "issue_card": "Issue a card", "activate": "Activate",
    "block": "Block", "unblock": "Unblock", "unblock_pin": "Unblock the PIN", "limits": "Limits",
    "cryptogram": "Cryptogram of the chip", "atc": "Transaction counter of the chip", "fallback": "Stripe instead of chip",
    "stripe_cvv": "CVV of the stripe", "offline_pin": "PIN verified by the chip", "currency": "Currency",
    "margin_notice": "Currency-margin notice", "margin_notices": "Currency-margin notices on or off",
    "contactless": "Contactless on or off", "pin_set": "Set the PIN",
    "virtual_card": "Device number usable", "device": "Device authentication", "virtual_create": "Add to a wallet",
    "virtual_set": "Change a device number", "renew": "Renewal", "replace": "Replacement",
    "duplicate": "Duplicate of a damaged card",
    "individual_limit": "Individual limit", "three_ds": "3-D Secure authentication",
    "incremental": "Adds to a hold", "advice": "Advice", "presentment": "Presentment", "posting": "Posted at once",
    "charge": "Charge", "refund": "Refund", "deposit": "Deposit", "pin_change": "PIN change", "transfer": "Transfer",
    "unlock_3ds": "Unlock 3-D Secure", "trusted_merchants": "Trusted merchants", "account_set": "Account status",
}  # fmt: skip


def explain(decision: Decision) -> str:
    """Lines of plain text. Money in zloty, times in Warsaw."""
    return "\n".join(_lines(decision))


def _lines(decision: Decision) -> Iterator[str]:
    yield f"{_asked(decision)}"
    yield f"  decision {decision.id}, {decision.product}, {warsaw(decision.at)}"
    for step in decision.trace:
        yield f"  {MARKS[step.verdict]} {_step(step)}"
    yield f"  => {_outcome(decision)}"
    if helped := remedy(decision):
        yield f"     would have helped: {helped}"
    for change in decision.changes:
        if (line := _change(change)) is not None:
            yield f"     {line}"


def _asked(decision: Decision) -> str:
    request = decision.request
    if isinstance(request, Authorization):
        kind, entry = (name.lower().replace("_", " ") for name in (request.kind.name, request.entry.name))
        what = f"{kind} of {money(request.amount)} by {entry}"
        where = f", MCC {request.mcc}" if request.mcc else ""
        return f"{request.origin.mti} {what}{where}, RRN {request.origin.rrn or '-'}, STAN {request.origin.stan}"
    if isinstance(request, Reversal):
        named = request.original.stan or request.original.rrn
        return f"{request.origin.mti} reversal of {named}, RRN {request.origin.rrn or '-'}, STAN {request.origin.stan}"
    if isinstance(request, Presentment):
        rest = "" if request.final else ", others will come"
        named = f"RRN {request.origin.rrn or '-'}, code {request.code or '-'}"
        return f"presentment of {money(request.amount)}{rest}, {named}"
    return f"command {type(request).__name__}"


def _step(step: Step) -> str:
    title = TITLES[step.rule]
    inputs = ", ".join(
        f"{name.replace('_', ' ')} {_value(step.rule, name, value)}" for name, value in step.inputs.items()
    )
    verdict = "" if step.verdict is Verdict.PASSED else f" {step.verdict.value.upper()}"
    return f"{title:<34}{verdict.strip():<15} {inputs}{f'  [{step.paragraph}]' if step.paragraph else ''}".rstrip()


def _value(rule: str, name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name in MONEY and rule not in COUNTS:
        return money(value)
    if isinstance(value, int) and name in ("expires", "reversed_at"):
        return warsaw(UnixMs(value))
    return str(value)


def _outcome(decision: Decision) -> str:
    code = f", DE39 {decision.answer.response_code}" if decision.answer else ""
    match decision.outcome:
        case Approved():
            authorized = (
                f", code {decision.answer.authorization_code}"
                if decision.answer and decision.answer.authorization_code
                else ""
            )
            return f"APPROVED{code}{authorized}"
        case Refused(reason, rule, paragraph):
            return f"REFUSED {reason}{code} by rule {rule!r}{f', {paragraph}' if paragraph else ''}"


def _change(change: Change) -> str | None:
    """What a person wants to know of a change; None for bookkeeping."""
    match change:
        case HoldPlaced(hold):
            return f"hold {hold.id} of {money(hold.amount)} until {warsaw(hold.expires)}"
        case HoldIncreased(hold, amount, _):
            return f"hold {hold} increased to {money(amount)}"
        case Posted(posting=posting, balance=balance):
            return f"{posting.kind.value.replace('_', ' ')} of {money(posting.amount)} posted, balance {money(balance)}"
        case PostingReduced(posting=posting, returned=returned, balance=balance):
            return f"posting {posting.id} reversed by {money(returned)}, balance {money(balance)}"
        case PinChanged(card):
            return f"card {card} has another PIN"
        case HoldReduced(hold, amount):
            return f"hold {hold} reduced to {money(amount)}"
        case HoldEnded(hold, how, at):
            return f"hold {hold} {how.value}, {warsaw(at)}"
        case Noticed(_, currency, month, margin):
            return f"currency-margin notice: {currency}, {month}, {percent(margin)} above the ECB rate"
        case CardCaptured(card):
            return f"card {card} captured"
        case ReversalRemembered():
            return "reversal remembered for its original"
        case _:
            return None


def money(minor: int) -> str:
    """1234567 -> "12 345.67 PLN"."""
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 100:,}".replace(",", " ") + f".{abs(minor) % 100:02} PLN"


def percent(hundredths: int) -> str:
    """412 -> "4.12 %"."""
    return f"{'-' if hundredths < 0 else ''}{abs(hundredths) // 100}.{abs(hundredths) % 100:02} %"


def warsaw(at: UnixMs) -> str:
    """A moment as a Warsaw wall clock shows it."""
    return datetime.fromtimestamp(at / 1000, WARSAW).strftime("%Y-%m-%d %H:%M:%S %Z")
