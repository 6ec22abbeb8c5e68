"""Rules 8 and 9: what is decided here, what is switched on, which merchants are forbidden."""

from __future__ import annotations

import pytest
from given import (
    ALL,
    ATM,
    BPS,
    BRANCH,
    CASINO_CHIPS,
    CREDIT,
    GAMBLING,
    GERMANY,
    MANY,
    MC,
    MINOR_SGB,
    NOON,
    SGB,
    account,
    authorization,
    by_telephone,
    card,
    code,
    contactless,
    ids,
    limits,
    online,
    reason,
    with_pin,
    withdrawal,
)
from msgspec.structs import replace

from authsvc.model import POLAND, Authorization, Bucket, Entry, Kind, Limits, Pin, Reason
from authsvc.products import ForbiddenMerchant, Product
from authsvc.rules.channel import bucket_of
from authsvc.rules.decide import decide


@pytest.mark.parametrize(
    ("request_", "then"),
    [
        (authorization(), Bucket.CASHLESS),
        (contactless(), Bucket.CASHLESS),
        (by_telephone(), Bucket.CASHLESS),  # MOTO is cashless, not internet
        (online(), Bucket.INTERNET),
        (authorization(entry=Entry.ECOMMERCE), Bucket.INTERNET),
        (authorization(entry=Entry.MANUAL, condition="59"), Bucket.INTERNET),
        (authorization(entry=Entry.CREDENTIAL_ON_FILE), Bucket.INTERNET),
        (authorization(kind=Kind.PRE_AUTHORIZATION), Bucket.CASHLESS),
        (withdrawal(), Bucket.CASH),
        (authorization(kind=Kind.QUASI_CASH), Bucket.CASH),
        (authorization(mcc=BRANCH), Bucket.CASH),
        (authorization(mcc=ATM), Bucket.CASH),
        (authorization(mcc=CASINO_CHIPS), Bucket.CASH),
        (online(mcc=CASINO_CHIPS), Bucket.CASH),
        (authorization(kind=Kind.VERIFICATION), Bucket.NONE),
        (authorization(kind=Kind.BALANCE_INQUIRY, mcc=ATM), Bucket.NONE),
    ],
)
@pytest.mark.parametrize("product", ALL, ids=ids)
def test_what_counts_as_what(product: Product, request_: Authorization, then: Bucket) -> None:
    """Cash, cashless, internet inside cashless; quasi-cash is cash, MOTO is not internet (rulebook sections 1, 2, 5)."""
    assert bucket_of(request_, product) is then


CASH_REQUESTS = [withdrawal(), authorization(kind=Kind.QUASI_CASH), authorization(mcc=BRANCH)]


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("switched", "off", "on"),
    [
        (limits(cash=0), CASH_REQUESTS, [authorization(), online()]),
        (limits(cashless=0), [authorization(), contactless(), by_telephone(), online()], [withdrawal()]),
        (limits(internet=0), [online()], [authorization(), withdrawal()]),
        (limits(cashless=0, internet=MANY), [online()], [withdrawal()]),  # internet is inside cashless
    ],
    ids=["no cash", "no cashless", "no internet", "internet inside cashless"],
)
def test_a_limit_of_zero_switches_off(
    product: Product, switched: Limits, off: list[Authorization], on: list[Authorization]
) -> None:
    """A day limit set to zero switches that kind of transaction off, and no other (S §23.2, W §10.2, P §3.5)."""
    for request in off:
        decision = decide(request, account(product, MANY, card(limits=switched)), product, NOON)
        assert (reason(decision), code(decision)) == (Reason.CHANNEL_OFF, "57")
    for request in on:
        assert reason(decide(request, account(product, MANY, card(limits=switched)), product, NOON)) is None


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_what_holds_nothing_needs_no_limit(product: Product) -> None:
    """A verification or a balance inquiry is answered though every limit is zero (rulebook section 4)."""
    start = account(product, MANY, card(limits=limits(0, 0, 0)))
    assert code(decide(online(0, kind=Kind.VERIFICATION), start, product, NOON)) == "85"
    assert code(decide(withdrawal(0, kind=Kind.BALANCE_INQUIRY), start, product, NOON)) == "00"


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("entry", [Entry.CONTACTLESS_CHIP, Entry.CONTACTLESS_STRIPE])
@pytest.mark.parametrize("pin", [Pin.ABSENT, Pin.RIGHT])
def test_contactless_can_be_switched_off(product: Product, entry: Entry, pin: Pin) -> None:
    """Who switched contactless off pays by contact only, PIN or not (S §16.8, W §12.7, P §3.2.1)."""
    start = account(product, MANY, card(contactless_enabled=False))
    decision = decide(authorization(entry=entry, pin=pin), start, product, NOON)
    assert (reason(decision), code(decision)) == (Reason.CHANNEL_OFF, "57")
    assert reason(decide(with_pin(), start, product, NOON)) is None


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_a_transfer_by_a_message_is_refused(product: Product) -> None:
    """A message has no account number to send money to: refused with its reason, never ignored (S §2.37, W §2)."""
    decision = decide(authorization(kind=Kind.TRANSFER), account(product), product, NOON)
    assert (reason(decision), code(decision)) == (Reason.UNSUPPORTED_TRANSACTION, "12")


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize("feature", ["DE55", "DE49", "MTI 0120"])
def test_a_feature_that_is_not_decided_is_refused_and_named(product: Product, feature: str) -> None:
    """A chip cryptogram, a foreign currency, an advice: refused, and the trace says which (issue A, 4)."""
    decision = decide(authorization(unsupported=feature), account(product), product, NOON)
    assert reason(decision) is Reason.UNSUPPORTED_TRANSACTION
    assert decision.trace[-1].inputs == {"feature": feature}


FORBIDDEN, FINE = Reason.MERCHANT_FORBIDDEN, None


@pytest.mark.parametrize(("product", "paragraph"), [(CREDIT, "S §19.1"), (BPS, "W §26.1.5")], ids=["S", "W"])
@pytest.mark.parametrize(("remote", "abroad", "request_", "then"), [
    (False, False, authorization(mcc="5993"), FORBIDDEN),
    (False, False, withdrawal(mcc="5993"), FORBIDDEN),
    (False, False, authorization(mcc="5994"), FINE),
    (True, False, authorization(mcc="5993"), FINE),
    (True, False, online(mcc="5993"), FORBIDDEN),
    (False, True, authorization(mcc="5993"), FINE),
    (False, True, authorization(mcc="5993", country=GERMANY), FORBIDDEN),
])  # fmt: skip
def test_what_the_bank_lists_as_unlawful_is_refused(
    product: Product, paragraph: str, remote: bool, abroad: bool, request_: Authorization, then: Reason | None
) -> None:
    """S §19.1, W §26.1.5: no use against the law. Neither names merchants; one that the bank lists is refused with it."""
    listed = ForbiddenMerchant(name="a list of the bank", mcc=("5993",), remote=remote, abroad=abroad)
    decision = decide(request_, account(product), replace(product, forbidden=(listed,)), NOON)
    step = next(step for step in decision.trace if step.rule == "merchant")
    assert (reason(decision), code(decision), step.paragraph) == (then, "57" if then else "00", paragraph)


@pytest.mark.parametrize(
    ("request_", "at_p"),
    [
        (online(mcc=GAMBLING, country=GERMANY), FORBIDDEN),
        (online(mcc="7800", country=GERMANY), FORBIDDEN),
        (online(mcc="7801", country=GERMANY), FORBIDDEN),
        (online(mcc="7802", country=GERMANY), FORBIDDEN),
        (online(mcc="9406", country=GERMANY), FORBIDDEN),
        (authorization(mcc=GAMBLING, country=GERMANY, entry=Entry.CREDENTIAL_ON_FILE), FORBIDDEN),
        (online(mcc=GAMBLING, country=POLAND), FINE),
        (online(mcc=GAMBLING, country=""), FINE),  # nobody said it is abroad
        (authorization(mcc=GAMBLING, country=GERMANY), FINE),  # in the casino, card in the terminal
        (online(country=GERMANY), FINE),
    ],
)
@pytest.mark.parametrize("product", ALL, ids=ids)
def test_foreign_internet_gambling(product: Product, request_: Authorization, at_p: Reason | None) -> None:
    """P refuses gambling on the internet with companies outside Poland; S and W do not name it (P §4.9)."""
    decision = decide(request_, account(product), product, NOON)
    then = at_p if product in (SGB, MINOR_SGB) else None
    assert (reason(decision), code(decision)) == (then, "57" if then else "00")


def test_codes_of_the_schemes_agree_on_channels() -> None:
    """57 for a channel that is off, on both schemes (rulebook section 3)."""
    assert {product.code(Reason.CHANNEL_OFF) for product in ALL} == {"57"}
    assert [product.id for product in MC] == ["prepaid-bps", "prepaid-sgb", "prepaid-sgb-minor"]
