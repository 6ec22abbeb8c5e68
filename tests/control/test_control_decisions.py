"""Finding decisions, and how one is shown."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest

from authsvc.clock import SimulatedClock
from authsvc.control.records import WITHHELD, public
from authsvc.model import Card, CardId, CardSet, CardStatus, Limits, Minor, Pin

Api = Callable[..., Awaitable[Any]]
Pay = Callable[..., Any]


async def test_an_approval_as_it_is_shown(api: Api, pay: Pay) -> None:
    """An approval shows its answer, its hold and every rule that ran with its paragraph and inputs."""
    account = await api.account("prepaid-bps", load=100_00)
    card = await api.card(account)
    decision = await pay(account, card, 30_00)
    (line,) = (await api("GET", f"/v1/decisions?rrn={decision.request.origin.rrn}")).body
    assert (line["decision"], line["kind"], line["outcome"], line["amount"]) == (
        decision.id, "authorization", "approved", 30_00,
    )  # fmt: skip
    assert (line["response_code"], line["authorization_code"]) == ("00", decision.answer.authorization_code)
    assert (line["hold"]["amount"], line["hold"]["hold"], line["at"]) == (
        30_00,
        decision.outcome.hold,
        "2026-06-15T10:00:00Z",
    )
    assert (line["reason"], line["rule"], line["paragraph"]) == (None, None, None)
    steps = {step["rule"]: step for step in line["trace"]}
    assert steps["funds"]["verdict"] == "passed"
    assert steps["funds"]["inputs"]["amount"] == 30_00
    assert "hold_placed" in [change["type"] for change in line["changes"]]


async def test_a_refusal_as_it_is_shown(api: Api, pay: Pay) -> None:
    """A refusal shows its reason, the rule, the paragraph and DE39; it holds nothing."""
    account = await api.account("prepaid-bps", load=100_00)
    decision = await pay(account, await api.card(account), 30_00, pin=Pin.WRONG)
    (line,) = (await api("GET", f"/v1/decisions?stan={decision.request.origin.stan}&account={account}")).body
    assert (line["outcome"], line["reason"], line["rule"], line["response_code"]) == (
        "refused",
        "PIN_WRONG",
        "pin",
        "55",
    )
    assert (line["amount"], line["hold"], line["authorization_code"]) == (None, None, None)
    assert line["paragraph"]


async def test_a_command_has_no_response_code(api: Api) -> None:
    """Commands stand in the same journal; a DE39 is for messages only."""
    account = await api.account("prepaid-bps", holder="Jan Kowalski")
    (line,) = (await api("GET", f"/v1/decisions?account={account}")).body
    assert (line["kind"], line["response_code"], line["seq"]) == ("open_account", None, 1)
    assert line["request"] == {"account": account, "product": "prepaid-bps", "holder": "Jan Kowalski"}


@pytest.mark.parametrize(
    ("query", "status", "found"),
    [
        ("", 400, None),
        ("?rrn=&stan=&account=", 400, None),
        ("?card=1", 400, None),
        ("?rrn=" + "1" * 65, 400, None),
        ("?rrn=RRN000000001", 200, 2),
        ("?stan=000001", 200, 2),
        ("?rrn=RRN000000001&stan=000002", 200, 0),
        ("?rrn=true", 200, 0),
        ("?account=nobody", 200, 0),
    ],
)
async def test_finding(api: Api, pay: Pay, query: str, status: int, found: int | None) -> None:
    """At least one criterion is needed; all that are given must match; finding nothing is no error."""
    for product in ("prepaid-bps", "prepaid-sgb"):
        account = await api.account(product)
        await pay(account, await api.card(account), origin=_origin("000001"))
    answer = await api("GET", f"/v1/decisions{query}")
    assert answer.status == status
    assert found is None or len(answer.body) == found


@pytest.mark.parametrize("since", ["2026-06-15T10:00:00Z", "2026-06-15T12:00:00+02:00"])
async def test_from_a_moment_on(api: Api, clock: SimulatedClock, since: str) -> None:
    """Page by page, in the order of the journal, and nothing of before on any page, should the clock have been put back."""
    opened = []
    for seconds in (-3600, 3600, -3600, 3600):
        clock.advance(seconds)
        opened.append(await api.account())
    pages, after = [], -1
    while after < 0 or pages[-1]["more"]:
        answer = await api("GET", f"/v1/decisions/recent?limit=1&after={after}&since={quote(since)}")
        pages.append(answer.body)
        after = answer.body["next"]
    assert [line["account"] for page in pages for line in page["decisions"]] == opened[1::2]


async def test_going_on_from_a_page(api: Api, clock: SimulatedClock) -> None:
    """With `after` alone everything behind it, whatever the clock did."""
    await api.account()
    place = (await api("GET", "/v1/decisions/recent")).body["next"]
    clock.advance(-3600)
    account = await api.account()
    (line,) = (await api("GET", f"/v1/decisions/recent?after={place}")).body["decisions"]
    assert (line["account"], line["kind"]) == (account, "open_account")


@pytest.mark.parametrize("since", ["2026-06-15T10:00:00", "yesterday"])
async def test_no_moment(api: Api, since: str) -> None:
    answer = await api("GET", f"/v1/decisions/recent?since={since}")
    assert (answer.status, "since" in str(answer.body)) == (400, True)


def _origin(stan: str) -> Any:
    from authsvc.model import Origin

    return Origin("0100", "0615100000", stan, rrn=f"RRN{stan:0>9}")


def test_what_is_withheld_is_withheld_at_any_depth() -> None:
    """A PVV inside a card inside a change is left out; the rest of the card is there."""
    card = Card(CardId("c"), "0001", "2812", "8642", CardStatus.ACTIVE, Limits(Minor(1), Minor(2), Minor(3)))
    shown = public(CardSet(card))
    assert WITHHELD & set(shown["card"]) == set()
    assert shown["card"]["last4"] == "0001"
    assert "8642" not in str(shown)
