"""3-D Secure proofs, the lock, and the exemptions of rule 11."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    ALL,
    BPS,
    CREDIT,
    HOUR,
    MINUTE,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    by_telephone,
    card,
    contactless,
    ids,
    online,
    reason,
)
from msgspec.structs import replace

from authsvc.model import (
    AccountId,
    Approved,
    Authorization,
    CardId,
    Counters,
    Decision,
    Minor,
    Reason,
    RecordThreeDs,
    SetTrusted,
    UnixMs,
    UnlockThreeDs,
)
from authsvc.products import Product
from authsvc.rules import exemptions
from authsvc.rules.calendar import day_of
from authsvc.rules.decide import decide
from authsvc.rules.three_ds import MAX_TRUSTED, is_locked, proof_number

SHOP = "MERCHANT0000001"
SCA, LOCKED = Reason.SCA_REQUIRED, Reason.THREE_DS_LOCKED
DAY = 24 * HOUR


def at_acs(amount: int = 300_00, succeeded: bool = True, merchant: str = SHOP, currency: str = "985") -> RecordThreeDs:
    """What one authentication came to at the access control server."""
    return RecordThreeDs(AccountId("account"), CardId("card"), Minor(amount), currency, merchant, succeeded)


def proven(by: Decision, amount: int = 300_00, **but: Any) -> Authorization:
    """An internet payment with the proof that `by` gave out."""
    return online(amount, **{"level": "212", "cavv": "M", "proof": proof_number(by.at, by.seq), **but})


def exemption(decision: Decision) -> str:
    assert isinstance(decision.outcome, Approved), decision.outcome
    return decision.outcome.exemption


@pytest.mark.parametrize("product", [CREDIT, BPS, SGB], ids=ids)
def test_a_proof_is_an_sca(product: Product) -> None:
    """It carries the payment, and clears contactless total and low-value counters (S §15.1.2, W §9.1, P §4.6)."""
    start = account(product, 10_000_00, card(counters=Counters(contactless_unlocked=True, contactless=Minor(50_00))))
    story = Story(product, start)
    story.approve(online(20_00))
    assert reason(story.send(proven(story.send(at_acs())))) is None
    counters = story.counters
    assert (counters.contactless, counters.low_value_sum, counters.low_value_count, counters.scas) == (0, 0, 0, 1)


@pytest.mark.parametrize(
    ("change", "later", "then"),
    [
        ({}, 10 * MINUTE, None),
        ({}, 10 * MINUTE + 1, SCA),
        ({"amount": Minor(300_01)}, 0, SCA),
        ({"amount": Minor(299_99)}, 0, None),
        ({"currency": "978"}, 0, SCA),
        ({"cavv": "N", "proof": 0}, 0, SCA),
        ({"cavv": "N", "proof": 0, "amount": Minor(1)}, 0, SCA),  # low value does not heal a forged one
        ({"proof": 77}, 0, SCA),
        ({"level": "211"}, 0, SCA),
        ({"cavv": ""}, 0, SCA),
    ],
)
def test_what_a_proof_is_good_for(change: dict[str, Any], later: int, then: Reason | None) -> None:
    """One card, one merchant, at most its amount, ten minutes (S §18.2, W §9.2)."""
    story = Story(SGB)
    request = replace(proven(story.send(at_acs())), **change)
    story.now = UnixMs(NOON + later)
    assert reason(story.send(request)) is then


def test_a_proof_of_another_merchant() -> None:
    """DE42 is bound (S §18.2, W §9.2)."""
    story = Story(SGB)
    assert reason(story.send(proven(story.send(at_acs(merchant="ANOTHER"))))) is SCA


def test_a_proof_is_spent() -> None:
    """Reused, but not for more than its amount (S §18.2, W §9.2); what is refused spends nothing."""
    story = Story(BPS, account(BPS, 500_00))
    by = story.send(at_acs())
    assert story.reasons(proven(by, 200_00), proven(by, 100_01), proven(by, 100_00), proven(by, 1)) == [
        None,
        SCA,
        None,
        SCA,
    ]


@pytest.mark.parametrize("product", ALL, ids=ids)
def test_three_failures_lock(product: Product) -> None:
    """The next day it opens by itself (S §15.2, W §9.8), or by the hotline alone (P zał.3 §1.4)."""
    story = Story(product)
    for _ in range(3):
        story.send(at_acs(succeeded=False))
    assert is_locked(story.counters, product, day_of(NOON))
    assert story.send(at_acs()).changes == ()
    assert story.reasons(online(90_00 if product.id.endswith("minor") else 300_00, level="210")) == (
        [None] if product.id.endswith("minor") else [LOCKED]
    )
    assert story.reasons(online(1_00)) == [None]
    story.now = UnixMs(NOON + DAY)
    by = story.send(at_acs())
    assert bool(by.changes) is (product in (CREDIT, BPS))
    story.send(UnlockThreeDs(AccountId("account"), CardId("card")))
    assert story.reasons(proven(story.send(at_acs(90_00)), 90_00)) == [None]


def test_a_success_clears_the_failures() -> None:
    """Three in a row (S §15.2)."""
    story = Story(CREDIT)
    for succeeded in (False, False, True, False, False):
        story.send(at_acs(succeeded=succeeded))
    assert (story.counters.three_ds_failures, story.counters.three_ds_locked_on) == (2, "")


@pytest.mark.parametrize(
    ("but", "on_p", "elsewhere"),
    [
        ({}, SCA, SCA),
        ({"country": "840"}, "one_leg", SCA),
        ({"country": "276"}, SCA, SCA),
        ({"country": ""}, SCA, SCA),
        ({"mcc": "4111"}, "unattended", SCA),
        ({"flag": "01"}, "merchant_initiated", SCA),
        ({"flag": "02"}, SCA, SCA),
        ({"flag": "03"}, SCA, SCA),
    ],
)
def test_exemptions(but: dict[str, Any], on_p: str, elsewhere: str) -> None:
    """What frees a payment of 200.00 from SCA: P §4.7; S and W have none of these. It counts into no counter."""
    for product, then in ((SGB, on_p), (BPS, elsewhere), (CREDIT, elsewhere)):
        story = Story(product)
        decision = story.send(online(200_00, **but))
        assert (reason(decision) or exemption(decision)) == then
        assert story.counters.low_value_count == 0


def test_mail_order_is_told() -> None:
    """MOTO is exempt on P, and the hold knows it (P §4.7)."""
    story = Story(SGB)
    assert exemption(story.send(by_telephone(200_00))) == "moto"
    assert story.account.holds[0].exemption == "moto"


def test_recurring_after_a_first_with_sca() -> None:
    """At the same merchant (P §4.7); on W there is no such exemption."""
    for product, then in ((SGB, None), (BPS, SCA)):
        story = Story(product)
        story.approve(proven(story.send(at_acs(200_00)), 200_00))
        assert story.reasons(online(200_00, flag="03")) == [then]
    other = online(200_00, flag="03")
    assert reason(story.send(replace(other, origin=replace(other.origin, merchant="ANOTHER")))) is SCA


@pytest.mark.parametrize("product", [CREDIT, BPS, SGB], ids=ids)
def test_trusted_merchants(product: Product) -> None:
    """S §18.9.6, W §9.5, P §4.7; a locked 3DS does not matter to them. Low value is tried first."""
    story = Story(product)
    story.send(SetTrusted(AccountId("account"), CardId("card"), SHOP, True))
    for _ in range(3):
        story.send(at_acs(succeeded=False))
    assert [exemption(story.send(online(amount))) for amount in (200_00, 20_00)] == ["trusted", "low_value"]
    assert story.counters.low_value_count == 1
    story.send(SetTrusted(AccountId("account"), CardId("card"), SHOP, False))
    assert story.reasons(online(200_00)) == [LOCKED]


def test_the_list_of_trusted_merchants_has_an_end() -> None:
    """The document stays bounded; one more is refused, not forgotten."""
    full = account(SGB, 1, card(trusted=tuple(f"M{number}" for number in range(MAX_TRUSTED))))
    assert reason(decide(SetTrusted(full.id, CardId("card"), "NEW", True), full, SGB, NOON)) is Reason.NOT_ALLOWED


def test_contactless_at_a_gate() -> None:
    """Unattended transit: neither refused nor counted (P §4.3, §4.7); elsewhere it is an ordinary tap (S §15.1.4)."""
    for product, then in ((SGB, None), (CREDIT, Reason.PIN_REQUIRED)):
        story = Story(product)
        assert story.reasons(contactless(110_00, mcc="4111")) == [then]
        assert story.counters.contactless == 0


def test_the_banks_monitoring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default says no; a rule plugged in may say yes (P §4.7)."""
    assert reason(decide(online(200_00), account(SGB), SGB, NOON)) is SCA
    monkeypatch.setattr(exemptions, "LOW_RISK_MONITORS", (lambda _case, request: request.mcc == "5411",))
    assert exemption(decide(online(200_00), account(SGB), SGB, NOON)) == "bank_risk"


def test_in_a_shop_a_proof_means_nothing() -> None:
    """3-D Secure is for remote payments."""
    assert reason(decide(authorization(10_00, level="212", cavv="N"), account(SGB), SGB, NOON)) is None
