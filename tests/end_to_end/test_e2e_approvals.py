"""What four products of three banks approve, and what it leaves behind: rulebook sections 1 and 4."""

from __future__ import annotations

import pytest
from e2e_bank import OPEN_LIMITS, Bank, Plastic
from e2e_wire import cvv2

PRODUCTS = list(OPEN_LIMITS)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_purchase_is_approved_and_held(bank: Bank, product: str) -> None:
    """00, a code of six characters, everything of the request again, and a hold until presentment or seven days."""
    card = bank.issue(product)
    _, available = card.money()
    answer = card.ask(12_34)
    echoed = {name: card.sent[name] for name in ("2", "3", "4", "7", "11", "12", "13", "32", "37", "41", "42", "49")}
    assert answer == {"t": "0110", "39": "00", "38": answer["38"], **echoed}
    assert len(answer["38"].strip()) == 6
    assert card.money() == (12_34, available - 12_34)
    (hold,) = bank.api.get(f"/v1/accounts/{card.account}")["holds"]
    assert (hold["rrn"], hold["amount"], hold["authorization_code"]) == (card.sent["37"], 12_34, answer["38"])
    assert hold["expires"] == "2026-06-22T10:00:00Z"


@pytest.mark.parametrize("product", PRODUCTS)
@pytest.mark.parametrize(
    "how",
    ["pay", "pay_with_pin", "draw_cash", "order", "quasi_cash", "stripe", "fallback"],
)
def test_kinds_of_payment(bank: Bank, product: str, how: str) -> None:
    """Chip, cash, internet under the low-value exemption, quasi-cash: each product takes them."""
    card = bank.issue(product)
    answered = {
        "pay": lambda: card.pay(50_00),
        "pay_with_pin": lambda: card.pay_with_pin(50_00),
        "draw_cash": lambda: card.draw_cash(50_00),
        "order": lambda: card.order(50_00),
        "quasi_cash": lambda: card.pay_with_pin(50_00, f3="110000", f18="6051"),
        "stripe": lambda: card.pay_with_pin(50_00, f22="901"),
        "fallback": lambda: card.pay_with_pin(50_00, f22="801"),
    }[how]()
    assert answered == "00"
    assert card.held == 50_00


def used(card: Plastic) -> tuple[int, int, int]:
    day = card.view()["used_today"]
    return day["cash"], day["cashless"], day["internet"]


def test_what_counts_into_which_day_limit(bank: Bank) -> None:
    """Cash and quasi-cash are cash; the internet is inside cashless (rulebook sections 1 and 5)."""
    card = bank.issue("prepaid-bps")
    card.pay_with_pin(1_00)
    assert used(card) == (0, 1_00, 0)
    card.order(2_00)
    assert used(card) == (0, 3_00, 2_00)
    card.draw_cash(4_00)
    assert used(card) == (4_00, 3_00, 2_00)
    card.pay_with_pin(8_00, f3="110000", f18="6051")
    card.pay_with_pin(16_00, f18="6010")
    assert used(card) == (28_00, 3_00, 2_00)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_balance_inquiry_tells_and_holds_nothing(bank: Bank, product: str) -> None:
    """DE54: what is available, of the account type asked for."""
    card = bank.issue(product, load=70_00)
    card.pay(20_00)
    held, available = card.money()
    answer = card.ask(0, f3="302000", pin="1234")
    assert (answer["39"], answer["54"]) == ("00", f"2002985C{available:012}")
    assert card.money() == (held, available)


@pytest.mark.parametrize(("product", "amount", "f25"), [("prepaid-bps", 0, "51"), ("credit-business", 0, "51")])
def test_a_verification_passes_and_holds_nothing(bank: Bank, product: str, amount: int, f25: str) -> None:
    """Amount 0, DE25 51: 85 says that the card is good and nothing was asked of it (rulebook section 3)."""
    card = bank.issue(product)
    assert card.pay(amount, f25=f25) == "85"
    assert card.held == 0
    assert used(card) == (0, 0, 0)


def test_a_pre_authorization_holds_its_estimate(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    assert card.pay_with_pin(300_00, f25="06") == "00"
    assert card.held == 300_00


def test_a_card_of_two_on_one_credit_account_has_a_limit_of_its_own(bank: Bank) -> None:
    """The smaller of individual limit less that card's holds, and credit limit less all holds (S §2.26-27)."""
    account = bank.account("credit-business", credit_limit=1_000_00)
    first = bank.card("credit-business", account, individual_limit=600_00)
    second = bank.card("credit-business", account, individual_limit=400_00)
    assert [first.pay(600_01), first.pay(600_00), first.pay(1)] == ["51", "00", "51"]
    assert [second.pay(400_01), second.pay(400_00)] == ["51", "00"]
    assert first.held == 1_000_00


def test_a_repayment_makes_room_again(bank: Bank) -> None:
    """A payment in above the debt adds to funds (S §26.4-5)."""
    card = bank.issue("credit-business", pan="")
    _, before = card.money()
    bank.api.post(f"/v1/accounts/{card.account}/loads", {"amount": 100_00, "reference": "repayment"})
    assert card.money() == (0, before + 100_00)


def test_a_right_cvv2_is_reported_and_lets_pass(bank: Bank) -> None:
    """DE48.87 = M (wire.md section 3)."""
    card = bank.issue("credit-business")
    answer = card.ask(10_00, f22="812", f25="59", f48=f"42032109203{cvv2(card.pan, card.expiry)}")
    assert (answer["39"], answer["48"]) == ("00", "8701M")


def test_the_track_alone_names_the_card(bank: Bank) -> None:
    """A stripe without DE2 and DE14: number and expiry from track 2."""
    card = bank.issue("credit-business")
    answer = card.ask(10_00, f2=None, f14=None, f35=f"{card.pan}={card.expiry}1010000000000", f22="901", pin="1234")
    assert answer["39"] == "00"
    assert "2" not in answer  # what was not said is not said back
    assert "35" not in answer


@pytest.mark.parametrize(
    "change", [{"f14": None}, {"f18": None}, {"f19": None}, {"f32": None}, {"f43": None}, {"f25": None}]
)
def test_fields_a_terminal_may_leave_out(bank: Bank, change: dict[str, None]) -> None:
    card = bank.issue("prepaid-sgb")
    assert card.pay(1_00, **change) == "00"


def test_echoes_come_back_byte_for_byte(bank: Bank) -> None:
    """11, 37, 41 with blanks and leading zeros as they came (wire.md section 2)."""
    card = bank.issue("prepaid-bps")
    answer = card.ask(1_00, f11="000007", f37="  AB 0000001", f41="  T 1   ", f42="M              ", f32="00000000042")
    names = ("11", "37", "41", "42", "32")
    assert {name: answer[name] for name in names} == {name: card.sent[name] for name in names}


def test_the_largest_amount_there_is_can_be_asked_for(bank: Bank) -> None:
    """Twelve nines are no fault, only too much."""
    card = bank.issue("prepaid-bps")
    assert card.pay(999_999_999_999) in ("61", "51")
    assert card.held == 0
