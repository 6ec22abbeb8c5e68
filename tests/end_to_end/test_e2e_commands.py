"""The control API as bank staff and portals use it: wire.md section 4."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from e2e_bank import Bank, Plastic

BLOCKS = ["temporary", "permanent", "lost", "stolen"]
FOR_GOOD = BLOCKS[1:]


def refused(answer: Any, paragraph: str) -> bool:
    """409 with the paragraph that forbids it."""
    body = answer.json()
    regulation, section = paragraph.split(" ")
    named = body["paragraph"].startswith(regulation) and section in body["paragraph"]
    return answer.status_code == 409 and named and bool(body["reason"])


# --------------------------------------------------------------------------------------------- forbidden changes


@pytest.mark.parametrize(("product", "paragraph"), [
    ("credit-business", "S §22.4"), ("prepaid-bps", "W §16.3"), ("prepaid-sgb", "P §25.4"),
])  # fmt: skip
@pytest.mark.parametrize("kind", FOR_GOOD)
def test_a_permanent_block_is_never_lifted(bank: Bank, product: str, paragraph: str, kind: str) -> None:
    """Nor changed into another, nor is its card activated again."""
    card = bank.issue(product)
    assert card.change("POST", "block", {"kind": kind, "by": "holder"}).status_code == 200
    status = card.view()["status"]
    assert refused(card.change("POST", "unblock"), paragraph)
    assert card.change("POST", "activate").status_code == 409
    for other in BLOCKS:
        assert card.change("POST", "block", {"kind": other, "by": "bank"}).status_code == 409
    assert card.view()["status"] == status
    bank.advance(days=400)
    assert card.view()["status"] == status


@pytest.mark.parametrize(("product", "by", "kind", "status"), [
    ("credit-business", "user", "stolen", 200),  # S §21.7, §35.4-6: for the card in hand
    ("prepaid-bps", "user", "stolen", 409),  # W §26.6: only the holder
    ("prepaid-bps", "user", "temporary", 200),  # W §26.5
    ("prepaid-bps", "holder", "stolen", 200),
    ("prepaid-sgb", "user", "lost", 200),  # P §24.1.2
    ("prepaid-sgb-minor", "user", "lost", 409),  # P §1.3: parent or guardian
    ("prepaid-sgb-minor", "holder", "lost", 200),
])  # fmt: skip
def test_who_may_block_for_good(bank: Bank, product: str, by: str, kind: str, status: int) -> None:
    answer = bank.issue(product).change("POST", "block", {"kind": kind, "by": by})
    assert answer.status_code == status
    assert answer.is_success or answer.json()["paragraph"]


def test_a_temporary_block_and_back(bank: Bank) -> None:
    """Back to what it was before: an inactive card does not come back active."""
    card = bank.issue("prepaid-bps", active=False)
    card.change("POST", "block", {"kind": "temporary", "by": "holder"})
    assert card.pay() == "62"
    assert card.change("POST", "unblock").json()["status"] == "inactive"
    card.change("POST", "activate")
    card.change("POST", "block", {"kind": "temporary", "by": "holder"})
    assert card.change("POST", "unblock").json()["status"] == "active"
    assert card.pay() == "00"


@pytest.mark.parametrize(("product", "limits", "paragraph"), [
    ("prepaid-bps", {"cash": 5_000_01}, "W §10"),
    ("prepaid-bps", {"internet": 5_000_01}, "W §10"),
    ("prepaid-sgb-minor", {"cashless": 100_01}, "P zał.2"),
])  # fmt: skip
def test_a_limit_above_its_ceiling(bank: Bank, product: str, limits: dict[str, int], paragraph: str) -> None:
    card = bank.issue(product)
    before = card.view()["limits"]
    answer = card.change("PUT", "limits", limits)
    assert refused(answer, paragraph)
    assert answer.json()["reason"] == "ABOVE_CEILING"
    assert card.view()["limits"] == before


def test_s_has_no_ceiling(bank: Bank) -> None:
    """The holder sets it (S §23.1)."""
    card = bank.issue("credit-business")
    assert card.change("PUT", "limits", {"cash": 999_999_00}).json()["limits"]["cash"] == 999_999_00


def test_a_changed_limit_works_at_once(bank: Bank) -> None:
    """What is used stays used; one that is not given stays as it is."""
    card = bank.issue("prepaid-bps")
    assert card.pay(60_00) == "00"
    card.change("PUT", "limits", {"cashless": 100_00})
    assert [card.pay(40_01), card.pay(40_00)] == ["61", "00"]
    view = card.view()
    assert (view["limits"]["cash"], view["remaining_today"]["cashless"]) == (500_000, 0)
    card.change("PUT", "limits", {"cashless": 50_00})  # below what is used
    assert card.pay(1) == "61"
    assert card.view()["remaining_today"]["cashless"] == 0


@pytest.mark.parametrize("product", ["prepaid-bps", "prepaid-sgb", "prepaid-sgb-minor"])
def test_one_card_an_account(bank: Bank, product: str) -> None:
    """W §6.2, P §1.5; a card blocked for good makes room for the next."""
    card = bank.issue(product)
    path, body = f"/v1/accounts/{card.account}/cards", {"pin": "1234"}
    assert bank.api.ask("POST", path, body).json()["reason"] == "TOO_MANY_CARDS"
    card.change("POST", "block", {"kind": "lost", "by": "holder"})
    assert bank.api.ask("POST", path, body).status_code == 201


def test_individual_limits_sum_to_the_credit_limit_at_most(bank: Bank) -> None:
    """S §4.5, §25.4."""
    account = bank.account("credit-business", credit_limit=1_000_00)
    bank.card("credit-business", account, individual_limit=700_00)
    body = {"pin": "1234", "individual_limit": 300_01}
    assert refused(bank.api.ask("POST", f"/v1/accounts/{account}/cards", body), "S §")
    body["individual_limit"] = 300_00
    assert bank.api.ask("POST", f"/v1/accounts/{account}/cards", body).status_code == 201


def test_a_number_belongs_to_one_card(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    other = bank.account("prepaid-bps")
    answer = bank.api.ask("POST", f"/v1/accounts/{other}/cards", {"pin": "1234", "pan": card.pan})
    assert (answer.status_code, answer.json()["reason"]) == (409, "CARD_EXISTS")
    assert bank.api.get(f"/v1/accounts/{other}")["cards"] == []
    assert card.pay() == "00"


def test_a_new_pin(bank: Bank) -> None:
    """204; the old one is wrong from now on; it does not end a PIN block."""
    card = bank.issue("prepaid-bps")
    assert card.change("PUT", "pin", {"pin": "9876"}).status_code == 204
    assert [card.pay_with_pin(), card.pay_with_pin(pin="9876")] == ["55", "00"]


@pytest.mark.parametrize("product", ["credit-business", "prepaid-bps"])
def test_a_pin_whose_letter_never_came(bank: Bank, product: str) -> None:
    """S §8.2, §12.4, W §13.5: the holder sets one in the portal, also before the card is active, and it is the card's."""
    card = bank.card(product, bank.account(product, 0 if product == "credit-business" else 100_00), active=False)
    assert card.change("PUT", "pin", {"pin": "9876"}, role="portal").status_code == 204
    card.change("POST", "activate", role="portal")
    assert [card.pay_with_pin(pin="1234"), card.pay_with_pin(pin="9876")] == ["55", "00"]


# ------------------------------------------------------------------------------------------------------- answers


def test_what_a_new_card_looks_like(bank: Bank) -> None:
    account = bank.account("prepaid-sgb", load=50_00)
    issued = bank.api.post(f"/v1/accounts/{account}/cards", {"pin": "1234"})
    assert issued == {"card": issued["card"], "pan_masked": issued["pan_masked"], "status": "active"}
    assert issued["pan_masked"][:6] + issued["pan_masked"][6:12] == "557529******"
    assert bank.api.get(f"/v1/cards/{issued['card']}") == {
        "card": issued["card"], "account": account, "last4": issued["pan_masked"][-4:], "expiry": "2906",
        "status": "active", "limits": {"cash": 150_000, "cashless": 300_000, "internet": 300_000},
        "used_today": {"cash": 0, "cashless": 0, "internet": 0, "cash_count": 0, "cashless_count": 0, "internet_count": 0},
        "remaining_today": {
            "cash": 150_000, "cashless": 300_000, "internet": 300_000,
            "cash_count": 5, "cashless_count": 15, "internet_count": 10,
        },
        "pin_tries_left": 3, "contactless": {"enabled": True, "unlocked": False, "since_sca": 0},
        "low_value": {"sum": 0, "count": 0}, "three_ds": {"locked": False, "failures": 0}, "trusted_merchants": [],
        "individual_limit": None, "pending_limits": [], "renewal": None, "virtual_cards": [],
    }  # fmt: skip


def test_an_account_adds_up(bank: Bank) -> None:
    card = bank.issue("prepaid-bps", load=100_00)
    card.pay(30_00)
    view = bank.api.get(f"/v1/accounts/{card.account}")
    assert (view["product"], view["status"], view["balance"], view["held"], view["available"], view["credit_limit"]) == (
        "prepaid-bps", "open", 100_00, 30_00, 70_00, None,
    )  # fmt: skip
    assert [row["card"] for row in view["cards"]] == [card.card]
    credit = bank.issue("credit-business")
    credit.pay(30_00)
    view = bank.api.get(f"/v1/accounts/{credit.account}")
    assert (view["balance"], view["held"], view["available"], view["credit_limit"]) == (0, 30_00, 1_997_000, 2_000_000)


def test_the_journal_tells_all_of_it_in_order(bank: Bank) -> None:
    """Commands and messages in one journal, refusals too, each with its trace; `after` goes on from a number."""
    card = bank.issue("prepaid-bps")
    card.pay(1_00)
    card.pay(20_000_00)
    card.reverse(card.sent)
    card.change("POST", "block", {"kind": "stolen", "by": "user"})
    journal = bank.api.get(f"/v1/accounts/{card.account}/journal")
    kinds = [
        "open_account",
        "load",
        "issue_card",
        "activate_card",
        "authorization",
        "authorization",
        "reversal",
        "block_card",
    ]
    assert [entry["kind"] for entry in journal] == kinds
    assert [entry["seq"] for entry in journal] == list(range(1, 9))
    assert [entry["outcome"] for entry in journal] == ["approved"] * 5 + ["refused", "approved", "refused"]
    assert all(entry["trace"] for entry in journal)
    assert bank.api.get(f"/v1/accounts/{card.account}/journal?after=6") == journal[6:]


def test_a_decision_is_found_by_what_is_on_a_slip(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    card.pay(1_00)
    by_rrn = bank.decisions(rrn=card.sent["37"])
    assert by_rrn == bank.decisions(stan=card.sent["11"], account=card.account)
    assert by_rrn[0]["hold"]["amount"] == 1_00
    assert [step["rule"] for step in by_rrn[0]["trace"][:1]] == ["card"]
    assert bank.decisions(rrn="no such RRN") == []


# --------------------------------------------------------------------------------------------- wrong calls, roles


@pytest.mark.parametrize("path", ["/v1/accounts/acc-none", "/v1/cards/card-none", "/v1/accounts/acc-none/journal"])
def test_an_unknown_id(bank: Bank, path: str) -> None:
    assert bank.api.ask("GET", path).status_code == 404


@pytest.mark.parametrize(("path", "body", "field"), [
    ("/v1/accounts", {"product": "none"}, "product"),
    ("/v1/accounts", {"product": "gold"}, "product"),
    ("/v1/accounts", {}, "product"),
    ("/v1/accounts", {"product": "prepaid-bps", "credit_limit": 1}, "credit_limit"),
    ("/v1/accounts", {"product": "credit-business"}, "credit_limit"),
    ("/v1/accounts", {"product": "prepaid-bps", "colour": "red"}, "colour"),
    ("/v1/accounts/{account}/loads", {"amount": 0, "reference": "r"}, "amount"),
    ("/v1/accounts/{account}/loads", {"amount": -1, "reference": "r"}, "amount"),
    ("/v1/accounts/{account}/loads", {"amount": 1.5, "reference": "r"}, "amount"),
    ("/v1/accounts/{account}/loads", {"amount": "100", "reference": "r"}, "amount"),
    ("/v1/accounts/{account}/loads", {"amount": True, "reference": "r"}, "amount"),
    ("/v1/accounts/{account}/loads", {"amount": 100}, "reference"),
    ("/v1/accounts/{account}/cards", {"pin": "123"}, "pin"),
    ("/v1/accounts/{account}/cards", {"pin": 1234}, "pin"),
    ("/v1/accounts/{account}/cards", {"pin": "1234", "pan": "4180390000000018"}, "pan"),
    ("/v1/accounts/{account}/cards", {"pin": "1234", "expiry": "2813"}, "expiry"),
    ("/v1/accounts/{account}/cards", {"pin": "1234", "expiry": "2605"}, "expiry"),
    ("/v1/accounts/{account}/cards", {"pin": "1234", "individual_limit": 5}, "individual_limit"),
    ("/v1/cards/{card}/block", {"kind": "a while", "by": "bank"}, "kind"),
    ("/v1/cards/{card}/block", {"kind": "lost", "by": "neighbour"}, "by"),
    ("/v1/clock", {}, "now"),
    ("/v1/clock", {"now": "yesterday"}, "now"),
    ("/v1/clock", {"now": "2026-06-15T10:00:00"}, "now"),
    ("/v1/clock", {"now": "2026-06-15T10:00:00Z", "advance_seconds": 1}, "now"),
])  # fmt: skip
def test_a_bad_body_names_its_field(bank: Bank, path: str, body: dict[str, object], field: str) -> None:
    card = bank.issue("prepaid-bps")
    answer = bank.api.ask("POST", path.format(account=card.account, card=card.card), body)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize("role", [None, "nobody"])
def test_no_or_unknown_token(bank: Bank, role: str | None) -> None:
    for method, path in (("POST", "/v1/accounts"), ("GET", "/v1/accounts/x"), ("POST", "/v1/clock")):
        assert bank.api.ask(method, path, {} if method == "POST" else None, role=role).status_code == 401


RIGHTS: list[tuple[str, str, dict[str, object] | None, set[str]]] = [
    ("POST", "/v1/accounts", {"product": "prepaid-bps"}, {"operator", "branch"}),
    ("POST", "/v1/accounts/{account}/loads", {"amount": 1, "reference": "r"}, {"operator", "branch"}),
    ("GET", "/v1/accounts/{account}", None, {"operator", "branch", "hotline", "portal", "auditor"}),
    ("GET", "/v1/accounts/{account}/journal", None, {"operator", "branch", "hotline", "portal", "auditor"}),
    ("POST", "/v1/cards/{card}/unblock-pin", None, {"operator", "branch", "hotline"}),
    ("PUT", "/v1/cards/{card}/limits", {"cash": 1}, {"operator", "branch", "portal"}),
    ("PUT", "/v1/cards/{card}/pin", {"pin": "1234"}, {"operator", "branch", "portal"}),
    ("POST", "/v1/cards/{card}/block", {"kind": "temporary", "by": "bank"}, {"operator", "branch", "hotline"}),
    (
        "POST",
        "/v1/cards/{card}/block",
        {"kind": "temporary", "by": "holder"},
        {"operator", "branch", "hotline", "portal"},
    ),
    ("POST", "/v1/clock", {"advance_seconds": 0}, {"operator"}),
]


@pytest.mark.parametrize(("method", "path", "body", "allowed"), RIGHTS)
def test_roles(bank: Bank, method: str, path: str, body: dict[str, object] | None, allowed: set[str]) -> None:
    """Too weak a role is 403, and nothing is done."""
    card = bank.issue("prepaid-bps")
    path = path.format(account=card.account, card=card.card)
    before = len(bank.api.get(f"/v1/accounts/{card.account}/journal"))
    for role in {"operator", "branch", "hotline", "portal", "auditor"} - allowed:
        assert bank.api.ask(method, path, body, role=role).status_code == 403
    assert len(bank.api.get(f"/v1/accounts/{card.account}/journal")) == before
    for role in allowed:
        assert bank.api.ask(method, path, body, role=role).is_success


def test_open_calls_need_no_token(bank: Bank) -> None:
    for path in ("/healthz", "/readyz", "/metrics", "/schema"):
        assert bank.api.ask("GET", path, role=None).status_code == 200
    assert "/v1/accounts" in bank.api.ask("GET", "/schema", role=None).json()["paths"]


# -------------------------------------------------------------------------------------------------- idempotency


def asked_twice(bank: Bank, path: str, body: object, key: str) -> tuple[Any, Any]:
    return bank.api.ask("POST", path, body, key=key), bank.api.ask("POST", path, body, key=key)


def test_a_repeated_call_is_done_once(bank: Bank) -> None:
    """The same key, the same call: the same answer, and the money only once."""
    name = secrets.token_hex(6)
    first, second = asked_twice(bank, "/v1/accounts", {"product": "prepaid-bps"}, f"open-{name}")
    assert (first.status_code, first.json()) == (second.status_code, second.json())
    account = first.json()["account"]
    first, second = asked_twice(
        bank, f"/v1/accounts/{account}/loads", {"amount": 5_00, "reference": "r"}, f"load-{name}"
    )
    assert first.json() == second.json()
    first, second = asked_twice(bank, f"/v1/accounts/{account}/cards", {"pin": "1234"}, f"card-{name}")
    assert first.json() == second.json()
    view = bank.api.get(f"/v1/accounts/{account}")
    assert (view["balance"], len(view["cards"])) == (5_00, 1)


def test_the_same_key_for_another_call(bank: Bank) -> None:
    """409, and the first stays as it was."""
    card = bank.issue("prepaid-bps", load=1_00)
    path = f"/v1/accounts/{card.account}/loads"
    assert bank.api.ask("POST", path, {"amount": 5_00, "reference": "r"}, key="k").status_code == 201
    answer = bank.api.ask("POST", path, {"amount": 6_00, "reference": "r"}, key="k")
    assert (answer.status_code, answer.json()["reason"]) == (409, "DUPLICATE")
    assert card.money() == (0, 6_00)


def test_a_refused_call_repeated_is_refused_again(bank: Bank) -> None:
    card = bank.issue("prepaid-bps")
    answers = [card.change("PUT", "limits", {"cash": 9_999_00}, key="too-much") for _ in range(2)]
    assert [(answer.status_code, answer.json()["reason"]) for answer in answers] == [(409, "ABOVE_CEILING")] * 2
    journal = bank.api.get(f"/v1/accounts/{card.account}/journal")
    assert [entry["reason"] for entry in journal].count("ABOVE_CEILING") == 1


def test_without_a_key_every_call_is_new(bank: Bank) -> None:
    card = bank.issue("prepaid-bps", load=1_00)
    for _ in range(2):
        bank.api.post(f"/v1/accounts/{card.account}/loads", {"amount": 1_00, "reference": "same"})
    assert card.money() == (0, 3_00)


@pytest.mark.parametrize("key", ["x" * 129, "with blank"])
def test_a_key_that_is_none(bank: Bank, key: str) -> None:
    answer = bank.api.ask("POST", "/v1/accounts", {"product": "prepaid-bps"}, key=key)
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


def test_a_command_and_messages_on_one_account_at_once(bank: Bank) -> None:
    """Whatever is under way, a load adds exactly itself."""
    card: Plastic = bank.issue("prepaid-bps", load=100_00)
    messages = [card.message(1_00) for _ in range(50)]
    bank.wire.send(*messages)
    bank.api.post(f"/v1/accounts/{card.account}/loads", {"amount": 7_00, "reference": "r"})
    answers = [bank.wire.receive()["39"] for _ in messages]
    assert answers == ["00"] * 50
    assert card.money() == (50_00, 57_00)
