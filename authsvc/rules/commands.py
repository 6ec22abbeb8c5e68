"""Card-management commands: the same kind of decision as a message, with the paragraph that allows or forbids it."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from authsvc.model import (
    Account,
    AccountOpened,
    ActivateCard,
    Approved,
    BalanceSet,
    BlockCard,
    BlockKind,
    By,
    Card,
    CardCommand,
    CardSet,
    CardStatus,
    Change,
    Command,
    Day,
    IssueCard,
    Limits,
    Load,
    Minor,
    OpenAccount,
    Outcome,
    Reason,
    Refused,
    SetContactless,
    SetLimits,
    SetPin,
    Step,
    UnblockCard,
    UnblockPin,
    UnixMs,
    Verdict,
)
from authsvc.products import Product
from authsvc.rules.card import effective_status

FINAL = frozenset(
    {CardStatus.PERMANENTLY_BLOCKED, CardStatus.LOST, CardStatus.STOLEN, CardStatus.CAPTURED, CardStatus.REPLACED}
)
"""Statuses that nothing lifts (S §22.4, W §16.3, P §25.4)."""
MAX_CARDS = 100
"""Cap of an account's cards, finally blocked ones included, so that its state document stays bounded."""
BLOCKED_AS = {
    BlockKind.TEMPORARY: CardStatus.TEMPORARILY_BLOCKED,
    BlockKind.PERMANENT: CardStatus.PERMANENTLY_BLOCKED,
    BlockKind.LOST: CardStatus.LOST,
    BlockKind.STOLEN: CardStatus.STOLEN,
}
Inputs = dict[str, int | str | bool]


class Done:
    """What a command comes to: its changes, or the reason against it."""

    __slots__ = ("changes", "inputs", "reason", "rule")

    def __init__(self, rule: str, inputs: Inputs, *changes: Change, reason: Reason | None = None) -> None:
        self.rule = rule
        self.inputs = inputs
        self.changes = changes
        self.reason = reason


def decide(command: Command, account: Account, product: Product, now: UnixMs) -> tuple[Outcome, list[Change], Step]:
    """One step in the trace: the command, its inputs, its paragraph."""
    done = _done(command, account, product, now)
    paragraph = product.paragraphs[done.rule]
    if done.reason is not None:
        step = Step(done.rule, Verdict.REFUSED, paragraph, done.inputs)
        return Refused(done.reason, done.rule, paragraph), [], step
    return Approved(), list(done.changes), Step(done.rule, Verdict.PASSED, paragraph, done.inputs)


def _done(command: Command, account: Account, product: Product, now: UnixMs) -> Done:
    if isinstance(command, OpenAccount):
        return _open(command, account, product)
    if isinstance(command, Load):
        balance = Minor(account.balance + command.amount)
        inputs: Inputs = {"amount": command.amount, "reference": command.reference, "balance": balance}
        return Done("load", inputs, BalanceSet(balance))
    if isinstance(command, IssueCard):
        return _issue(command, account, product, now)
    card = account.cards.get(command.card)
    if card is None:
        return Done("card", {"card": command.card}, reason=Reason.UNKNOWN_CARD)
    return _on_card(command, card, product, now)


def _on_card(command: CardCommand, card: Card, product: Product, now: UnixMs) -> Done:
    status = effective_status(card, product, now)
    match command:
        case BlockCard():
            return _block(command, card, status, product, now)
        case ActivateCard():
            return _activate(card, status)
        case UnblockCard():
            return _unblock(card, status)
        case UnblockPin():
            return _unblock_pin(card, status)
        case SetLimits():
            return _set_limits(command, card, status, product)
        case SetContactless():
            changed = replace(card, contactless_enabled=command.enabled)
            return _unless_final("contactless", status, {"enabled": command.enabled}, changed)
        case SetPin():
            return _unless_final("pin_set", status, {}, replace(card, pvv=command.pvv))
        case IssueCard():  # pragma: no cover - decided before the card is looked up
            raise AssertionError("an issue command has no card yet")
        case _:
            assert_never(command)


def _unless_final(rule: str, status: CardStatus, inputs: Inputs, changed: Card) -> Done:
    inputs = {**inputs, "status": status.value}
    if status in FINAL:
        return Done(rule, inputs, reason=Reason.NOT_ALLOWED)
    return Done(rule, inputs, CardSet(changed))


def _open(command: OpenAccount, account: Account, product: Product) -> Done:
    """Only a credit product has a credit limit: a prepaid account pays from its balance alone (W §10.1, P §10.1)."""
    inputs: Inputs = {"product": command.product, "credit_limit": command.credit_limit or 0}
    if account.seq:
        return Done("open_account", inputs, reason=Reason.ACCOUNT_EXISTS)
    if command.credit_limit and product.funds != "credit":
        return Done("open_account", inputs, reason=Reason.NOT_ALLOWED)
    return Done(
        "open_account", inputs, AccountOpened(command.product, command.credit_limit or Minor(0), command.holder)
    )


def _issue(command: IssueCard, account: Account, product: Product, now: UnixMs) -> Done:
    """As many cards as the product allows (S §4.5, W §6.2, P zał.1 §2.4); a card that can never be used again does not
    count. Individual limits together may not exceed the credit limit (S §4.5, §25.4)."""
    living = [card for card in account.cards.values() if effective_status(card, product, now) not in FINAL]
    inputs: Inputs = {"cards": len(living), "expiry": command.expiry}
    if command.card in account.cards:
        return Done("issue_card", inputs, reason=Reason.CARD_EXISTS)
    if len(account.cards) >= MAX_CARDS:
        return Done("issue_card", {**inputs, "most": MAX_CARDS}, reason=Reason.TOO_MANY_CARDS)
    if product.cards_per_account is not None and len(living) >= product.cards_per_account:
        return Done("issue_card", {**inputs, "most": product.cards_per_account}, reason=Reason.TOO_MANY_CARDS)
    limits = _first_limits(command, product)
    if not _within_ceilings(limits, product):
        return Done("limits", {**inputs, **_as_inputs(limits)}, reason=Reason.ABOVE_CEILING)
    free = account.credit_limit - sum(card.individual_limit for card in living)
    individual = free if command.individual_limit is None else command.individual_limit
    if product.funds == "credit" and individual > free:
        return Done("issue_card", {**inputs, "individual_limit": individual, "free": free}, reason=Reason.ABOVE_CEILING)
    return Done("issue_card", inputs, CardSet(_new_card(command, product, limits, Minor(individual))))


def _first_limits(command: IssueCard, product: Product) -> Limits:
    defaults = product.limits
    return Limits(
        cash=Minor(defaults.cash.default) if command.cash is None else command.cash,
        cashless=Minor(defaults.cashless.default) if command.cashless is None else command.cashless,
        internet=Minor(defaults.internet.default) if command.internet is None else command.internet,
    )


def _new_card(command: IssueCard, product: Product, limits: Limits, individual: Minor) -> Card:
    """Inactive until activated (S §8.4, W §6.6), or active at once where the regulation says so (P §6.2)."""
    return Card(
        id=command.card,
        last4=command.last4,
        expiry=command.expiry,
        pvv=command.pvv,
        status=CardStatus.ACTIVE if product.new_card == "active" else CardStatus.INACTIVE,
        limits=limits,
        individual_limit=individual if product.funds == "credit" else Minor(0),
    )


def _activate(card: Card, status: CardStatus) -> Done:
    """Activating an active card changes nothing and is no error."""
    inputs: Inputs = {"status": status.value}
    if status not in (CardStatus.INACTIVE, CardStatus.ACTIVE):
        return Done("activate", inputs, reason=Reason.NOT_ALLOWED)
    return Done("activate", inputs, CardSet(replace(card, status=CardStatus.ACTIVE)))


def _block(command: BlockCard, card: Card, status: CardStatus, product: Product, now: UnixMs) -> Done:
    """A permanent block is never changed again; a mere user may not order one where the regulation says so (W §26.5-6)."""
    inputs: Inputs = {"kind": command.kind.value, "by": command.by.value, "status": status.value}
    temporary = command.kind is BlockKind.TEMPORARY
    if status in FINAL:
        return Done("block", inputs, reason=Reason.NOT_ALLOWED)
    if not temporary and command.by is By.USER and not product.block.user_permanent:
        return Done("block", inputs, reason=Reason.NOT_ALLOWED)
    already = status is CardStatus.TEMPORARILY_BLOCKED
    if temporary and already and (command.by is not By.BANK or card.blocked_by is By.BANK):
        return Done("block", inputs)
    before = card.before_block if already else status
    blocked = replace(card, status=BLOCKED_AS[command.kind], blocked_by=command.by, blocked_at=now, before_block=before)
    return Done("block", inputs, CardSet(blocked))


def _unblock(card: Card, status: CardStatus) -> Done:
    """Only a temporary block is ever lifted; the card goes back to what it was before."""
    inputs: Inputs = {"status": status.value}
    if status is CardStatus.ACTIVE:
        return Done("unblock", inputs)
    if status is not CardStatus.TEMPORARILY_BLOCKED:
        return Done("unblock", inputs, reason=Reason.NOT_ALLOWED)
    return Done(
        "unblock", inputs, CardSet(replace(card, status=card.before_block, blocked_by=None, blocked_at=UnixMs(0)))
    )


def _unblock_pin(card: Card, status: CardStatus) -> Done:
    """The hotline ends a PIN block (S §12.3, W §13.3); a captured card stays captured (P §7.3)."""
    counters = replace(card.counters, pin_failures=0, pin_blocked_on=Day(""))
    inputs: Inputs = {"failures_before": card.counters.pin_failures}
    return _unless_final("unblock_pin", status, inputs, replace(card, counters=counters))


def _set_limits(command: SetLimits, card: Card, status: CardStatus, product: Product) -> Done:
    """New limits apply at once (rulebook section 1); zero switches a kind off; what is used today stays used.
    A ceiling binds what is asked for, not a limit of old that it has come to lie below."""
    limits = Limits(
        cash=card.limits.cash if command.cash is None else command.cash,
        cashless=card.limits.cashless if command.cashless is None else command.cashless,
        internet=card.limits.internet if command.internet is None else command.internet,
    )
    asked = Limits(command.cash or Minor(0), command.cashless or Minor(0), command.internet or Minor(0))
    if status not in FINAL and not _within_ceilings(asked, product):
        return Done("limits", _as_inputs(limits), reason=Reason.ABOVE_CEILING)
    return _unless_final("limits", status, _as_inputs(limits), replace(card, limits=limits))


def _within_ceilings(limits: Limits, product: Product) -> bool:
    rules = product.limits
    pairs = ((limits.cash, rules.cash), (limits.cashless, rules.cashless), (limits.internet, rules.internet))
    return all(rule.ceiling is None or limit <= rule.ceiling for limit, rule in pairs)


def _as_inputs(limits: Limits) -> Inputs:
    return {"cash": limits.cash, "cashless": limits.cashless, "internet": limits.internet}
