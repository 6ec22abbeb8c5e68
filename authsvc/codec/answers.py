"""What goes back: the fields of an answer, from the fields of the request and what was decided.

Echoed fields come back byte for byte (`wire.md` section 3); a peer finds its request again by them.
"""

from __future__ import annotations

from authsvc.codec import amounts, subfields
from authsvc.codec.amounts import AdditionalAmount
from authsvc.codec.dialects import Fields
from authsvc.model import PLN, Answer, Minor

ECHOED = frozenset({"2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49", "70", "90"})

RESPONSES: dict[str, str] = {
    f"0{kind}{asked}{repeat}": f"0{kind}{answered}0"
    for kind in range(1, 9)
    for asked, answered in ((0, 1), (2, 3))
    for repeat in (0, 1)
}
"""Request or advice, and their repeats → response: 0100 → 0110, 0421 → 0430. What is not in it is never answered."""


def to_answer(fields: Fields, answer: Answer, cvv2: str = "") -> Fields:
    """The response to a request that was decided. Budget: 4 µs.

    `fields`: the request, one that `translate.to_request` took; `cvv2`: result of its check, "" when there was none.
    """
    response = _echo(fields, RESPONSES[fields["t"]], answer.response_code)
    if answer.amount is not None:
        response["4"] = f"{answer.amount:012d}"
    if answer.authorization_code:
        response["38"] = answer.authorization_code
    private = _private(fields, cvv2)
    if private:
        response["48"] = private
    if answer.available is not None:
        response["54"] = _available(fields.get("3", "000000")[2:4], answer.available)
    if answer.chip:
        response["55"] = answer.chip
    return response


def to_refusal(fields: Fields, response_code: str) -> Fields | None:
    """The answer to a message that could not be understood, from the fields that could be; None: there is none.

    That is when the MTI could not be read, or is no request or advice: answering an answer could go on for ever.
    """
    response = RESPONSES.get(fields.get("t", ""))
    return None if response is None else _echo(fields, response, response_code)


def _echo(fields: Fields, mti: str, response_code: str) -> Fields:
    response = fields.copy()  # and most of it stays: half the time of putting in one after the other
    for field in fields:
        if field not in ECHOED:
            del response[field]
    response["t"] = mti
    response["39"] = response_code
    return response


def _private(fields: Fields, cvv2: str) -> str:
    """DE48 of the answer: 63, the link of payments, again; 87, the result of the CVV2 check."""
    elements = {}
    if "48" in fields:
        link = subfields.parse(fields["48"]).get("63")
        if link is not None:
            elements["63"] = link
    if cvv2:
        elements["87"] = cvv2
    return subfields.build(elements) if elements else ""


def _available(account_type: str, amount: int) -> str:
    """The group of DE54 that says what may be spent, in grosze; D when that is below zero."""
    available = AdditionalAmount(account_type, amounts.AVAILABLE, PLN, Minor(abs(amount)), debit=amount < 0)
    return amounts.build([available])
