"""Make another golden journal: `.venv/bin/python tests/data/golden/make.py tests/data/golden/vN.jsonl`.

One account of each product, taken through every kind of request, then a seeded walk of messages; a line for each decision,
as the ledger has it: its hash and its bytes. Beside it `vN.accounts.json`: what the journal folds to.
Run it when the model can do something new, under a new name. A file that is there is never written again: it stands for
the journals that are out there.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "rules"), str(HERE.parents[1])]

from given import (  # noqa: E402
    ALL,
    ATM,
    HOUR,
    MINUTE,
    Story,
    advice,
    authorization,
    cashback,
    contactless,
    financial,
    increment,
    online,
    presentment,
    reversal,
    with_pin,
    withdrawal,
    wrong_pin,
)
from msgspec.structs import replace  # noqa: E402

from authsvc.ledger.journal import ZERO_HASH, chain  # noqa: E402
from authsvc.model import (  # noqa: E402
    BANK,
    Account,
    AccountId,
    AccountStatus,
    ActivateCard,
    Actor,
    BlockCard,
    BlockKind,
    By,
    CardId,
    Charge,
    CreateVirtual,
    Decision,
    DuplicateCard,
    DuplicateCause,
    ExpireHolds,
    ImportAccount,
    ImportedCard,
    IssueCard,
    Kind,
    Load,
    Minor,
    OpenAccount,
    OpeningDebt,
    Operate,
    Operation,
    Pin,
    RecordThreeDs,
    RenewCard,
    ReplaceCard,
    Request,
    SetAccountStatus,
    SetContactless,
    SetLimits,
    SetMarginNotices,
    SetPin,
    SetTrusted,
    SetVirtual,
    Transfer,
    UnblockCard,
    UnblockPin,
    UnixMs,
    UnlockThreeDs,
    VirtualId,
    VirtualStatus,
)
from authsvc.model.documents import document_of  # noqa: E402
from authsvc.products import Product  # noqa: E402
from authsvc.rules.audit import audited  # noqa: E402
from authsvc.rules.decide import decide  # noqa: E402
from authsvc.rules.evolve import evolve, fold  # noqa: E402
from authsvc.rules.three_ds import proof_number  # noqa: E402

DAY = 24 * HOUR
SHOP_NAME = "MERCHANT0000001"
IBAN = "PL61109010140000071219812874"


class Teller:
    """One account and all that happens on it."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self.name = AccountId(f"golden-{product.id}")
        self.card = CardId(f"card-{product.id}")
        self.story = Story(product, Account(id=self.name))
        # A child's card may have no more than its default.
        most = None if product.id == "prepaid-sgb-minor" else Minor(3_000_00)
        self.limits = (Minor(1_500_00) if most else None, most, most)

    def send(self, *requests: Request) -> None:
        for request in requests:
            fields = {"account": self.name, "fingerprint": "golden"}
            if getattr(request, "card", None) == "card":
                fields["card"] = self.card
            self.story.send(replace(request, **fields))

    def wait(self, milliseconds: int) -> None:
        self.story.now = UnixMs(self.story.now + milliseconds)

    def opening(self) -> Iterator[Request]:
        name, card = self.name, self.card
        credit = Minor(20_000_00) if self.product.funds == "credit" else None
        yield OpenAccount(name, self.product.id, credit, "golden holder", idempotency="open")
        yield Load(name, Minor(2_000_00), "transfer in")
        yield IssueCard(name, card, "0001", "2812", "1234", Minor(9_000_00) if credit else None, *self.limits)
        yield contactless(5_00)
        yield ActivateCard(name, card)
        yield SetLimits(name, card, internet=Minor(90_00))
        yield SetLimits(name, card, cash=Minor(80_00), effective=UnixMs(self.story.now + 3 * DAY))
        yield SetContactless(name, card, True)
        yield SetMarginNotices(name, card, True)
        yield SetPin(name, card, "1235")

    def payments(self) -> Iterator[Request]:
        yield with_pin(20_00)
        tap = contactless(30_00)
        yield from (tap, tap, replace(tap, fingerprint="another"))
        yield from (withdrawal(50_00), cashback(40_00, 10_00), online(30_00), online(30_00))
        hotel = with_pin(60_00, kind=Kind.PRE_AUTHORIZATION)
        more = increment(hotel, 15_00)
        yield from (hotel, more, reversal(more), increment(hotel, 5_00), presentment(hotel, 30_00, final=False))
        yield presentment(hotel, 35_00)
        yield presentment(None, 3_00)
        yield reversal(tap, 10_00)
        yield reversal(tap)
        early = authorization(8_00)
        yield from (reversal(early), early, reversal(authorization(9_00), mti="0420"))
        posted = financial(12_00)
        yield from (posted, reversal(posted, 4_00), reversal(posted))
        yield from (financial(11_00), advice(9_00, code="A1B2C3"), financial(6_00, kind=Kind.REFUND))
        yield from (authorization(10_00, currency="978"), authorization(10_00, currency="978"))
        yield authorization(0, kind=Kind.PIN_CHANGE, mcc=ATM, pin=Pin.RIGHT, new_pvv="4711")
        yield from (authorization(0, kind=Kind.BALANCE_INQUIRY), authorization(0, kind=Kind.VERIFICATION))

    def commands(self) -> Iterator[Request]:
        name, card = self.name, self.card
        phone = VirtualId(f"{card}~phone")
        yield Transfer(name, card, Minor(20_00), IBAN, "rent")
        yield Charge(name, "fee", Minor(7_00), "card fee")
        yield Charge(name, "interest", Minor(2_00), "interest", card)
        yield Load(name, Minor(15_00), "repayment")
        yield RecordThreeDs(name, card, Minor(50_00), "985", SHOP_NAME, True)
        made = self.story.journal[-1]
        proof = proof_number(made.at, made.seq)
        yield online(20_00, level="212", cavv="M", proof=proof)
        yield from [RecordThreeDs(name, card, Minor(5_00), "985", SHOP_NAME, False)] * 3
        yield UnlockThreeDs(name, card)
        yield SetTrusted(name, card, SHOP_NAME, True)
        yield CreateVirtual(name, card, phone, "0019", wallet="phone")
        yield contactless(4_00, virtual=phone)
        yield SetVirtual(name, card, phone, VirtualStatus.SUSPENDED)
        yield contactless(4_00, virtual=phone)
        yield BlockCard(name, card, BlockKind.TEMPORARY, By.HOLDER)
        yield authorization(1_00)
        yield UnblockCard(name, card)
        yield SetAccountStatus(name, AccountStatus.CAPACITY_LOST)
        yield SetAccountStatus(name, AccountStatus.OPEN)
        yield RenewCard(name, card, "3112")
        yield withdrawal(5_00, expiry="3112")

    def ending(self) -> Iterator[Request]:
        name, card, new = self.name, self.card, CardId(f"{self.card}-new")
        yield ExpireHolds(name)
        yield from [wrong_pin(1_00, expiry="")] * 2
        yield UnblockPin(name, card)
        yield from (wrong_pin(1_00, expiry="") for _ in range(3))
        yield with_pin(1_00, expiry="")
        yield DuplicateCard(name, card, DuplicateCause.DAMAGED, "3101", "4321")
        yield BlockCard(name, card, BlockKind.LOST, By.HOLDER)
        yield ReplaceCard(name, card, new, "0017", "1234", "3012")
        yield ActivateCard(name, new)
        yield authorization(1_00)

    def wander(self, chance: random.Random, steps: int) -> None:
        """Messages as they come, hours apart."""
        sent = [authorization(1_00, expiry="")]
        for _ in range(steps):
            make = chance.choice([authorization, contactless, with_pin, withdrawal, online, financial, advice])
            message: Any = make(chance.choice([1, 9_99, 50_00, 100_01, 900_00]), expiry="")
            follow = chance.choice([None, None, None, reversal, presentment])
            if follow is None:
                sent.append(message)
            self.send(message if follow is None else follow(chance.choice(sent)))
            self.wait(chance.choice([1, MINUTE, HOUR, 30 * HOUR]))

    def tell(self, chance: random.Random) -> None:
        for chapter in (self.opening, self.payments, self.commands):
            for request in chapter():
                self.send(request)
                self.wait(MINUTE)
        self.wander(chance, 40)
        self.wait(9 * DAY)
        for request in self.ending():
            self.send(request)
            self.wait(MINUTE)


def ordered() -> Iterator[list[Decision]]:
    """What is decided about the engine, and what came through the control API, with who ordered it."""
    story = Story(ALL[0], Account(id=BANK))
    story.send(Operate(BANK, Operation.PRODUCTS, "0123456789abcdef", "{}"))
    story.send(Operate(BANK, Operation.LOG, "debug, messages one in 100"))
    yield story.journal
    account, journal = Account(id=AccountId("golden-audited")), []
    for request in (OpenAccount(account.id, ALL[0].id, Minor(5_000_00)), Load(account.id, Minor(2_00), "counter")):
        decision = decide(request, account, ALL[0], story.now)
        after = evolve(account, decision)
        journal.append(audited(decision, Actor("anna.1", "branch"), account, after))
        account = after
    yield journal
    imported = AccountId("golden-imported")
    story = Story(ALL[0], Account(id=imported))
    card = IssueCard(imported, CardId("card-imported"), "0002", "2812", "1234", None, None, Minor(500_00))
    story.send(
        ImportAccount(
            imported, OpenAccount(imported, ALL[0].id, _credit(ALL[0])), card, Load(imported, Minor(7_00), "import")
        )
    )
    yield story.journal
    yield _imported_with_debts()


def _imported_with_debts() -> list[Decision]:
    owing = AccountId("golden-owing")
    story = Story(ALL[0], Account(id=owing))
    cards = [
        IssueCard(owing, CardId(f"card-owing-{last}"), last, "2812", "1234", Minor(100_00)) for last in ("0003", "0004")
    ]
    debts = (OpeningDebt(cards[0].card, "purchase", Minor(9_00)), OpeningDebt(cards[1].card, "interest", Minor(1)))
    opening, others = OpenAccount(owing, ALL[0].id, _credit(ALL[0])), (ImportedCard(cards[1], active=False),)
    story.send(ImportAccount(owing, opening, cards[0], others=others, debts=debts))
    return story.journal


def _credit(product: Product) -> Minor | None:
    return Minor(20_000_00) if product.funds == "credit" else None


def digest(account: Account) -> str:
    """SHA-256 of the document, its fields by name, so that their order in the program does not matter."""
    return hashlib.sha256(msgspec.json.encode(msgspec.json.decode(document_of(account)), order="sorted")).hexdigest()


def main(file: Path) -> None:
    chance = random.Random(8583)
    lines: list[bytes] = []
    ends = {}
    journals = []
    for product in ALL:
        teller = Teller(product)
        teller.tell(chance)
        journals.append(teller.story.journal)
    for journal in (*journals, *ordered()):
        head = ZERO_HASH
        for decision in journal:
            encoded = msgspec.json.encode(decision)
            head = chain(head, encoded)
            lines.append(b'{"hash":"%s","decision":%s}\n' % (head.hex().encode(), encoded))
        name = journal[0].account
        ends[name] = {"seq": len(journal), "hash": head.hex(), "state": digest(fold(name, journal))}
    with file.open("xb") as new:
        new.write(b"".join(lines))
    with file.with_suffix(".accounts.json").open("xb") as new:
        new.write(msgspec.json.format(msgspec.json.encode(ends)) + b"\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
