"""evolve: record a decision in the account. No rule lives here; folding a journal of any age gives the same account."""

from __future__ import annotations

from collections.abc import Iterable
from typing import assert_never

from msgspec.structs import replace

from authsvc.model import (
    Account,
    AccountId,
    AccountOpened,
    AccountStatusSet,
    CardCaptured,
    CardRenewed,
    CardSet,
    CardStatus,
    Change,
    CountersSet,
    Decision,
    HoldEnded,
    HoldId,
    HoldIncreased,
    HoldPlaced,
    HoldReduced,
    Increment,
    KeyRemembered,
    Noticed,
    PinChanged,
    Posted,
    PostingReduced,
    Postings,
    ReversalRemembered,
    ReversalsForgotten,
)


def evolve(account: Account, decision: Decision) -> Account:
    """The account after `decision`, which must be the next one of it."""
    assert decision.account == account.id
    assert decision.seq == account.seq + 1
    after = replace(account, seq=decision.seq, at=decision.at)
    for change in decision.changes:
        after = apply(after, change)
    return after


def fold(account: AccountId, decisions: Iterable[Decision]) -> Account:
    """The account that a whole journal adds up to."""
    state = Account(id=account)
    for decision in decisions:
        state = evolve(state, decision)
    return state


def apply(account: Account, change: Change) -> Account:  # noqa: C901 - one case a fact, and nothing else
    """One fact."""
    match change:  # the three facts of an approved payment first: each case before is 0.1 µs
        case CountersSet(card, counters):
            return replace(account, cards={**account.cards, card: replace(account.cards[card], counters=counters)})
        case HoldPlaced(hold):
            return replace(account, holds=account.holds.with_one(hold))
        case KeyRemembered():
            return _remember(account, change)
        case HoldEnded(ended):
            return replace(account, holds=account.holds.without(ended))
        case HoldReduced(reduced, amount, cash, increments):
            return _hold(account, reduced, amount=amount, cash=cash, increments=increments)
        case HoldIncreased(increased, amount, increment):
            return _hold(account, increased, amount=amount, increment=increment)
        case Posted():
            return _owing(account, change, account.posted.after(change.forget, change.posting))
        case PostingReduced():
            return _owing(account, change, account.posted.with_changed(change.posting))
        case PinChanged(card, pvv):
            return replace(account, cards={**account.cards, card: replace(account.cards[card], pvv=pvv)})
        case CardCaptured(card):
            captured = replace(account.cards[card], status=CardStatus.CAPTURED)
            return replace(account, cards={**account.cards, card: captured})
        case CardRenewed(card):
            renewed = replace(account.cards[card], expiry=account.cards[card].renewal, renewal="")
            return replace(account, cards={**account.cards, card: renewed})
        case AccountStatusSet(status):
            return replace(account, status=status)
        case CardSet(card_after):
            return replace(account, cards={**account.cards, card_after.id: card_after})
        case AccountOpened(product, credit_limit, holder):
            return replace(account, product=product, credit_limit=credit_limit, holder=holder)
        case Noticed():
            return _noticed(account, change)
        case ReversalRemembered(reversal):
            return replace(account, early_reversals=(*account.early_reversals, reversal))
        case ReversalsForgotten(count):
            return replace(account, early_reversals=account.early_reversals[count:])
        case _:
            assert_never(change)


def _hold(account: Account, hold_id: HoldId, increment: Increment | None = None, **fields: object) -> Account:
    """The account with one of its holds changed."""
    hold = account.holds.by_id(hold_id)
    if hold is None:
        return account
    if increment is not None:
        fields["increments"] = (*hold.increments, increment)
    return replace(account, holds=account.holds.with_changed(replace(hold, **fields)))


def _owing(account: Account, moved: Posted | PostingReduced, posted: Postings) -> Account:
    """The account after money has moved."""
    cards = account.cards
    if moved.debts:
        cards = {**cards, **{card: replace(cards[card], debt=debt) for card, debt in moved.debts.items()}}
    return replace(account, posted=posted, balance=moved.balance, owed=moved.owed, cards=cards)


def _noticed(account: Account, change: Noticed) -> Account:
    card = account.cards[change.card]
    before = card.noticed if card.noticed_month == change.month else ()
    card = replace(card, noticed_month=change.month, noticed=(*before, change.currency))
    return replace(account, cards={**account.cards, card.id: card})


def _remember(account: Account, change: KeyRemembered) -> Account:
    return replace(
        account,
        recent_keys=account.recent_keys.after(change.forget, change.key),
        recent_at=account.recent_at.after(change.forget, account.at),
        recent_since=change.since or account.recent_since,
    )
