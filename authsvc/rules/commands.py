"""Card-management commands: the same kind of decision as a message, with the paragraph that allows or forbids it."""

from __future__ import annotations

from typing import assert_never

from msgspec.structs import replace

from authsvc.model import (
    Account,
    AccountOpened,
    AccountStatus,
    AccountStatusSet,
    ActivateCard,
    Approved,
    BlockCard,
    Card,
    CardCommand,
    CardSet,
    CardStatus,
    Change,
    Charge,
    Command,
    CreateVirtual,
    Day,
    DuplicateCard,
    ExpireHolds,
    ImportAccount,
    IssueCard,
    Limits,
    Load,
    Minor,
    OpenAccount,
    OpeningDebt,
    Outcome,
    Reason,
    RecordThreeDs,
    Refused,
    RenewCard,
    ReplaceCard,
    SetAccountStatus,
    SetContactless,
    SetLimits,
    SetMarginNotices,
    SetPin,
    SetTrusted,
    SetVirtual,
    Step,
    Transfer,
    UnblockCard,
    UnblockPin,
    UnixMs,
    UnlockThreeDs,
    Verdict,
)
from authsvc.products import Product
from authsvc.rules import blocks, charge, currency, renewal, three_ds, transfer, virtual
from authsvc.rules.blocks import effective_status
from authsvc.rules.card import ACCOUNT_REASONS
from authsvc.rules.done import FINAL, Done, Inputs
from authsvc.rules.evolve import apply
from authsvc.rules.pending import as_of, free_for, highest_individual, set_limits

__all__ = ["FINAL", "MAX_CARDS", "Done", "Inputs", "decide"]

NEEDS_AN_AGREEMENT = (
    IssueCard, ActivateCard, UnblockCard, RenewCard, ReplaceCard, DuplicateCard, CreateVirtual, Transfer,
)  # fmt: skip
"""What gives or gives back the right to use a card: not without an agreement, nor after the holder (S §20, W §15)."""
NEXT_STATUS: dict[AccountStatus, frozenset[AccountStatus]] = {
    AccountStatus.OPEN: frozenset({AccountStatus.CLOSED, AccountStatus.HOLDER_DECEASED, AccountStatus.CAPACITY_LOST}),
    AccountStatus.CAPACITY_LOST: frozenset({AccountStatus.OPEN, AccountStatus.CLOSED, AccountStatus.HOLDER_DECEASED}),
    AccountStatus.HOLDER_DECEASED: frozenset({AccountStatus.CLOSED}),
    AccountStatus.CLOSED: frozenset(),
}
MAX_CARDS = 100
"""Cap of an account's cards, finally blocked ones included, so that its state document stays bounded."""


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
    if isinstance(command, ImportAccount):
        return _import(command, account, product, now)
    if isinstance(command, Load):
        return charge.load(command, account, product, now)
    if isinstance(command, Charge):
        return charge.charge(command, account, product, now)
    if isinstance(command, ExpireHolds):  # `decide` ends what is due before any command
        return Done("hold", {"open": account.holds.open(now)})
    if isinstance(command, SetAccountStatus):
        return _set_status(command, account)
    if isinstance(command, NEEDS_AN_AGREEMENT) and account.status is not AccountStatus.OPEN:
        return Done("account_status", {"status": account.status.value}, reason=ACCOUNT_REASONS[account.status])
    if isinstance(command, IssueCard):
        return _issue(command, account, product, now)
    card = account.cards.get(command.card)
    if card is None:
        return Done("card", {"card": command.card}, reason=Reason.UNKNOWN_CARD)
    return _on_card(command, as_of(card, now), account, product, now)


def _on_card(  # noqa: C901 - one case a command, and nothing else
    command: CardCommand, card: Card, account: Account, product: Product, now: UnixMs
) -> Done:
    status = effective_status(card, product, now)
    match command:
        case BlockCard():
            return blocks.block(command, card, status, product, now)
        case ActivateCard():
            return _activate(card, status)
        case UnblockCard():
            return blocks.unblock(command, card, status, product)
        case UnblockPin():
            return _unblock_pin(card, status)
        case SetLimits():
            return set_limits(command, card, status, account, product, now)
        case Transfer():
            return transfer.out(command, card, status, account, product, now)
        case SetContactless():
            changed = replace(card, contactless_enabled=command.enabled)
            return _unless_final("contactless", status, {"enabled": command.enabled}, changed)
        case SetMarginNotices():
            return currency.set_notices(command, card, status, product)
        case SetPin():
            return _unless_final("pin_set", status, {}, replace(card, pvv=command.pvv))
        case RecordThreeDs() | UnlockThreeDs() | SetTrusted():
            return three_ds.command(command, card, status, account.seq + 1, product, now)
        case RenewCard() | ReplaceCard() | DuplicateCard() | CreateVirtual() | SetVirtual():
            return _plastic_or_device(command, card, status, account, product, now)
        case IssueCard():  # pragma: no cover - decided before the card is looked up
            raise AssertionError("an issue command has no card yet")
        case _:
            assert_never(command)


def _plastic_or_device(
    command: RenewCard | ReplaceCard | DuplicateCard | CreateVirtual | SetVirtual,
    card: Card, status: CardStatus, account: Account, product: Product, now: UnixMs,
) -> Done:  # fmt: skip
    match command:
        case RenewCard():
            return renewal.renew(command, card, status, product)
        case ReplaceCard():
            return _replace(command, card, status, account, product, now)
        case DuplicateCard():
            return renewal.duplicate(command, card, status, product, now)
        case CreateVirtual():
            return virtual.create(command, card, status, now)
        case SetVirtual():
            return virtual.change(command, card, status)


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


def _import(command: ImportAccount, account: Account, product: Product, now: UnixMs) -> Done:
    """Each step by its own rule, on what the one before leaves; the first that is refused refuses all."""
    changes: tuple[Change, ...] = ()
    for number, step in enumerate((*command.steps, *command.debts)):
        if isinstance(step, Load | OpeningDebt):
            done = charge.taken_over(step, number, account, product, now)
        else:
            done = _done(step, account, product, now)
        if done.reason is not None:
            return done
        for change in done.changes:
            account = apply(account, change)
        changes += done.changes
    inputs: Inputs = {"product": command.product, "credit_limit": account.credit_limit, "balance": account.balance}
    inputs |= {"card": command.card.card, "cards": len(account.cards), "imported": True}
    return Done("open_account", inputs, *changes)


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
    free = free_for(None, account, product, now)
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
    """Activating an active card changes nothing and is no error; it puts renewed plastic into use (S §8.4, §32.7)."""
    inputs: Inputs = {"status": status.value}
    if status not in (CardStatus.INACTIVE, CardStatus.ACTIVE):
        return Done("activate", inputs, reason=Reason.NOT_ALLOWED)
    active = replace(card, status=CardStatus.ACTIVE, expiry=card.renewal or card.expiry, renewal="")
    return Done("activate", inputs, CardSet(active))


def _replace(
    command: ReplaceCard, card: Card, status: CardStatus, account: Account, product: Product, now: UnixMs
) -> Done:
    """The new card needs its place among the account's cards, as one that is issued does."""
    if renewal.was_replaced(card, status, account):
        return Done("replace", {"status": status.value, "already": True}, reason=Reason.NOT_ALLOWED)
    others = [one for one in account.cards.values() if one.id != card.id]
    living = sum(effective_status(one, product, now) not in FINAL for one in others)
    if len(account.cards) >= MAX_CARDS:
        return Done("replace", {"most": MAX_CARDS}, reason=Reason.TOO_MANY_CARDS)
    if product.cards_per_account is not None and living >= product.cards_per_account:
        return Done("replace", {"most": product.cards_per_account}, reason=Reason.TOO_MANY_CARDS)
    free = free_for(card, account, product, now)
    if product.funds == "credit" and highest_individual(card) > free:
        inputs: Inputs = {"individual_limit": highest_individual(card), "free": free}
        return Done("replace", inputs, reason=Reason.ABOVE_CEILING)
    return renewal.replaced(command, card, status, account, product, now)


def _set_status(command: SetAccountStatus, account: Account) -> Done:
    """An ended agreement and a death are final; lost capacity can be given back, and ends with either."""
    inputs: Inputs = {"status": account.status.value, "becomes": command.status.value}
    if command.status is account.status:
        return Done("account_set", inputs)
    if command.status not in NEXT_STATUS[account.status]:
        return Done("account_set", inputs, reason=Reason.NOT_ALLOWED)
    return Done("account_set", inputs, AccountStatusSet(command.status))


def _unblock_pin(card: Card, status: CardStatus) -> Done:
    """The hotline ends a PIN block (S §12.3, W §13.3); a captured card stays captured (P §7.3)."""
    counters = replace(card.counters, pin_failures=0, pin_blocked_on=Day(""))
    inputs: Inputs = {"failures_before": card.counters.pin_failures}
    return _unless_final("unblock_pin", status, inputs, replace(card, counters=counters))


def _within_ceilings(limits: Limits, product: Product) -> bool:
    rules = product.limits
    pairs = ((limits.cash, rules.cash), (limits.cashless, rules.cashless), (limits.internet, rules.internet))
    return all(rule.ceiling is None or limit <= rule.ceiling for limit, rule in pairs)


def _as_inputs(limits: Limits) -> Inputs:
    return {"cash": limits.cash, "cashless": limits.cashless, "internet": limits.internet}
