"""GET /v1/events: an outbox that the reader walks by cursor (issue B, item 8)."""

from __future__ import annotations

from typing import Any


async def test_the_cursor_walks_through_all(api: Any) -> None:
    """Whatever the page size, every event comes once and in order; behind the last one there is nothing."""
    account = await api.account()
    cards = [await api.card(account)]
    for kind in ("temporary", "permanent"):
        await api("POST", f"/v1/cards/{cards[0]}/block", {"kind": kind, "by": "bank"})
    whole = (await api("GET", "/v1/events?limit=1000")).body
    ours = [event for event in whole["events"] if event["account"] == account]
    assert [event["detail"] for event in ours] == ["temporary by bank", "permanent by bank"]
    assert {event["card"] for event in ours} == {cards[0]}
    paged, after = [], 0
    while True:
        page = (await api("GET", f"/v1/events?after={after}&limit=1")).body
        paged += page["events"]
        if not page["more"]:
            break
        assert page["next"] > after
        after = page["next"]
    assert paged == whole["events"]
    assert (await api("GET", f"/v1/events?after={whole['next']}")).body["events"] == []


async def test_wrong_cursors(api: Any) -> None:
    """A cursor below zero or a page of nothing is 400 with the field named."""
    for query in ("after=-1", "limit=0", "after=x"):
        answer = await api("GET", f"/v1/events?{query}")
        assert answer.status == 400
