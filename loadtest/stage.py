"""Where the story is played: one engine, one link, one terminal; every message is sent, checked and shown.

An answer other than the expected one is marked and counted; the story goes on. Amounts are grosze.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from loadtest.api import Api, fresh_pan
from loadtest.messages import Card, Kind, Terminal, repeat
from loadtest.wire import Answer, Fields, Link
from loadtest.words import because, clock, money

SHOWN = {Kind.CHIP_PIN: "chip+PIN", Kind.CONTACTLESS: "tap", Kind.ATM: "cash+PIN", Kind.WEB: "internet"}
WIDTH = 100
RESULT_AT = 40
FUNDS_AT = 74
"""Columns where the answer begins, and what it did to the account."""


class Stage:
    """`simulated`: whether the engine's clock may be moved. `messages`, `surprises`: how many so far."""

    def __init__(self, console: Console, api: Api, link: Link, zone: bytes) -> None:
        self.messages = self.surprises = 0
        self._console = console
        self._api = api
        self._link = link
        self._terminal = Terminal(zone, random.randrange(10**11))
        self._simulated = api.simulated_now()
        self._answers: dict[str, bytes] = {}

    @property
    def simulated(self) -> bool:
        return self._simulated is not None

    def now(self) -> datetime:
        """The engine's time."""
        return self._simulated or datetime.now(UTC)

    def go_to(self, moment: datetime, title: str) -> None:
        """Move the engine's clock, and say so."""
        self._api.set_clock(moment)
        self._simulated = moment
        self._console.print(f"  ~ {title}: {clock(moment)} ~", style="bold", soft_wrap=True)

    def say(self, line: str) -> None:
        self._console.print(f"  {line}", style="italic")

    def card(self, product: str, load: int = 0, credit_limit: int = 0, limits: dict[str, int] | None = None) -> Card:
        """A new account with a new card, PIN 1234, and what is on it."""
        account = self._api.open_account(product, load, credit_limit)
        card = self._api.issue_card(account, fresh_pan(product), "1234", limits)
        funds = f"credit limit {money(credit_limit)}" if credit_limit else f"{money(load)} paid in"
        self._console.print(f"  {product}, card ending {card.pan[-4:]}, {funds}", style="bold cyan")
        return card

    def pay(
        self, kind: Kind, card: Card, amount: int, expect: str, *,
        why: str = "", pin: str | None = None, held: int | None = None,
    ) -> Fields:  # fmt: skip
        """One 0100. `expect`: DE39; `why`: the rule to show, "" the one that refused, or the hold; `pin`: what is typed
        instead of the usual; `held`: what the account must hold afterwards. Returns what was sent."""
        message = self._terminal.pay(kind, card, amount, self.now(), pin)
        what = SHOWN[kind]
        if pin is not None:
            what = "wrong PIN" if pin != card.pin else f"{what}+PIN"
        self._play(message, what, card, expect, why, held)
        return message

    def send(
        self, kind: Kind, card: Card, amount: int, expect: str, *,
        what: str, changes: Fields, why: str = "", held: int | None = None,
    ) -> Fields:  # fmt: skip
        """A message of another kind: as `pay`, with these fields instead. `what`: how it is told."""
        message = {**self._terminal.pay(kind, card, amount, self.now()), **changes}
        self._play(message, what, card, expect, why, held)
        return message

    def authenticate(self, card: Card, message: Fields) -> str:
        """3-D Secure at the bank's access control server, for the amount and shop of `message`; its proof."""
        body = {
            "amount": int(message["4"]), "currency": message["49"], "merchant_id": message["42"].strip(),
            "outcome": "succeeded",
        }  # fmt: skip
        proof = self._api.call("POST", f"/v1/cards/{card.card}/three-ds", body)["cavv"]
        self.say("3-D Secure: the cardholder confirms amount and shop, the bank gives out a proof")
        return str(proof)

    def late(self, message: Fields, card: Card, expect: str, held: int) -> None:
        """A message that was made before, and arrives only now."""
        self._play(message, "late one", card, expect, "", held)

    def unsent(self, kind: Kind, card: Card, amount: int) -> Fields:
        """A message made, and not sent yet."""
        return self._terminal.pay(kind, card, amount, self.now())

    def repeat(self, message: Fields, card: Card, expect: str, held: int) -> None:
        """An 0101 of a message sent before: the answer must be the same, byte for byte."""
        again = repeat(message)
        answer = self._link.ask(again)
        same = answer.raw == self._answers[message["11"]]
        self._show(again, "repeat", card, answer, self._check(answer, expect, card, held) if same else "the same bytes")
        self._because(f"the stored answer, the very same {len(answer.raw)} bytes; nothing is held twice")

    def reverse(self, original: Fields, card: Card, expect: str, held: int, becomes: int | None = None) -> None:
        """An 0400; `becomes`: the amount that stays."""
        message = self._terminal.reverse(original, self.now(), becomes)
        self._play(message, "reversal", card, expect, "reversal", held)

    def echo(self) -> None:
        """An 0800: is anybody there?"""
        message = self._terminal.echo(self.now())
        answer = self._link.ask(message)
        self._show(message, "echo", None, answer, "" if answer.code == "00" else "00")
        self._because("network management: no card, no decision")

    def _play(self, message: Fields, what: str, card: Card, expect: str, why: str, held: int | None) -> None:
        answer = self._link.ask(message)
        self._answers[message["11"]] = answer.raw
        found = self._api.decisions(message["37"], message["11"], card.account)
        decision: dict[str, Any] = found[0] if found else {}
        self._show(message, what, card, answer, self._check(answer, expect, card, held), decision.get("reason") or "")
        if decision:
            self._because(because(_step(decision, why)))
        else:
            self.surprises += 1
            self._because("NO DECISION FOUND under its RRN")

    def _check(self, answer: Answer, expect: str, card: Card, held: int | None) -> str:
        """What was expected and did not happen, "" when all is well."""
        if answer.code != expect:
            return expect
        if held is not None and (found := self._api.account(card.account)["held"]) != held:
            return f"held {money(held)}, not {money(found)}"
        return ""

    def _show(
        self, message: Fields, what: str, card: Card | None, answer: Answer, missed: str, reason: str = ""
    ) -> None:
        """One line: message → answer, and what it did to the account."""
        self.messages += 1
        self.surprises += bool(missed)
        line = Text(f"  {message['t']} {what:<10}")
        if "4" in message:
            becomes = int(message.get("95", "0")[:12])
            line.append(f"{money(becomes or int(message['4'])):>9} PLN MCC {message['18']}")
        line.pad_right(max(0, RESULT_AT - len(line)))
        line.append("→ ")
        line.append(_result(answer, reason), style="green" if answer.code == "00" else "yellow")
        if card is not None:
            state = self._api.account(card.account)
            line.pad_right(max(1, FUNDS_AT - len(line)))
            line.append(f"held {money(state['held']):>6}, left {money(state['available']):>8}")
        self._console.print(line, no_wrap=True, overflow="ignore", crop=False)
        if missed:
            self._console.print(f"  !!!! UNEXPECTED: there should be {missed}", style="bold red")

    def _because(self, sentence: str) -> None:
        self._console.print(Text(f"       {sentence}", style="dim"), no_wrap=True, overflow="ignore", crop=False)


def _result(answer: Answer, reason: str) -> str:
    if reason:
        return f"{answer.code} refused {reason}"
    code = answer.fields.get("38", "").strip()
    return f"{answer.code} {f'approved, code {code}' if code else 'accepted'}"


def _step(decision: dict[str, Any], why: str) -> dict[str, Any]:
    """The step of the trace to show: the one asked for, else the one that refused, else the last."""
    wanted = decision["rule"] or why
    steps: list[dict[str, Any]] = decision["trace"]
    return next((step for step in steps if step["rule"] == wanted), steps[-1])
