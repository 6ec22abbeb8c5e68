"""Accounts in bulk, from another system's file into the ledger: one JSON object a line, one account with its card.

Each becomes one decision of its own account, by the rules, so journal, heads and entries are what they would be had it been
opened by hand, and reconcile, rebuild and replay know nothing of imports. Names come from the PAN's keyed hash: a file that
was interrupted is simply given again, and what is there already stays.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta, Struct

from authsvc.codec.pan import luhn_ok, without_pans
from authsvc.errors import StaleAccountError
from authsvc.ledger.journal import ZERO_HASH, Ledger, PanTakenError, Row, VaultEntry, chain
from authsvc.model import (
    Account,
    AccountId,
    Approved,
    CardId,
    ImportAccount,
    IssueCard,
    Limits,
    Load,
    Minor,
    OpenAccount,
    UnixMs,
)
from authsvc.products import Product, Products
from authsvc.rules.calendar import day_of, is_past_expiry
from authsvc.rules.decide import decide
from authsvc.rules.evolve import evolve
from authsvc.security.mint import Mint

AT_ONCE = 300
"""Accounts of one order to the ledger: it fits into the pipe, so that it is written while the next one is made."""
AHEAD = 12
"""Orders under way: the next ones are made while these are written, and no more than these are in memory."""
FROM_A_FILE = "import"
"""What the journal says of where it came from."""

Grosze = Annotated[int, Meta(ge=0, le=999_999_999_999)]


class Line(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One account with one card. `balance`: what is paid in, grosze; `credit_limit`: of a credit product; `expiry`: YYMM;
    `pvv`: PIN verification value under our key, or `pin` in clear: of test sets alone; `limits`: None takes the product's;
    `active`: False for a card that its holder has yet to activate."""

    product: str
    pan: Annotated[str, Meta(pattern=r"^\d{12,19}$")]
    expiry: Annotated[str, Meta(pattern=r"^\d{2}(0[1-9]|1[0-2])$")]
    pvv: Annotated[str, Meta(pattern=r"^(\d{4})?$")] = ""
    pin: Annotated[str, Meta(pattern=r"^(\d{4})?$")] = ""
    holder: Annotated[str, Meta(max_length=140)] = ""
    balance: Grosze = 0
    credit_limit: Grosze | None = None
    limits: Limits | None = None
    individual_limit: Grosze | None = None
    active: bool = True

    def __repr__(self) -> str:
        return f"Line(product={self.product!r}, pan=···{self.pan[-4:]})"


class Problem(NamedTuple):
    """A line that was not taken, by its number from 1, and why; no value of it."""

    line: int
    why: str


class Imported(Struct):
    """`taken`: new in the ledger; `there`: were there already; `problems`: neither."""

    taken: int = 0
    there: int = 0
    problems: int = 0

    @property
    def lines(self) -> int:
        return self.taken + self.there + self.problems


class Importer:
    """Lines in, decisions out. `pins`: whether PINs in clear are taken."""

    def __init__(
        self, ledger: Ledger, products: Products, mint: Mint, now: Callable[[], UnixMs], *, pins: bool
    ) -> None:
        self._ledger = ledger
        self._products = products
        self._mint = mint
        self._now = now
        self._pins = pins
        self._decode = msgspec.json.Decoder(Line).decode
        self._moulds: dict[tuple[object, ...], _Mould] = {}
        self._moulded_at = UnixMs(0)

    async def run(
        self, lines: Iterable[bytes], told: Callable[[Problem], None], progress: Callable[[Imported], None]
    ) -> Imported:
        """All lines; blank ones are none. `told` of each problem, `progress` after every order. Raises LedgerDownError: give
        the same file again then."""
        done = Imported()
        numbered = ((number, line) for number, line in enumerate(lines, 1) if line.strip())
        under_way: list[list[tuple[int, asyncio.Future[None]]]] = []
        while order := list(islice(numbered, AT_ONCE)):
            under_way.append(self._appended(order, done, told))
            await asyncio.sleep(0)  # the ledger sends what one turn of the loop appended
            if len(under_way) >= AHEAD:
                await _settled(under_way.pop(0), done, told)
            progress(done)
        for rest in under_way:
            await _settled(rest, done, told)
        progress(done)
        return done

    def _appended(
        self, order: Iterable[tuple[int, bytes]], done: Imported, told: Callable[[Problem], None]
    ) -> list[tuple[int, asyncio.Future[None]]]:
        now, rows = self._now(), []
        for number, line in order:
            try:
                rows.append((self._row(line, now), number))
            except (msgspec.DecodeError, ValueError) as error:
                done.problems += 1
                told(Problem(number, str(error)))
        rows.sort(key=lambda row: row[0].account)  # neighbours in the ledger's indexes are written together
        return [(number, self._ledger.append_encoded(row)) for row, number in rows]

    def _row(self, text: bytes, now: UnixMs) -> Row:
        """Raises msgspec.DecodeError or ValueError, neither of which quotes a value."""
        line = self._decode(text)
        product = self._checked(line, now)
        mint, pan = self._mint, line.pan
        pan_hash = mint.pan_hash(pan)
        key = f"{FROM_A_FILE}-{pan_hash.hex()}"
        account = mint.account_id(key)
        card = mint.card_id(account, key)
        names = (account, card, pan[-4:], line.pvv or mint.pvv(line.pin, pan), without_pans(line.holder))
        encoded, state = self._mould(line, product, now).fill(*names)
        vault = VaultEntry(pan_hash, account, card, pan[-4:], mint.sealed(pan, card))
        return Row(account, 0, ZERO_HASH, encoded, chain(ZERO_HASH, encoded), state, vault)

    def _mould(self, line: Line, product: Product, now: UnixMs) -> _Mould:
        """The decision on all lines that are like this one but for their names. Kept for one order: so it is `now`'s."""
        if now != self._moulded_at:
            self._moulds.clear()
            self._moulded_at = now
        like = (
            line.product, line.expiry, bool(line.holder), line.balance, line.credit_limit, line.limits, line.individual_limit,
            line.active,
        )  # fmt: skip
        found = self._moulds.get(like)
        if found is None:
            found = self._moulds[like] = _Mould(line, product, now)
        return found

    def _checked(self, line: Line, now: UnixMs) -> Product:
        """What the types of the fields cannot say."""
        product = self._products.get(line.product)
        if product is None or product.id == "none":
            raise ValueError(f"product: there is no product {line.product!r}")
        if not luhn_ok(line.pan):
            raise ValueError("pan: the last digit is not its check digit")
        if is_past_expiry(line.expiry, day_of(now)):
            raise ValueError("expiry: is in the past")
        if bool(line.pvv) == bool(line.pin):
            raise ValueError("pvv: exactly one of pvv and pin is needed")
        if line.pin and not self._pins:
            raise ValueError("pin: PINs in clear are taken with --pins alone, for test sets")
        if (line.credit_limit is None) is (product.funds == "credit"):
            raise ValueError("credit_limit: a credit product needs one, and no other has one")
        return product


class _Mould:
    """A decision made by the rules with marks where the names of account, card and holder go: nothing the rules decide
    depends on a name, so all else is the same. Deciding takes 40 µs, filling 3."""

    def __init__(self, line: Line, product: Product, now: UnixMs) -> None:
        """Raises ValueError when the rules refuse it."""
        command = _command(line)
        unborn = Account(id=command.account)
        decision = decide(command, unborn, product, now)
        if not isinstance(decision.outcome, Approved):
            raise ValueError(f"refused by the rules: {decision.outcome.reason} ({decision.outcome.paragraph})")
        self._decision = _MARK.split(_encode(decision))
        self._state = _MARK.split(_encode(evolve(unborn, decision)))

    def fill(self, account: str, card: str, last4: str, pvv: str, holder: str) -> tuple[bytes, bytes]:
        """Decision and account with these names, as they are written."""
        texts = (account, card, last4, pvv)
        names = dict(zip(_MARKS, [*(text.encode() for text in texts), _encode(holder)[1:-1]], strict=True))
        return b"".join(_filled(self._decision, names)), b"".join(_filled(self._state, names))


def _filled(parts: list[bytes], names: dict[bytes, bytes]) -> list[bytes]:
    """Every second part is a mark."""
    parts = parts.copy()
    parts[1::2] = [names[mark] for mark in parts[1::2]]
    return parts


_MARKS = (b"@account@", b"@card@", b"@last4@", b"@pvv@", b"@holder@")
_MARK = re.compile(b"(" + b"|".join(_MARKS) + b")")
_encode = msgspec.json.Encoder().encode


def _command(line: Line) -> ImportAccount:
    """What the line asks for, with marks in place of the names."""
    account, card, last4, pvv, holder = (mark.decode() for mark in _MARKS)
    limits, owner = line.limits, AccountId(account)
    return ImportAccount(
        account=owner,
        opening=OpenAccount(owner, line.product, _minor(line.credit_limit), holder if line.holder else ""),
        card=IssueCard(
            owner, CardId(card), last4, line.expiry, pvv, _minor(line.individual_limit),
            limits.cash if limits else None, limits.cashless if limits else None, limits.internet if limits else None,
        ),
        load=Load(owner, Minor(line.balance), FROM_A_FILE) if line.balance else None,
        active=line.active,
    )  # fmt: skip


async def _settled(
    order: list[tuple[int, asyncio.Future[None]]], done: Imported, told: Callable[[Problem], None]
) -> None:
    """Wait for one order, and count what became of it."""
    for number, durable in order:
        try:
            await durable
            done.taken += 1
        except StaleAccountError:
            done.there += 1
        except PanTakenError as error:
            done.problems += 1
            told(Problem(number, f"pan: {error}"))


def _minor(amount: int | None) -> Minor | None:
    return None if amount is None else Minor(amount)
