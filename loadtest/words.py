"""The rule behind an answer, in words: one sentence from the inputs of its step in the trace, and its paragraph."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from loadtest.messages import WARSAW

Inputs = dict[str, Any]

# fmt: off
MONEY = frozenset({
    "amount", "available", "before", "becomes", "given_back", "held", "limit", "missing", "one_payment", "sum_limit",
    "sum_previous", "used",
})
# fmt: on


def money(grosze: int) -> str:
    """1234567 → "12 345.67"."""
    whole, rest = divmod(abs(grosze), 100)
    return f"{'-' if grosze < 0 else ''}{whole:,}.{rest:02}".replace(",", " ")


def clock(at: datetime) -> str:
    """A moment as a clock on a wall in Warsaw shows it."""
    return f"{at.astimezone(WARSAW):%a %d %b %Y %H:%M}"


def _pin(inputs: Inputs) -> str:
    if inputs["pin"] == "wrong":
        return f"wrong PIN, {inputs['failures']} of {inputs['of']} in a row"
    return "the right PIN lifts the block of an earlier day" if inputs["lifts_block"] else "right PIN"


def _pin_block(inputs: Inputs) -> str:
    which = "a payment without PIN" if inputs["pin"] == "absent" else f"the {inputs['pin']} PIN"
    return f"PIN-blocked on {inputs['blocked_on']}, still the same day: even {which} is refused"


def _card_status(inputs: Inputs) -> str:
    return f"the card is {inputs['status'].replace('_', ' ')}"


def _contactless_first(_inputs: Inputs) -> str:
    return "contactless works only after a first payment with the chip and the PIN"


def _contactless_amount(inputs: Inputs) -> str:
    if inputs.get("pin") == "right":
        return "PIN entered: the total without PIN starts again at 0.00"
    return f"{money(inputs['amount'])} without PIN, at most {money(inputs['limit'])} each"


def _contactless_total(inputs: Inputs) -> str:
    total = inputs["before"] + inputs["amount"]
    verdict = "within" if total <= inputs["limit"] else "above"
    return f"since the last PIN {money(inputs['before'])}, with this one {money(total)}: {verdict} {money(inputs['limit'])}"


def _sca(inputs: Inputs) -> str:
    if "proof" in inputs:
        proof = inputs["proof"]
        return (
            "3-D Secure: proven for this card, shop and amount"
            if proof == "right"
            else f"the 3-D Secure proof is {proof}"
        )
    count, total = inputs["count_previous"], inputs["sum_previous"]
    verdict = "low value, no SCA" if inputs.get("exemption") else "SCA needed"
    return f"{verdict}: {count} of {inputs['count_limit']} before it, or {money(total)} of {money(inputs['sum_limit'])}"


def _funds(inputs: Inputs) -> str:
    if "part" in inputs:
        return f"the terminal takes a part: {money(inputs['part'])} of {money(inputs['amount'])}"
    if "missing" in inputs:
        return f"{money(inputs['available'])} available, {money(inputs['missing'])} missing"
    return f"{money(inputs['available'])} available"


def _cashback(inputs: Inputs) -> str:
    goods = inputs["amount"] - inputs["cashback"]
    return f"{money(goods)} of goods are cashless, {money(inputs['cashback'])} are cash"


def _incremental(inputs: Inputs) -> str:
    return (
        f"{money(inputs['amount'])} more on the hold of {money(inputs['held'])}: the amount counts, the count does not"
    )


def _presentment(inputs: Inputs) -> str:
    return f"claimed and posted ({inputs['matched']}); the balance is {money(inputs['balance'])}"


def _hold(inputs: Inputs) -> str:
    until = clock(datetime.fromtimestamp(inputs["expires"] / 1000, UTC))
    return f"{money(inputs['amount'])} held until {until}, unless the shop claims it before"


def _reversal(inputs: Inputs) -> str:
    if "becomes" in inputs:
        if inputs.get("whole"):
            return f"the hold of {money(inputs['held'])} is given back whole"
        return f"the hold of {money(inputs['held'])} becomes {money(inputs['becomes'])}"
    if "reversed_at" in inputs:
        return "its reversal was here before it, so it holds nothing"
    if inputs.get("remembered"):
        return "no such payment here yet; remembered, so that it will hold nothing if it comes late"
    return f"nothing is held for it any more ({inputs['original']}); nothing changes"


SENTENCES: dict[str, Callable[[Inputs], str]] = {
    "pin": _pin,
    "pin_block": _pin_block,
    "card_status": _card_status,
    "contactless_first": _contactless_first,
    "contactless_amount": _contactless_amount,
    "contactless_total": _contactless_total,
    "sca": _sca,
    "funds": _funds,
    "cashback": _cashback,
    "incremental": _incremental,
    "presentment": _presentment,
    "hold": _hold,
    "reversal": _reversal,
}


def because(step: dict[str, Any]) -> str:
    """A step of a decision's trace, as of GET /v1/decisions, in one line with its paragraph."""
    inputs, rule = step["inputs"], step["rule"]
    sentence = SENTENCES[rule](inputs) if rule in SENTENCES else _plainly(rule, inputs)
    return f"{sentence} · {step['paragraph'] or 'no paragraph: the message standard'}"


def _plainly(rule: str, inputs: Inputs) -> str:
    """A rule that no scene was written for."""
    values = (f"{name.replace('_', ' ')} {_value(name, value)}" for name, value in inputs.items())
    return f"{rule.replace('_', ' ')}: {', '.join(values)}"


def _value(name: str, value: object) -> str:
    return money(value) if isinstance(value, int) and name in MONEY else str(value)
