"""Given: accounts, cards and messages in one line each, on the real product files.

Money in grosze, written 10_00 for ten zloty; moments as a Warsaw wall clock shows them: `warsaw("2026-06-15 12:00")`.
"""

from __future__ import annotations

from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from authsvc.model import (
    NOTHING_MORE,
    POLAND,
    Account,
    AccountId,
    Approved,
    Authorization,
    Bucket,
    Card,
    CardId,
    CardStatus,
    Change,
    Counters,
    Decision,
    Entry,
    Hold,
    HoldEnd,
    HoldEnded,
    HoldId,
    Kind,
    Limits,
    Minor,
    Origin,
    Original,
    Past,
    Pin,
    Posted,
    Posting,
    PostingReduced,
    Presentment,
    Reason,
    Request,
    Reversal,
    UnixMs,
    holds_of,
    names,
    request_key,
)
from authsvc.products import Product, load_products
from authsvc.rules.calendar import WARSAW, day_of, days_later
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve
from authsvc.rules.memory import missing

CONFIG = Path(__file__).parents[2] / "config"
PRODUCTS = load_products(CONFIG / "products", CONFIG / "response_codes", CONFIG / "rates")
CREDIT, BPS = PRODUCTS["credit-business"], PRODUCTS["prepaid-bps"]
SGB, MINOR_SGB = PRODUCTS["prepaid-sgb"], PRODUCTS["prepaid-sgb-minor"]
ALL = (CREDIT, BPS, SGB, MINOR_SGB)
MC = (BPS, SGB, MINOR_SGB)
STRAYS = PRODUCTS["none"]
GERMANY = "276"
ATM, BRANCH, SHOP, CASINO_CHIPS, GAMBLING = "6011", "6010", "5411", "6051", "7995"
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000

_stans = count(1)


def warsaw(text: str, fold: int = 0) -> UnixMs:
    """The moment a Warsaw wall clock shows `text`; `fold` 1: the second time, when an hour comes twice."""
    return UnixMs(int(datetime.fromisoformat(text).replace(tzinfo=WARSAW, fold=fold).timestamp() * 1000))


NOON = warsaw("2026-06-15 12:00")
MANY = 100_000_00
LIMITS = Limits(cash=Minor(MANY), cashless=Minor(MANY), internet=Minor(MANY))


def ids(product: Product) -> str:
    """Name of a product in a test's id."""
    return product.id


def limits(cash: int = MANY, cashless: int = MANY, internet: int = MANY) -> Limits:
    return Limits(Minor(cash), Minor(cashless), Minor(internet))


def card(number: str = "card", **but: Any) -> Card:
    """An active card, good to the end of 2028, with large limits and contactless unlocked."""
    usual = Card(
        id=CardId(number), last4="0001", expiry="2812", pvv="1234", status=CardStatus.ACTIVE, limits=LIMITS,
        counters=Counters(contactless_unlocked=True), individual_limit=Minor(MANY),
    )  # fmt: skip
    return replace(usual, **but)


def account(product: Product = SGB, funds: int = MANY, /, *cards: Card, **but: Any) -> Account:
    """An account with one card (see `card`). `funds`: prepaid balance, or the credit limit of a credit product."""
    is_credit = product.funds == "credit"
    usual = Account(
        id=AccountId("account"), product=product.id, seq=1, at=warsaw("2026-01-01 00:00"),
        balance=Minor(0 if is_credit else funds), credit_limit=Minor(funds if is_credit else 0),
        cards={one.id: one for one in cards or (card(),)},
    )  # fmt: skip
    if "holds" in but:
        but["holds"] = holds_of(but["holds"])
    return replace(usual, **but)


def origin(mti: str = "0100", **but: Any) -> Origin:
    """A message nobody has sent before."""
    number = next(_stans)
    usual = Origin(
        mti=mti, sent="0615100000", stan=f"{number % 1_000_000:06d}", acquirer="12345", terminal="TERM0001",
        merchant="MERCHANT0000001", rrn=f"{number:012d}",
    )  # fmt: skip
    return replace(usual, **but)


def authorization(amount: int = 10_00, **but: Any) -> Authorization:
    """A purchase by chip without PIN in a Polish shop, unless said otherwise."""
    usual = Authorization(
        account=AccountId("account"), card=CardId("card"), origin=but.pop("origin", None) or origin(),
        fingerprint="content", kind=Kind.PURCHASE, amount=Minor(amount), currency="985", entry=Entry.CHIP, mcc=SHOP,
        country=POLAND, expiry="2812",
    )  # fmt: skip
    return replace(usual, **but)


def withdrawal(amount: int = 10_00, **but: Any) -> Authorization:
    """Cash from an ATM by chip with the right PIN."""
    return authorization(amount, **{"kind": Kind.CASH, "mcc": ATM, "pin": Pin.RIGHT, **but})


def contactless(amount: int = 10_00, **but: Any) -> Authorization:
    """A contactless purchase without PIN."""
    return authorization(amount, **{"entry": Entry.CONTACTLESS_CHIP, **but})


def online(amount: int = 10_00, **but: Any) -> Authorization:
    """A purchase on the internet, without 3-D Secure."""
    return authorization(amount, **{"entry": Entry.ECOMMERCE, "condition": "59", **but})


def by_telephone(amount: int = 10_00, **but: Any) -> Authorization:
    """A mail or telephone order (MOTO)."""
    return authorization(amount, **{"entry": Entry.MANUAL, "condition": "08", **but})


def with_pin(amount: int = 10_00, **but: Any) -> Authorization:
    """A purchase by chip with the right PIN: an SCA."""
    return authorization(amount, **{"pin": Pin.RIGHT, **but})


def wrong_pin(amount: int = 10_00, **but: Any) -> Authorization:
    return authorization(amount, **{"pin": Pin.WRONG, **but})


def named(request: Authorization) -> Original:
    """How DE90 names `request`."""
    return Original(request.origin.mti, request.origin.stan, request.origin.sent, request.origin.acquirer)


def reversal(of: Authorization, becomes: int | None = None, mti: str = "0400", **but: Any) -> Reversal:
    """Undoes `of`, whole, or down to `becomes` (DE95)."""
    usual = Reversal(
        account=of.account, card=of.card, origin=but.pop("origin", None) or origin(mti), fingerprint="content",
        original=named(of), amount=of.amount, currency="985", becomes=None if becomes is None else Minor(becomes),
    )  # fmt: skip
    return replace(usual, **but)


def financial(amount: int = 10_00, **but: Any) -> Authorization:
    """An 0200: a chip purchase that posts at once."""
    return authorization(amount, **{"origin": origin("0200"), **but})


def advice(amount: int = 10_00, **but: Any) -> Authorization:
    """An 0120: a chip purchase that was approved elsewhere."""
    return authorization(amount, **{"origin": origin("0120"), **but})


def cashback(amount: int, cash: int, **but: Any) -> Authorization:
    """A purchase with `cash` of its `amount` paid out at the till."""
    return with_pin(amount, **{"kind": Kind.CASHBACK, "cash": Minor(cash), **but})


def increment(of: Authorization, amount: int, **but: Any) -> Authorization:
    """More on the hold of `of`, named by DE90."""
    return authorization(amount, **{"kind": Kind.INCREMENTAL, "adds_to": named(of), **but})


def presentment(of: Authorization | None = None, amount: int = 10_00, **but: Any) -> Presentment:
    """An 0220 of `of`, named by its RRN; of None: without authorization."""
    rrn = of.origin.rrn if of else "999999999999"
    usual = Presentment(
        account=AccountId("account"), card=of.card if of else CardId("card"),
        origin=but.pop("origin", None) or origin("0220", rrn=rrn), fingerprint="content", kind=Kind.PURCHASE,
        amount=Minor(amount), currency="985", original=Original(rrn=rrn), mcc=SHOP, country=POLAND,
    )  # fmt: skip
    return replace(usual, **but)


def hold(amount: int, number: int = 0, created: UnixMs = NOON, card: str = "card", days: int = 7) -> Hold:
    """An open hold of a cashless purchase."""
    return Hold(
        id=HoldId(f"hold-{number}"), card=CardId(card), amount=Minor(amount), first_amount=Minor(amount), created=created,
        expires=days_later(created, days), origin=origin(), authorization_code="000001", day=day_of(created),
        bucket=Bucket.CASHLESS,
    )  # fmt: skip


def reason(decision: Decision) -> Reason | None:
    """Why it was refused; None when it was approved."""
    return None if isinstance(decision.outcome, Approved) else decision.outcome.reason


def code(decision: Decision) -> str:
    """DE39."""
    assert decision.answer is not None
    return decision.answer.response_code


def changes_of(decision: Decision, kind: type[Change]) -> list[Any]:
    return [change for change in decision.changes if isinstance(change, kind)]


class Story:
    """One account and its journal, without disk or network: decides, records, and looks up what a repeat or a reversal
    needs, as `Decider` and the ledger do. `now` stands still until it is moved."""

    def __init__(self, product: Product, start: Account | None = None, now: UnixMs = NOON) -> None:
        self.product = product
        self.account = account(product) if start is None else start
        self.now = now
        self.journal: list[Decision] = []

    def send(self, request: Request, at: UnixMs | None = None) -> Decision:
        """The decision on `request`, at `at` or as the story's clock stands."""
        self.now = self.now if at is None else at
        decision = decide(request, self.account, self.product, self.now, self.past(request))
        if decision.seq > self.account.seq:
            self.account = evolve(self.account, decision)
            self.journal.append(decision)
        return decision

    def reasons(self, *requests: Request) -> list[Reason | None]:
        return [reason(self.send(request)) for request in requests]

    def approve(self, *requests: Request) -> None:
        """All of them are approved."""
        for request in requests:
            assert (refusal := reason(self.send(request))) is None, (refusal, request)

    @property
    def card(self) -> Card:
        return self.account.cards[CardId("card")]

    @property
    def counters(self) -> Counters:
        return self.card.counters

    @property
    def posted(self) -> list[Posted]:
        """Every posting, in order."""
        return [change for decision in self.journal for change in changes_of(decision, Posted)]

    @property
    def used(self) -> tuple[int, int, int]:
        """Cash, cashless, internet of today, grosze."""
        used = self.counters.used
        return (used.cash, used.cashless, used.internet) if used.day == day_of(self.now) else (0, 0, 0)

    @property
    def counts(self) -> tuple[int, int, int]:
        used = self.counters.used
        return (
            (used.cash_count, used.cashless_count, used.internet_count) if used.day == day_of(self.now) else (0, 0, 0)
        )

    @property
    def held(self) -> int:
        """Sum of the holds that have not ended by now."""
        return sum(hold.amount for hold in self.account.holds if hold.expires > self.now)

    def past(self, request: Request) -> Past:
        key = request_key(request)
        need = missing(request, key, self.account, self.now)
        if need is None:
            return NOTHING_MORE
        earlier = next((one for one in self.journal if one.key and one.key == key), None) if need.earlier else None
        wanted = need.original and isinstance(request, Reversal | Presentment)
        original = self._original(request) if wanted else None  # type: ignore[arg-type]
        held = original.outcome.hold if original and isinstance(original.outcome, Approved) else HoldId("")
        return Past(earlier, original, self._end_of(original), held, self._posting_of(original))

    def _posting_of(self, original: Decision | None) -> Posting | None:
        """What it posted, as it is now."""
        if original is None or not isinstance(original.outcome, Approved):
            return None
        moved = [
            one.posting for made in self.journal for one in made.changes if isinstance(one, Posted | PostingReduced)
        ]
        return next((one for one in reversed(moved) if one.id == original.outcome.posting), None)

    def _original(self, reversal: Reversal | Presentment) -> Decision | None:
        """The newest approved one that it names, else the newest."""
        found = [one for one in reversed(self.journal) if _is_original(one.request, reversal)]
        return next((one for one in found if isinstance(one.outcome, Approved)), found[0] if found else None)

    def _end_of(self, original: Decision | None) -> HoldEnd | None:
        if original is None or not isinstance(original.outcome, Approved):
            return None
        ends = [end for decision in self.journal for end in changes_of(decision, HoldEnded)]
        return next((end.how for end in ends if end.hold == original.outcome.hold), None)


def _is_original(request: Request, reversal: Reversal | Presentment) -> bool:
    return (
        isinstance(request, Authorization)
        and request.card == reversal.card
        and names(reversal.original, reversal.origin.terminal, reversal.origin.merchant, request.origin)
    )
