"""Who may do what: a table, and the guard that reads it. Whose a token is, `tokens` knows."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from authsvc.control.errors import role_too_weak, unauthorized
from authsvc.model import By


class Role(StrEnum):
    OPERATOR = "operator"
    HOTLINE = "hotline"
    BRANCH = "branch"
    PORTAL = "portal"
    AUDITOR = "auditor"


class Token(Struct, frozen=True, gc=False):
    """`name`: its id, which the journal names; `role`: what it may do."""

    name: str
    role: Role


class Action(StrEnum):
    """What a call does, as far as rights go; every handler under /v1 names its own in `opt["action"]`."""

    READ = "read"
    AUDIT = "audit"
    OPEN_ACCOUNT = "open_account"
    LOAD = "load"
    ISSUE_CARD = "issue_card"
    ACTIVATE = "activate"
    BLOCK = "block"
    UNBLOCK = "unblock"
    UNBLOCK_PIN = "unblock_pin"
    SET_PIN = "set_pin"
    SET_LIMITS = "set_limits"
    SET_CONTACTLESS = "set_contactless"
    SET_VIRTUAL = "set_virtual"
    RENEW_CARD = "renew_card"
    REPLACE_CARD = "replace_card"
    DUPLICATE_CARD = "duplicate_card"
    SET_ACCOUNT_STATUS = "set_account_status"
    THREE_DS = "three_ds"
    UNLOCK_3DS = "unlock_3ds"
    SET_TRUSTED = "set_trusted"
    TRANSFER = "transfer"
    PRESENT = "present"
    CHARGE = "charge"
    MOVE_CLOCK = "move_clock"
    RELOAD = "reload"
    SET_LOG = "set_log"


_READ = frozenset({Action.READ})
_CARD_IN_HAND = frozenset(
    {
        Action.ACTIVATE,
        Action.BLOCK,
        Action.UNBLOCK,
        Action.SET_PIN,
        Action.SET_LIMITS,
        Action.SET_CONTACTLESS,
        Action.SET_VIRTUAL,
        Action.SET_TRUSTED,
        Action.TRANSFER,  # S §14.8: branch, telephone, e-banking
    }
)
_BY_TELEPHONE = _READ | {
    Action.ACTIVATE,  # S §8.4
    Action.BLOCK,
    Action.UNBLOCK,
    Action.SET_VIRTUAL,
    Action.TRANSFER,
    Action.UNBLOCK_PIN,
    Action.UNLOCK_3DS,
}
"""PIN, limits, contactless and trusted merchants are ordered at the bank or online, never by telephone (S §12.4, §16.8,
§18.9.6, §23.2; W §9.5, §10.2, §12.7, §13.5; P §3.5, §7.5)."""
_BRANCH = _BY_TELEPHONE | _CARD_IN_HAND

ALLOWED: dict[Role, frozenset[Action]] = {
    Role.OPERATOR: frozenset(Action),
    Role.BRANCH: _BRANCH
    | {
        Action.OPEN_ACCOUNT,
        Action.LOAD,
        Action.ISSUE_CARD,
        Action.RENEW_CARD,
        Action.REPLACE_CARD,
        Action.DUPLICATE_CARD,  # S §10.1: asked for at a branch
        Action.SET_ACCOUNT_STATUS,
    },
    Role.HOTLINE: _BY_TELEPHONE,
    # A portal acts for the holder: whatever a holder may do alone. A PIN block ends by the hotline (S §12.3, W §13.3).
    Role.PORTAL: _READ | _CARD_IN_HAND,
    Role.AUDITOR: _READ | {Action.AUDIT},
}

BLOCKS_AS: dict[Role, frozenset[By]] = {
    Role.OPERATOR: frozenset(By),
    Role.BRANCH: frozenset(By),
    Role.HOTLINE: frozenset(By),
    Role.PORTAL: frozenset(
        {By.HOLDER, By.USER}
    ),  # a block by the bank is the bank's own act (S §21.8, W §17.3, P §27.5)
    Role.AUDITOR: frozenset(),
}
"""On whose behalf a role may block a card."""

LIFTS_AS: dict[Role, frozenset[By]] = {role: by & frozenset(By) for role, by in BLOCKS_AS.items()}
"""On whose behalf a role may lift a temporary block: the same; a portal never lifts the bank's."""

SETS_INDIVIDUAL_LIMIT = frozenset({Role.OPERATOR, Role.BRANCH})
"""S §25.4: the holder orders it at the bank."""

assert set(ALLOWED) == set(BLOCKS_AS) == set(Role)

FindToken = Callable[[str], Token | None]
Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], None]


def guard(find: FindToken) -> Guard:
    """A Litestar guard. `find`: whose a token is, by its text. 401 without a known one, 403 if its role is too weak."""

    def check(connection: Connection, handler: BaseRouteHandler) -> None:
        token = find(_bearer(connection.headers.get("authorization", "")))
        if token is None:
            raise unauthorized()
        connection.scope["auth"] = token
        # A handler that names no action is nobody's (Litestar's own OPTIONS handlers are such).
        if handler.opt.get("action") not in ALLOWED[token.role]:
            raise role_too_weak(token.role)

    return check


def _bearer(header: str) -> str:
    """The token of an Authorization header, "" if there is none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
