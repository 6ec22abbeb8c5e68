"""What a decision changed, in words an auditor can compare: each fact of account and cards before it and after it.

Holds and postings are not among them: they are changes of the decision themselves, and have ids.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec.structs import replace

from authsvc.model import Account, Actor, Audit, Card, CardId, Decision
from authsvc.model.decisions import Fact

ACCOUNT_FACTS = ("product", "status", "holder", "balance", "credit_limit", "owed")
LEFT_OUT = frozenset({"chips", "proofs"})
"""What chip and 3-D Secure leave behind is no order of anybody."""
HIDDEN = frozenset({"pvv"})
"""Changed or not is told, the value is not: a PVV gives its PIN away to whoever has the key."""
WITHHELD = "***"


def audited(decision: Decision, actor: Actor, before: Account, after: Account) -> Decision:
    """`decision`, which made `after` of `before`, with who ordered it and what differs."""
    old, new = dict(_facts(before, after)), dict(_facts(after, before))
    differing = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    audit = Audit(actor, _shown(old, differing), _shown(new, differing))
    return replace(decision, audit=audit)


def _shown(facts: dict[str, Fact], names: list[str]) -> dict[str, Fact]:
    return {name: WITHHELD if name.rpartition(".")[2] in HIDDEN else facts.get(name) for name in names}


def _facts(account: Account, other: Account) -> Iterator[tuple[str, Fact]]:
    """Of the account, and of its cards that are not the same in `other`."""
    for name in ACCOUNT_FACTS:
        yield from _flat(name, msgspec.to_builtins(getattr(account, name)))
    for card_id, card in account.cards.items():
        if other.cards.get(card_id) is not card:
            yield from _card_facts(card_id, card)


def _card_facts(card_id: CardId, card: Card) -> Iterator[tuple[str, Fact]]:
    for name in card.__struct_fields__:
        if name not in LEFT_OUT:
            yield from _flat(f"cards.{card_id}.{name}", _plain(getattr(card, name)))


def _plain(value: object) -> object:
    """A struct with its defaults as well, so that a fact does not vanish when it becomes one."""
    if isinstance(value, msgspec.Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__ if name not in LEFT_OUT}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return msgspec.to_builtins(value)


def _flat(name: str, value: object) -> Iterator[tuple[str, Fact]]:
    if isinstance(value, dict):
        for inner, item in value.items():
            yield from _flat(f"{name}.{inner}", item)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _flat(f"{name}.{number}", item)
    else:
        assert value is None or isinstance(value, int | str | bool)
        yield name, value
