"""Bodies are decoded strictly; a wrong one is a 400 that names the field and never repeats its value."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.control import bodies
from authsvc.control.bodies import BlockBody, ClockBody, IssueCardBody, LimitsBody, LoadBody, OpenAccountBody, PinBody
from authsvc.control.errors import ApiError

LARGEST = 999_999_999_999


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (LoadBody, '{"amount": 0, "reference": "r"}', "amount"),
        (LoadBody, '{"amount": -1, "reference": "r"}', "amount"),
        (LoadBody, '{"amount": 1000000000000, "reference": "r"}', "amount"),
        (LoadBody, '{"amount": 99999999999999999999999, "reference": "r"}', "amount"),
        (LoadBody, '{"amount": "100", "reference": "r"}', "amount"),
        (LoadBody, '{"amount": 1.5, "reference": "r"}', "amount"),
        (LoadBody, '{"amount": true, "reference": "r"}', "amount"),
        (LoadBody, '{"amount": null, "reference": "r"}', "amount"),
        (LoadBody, '{"amount": 1}', "reference"),
        (LoadBody, '{"amount": 1, "reference": ""}', "reference"),
        (LoadBody, '{"amount": 1, "reference": "r", "currency": "985"}', "currency"),
        (LoadBody, '{"amount": 1, "reference": "r", "4111111111111111": 1}', "?"),
        (LoadBody, "[]", ""),
        (LoadBody, "{", ""),
        (LoadBody, "", ""),
        (OpenAccountBody, '{"product": 7}', "product"),
        (OpenAccountBody, '{"product": "p", "credit_limit": false}', "credit_limit"),
        (IssueCardBody, "{}", "pin"),
        (IssueCardBody, '{"pin": 1234}', "pin"),
        (IssueCardBody, '{"pin": "123"}', "pin"),
        (IssueCardBody, '{"pin": "12345"}', "pin"),
        (IssueCardBody, '{"pin": "1234\\n"}', "pin"),
        (IssueCardBody, '{"pin": "12a4"}', "pin"),
        (IssueCardBody, '{"pin": "١٢٣٤"}', "pin"),
        (IssueCardBody, '{"pin": "1234", "pan": "411111111111"}', "pan"),
        (IssueCardBody, '{"pin": "1234", "pan": "4111 1111 1111 1111"}', "pan"),
        (IssueCardBody, '{"pin": "1234", "expiry": "2813"}', "expiry"),
        (IssueCardBody, '{"pin": "1234", "expiry": "2800"}', "expiry"),
        (IssueCardBody, '{"pin": "1234", "expiry": "12/28"}', "expiry"),
        (IssueCardBody, '{"pin": "1234", "limits": {"cash": -1}}', "limits.cash"),
        (IssueCardBody, '{"pin": "1234", "limits": {"atm": 1}}', "limits.atm"),
        (IssueCardBody, '{"pin": "1234", "limits": true}', "limits"),
        (BlockBody, '{"kind": "for ever", "by": "bank"}', "kind"),
        (BlockBody, '{"kind": "lost"}', "by"),
        (LimitsBody, '{"cash": "0"}', "cash"),
        (PinBody, '{"pin": ""}', "pin"),
        (ClockBody, '{"now": "2026-06-15T10:00:00"}', "now"),
        (ClockBody, '{"now": "tomorrow"}', "now"),
        (ClockBody, '{"advance_seconds": "60"}', "advance_seconds"),
    ],
)  # fmt: skip
def test_a_bad_body_names_its_field(kind: type[Any], body: str, field: str) -> None:
    """Whatever is wrong with a body, the answer is 400 and says which field it is."""
    with pytest.raises(ApiError) as caught:
        bodies.decode_body(body.encode(), kind)
    assert (caught.value.status, caught.value.problem.field) == (400, field)


@pytest.mark.parametrize(
    ("kind", "body", "then"),
    [
        (LoadBody, {"amount": 1, "reference": "r"}, LoadBody(1, "r")),
        (LoadBody, {"amount": LARGEST, "reference": "r"}, LoadBody(LARGEST, "r")),
        (LimitsBody, {"cash": 0}, LimitsBody(cash=0)),
        (LimitsBody, {}, LimitsBody()),
        (IssueCardBody, {"pin": "0000", "pan": None}, IssueCardBody(pin="0000")),
        (ClockBody, {"now": "2026-06-15T12:00:00+02:00"}, ClockBody(now=datetime(2026, 6, 15, 10, tzinfo=UTC))),
        (ClockBody, {"advance_seconds": -60}, ClockBody(advance_seconds=-60)),
    ],
)
def test_a_good_body(kind: type[Any], body: dict[str, Any], then: object) -> None:
    """Bounds are inside; null is as good as leaving out; a limit may be zero."""
    assert bodies.decode_body(msgspec.json.encode(body), kind) == then


@given(
    st.text(alphabet="0123456789 abc", min_size=5, max_size=24),
    st.sampled_from(["pin", "pan", "expiry", "limits", "x"]),
)
def test_no_error_repeats_what_was_sent(secret: str, field: str) -> None:
    """A PIN or PAN in any field of any form never comes back in the error, nor hangs on it as its cause."""
    body = {"pin": "1234", field: secret, secret: secret}
    with pytest.raises(ApiError) as caught:
        bodies.decode_body(msgspec.json.encode(body), IssueCardBody)
    assert secret not in caught.value.problem.detail.replace(field, "")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_body_does_not_print_itself() -> None:
    """A body that gets into a log line by accident shows its type only."""
    body = IssueCardBody(pin="1234", pan="4111111111111111")
    assert f"{body} {body!r}" == "IssueCardBody(...) IssueCardBody(...)"


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (LoadBody, '{"amount": 1, "reference": "for 4111 1111 1111 1111"}', "reference"),
        (bodies.TransferBody, '{"card": "c", "amount": 1, "iban": "PL611090101400000", "reference": "for 4111 1111 1111 1111"}',
         "reference"),
        (bodies.ChargeBody, '{"kind": "fee", "amount": 1, "reference": "for 4111 1111 1111 1111"}', "reference"),
        (OpenAccountBody, '{"product": "p", "holder": "for 4111 1111 1111 1111"}', "holder"),
    ],
)  # fmt: skip
def test_a_card_number_in_free_text_is_masked(kind: type[bodies.Body], body: str, field: str) -> None:
    """Before anything sees it: the journal keeps this text for years."""
    assert getattr(msgspec.json.decode(body, type=kind), field) == "for 4111 11** **** 1111"


@pytest.mark.parametrize("field", ["reference", "decision"])
def test_a_card_number_in_a_key_is_a_flaw(field: str) -> None:
    """Two masked keys could be one."""
    claim: dict[str, object] = {
        "scheme": "visa", "rrn": "1", "authorization_code": "", "pan_or_card": "card-1", "amount": 1, "currency": "985",
        "merchant_id": "", "mcc": "5411", "reversal": True,
    }  # fmt: skip
    assert msgspec.convert(claim | {field: "ref-4111111111111112"}, bodies.PresentmentBody).flaw is None
    flaw = msgspec.convert(claim | {field: "ref-4111111111111111"}, bodies.PresentmentBody).flaw
    assert flaw == (field, "it is kept, so it must not hold a card number")
