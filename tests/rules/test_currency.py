"""Foreign amounts are decided in PLN by dated tables, in integers; and the notice of what that costs."""

from __future__ import annotations

from typing import Any

import pytest
from given import (
    BPS,
    CREDIT,
    NOON,
    SGB,
    Story,
    account,
    authorization,
    card,
    changes_of,
    limits,
    reason,
    reversal,
    warsaw,
    with_pin,
    withdrawal,
)
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from authsvc.model import AccountId, CardId, Day, Decision, HoldPlaced, HoldReduced, Noticed, Reason, SetMarginNotices
from authsvc.products import Product
from authsvc.rates import BankTable, Rates
from authsvc.rules.business_days import easter, is_business_day, previous_business_day
from authsvc.rules.currency import in_grosze
from authsvc.rules.events import Happened, events_of

EUR, USD, CZK, PLN, CHF, JPY = "978", "840", "203", "985", "756", "392"


def held(decision: Decision) -> int:
    (placed,) = changes_of(decision, HoldPlaced)
    amount: int = placed.hold.amount
    return amount


def foreign(amount: int = 10_00, currency: str = EUR, billing: int = 0, billing_currency: str = "", **but: Any) -> Any:
    return authorization(amount, currency=currency, billing=billing, billing_currency=billing_currency, **but)


@pytest.mark.parametrize(
    ("product", "request_", "pln"),
    [
        (BPS, foreign(10_00, USD, 40_00, PLN), 40_00),  # W §14.4: the scheme converted to PLN
        (BPS, foreign(10_00, USD, 9_00, EUR), 38_88),  # 9.00 EUR at 4.3200, transfer selling
        (BPS, foreign(10_00, EUR), 43_20),
        (BPS, replace(withdrawal(100_00), currency=EUR), 435_00),  # W §14.4: notes selling for cash
        (SGB, replace(withdrawal(100_00), currency=EUR), 432_00),  # P §17.1.a: transfer selling, cash too
        (SGB, foreign(10_00, CZK, 40, EUR), 1_73),  # 1.728: to the nearest grosz
        (CREDIT, foreign(10_00, USD, 40_00, PLN), 41_20),  # S §27.3: what Visa converted, plus 3.00 %
        (CREDIT, foreign(10_00, USD, 10_00, EUR), 44_81),  # S §27.2: notes selling for cashless, too; 43.50 * 1.03 = 44.805
        (CREDIT, replace(withdrawal(10_00), currency=EUR), 44_81),
        (BPS, foreign(10_00, EUR, 0, PLN), 43_20),  # DE51 without DE6 says nothing
        (BPS, foreign(10_00, EUR, 12_00, USD), 43_20),  # DE6 in something else: DE4 by the table
        (BPS, authorization(10_00, billing=99_00, billing_currency=EUR), 10_00),  # PLN is PLN
    ],
)  # fmt: skip
def test_a_foreign_amount_in_pln(product: Product, request_: Any, pln: int) -> None:
    """S §27.2-3, W §14.4, P §17.1: DE6 in PLN; else DE6 in euro; else DE4 by the table; the hold is in PLN."""
    decision = Story(product).send(request_)
    assert reason(decision) is None
    assert held(decision) == pln


@pytest.mark.parametrize("product", [CREDIT, BPS, SGB])
@pytest.mark.parametrize("request_", [foreign(10_00, USD), foreign(10_00, JPY, 10_00, USD)])
def test_a_currency_without_a_rate_is_refused_never_guessed(product: Product, request_: Any) -> None:
    """Rulebook section 5, last paragraph."""
    decision = Story(product).send(request_)
    assert reason(decision) is Reason.UNSUPPORTED_TRANSACTION
    assert decision.trace[-1].rule == "currency"


def test_both_amounts_rate_and_table_are_in_the_decision() -> None:
    """Rulebook section 5: the journal keeps both amounts and the rate (P §18.2.4)."""
    decision = Story(BPS).send(foreign(10_00, USD, 9_00, EUR))
    (placed,) = changes_of(decision, HoldPlaced)
    kept = placed.hold.foreign
    assert (kept.amount, kept.currency, kept.basis, kept.basis_currency) == (10_00, USD, 9_00, EUR)
    assert (kept.pln, kept.rate, kept.table, kept.markup) == (38_88, 4_320_000, "2020-01-01", 0)
    step = next(step for step in decision.trace if step.rule == "currency")
    assert (step.inputs["transaction"], step.inputs["amount"], step.inputs["table"]) == (10_00, 38_88, "2020-01-01")
    assert decision.request.amount == 10_00  # type: ignore[union-attr]  # as it was asked


def test_limits_and_funds_work_on_the_pln_amount() -> None:
    """W §10.1: limits are in PLN."""
    tight = account(BPS, 1_000_00, card(limits=limits(cashless=43_20)))
    assert reason(Story(BPS, tight).send(foreign(10_00))) is None
    assert reason(Story(BPS, tight).send(foreign(10_01))) is Reason.CASHLESS_LIMIT
    assert reason(Story(BPS, account(BPS, 43_19)).send(foreign(10_00))) is Reason.INSUFFICIENT_FUNDS


def tables(*moments: str) -> Rates:
    """Tables whose rates count up from 4.00."""
    bank = tuple(
        BankTable(
            warsaw(text), Day(text[:10]), {EUR: dict.fromkeys(("notes_sell", "transfer_sell", "transfer_buy"), rate)}
        )
        for text, rate in zip(moments, range(4_000_000, 9_000_000, 1_000_000), strict=False)
    )
    return replace(BPS.rates, bank=bank)


FRIDAY_MORNING, FRIDAY_EVENING, SUNDAY, MONDAY = (
    "2026-06-12 08:00", "2026-06-12 16:00", "2026-06-14 08:00", "2026-06-15 08:00",
)  # fmt: skip


@pytest.mark.parametrize(
    ("product", "request_", "pln"),
    [
        (BPS, foreign(10_00), 60_00),  # W §14.4: the last one of the day before, a Sunday
        (SGB, foreign(10_00), 50_00),  # P §17.1.a.i: euro itself, Friday's last
        (SGB, foreign(10_00, USD, 10_00, EUR), 40_00),  # P §17.1.a.ii: Friday's at 15:00
    ],
)
def test_which_table_holds_on_a_monday(product: Product, request_: Any, pln: int) -> None:
    dated = replace(product, rates=tables(FRIDAY_MORNING, FRIDAY_EVENING, SUNDAY, MONDAY))
    assert held(Story(dated).send(request_, NOON)) == pln


def test_before_the_first_table_nothing_is_guessed() -> None:
    dated = replace(BPS, rates=tables(MONDAY))
    assert reason(Story(dated).send(foreign(10_00), NOON)) is Reason.UNSUPPORTED_TRANSACTION


@pytest.mark.parametrize(("currency", "then"), [(EUR, 21_60), ("", 21_60), (PLN, 5_00)])
def test_a_partial_reversal_converts_by_the_holds_own_rate(currency: str, then: int) -> None:
    """DE95 is in the currency of the transaction; a table of a later day changes nothing."""
    story = Story(BPS)
    paid = foreign(10_00)
    story.approve(paid)
    decision = story.send(replace(reversal(paid, becomes=5_00), currency=currency))
    assert [change.amount for change in changes_of(decision, HoldReduced)] == [then]
    assert story.held == then


def test_a_full_reversal_gives_all_of_it_back() -> None:
    story = Story(BPS)
    paid = foreign(10_00)
    story.approve(paid, reversal(paid))
    assert (story.held, story.counters.used.cashless) == (0, 0)


def noticed(decision: Decision) -> list[tuple[str, str]]:
    return [(notice.currency, notice.month) for notice in changes_of(decision, Noticed)]


def test_the_first_transaction_of_a_month_in_each_currency_is_noticed() -> None:
    """S §27.5 (second), W §14.5, P §19: per card, currency and month."""
    story = Story(BPS)
    sent = [story.send(foreign(10_00)), story.send(foreign(10_00)), story.send(foreign(10_00, CZK, 40, EUR))]
    assert [noticed(one) for one in sent] == [[(EUR, "2026-06")], [], [(CZK, "2026-06")]]
    assert story.card.noticed == (EUR, CZK)
    assert noticed(story.send(foreign(10_00), warsaw("2026-07-01 00:00"))) == [(EUR, "2026-07")]
    assert story.card.noticed == (EUR,)


@pytest.mark.parametrize(("product", "then"), [(CREDIT, 5_42), (BPS, 1_65), (SGB, 1_65)])
def test_the_margin_is_measured_against_the_ecb_reference_rate(product: Product, then: int) -> None:
    """4.3200 against 4.2500 is 1.65 % (hundredths of a percent); S's 4.3500 with 3.00 % on top is 5.42 %."""
    (notice,) = changes_of(Story(product).send(foreign(100_00)), Noticed)
    assert notice.margin == then


@pytest.mark.parametrize(
    ("product", "currency", "then"), [(SGB, CHF, 1), (BPS, CHF, 0), (CREDIT, CHF, 0), (SGB, USD, 0)]
)
def test_the_eu_alone_or_the_whole_eea(product: Product, currency: str, then: int) -> None:
    """S §27.5 and W §14.5 speak of the EU, P §19 of the EEA."""
    assert len(noticed(Story(product).send(foreign(10_00, currency, 40_00, PLN)))) == then


def test_a_refused_transaction_is_none() -> None:
    assert noticed(Story(BPS, account(BPS, 1_00)).send(foreign(10_00))) == []


@pytest.mark.parametrize(("product", "then"), [(SGB, None), (BPS, Reason.NOT_ALLOWED), (CREDIT, Reason.NOT_ALLOWED)])
def test_only_p_lets_its_users_decline_the_notice(product: Product, then: Reason | None) -> None:
    """P §19."""
    story = Story(product)
    assert reason(story.send(SetMarginNotices(AccountId("account"), CardId("card"), enabled=False))) is then
    assert bool(noticed(story.send(foreign(10_00)))) is (then is not None)


@given(st.integers(1, 10**12), st.integers(1, 10**8), st.integers(0, 4), st.integers(0, 1_000))
def test_the_nearest_grosz_a_half_upwards(minor: int, rate: int, decimals: int, markup: int) -> None:
    scale = 10**6 * 10**4 * 10**decimals
    error = 2 * (in_grosze(minor, decimals, rate, markup) * scale - minor * rate * (10_000 + markup) * 100)
    assert -scale < error <= scale


@pytest.mark.parametrize(
    ("day", "before"),
    [
        ("2026-06-15", "2026-06-12"), ("2026-06-05", "2026-06-03"), ("2026-04-07", "2026-04-03"), ("2026-01-02", "2025-12-31"),
        ("2025-12-29", "2025-12-23"), ("2024-12-27", "2024-12-24"), ("2026-11-12", "2026-11-10"),
    ],
)  # fmt: skip
def test_the_business_day_before(day: str, before: str) -> None:
    """P §17.1: public holidays are no business days; Christmas Eve only since 2025."""
    assert previous_business_day(Day(day)) == before


def test_easter() -> None:
    assert [easter(year).isoformat()[5:] for year in (2024, 2025, 2026, 2027, 2038)] == [
        "03-31",
        "04-20",
        "04-05",
        "03-28",
        "04-25",
    ]
    assert not is_business_day(easter(2026))


def test_with_pin_abroad_is_as_at_home() -> None:
    assert reason(Story(SGB).send(with_pin(10_00, currency=EUR))) is None


def test_the_notice_is_an_event_for_the_outside() -> None:
    """S §27.5 (second), W §14.5, P §19: somebody has to send it."""
    (event,) = events_of(Story(BPS).send(foreign(100_00)))
    assert (event.kind, event.detail) == (Happened.MARGIN_NOTICE, "978 2026-06 1.65 %")
