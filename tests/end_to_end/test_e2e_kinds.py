"""Every kind of rulebook section 4 over TCP: what it answers, and what it does to holds, limits and the balance."""

from __future__ import annotations

from typing import Any

import pytest
from e2e_bank import Bank, Plastic
from e2e_wire import Fields, pin_block

EVERY = ["credit-business", "prepaid-bps", "prepaid-sgb", "prepaid-sgb-minor"]
PREPAID = EVERY[1:]


def cash_part(amount: int) -> str:
    """DE54: amount type 40."""
    return f"0040985D{amount:012}"


def named(of: Fields) -> str:
    """DE90."""
    return f"{of['t']}{of['11']}{of['7']}{of['32']:0>11}{'0' * 11}"


def view(card: Plastic) -> Any:
    return card.bank.api.get(f"/v1/accounts/{card.account}")


def used(card: Plastic) -> tuple[int, int]:
    today = card.view()["used_today"]
    return today["cash"], today["cashless"]


# ------------------------------------------------------------------------------------------------------- cashback


@pytest.mark.parametrize(
    ("product", "code"),
    [("credit-business", "57"), ("prepaid-bps", "00"), ("prepaid-sgb", "57"), ("prepaid-sgb-minor", "57")],
)
def test_cashback(bank: Bank, product: str, code: str) -> None:
    """W §8.7: with a purchase; nobody else offers it (S §13.1, P §4.2)."""
    card = bank.issue(product)
    assert card.pay_with_pin(60_00, f3="090000", f54=cash_part(40_00)) == code
    if code == "00":
        assert (card.held, used(card)) == (60_00, (40_00, 20_00))
        assert card.reverse(card.sent) == "00"
        assert (card.held, used(card)) == (0, (0, 0))


@pytest.mark.parametrize(
    ("amount", "cash", "changes", "code", "reason"),
    [
        (1_000_01, 1_000_00, {}, "00", None),
        (1_000_02, 1_000_01, {}, "61", "CASHBACK_ABOVE_MAXIMUM"),
        (50_00, 50_00, {}, "57", "CASHBACK_NOT_ALLOWED"),
        (60_00, 50_00, {"f19": "276"}, "57", "CASHBACK_NOT_ALLOWED"),
        (60_00, 50_00, {"f49": "978"}, "57", "CASHBACK_NOT_ALLOWED"),
        (60_00, 70_00, {}, "30", "FORMAT_ERROR"),
    ],
)
def test_cashback_rules(bank: Bank, amount: int, cash: int, changes: Any, code: str, reason: str | None) -> None:
    """W §2, §8.7, §10.1.3."""
    card = bank.issue("prepaid-bps")
    assert card.pay_with_pin(amount, f3="090000", f54=cash_part(cash), **changes) == code
    assert card.reason() == reason


# ------------------------------------------------------------------------------------- refunds, deposits, PIN change


@pytest.mark.parametrize("product", EVERY)
def test_a_refund(bank: Bank, product: str) -> None:
    """Nothing until it is posted; an 0200 or an 0220 posts it (rulebook section 4)."""
    card = bank.issue(product)
    before = view(card)["balance"]
    answer = card.ask(30_00, f3="200000")
    assert (answer["39"], len(answer["38"])) == ("00", 6)
    assert (view(card)["balance"], card.held, used(card)) == (before, 0, (0, 0))
    assert card.pay(30_00, f3="200000", t="0220") == "00"
    assert view(card)["balance"] == before + 30_00


def test_a_deposit(bank: Bank) -> None:
    """W §11.3: at an ATM, in PLN, with PIN."""
    card = bank.issue("prepaid-bps", load=10_00)
    atm: Any = {"f3": "210000", "f18": "6011", "f25": "02"}
    assert card.pay(100_00, **atm) == "65"
    assert card.pay_with_pin(100_00, **atm) == "00"
    assert view(card)["balance"] == 10_00
    assert card.pay_with_pin(100_00, t="0200", **atm) == "00"
    assert (view(card)["balance"], used(card)) == (110_00, (0, 0))
    for product in ("credit-business", "prepaid-sgb"):
        assert bank.issue(product).pay_with_pin(100_00, **atm) == "57"


@pytest.mark.parametrize("product", EVERY)
def test_a_pin_change(bank: Bank, product: str) -> None:
    """S §13.2, W §13.5.1, P §7.5: the old PIN in DE52, the new one in DE125, both as PIN blocks."""
    card = bank.issue(product)
    atm: Any = {"f3": "920000", "f18": "6011", "f25": "02", "f125": pin_block("4321", card.pan)}
    assert card.pay_with_pin(0, **{**atm, "f18": "5411"}) == "57"
    assert card.pay_with_pin(0, "9999", **atm) == "55"
    assert card.pay_with_pin(0, **atm) == "00"
    assert card.pay_with_pin(1_00) == "55"
    assert card.pay_with_pin(1_00, "4321") == "00"


def test_a_new_pin_that_is_none_is_a_format_error(bank: Bank) -> None:
    card = bank.issue("prepaid-sgb")
    assert card.pay_with_pin(0, f3="920000", f18="6011", f125="no PIN block") == "30"
    assert card.pay_with_pin() == "00"


# ------------------------------------------------------------------------------------- increments, partial approval


@pytest.mark.parametrize("product", EVERY)
@pytest.mark.parametrize("by", ["DE90", "DE48.63"])
def test_an_increment(bank: Bank, product: str, by: str) -> None:
    """On the hold of its original: the amount counts, the count does not."""
    card = bank.issue(product)
    link = {"f48": "6315HOTEL0000000042"} if by == "DE48.63" else {}
    answer = card.ask(50_00, f25="06", pin="1234", **link)
    assert answer["39"] == "00"
    first = card.sent
    if link:
        assert answer["48"] == link["f48"]
    name = link or {"f90": named(first)}
    assert card.pay(15_00, **name) == "00"
    holds = view(card)["holds"]
    assert [hold["amount"] for hold in holds] == [65_00]
    today = card.view()["used_today"]
    assert (today["cashless"], today["cashless_count"]) == (65_00, 1)
    assert card.reverse(first) == "00"
    assert (card.held, used(card)) == (0, (0, 0))


@pytest.mark.parametrize("product", EVERY)
def test_an_increment_of_nothing(bank: Bank, product: str) -> None:
    card = bank.issue(product)
    assert card.pay(15_00, f90=f"0100999999{'0615100000'}{'0' * 22}") == "25"
    assert card.reason() == "ORIGINAL_NOT_FOUND"


@pytest.mark.parametrize("product", EVERY)
def test_a_partial_approval(bank: Bank, product: str) -> None:
    """DE48.61: what there is, DE39 10, and the approved amount in DE4."""
    credit: Any = {"individual_limit": 70_00} if product == "credit-business" else {}
    card = bank.issue(product, load=70_00, **credit)
    assert card.pay_with_pin(90_00) == "51"
    answer = card.ask(90_00, pin="1234", f48="61011")
    assert (answer["39"], answer["4"], len(answer["38"])) == ("10", "000000007000", 6)
    assert (card.held, used(card)) == (70_00, (0, 70_00))
    assert bank.wire.ask({**card.sent, "t": "0101"}) == {**answer}


# ------------------------------------------------------------------------------------- advices, 0200, presentments


@pytest.mark.parametrize("product", EVERY)
def test_an_advice_is_forced(bank: Bank, product: str) -> None:
    """Over every limit, on a blocked card: answered 0130 00, held, counted; its repeat is answered alike."""
    card = bank.issue(product, load=0, limits={"cash": 0, "cashless": 0, "internet": 0})
    card.change("POST", "block", {"kind": "stolen", "by": "holder"})
    answer = card.ask(9_000_00, t="0120", f38="OFF001")
    assert (answer["t"], answer["39"], answer["38"]) == ("0130", "00", "OFF001")
    assert (card.held, used(card)) == (9_000_00, (0, 9_000_00))
    assert bank.wire.ask({**card.sent, "t": "0121"}) == answer
    assert card.held == 9_000_00


@pytest.mark.parametrize(("product", "held"), [("credit-business", 50_00), ("prepaid-bps", 0), ("prepaid-sgb", 0)])
def test_contactless_without_a_check_of_funds(bank: Bank, product: str, held: int) -> None:
    """P §10.3, W §14.14: no hold, the balance falls when it is presented."""
    card = bank.issue(product)
    assert card.tap(50_00, t="0120", f38="TAP001") == "00"
    tapped = card.sent
    assert (card.held, card.view()["contactless"]["since_sca"], used(card)) == (held, 50_00, (0, 50_00))
    before = view(card)["balance"]
    assert card.pay(50_00, t="0220", f37=tapped["37"], f38="TAP001") == "00"
    assert (card.held, view(card)["balance"], used(card)) == (0, before - 50_00, (0, 50_00))


@pytest.mark.parametrize("product", EVERY)
def test_an_0200_and_its_reversal(bank: Bank, product: str) -> None:
    """Posted at once: 0210; the reversal returns money, limit and count, once."""
    card = bank.issue(product)
    before = view(card)["balance"]
    answer = card.ask(60_00, t="0200", pin="1234")
    assert (answer["t"], answer["39"]) == ("0210", "00")
    paid = card.sent
    assert (card.held, view(card)["balance"], used(card)) == (0, before - 60_00, (0, 60_00))
    assert bank.wire.ask({**paid, "t": "0201"}) == answer
    for _ in range(2):
        undo = {**card.reversal(paid), "90": named(paid)}
        assert bank.wire.ask(undo)["39"] == "00"
        assert (view(card)["balance"], used(card)) == (before, (0, 0))


@pytest.mark.parametrize("product", EVERY)
def test_a_presentment(bank: Bank, product: str) -> None:
    """0230 00: the hold is gone, the balance lower, nothing counted twice; again, it changes nothing."""
    card = bank.issue(product)
    before = view(card)["balance"]
    code = card.ask(60_00, pin="1234")["38"]
    paid = card.sent
    answer = card.ask(60_00, t="0220", f37=paid["37"], f38=code)
    assert (answer["t"], answer["39"]) == ("0230", "00")
    assert (card.held, view(card)["balance"], used(card)) == (0, before - 60_00, (0, 60_00))
    assert bank.wire.ask({**card.sent, "t": "0221"}) == answer
    assert view(card)["balance"] == before - 60_00


def test_a_presentment_after_a_week_may_overdraw(bank: Bank) -> None:
    """W §14.13: the hold has expired, the money was spent, and it is posted all the same."""
    card = bank.issue("prepaid-bps", load=100_00)
    code = card.ask(60_00, pin="1234")["38"]
    paid = card.sent
    bank.advance(days=7, minutes=1)
    assert card.pay_with_pin(100_00) == "00"
    assert card.pay(60_00, t="0220", f37=paid["37"], f38=code) == "00"
    account = view(card)
    assert (account["balance"], account["held"], account["available"]) == (40_00, 100_00, -60_00)
    assert card.pay_with_pin(1) == "51"


def test_a_credit_card_owes_and_is_repaid(bank: Bank) -> None:
    """S §26.3-4: debt takes the individual limit's room; a payment in gives it back."""
    card = bank.issue("credit-business", individual_limit=100_00)
    assert card.pay_with_pin(80_00, t="0200") == "00"
    assert (view(card)["balance"], card.pay_with_pin(30_00)) == (-80_00, "51")
    bank.api.post(f"/v1/accounts/{card.account}/loads", {"amount": 50_00, "reference": "repayment"})
    assert card.pay_with_pin(30_00) == "00"


def test_a_presentment_of_an_unknown_card(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    assert card.pay(t="0220", f2="5575299999999991") == "14"


# -------------------------------------------------------------------------------------------------------- transfers


@pytest.mark.parametrize(("product", "status"), [("credit-business", 201), ("prepaid-bps", 201), ("prepaid-sgb", 409)])
def test_a_transfer(bank: Bank, product: str, status: int) -> None:
    """S §14, W §2: cash, its fee beside it; P has none (P §9.2)."""
    card = bank.issue(product)
    before = view(card)["balance"]
    order = {"card": card.card, "amount": 100_00, "iban": "PL61109010140000071219812874", "reference": "rent"}
    answer = bank.api.ask("POST", f"/v1/accounts/{card.account}/transfers", order)
    assert answer.status_code == status
    if status == 201:
        assert (view(card)["balance"], used(card)) == (before - 105_00, (100_00, 0))
