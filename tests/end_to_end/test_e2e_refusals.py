"""Every refusal of rulebook section 2 that the engine can come to, with the DE39 of section 3, Visa and Mastercard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from e2e_bank import Bank, Plastic, luhn_number
from e2e_wire import cvv2

VISA, MASTERCARD = "credit-business", "prepaid-bps"
Story = Callable[[Bank, str], Plastic]
"""Given a bank and a product: the card after its last message was refused."""


def expired(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product, expiry="2606")
    bank.set_clock(datetime(2026, 7, 1, 12, tzinfo=UTC))
    card.pay()
    return card


def expiry_mismatch(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.pay(f14="2901")
    return card


def inactive(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product, active=False)
    card.pay_with_pin()
    return card


def blocked(kind: str) -> Story:
    def story(bank: Bank, product: str) -> Plastic:
        card = bank.issue(product)
        assert card.change("POST", "block", {"kind": kind, "by": "holder"}).status_code == 200
        card.pay_with_pin()
        return card

    return story


def wrong_cvv2(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    wrong = (int(cvv2(card.pan, card.expiry)) + 1) % 1000
    assert card.ask(f22="812", f25="59", f48=f"42032109203{wrong:03}")["48"] == "8701N"
    return card


def wrong_pin(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.pay_with_pin(pin="9999")
    return card


def longer_pin(bank: Bank, product: str) -> Plastic:
    """One that begins with the right one is wrong too."""
    card = bank.issue(product)
    card.pay_with_pin(pin="12345")
    return card


def third_wrong_pin(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    assert [card.pay_with_pin(pin="0000") for _ in range(2)] == ["55", "55"]
    card.pay_with_pin(pin="0000")
    return card


def right_pin_after_the_third(bank: Bank, product: str) -> Plastic:
    card = third_wrong_pin(bank, product)
    card.pay_with_pin()
    return card


def no_pin_after_the_third(bank: Bank, product: str) -> Plastic:
    """Whatever the channel (rule 7)."""
    card = third_wrong_pin(bank, product)
    card.order()
    return card


def off(name: str, use: Callable[[Plastic], str]) -> Story:
    def story(bank: Bank, product: str) -> Plastic:
        card = bank.issue(product)
        assert card.change("PUT", "limits", {name: 0}).status_code == 200
        use(card)
        return card

    return story


def contactless_off(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    assert card.pay_with_pin() == "00"
    assert card.change("PUT", "contactless", {"enabled": False}).status_code == 200
    card.tap()
    return card


def internet_not_switched_on(bank: Bank, product: str) -> Plastic:
    """The portal notice: a new card has no internet limit."""
    card = bank.issue(product, limits={})
    card.order()
    return card


def contact_first(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.tap()
    return card


def contact_without_pin_is_not_enough(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    assert card.pay() == "00"
    card.tap()
    return card


def contactless_above_the_limit(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.pay_with_pin()
    card.tap(100_01)
    return card


def contactless_above_the_total(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.pay_with_pin()
    assert [card.tap(100_00), card.tap(100_00)] == ["00", "00"]  # exactly 200.00
    card.tap(1)
    return card


def contactless_atm_without_pin(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.pay_with_pin()
    card.draw_cash(50_00, pin=None, f22="071")
    return card


def remote_above_the_low_value(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.order(120_01)
    return card


def cash_above_the_day(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    limit = card.view()["limits"]["cash"]
    assert card.draw_cash(limit) == "00"
    card.draw_cash(1)
    return card


def cashless_above_the_day(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    limit = card.view()["limits"]["cashless"]
    assert card.pay_with_pin(limit) == "00"
    card.pay_with_pin(1)
    return card


def internet_above_the_day(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    assert card.change("PUT", "limits", {"internet": 50_00}).status_code == 200
    assert card.order(50_00) == "00"
    card.order(1)
    return card


def no_original(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.reverse(card.message())
    return card


def original_after_its_reversal(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    late = card.message()
    assert card.reverse(late) == "25"
    card.sent = late
    bank.wire.ask(late)
    return card


def foreign_currency(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.pay(f49="840")
    return card


def chip_data(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.pay(f55="9F2701809F360200019F2608AABBCCDDEEFF0011")
    return card


def kind(f3: str) -> Story:
    def story(bank: Bank, product: str) -> Plastic:
        card = bank.issue(product)
        card.pay_with_pin(f3=f3)
        return card

    return story


def unknown_entry(bank: Bank, product: str) -> Plastic:
    card = bank.issue(product)
    card.pay(f22="331")
    return card


def moto(bank: Bank, product: str) -> Plastic:
    """Neither authenticated nor exempted, however small: S and W have no MOTO exemption (rulebook, "MOTO")."""
    card = bank.issue(product)
    card.pay(1_00, f22="012", f25="08")
    return card


BOTH: list[tuple[str, Story, str, str, str]] = [
    ("past its last day", expired, "EXPIRED", "54", "54"),
    ("another expiry than the card's", expiry_mismatch, "EXPIRY_MISMATCH", "54", "54"),
    ("not activated", inactive, "CARD_INACTIVE", "78", "62"),
    ("blocked for a while", blocked("temporary"), "TEMPORARILY_BLOCKED", "62", "62"),
    ("blocked for good", blocked("permanent"), "PERMANENTLY_BLOCKED", "62", "62"),
    ("lost", blocked("lost"), "LOST", "41", "41"),
    ("stolen", blocked("stolen"), "STOLEN", "43", "43"),
    ("wrong CVV2", wrong_cvv2, "CVV2_WRONG", "N7", "63"),
    ("wrong PIN", wrong_pin, "PIN_WRONG", "55", "55"),
    ("a longer PIN", longer_pin, "PIN_WRONG", "55", "55"),
    ("third wrong PIN", third_wrong_pin, "PIN_TRIES_EXCEEDED", "75", "75"),
    ("right PIN on the day of the block", right_pin_after_the_third, "PIN_TRIES_EXCEEDED", "75", "75"),
    ("PIN-blocked, on the internet", no_pin_after_the_third, "PIN_TRIES_EXCEEDED", "75", "75"),
    ("contactless switched off", contactless_off, "CHANNEL_OFF", "57", "57"),
    ("cash switched off", off("cash", lambda card: card.draw_cash()), "CHANNEL_OFF", "57", "57"),
    ("cashless switched off", off("cashless", lambda card: card.pay_with_pin()), "CHANNEL_OFF", "57", "57"),
    ("cashless off is internet off", off("cashless", lambda card: card.order()), "CHANNEL_OFF", "57", "57"),
    ("internet switched off", off("internet", lambda card: card.order()), "CHANNEL_OFF", "57", "57"),
    ("internet never switched on", internet_not_switched_on, "CHANNEL_OFF", "57", "57"),
    ("contactless before the first contact", contact_first, "CONTACT_FIRST", "1A", "65"),
    ("contact, but without PIN", contact_without_pin_is_not_enough, "CONTACT_FIRST", "1A", "65"),
    ("contactless above 100.00", contactless_above_the_limit, "PIN_REQUIRED", "70", "65"),
    ("contactless total above 200.00", contactless_above_the_total, "PIN_REQUIRED", "70", "65"),
    ("contactless ATM without PIN", contactless_atm_without_pin, "PIN_REQUIRED", "70", "65"),
    ("remote above the low value", remote_above_the_low_value, "SCA_REQUIRED", "1A", "65"),
    ("mail or telephone order", moto, "SCA_REQUIRED", "1A", "65"),
    ("cash above the day's limit", cash_above_the_day, "CASH_LIMIT", "61", "61"),
    ("cashless above the day's limit", cashless_above_the_day, "CASHLESS_LIMIT", "61", "61"),
    ("internet above the day's limit", internet_above_the_day, "INTERNET_LIMIT", "61", "61"),
    ("reversal of nothing", no_original, "ORIGINAL_NOT_FOUND", "25", "25"),
    ("original after its reversal", original_after_its_reversal, "ALREADY_REVERSED", "05", "05"),
    # what only B, the rulebook, adds: refused with its reason, never ignored
    ("foreign currency", foreign_currency, "UNSUPPORTED_TRANSACTION", "12", "12"),
    ("chip data", chip_data, "CRYPTOGRAM_WRONG", "82", "88"),
    ("transfer", kind("400000"), "UNSUPPORTED_TRANSACTION", "12", "12"),
    ("a kind nobody knows", kind("770000"), "UNSUPPORTED_TRANSACTION", "12", "12"),
    ("a way of entry nobody knows", unknown_entry, "UNSUPPORTED_TRANSACTION", "12", "12"),
]


@pytest.mark.parametrize("product", [VISA, MASTERCARD])
@pytest.mark.parametrize(("story", "reason", "visa", "mastercard"), [row[1:] for row in BOTH], ids=[r[0] for r in BOTH])
def test_both_schemes(bank: Bank, product: str, story: Story, reason: str, visa: str, mastercard: str) -> None:
    """The reason in the journal is ours, the code on the wire the scheme's."""
    card = story(bank, product)
    (decision,) = bank.decisions(stan=card.sent["11"], account=card.account)
    assert (decision["reason"], decision["response_code"]) == (reason, visa if product == VISA else mastercard)
    assert decision["rule"]
    assert decision["trace"][-1]["verdict"] == "refused"


def test_each_of_them_reaches_the_wire(bank: Bank) -> None:
    """The table above reads DE39 from the journal; it is the one that was sent."""
    for product, code in ((VISA, "78"), (MASTERCARD, "62")):
        assert bank.issue(product, active=False).pay() == code


# ----------------------------------------------------------------------------------------- one product's alone


def test_prepaid_out_of_funds(bank: Bank) -> None:
    card = bank.issue("prepaid-bps", load=100_00)
    assert [card.pay(100_01), card.reason()] == ["51", "INSUFFICIENT_FUNDS"]
    assert [card.pay(60_00), card.pay(40_01), card.pay(40_00), card.pay(1)] == ["00", "51", "00", "51"]
    assert card.money() == (100_00, 0)


@pytest.mark.parametrize(("individual", "reason"), [(None, "CREDIT_LIMIT"), (500_00, "INDIVIDUAL_LIMIT")])
def test_credit_above_a_limit(bank: Bank, individual: int | None, reason: str) -> None:
    """S §19.2: neither the card's limit nor the account's may be passed."""
    account = bank.account("credit-business", credit_limit=1_000_00)
    more = {"individual_limit": individual} if individual else {}
    card = bank.card("credit-business", account, **more)  # type: ignore[arg-type]
    assert card.pay((individual or 1_000_00) + 1) == "51"
    assert card.reason() == reason


@pytest.mark.parametrize("product", ["prepaid-sgb", "prepaid-sgb-minor"])
def test_the_third_wrong_pin_captures_the_card(bank: Bank, product: str) -> None:
    """P §7.2-3: captured, and never good again: not the next day, not by the hotline."""
    card = bank.issue(product)
    assert [card.pay_with_pin(pin="0000") for _ in range(3)] == ["55", "55", "04"]
    assert card.reason() == "CARD_CAPTURED"
    bank.next_day()
    assert card.pay_with_pin() == "04"
    refusal = card.change("POST", "unblock-pin")
    assert (refusal.status_code, "P §7" in refusal.json()["paragraph"]) == (409, True)
    assert card.view()["status"] == "captured"


@pytest.mark.parametrize("product", ["prepaid-sgb", "prepaid-sgb-minor"])
def test_a_new_card_of_p_is_active(bank: Bank, product: str) -> None:
    assert bank.issue(product, active=False).pay_with_pin() == "00"


@pytest.mark.parametrize("product", ["prepaid-sgb", "prepaid-sgb-minor"])
def test_counts_of_a_day(bank: Bank, product: str) -> None:
    """P zał.2: 5 of cash, 15 cashless, 10 of them on the internet; Mastercard answers 61, its 65 means SCA."""
    card = bank.issue(product)
    assert [card.draw_cash(1_00) for _ in range(6)] == ["00"] * 5 + ["61"]
    assert card.reason() == "CASH_COUNT"
    for _ in range(10):  # a right PIN clears the low-value count that would refuse the sixth
        assert card.order(1_00) == "00"
        card.ask(0, f3="300000", pin="1234")
    assert [card.order(1_00), card.reason()] == ["61", "INTERNET_COUNT"]
    assert [card.pay(1_00) for _ in range(6)] == ["00"] * 5 + ["61"]
    assert card.reason() == "CASHLESS_COUNT"


@pytest.mark.parametrize("mcc", ["7800", "7801", "7802", "7995", "9406"])
@pytest.mark.parametrize("product", ["prepaid-sgb", "prepaid-sgb-minor"])
def test_foreign_gambling_on_the_internet(bank: Bank, product: str, mcc: str) -> None:
    """P §4.9: remote, gambling, merchant outside Poland: all three together."""
    card = bank.issue(product)
    assert [card.order(f18=mcc, f19="470"), card.reason()] == ["57", "MERCHANT_FORBIDDEN"]
    assert card.order(f18=mcc) == "00"
    assert card.pay(f18=mcc, f19="470") == "00"
    assert card.order(f18="5732", f19="470") == "00"


def test_other_banks_do_not_forbid_it(bank: Bank) -> None:
    for product in (VISA, MASTERCARD):
        assert bank.issue(product).order(f18="7995", f19="470") == "00"


def test_a_gift_of_one_day_for_a_minor(bank: Bank) -> None:
    """P zał.2: 100.00 a day of cash and of cashless for a child."""
    card = bank.issue("prepaid-sgb-minor")
    assert [card.draw_cash(100_01), card.draw_cash(100_00), card.pay(100_01), card.pay(100_00)] == ["61", "00"] * 2


@pytest.mark.parametrize("first", ["418039", "557529", "999999"])
def test_a_card_nobody_knows(bank: Bank, first: str) -> None:
    """14 whatever it begins with; a reversal of its payments too."""
    stranger = Plastic(bank, "", "", luhn_number(first), "2812")
    assert stranger.pay() == "14"
    assert stranger.reason() == "UNKNOWN_CARD"
    assert stranger.reverse(stranger.sent) == "14"


@pytest.mark.parametrize("field", ["3", "4", "7", "11", "22", "49"])
def test_mandatory_fields(bank: Bank, field: str) -> None:
    """30, and no decision: a message without them cannot be told from another."""
    card = bank.issue(MASTERCARD)
    answer = card.ask(**{f"f{field}": None})
    assert answer["39"] == "30"
    assert field not in answer
    assert card.held == 0


@pytest.mark.parametrize("change", [
    {"f4": "00000000001X"}, {"f7": "0615256000"}, {"f7": "0230100000"}, {"f11": "12345A"}, {"f14": "2813"}, {"f22": "0X1"},
    {"f49": "PLN"}, {"f48": "4299210"}, {"f48": "92031234"}, {"f48": "420321042032109203123"}, {"f52": "0123456789ABCDEF"},
    {"f2": "41803900000000A7"}, {"f12": "246060"}, {"f13": "0231"}, {"f35": "nonsense"}, {"f39": "é?"},
])  # fmt: skip
def test_fields_of_wrong_content(bank: Bank, change: dict[str, str]) -> None:
    """30 with what was right, one more for the next: the link goes on."""
    card = bank.issue(MASTERCARD)
    fields = card.message(**change)
    if not all(value.isascii() for value in fields.values()):
        fields["39"] = "??"
    answer = bank.wire.ask(fields)
    assert (answer["t"], answer["39"]) == ("0110", "30")
    assert card.held == 0
    assert card.pay() == "00"


def test_the_first_rule_that_refuses_decides(bank: Bank) -> None:
    """Order is policy (rulebook section 2): take away the causes one by one, and the next one shows."""
    card = bank.issue(MASTERCARD, load=10_00, active=False)
    bad = {"f22": "812", "f25": "59", "pin": "0000"}
    assert card.pay(200_00, f14="2901", **bad) == "54"
    assert card.pay(200_00, **bad) == "62"
    card.change("POST", "activate")
    assert card.pay(200_00, f48="9203000", **bad) == "63"
    assert card.pay(200_00, **bad) == "55"
    bad["pin"] = "1234"
    card.change("PUT", "limits", {"internet": 0})
    assert card.pay(200_00, **bad) == "57"
    card.change("PUT", "limits", {"internet": 100_00})
    assert card.pay(200_00, f22="812", f25="59") == "65"
    assert card.order(100_01) == "61"
    assert card.order(10_01) == "51"
    assert card.order(10_00) == "00"
