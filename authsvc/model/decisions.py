"""What comes out: one `Decision` for each request. Facts only, never rules."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

from authsvc.model.accounts import (
    Card,
    Counters,
    EarlyReversal,
)
from authsvc.model.commands import (
    AccountStatus,
    Request,
)
from authsvc.model.holds import Hold, HoldEnd, Increment
from authsvc.model.names import (
    AccountId,
    CardId,
    HoldId,
    Key,
    Minor,
    PostingId,
    Reason,
    UnixMs,
)
from authsvc.model.postings import Leg, Posting, PostingKind


class AccountOpened(Struct, frozen=True, gc=False, tag="account_opened", omit_defaults=True):
    product: str
    credit_limit: Minor = Minor(0)
    holder: str = ""


class CardSet(Struct, frozen=True, gc=False, tag="card_set"):
    """The whole card after a command."""

    card: Card


class CountersSet(Struct, frozen=True, gc=False, tag="counters_set"):
    """The counters of a card after a message."""

    card: CardId
    counters: Counters


class AccountStatusSet(Struct, frozen=True, gc=False, tag="account_status_set"):
    status: AccountStatus


class CardRenewed(Struct, frozen=True, gc=False, tag="card_renewed"):
    """The renewed plastic is in use: its expiry is the card's from now on (S §32.7)."""

    card: CardId


class CardCaptured(Struct, frozen=True, gc=False, tag="card_captured"):
    """A third wrong PIN on a product that captures the card."""

    card: CardId


class HoldPlaced(Struct, frozen=True, gc=False, tag="hold_placed"):
    hold: Hold


class HoldReduced(Struct, frozen=True, gc=False, tag="hold_reduced", omit_defaults=True):
    """`amount`: what the hold is now, grosze; `cash`, `increments`: what of it they are now."""

    hold: HoldId
    amount: Minor
    cash: Minor = Minor(0)
    increments: tuple[Increment, ...] = ()


class HoldIncreased(Struct, frozen=True, gc=False, tag="hold_increased"):
    """`amount`: what the hold is now, grosze, with this increment in it."""

    hold: HoldId
    amount: Minor
    increment: Increment


class HoldEnded(Struct, frozen=True, gc=False, tag="hold_ended"):
    hold: HoldId
    how: HoldEnd
    at: UnixMs


class Posted(Struct, frozen=True, gc=False, tag="posted", omit_defaults=True):
    """Money has moved. `balance`: of the account after it; `debts`: of its cards after it, those that changed; `owed`: see
    `Account`, whole; `legs`: its entries in the general ledger; `forget`: how many of the oldest postings leave the
    account's document."""

    posting: Posting
    balance: Minor
    legs: tuple[Leg, ...]
    debts: dict[CardId, Minor] = {}
    owed: dict[PostingKind, Minor] = {}
    forget: int = 0


class PostingReduced(Struct, frozen=True, gc=False, tag="posting_reduced", omit_defaults=True):
    """A posting was reversed, whole or in part. `posting`: what it is now; `returned`: grosze given back by it; the others as
    in `Posted`."""

    posting: Posting
    returned: Minor
    balance: Minor
    legs: tuple[Leg, ...]
    debts: dict[CardId, Minor] = {}
    owed: dict[PostingKind, Minor] = {}


class PinChanged(Struct, frozen=True, gc=False, tag="pin_changed"):
    """The holder has changed the PIN at an ATM. `pvv`: of the new one."""

    card: CardId
    pvv: str


class Noticed(Struct, frozen=True, gc=False, tag="noticed"):
    """A currency-margin notice is due: the card's first transaction of `month` (YYYY-MM) in `currency`; `margin`: what the
    conversion cost above the ECB reference rate, hundredths of a percent."""

    card: CardId
    currency: str
    month: str
    margin: int


class ReversalRemembered(Struct, frozen=True, gc=False, tag="reversal_remembered"):
    reversal: EarlyReversal


class ReversalsForgotten(Struct, frozen=True, gc=False, tag="reversals_forgotten"):
    """The oldest `count` early reversals are dropped: used, too old, or above the cap."""

    count: int


class KeyRemembered(Struct, frozen=True, gc=False, tag="key_remembered", omit_defaults=True):
    """This decision's key joins the recent ones; the oldest `forget` leave; `since`: new `recent_since`, 0 unchanged."""

    key: Key
    forget: int = 0
    since: UnixMs = UnixMs(0)


Change = (
    AccountOpened
    | CardSet
    | CountersSet
    | AccountStatusSet
    | CardRenewed
    | CardCaptured
    | HoldPlaced
    | HoldReduced
    | HoldIncreased
    | HoldEnded
    | Posted
    | PostingReduced
    | PinChanged
    | Noticed
    | ReversalRemembered
    | ReversalsForgotten
    | KeyRemembered
)


class Verdict(StrEnum):
    PASSED = "passed"
    REFUSED = "refused"
    NOT_APPLICABLE = "not applicable"


class Step(Struct, frozen=True, gc=False, array_like=True):
    """One rule that ran: its name (a key of the product's `paragraphs`), its verdict, its paragraph, its inputs."""

    rule: str
    verdict: Verdict
    paragraph: str
    inputs: dict[str, int | str | bool]


class Approved(Struct, frozen=True, gc=False, tag="approved", omit_defaults=True):
    """`amount`: grosze approved; `hold`: the hold placed, "" when none was needed; `exemption`: what freed it from SCA;
    `posting`: what was posted at once."""

    amount: Minor = Minor(0)
    hold: HoldId = HoldId("")
    exemption: str = ""
    posting: PostingId = PostingId("")


class Refused(Struct, frozen=True, gc=False, tag="refused"):
    """`rule`: name of the step that refused; `paragraph`: its source, "" where no regulation speaks."""

    reason: Reason
    rule: str
    paragraph: str


Outcome = Approved | Refused


class Actor(Struct, frozen=True, gc=False):
    """Who calls the control API. `token`: the id of the bearer token, never its text."""

    token: str
    role: str


Fact = int | str | bool | None


class Audit(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who ordered a decision, and what it changed: dotted names as "cards.ID.limits.cash"; None: not there."""

    actor: Actor
    before: dict[str, Fact] = {}
    after: dict[str, Fact] = {}


class Answer(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the wire needs beyond the echo of the request: DE39, DE38, DE54 (`available`, grosze; None: no DE54)."""

    response_code: str
    authorization_code: str = ""
    available: Minor | None = None
    chip: str = ""  # DE55: the issuer's answer to the chip, hexadecimal
    amount: Minor | None = None  # DE4, when less was approved than was asked for


class Decision(Struct, frozen=True, gc=False, omit_defaults=True):
    """One request, one decision, one journal record. Facts only, never rules: folding an old journal under new rules
    gives the same account. `answer` is None for a command; `key`: see `request_key`, 0 when there is none;
    `audit`: of what came through the control API."""

    account: AccountId
    seq: int
    at: UnixMs
    product: str
    request: Request
    outcome: Outcome
    changes: tuple[Change, ...]
    trace: tuple[Step, ...]
    key: Key = Key(0)
    answer: Answer | None = None
    audit: Audit | None = None

    @property
    def id(self) -> str:
        """`ACCOUNT:SEQ`, the name of this decision in logs, journal and API."""
        return f"{self.account}:{self.seq}"


class Past(Struct, frozen=True, gc=False):
    """What the account document no longer holds, gathered from the journal before deciding.

    `earlier`: the decision on the same key; `original`: the decision on the message that a reversal names;
    `original_end`: how the hold of that original ended, None when it had none or it is still open; `original_hold`: that
    hold; `posting`: what that original posted, as it is now.
    """

    earlier: Decision | None = None
    original: Decision | None = None
    original_end: HoldEnd | None = None
    original_hold: HoldId = HoldId("")
    posting: Posting | None = None


NOTHING_MORE = Past()
