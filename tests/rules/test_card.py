"""Rules 3 and 4: the card is known, in date, and may be used."""

from __future__ import annotations

from typing import Any

import pytest
from given import ALL, BPS, CREDIT, MC, NOON, SGB, Story, account, authorization, card, code, ids, reason, warsaw

from authsvc.model import AccountStatus, By, CardId, CardStatus, Entry, Kind, Pin, Reason
from authsvc.products import Product
from authsvc.rules.card import effective_status
from authsvc.rules.decide import decide


def test_an_unknown_card_is_refused() -> None:
    """A card nobody knows is refused with 14, whatever it asks for (rule 3)."""
    for kind in (Kind.PURCHASE, Kind.BALANCE_INQUIRY, Kind.VERIFICATION):
        decision = decide(authorization(card=CardId(""), kind=kind), account(), SGB, NOON)
        assert (reason(decision), code(decision)) == (Reason.UNKNOWN_CARD, "14")


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("printed", "presented", "now", "then"),
    [
        ("2606", "2606", "2026-06-30 23:59:59.999", None),
        ("2606", "2606", "2026-07-01 00:00:00", Reason.EXPIRED),
        ("2606", "2607", "2026-06-15 12:00:00", Reason.EXPIRY_MISMATCH),
        ("2606", "2607", "2026-07-01 00:00:00", Reason.EXPIRY_MISMATCH),
        ("2606", "", "2026-06-30 12:00:00", None),  # a message may leave the date out
        ("2606", "", "2026-07-01 12:00:00", Reason.EXPIRED),
    ],
)
def test_expiry(product: Product, printed: str, presented: str, now: str, then: Reason | None) -> None:
    """A card is used to the last day of its month, with the date printed on it.

    S §11.1, §20.1.1, §32.2; W §6.3, §15.1.1; P §9.1.3, zał.1 §3.1.
    """
    decision = decide(
        authorization(expiry=presented), account(product, 100_00, card(expiry=printed)), product, warsaw(now)
    )
    assert reason(decision) is then
    assert code(decision) == ("00" if then is None else "54")


STATUSES = [
    (CardStatus.INACTIVE, Reason.CARD_INACTIVE, "78", "62"),
    (CardStatus.TEMPORARILY_BLOCKED, Reason.TEMPORARILY_BLOCKED, "62", "62"),
    (CardStatus.PERMANENTLY_BLOCKED, Reason.PERMANENTLY_BLOCKED, "62", "62"),
    (CardStatus.LOST, Reason.LOST, "41", "41"),
    (CardStatus.STOLEN, Reason.STOLEN, "43", "43"),
    (CardStatus.CAPTURED, Reason.CARD_CAPTURED, "04", "04"),
    (CardStatus.REPLACED, Reason.REPLACED, "62", "62"),
]


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(("status", "then", "visa", "mastercard"), STATUSES)
def test_a_card_that_lost_the_right_to_be_used(
    product: Product, status: CardStatus, then: Reason, visa: str, mastercard: str
) -> None:
    """Each way of losing the right to a card has its own reason.

    S §8.4, §20.1.2, §20.1.4-6, §22.4, §27.5.2-3; W §6.6, §14.15.2-3, §15.1.2, §15.1.4-5, §16.3; P §6.2, §7.2-3, §25.3-4,
    §26.
    """
    story = Story(product, account(product, 100_00, card(status=status, blocked_by=By.BANK)))
    decision = story.send(authorization())
    assert (reason(decision), code(decision)) == (then, mastercard if product in MC else visa)
    assert story.held == 0


@pytest.mark.parametrize("product", ALL, ids=ids)
@pytest.mark.parametrize(
    ("status", "then"),
    [
        (AccountStatus.CLOSED, Reason.ACCOUNT_CLOSED),
        (AccountStatus.HOLDER_DECEASED, Reason.HOLDER_DECEASED),
        (AccountStatus.CAPACITY_LOST, Reason.CAPACITY_LOST),
    ],
)
def test_an_account_that_has_ended(product: Product, status: AccountStatus, then: Reason) -> None:
    """No card pays once the agreement or the right to it has ended.

    S §11.1, §20.1.3, §20.1.7-8, §27.5.3, §38.4; W §6.7, §8.2, §14.15.3, §15.1.3, §15.1.6-7, §28.5; P §27.2, §36.6-7.
    """
    decision = decide(authorization(), account(product, status=status), product, NOON)
    assert (reason(decision), code(decision)) == (then, "62" if product in MC else "46")


@pytest.mark.parametrize(
    ("but", "then"),
    [
        ({"expiry": "2605"}, Reason.EXPIRY_MISMATCH),
        ({"expiry": "2605", "status": CardStatus.LOST}, Reason.EXPIRY_MISMATCH),
        ({"status": CardStatus.LOST}, Reason.LOST),
    ],
)
def test_the_first_rule_that_refuses_names_the_reason(but: dict[str, Any], then: Reason) -> None:
    """Date comes before status, status before PIN (rulebook section 2): a wrong PIN on a lost card is not counted."""
    story = Story(SGB, account(SGB, 100_00, card(**but)))
    assert reason(story.send(authorization(pin=Pin.WRONG))) is then
    assert story.counters.pin_failures == 0


BLOCKED_AT = warsaw("2026-03-01 12:00")


@pytest.mark.parametrize(
    ("product", "by", "now", "then"),
    [
        (CREDIT, By.HOLDER, "2026-04-29 23:59", CardStatus.TEMPORARILY_BLOCKED),  # S §21.9: day 59
        (CREDIT, By.HOLDER, "2026-04-30 00:00", CardStatus.PERMANENTLY_BLOCKED),  # day 60
        (CREDIT, By.USER, "2026-04-30 00:00", CardStatus.PERMANENTLY_BLOCKED),
        (CREDIT, By.BANK, "2027-04-30 00:00", CardStatus.TEMPORARILY_BLOCKED),  # S §21.8
        (BPS, By.HOLDER, "2026-04-29 23:59", CardStatus.TEMPORARILY_BLOCKED),  # W §17.5
        (BPS, By.HOLDER, "2026-04-30 00:00", CardStatus.PERMANENTLY_BLOCKED),
        (BPS, By.BANK, "2027-04-30 00:00", CardStatus.TEMPORARILY_BLOCKED),  # W §17.3
        (SGB, By.HOLDER, "2027-04-30 00:00", CardStatus.TEMPORARILY_BLOCKED),  # P §24, §27.5: stays temporary
    ],
)
def test_a_temporary_block_grows_old(product: Product, by: By, now: str, then: CardStatus) -> None:
    """A temporary block the holder or user asked for is final after 60 calendar days, at S and W (S §21.9, W §17.5)."""
    blocked = card(status=CardStatus.TEMPORARILY_BLOCKED, blocked_by=by, blocked_at=BLOCKED_AT)
    assert effective_status(blocked, product, warsaw(now)) is then
    decision = decide(authorization(), account(product, 100_00, blocked), product, warsaw(now))
    assert reason(decision) is Reason(then.name)


@pytest.mark.parametrize("entry", list(Entry))
def test_a_blocked_card_is_refused_however_it_is_read(entry: Entry) -> None:
    """A permanent block holds in every channel (S §22.4, W §16.3, P §25.4)."""
    blocked = account(SGB, 100_00, card(status=CardStatus.PERMANENTLY_BLOCKED))
    assert reason(decide(authorization(entry=entry), blocked, SGB, NOON)) is Reason.PERMANENTLY_BLOCKED
