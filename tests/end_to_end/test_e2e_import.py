"""`authsvc account import`, as who moves a bank over would use it: a file, a stopped engine, and then cards that pay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conftest import Start
from e2e_bank import Bank, Plastic
from e2e_process import run

from authsvc.codec.pan import with_check_digit


def lines(count: int) -> list[dict[str, Any]]:
    return [
        {
            "product": "prepaid-bps", "balance": 500_00,
            "cards": [{"pan": with_check_digit(f"557529{500_000_000 + number}"), "expiry": "4912", "pin": "1234"}],
        }
        for number in range(count)
    ]  # fmt: skip


def test_imported_cards_pay(start: Start, tmp_path: Path) -> None:
    engine = start()
    file = tmp_path / "cards.jsonl"
    made = lines(2_500)
    wrong = {**made[0]["cards"][0], "pan": "557529500000001x"}
    file.write_text("".join(json.dumps(each) + "\n" for each in [*made, {**made[0], "cards": [wrong]}]))
    while_running = run("account", "import", str(file), "--pins", *engine.settings)
    assert while_running.returncode == 2
    assert "another engine uses this data_dir" in while_running.stderr
    engine.stop()
    imported = run("account", "import", str(file), "--pins", *engine.settings)
    assert imported.returncode == 1
    assert "2500 accounts taken with 2500 cards, 0 were there, 1 refused" in imported.stdout
    assert "line 2501: cards[0].pan: Expected `str` matching regex" in imported.stderr
    again = run("account", "import", str(file), "--pins", *engine.settings)
    assert "0 accounts taken with 0 cards, 2500 were there" in again.stdout
    engine.start()
    bank = Bank(engine)
    for each in (made[0], made[2_499]):
        card = Plastic(bank, "", "", each["cards"][0]["pan"], "4912")
        assert [card.pay_with_pin(400_00), card.pay_with_pin(400_00)] == ["00", "51"]
    assert run("reconcile", *engine.settings).returncode == 0
    assert run("replay", "--products", "config/products", *engine.settings).returncode == 0
    bank.close()


def test_a_debt_that_was_taken_over_is_money_that_is_spent(start: Start, tmp_path: Path) -> None:
    """Two cards of a credit account from a CSV file: each pays up to what its own debt and the other's leave."""
    engine = start()
    engine.stop()
    file = tmp_path / "cards.csv"
    first, second = (with_check_digit(f"418039{500_000_000 + number}") for number in range(2))
    file.write_text(
        "account,product,credit_limit,pan,expiry,pin,individual_limit,debt_purchase,debt_interest\n"
        f"4711,credit-business,100000,{first},4912,1234,60000,40000,5000\n"
        f"4711,,,{second},4912,1234,40000,,\n"
    )
    assert run("account", "import", str(file), "--pins", *engine.settings).returncode == 0
    engine.start()
    bank = Bank(engine)
    cards = [Plastic(bank, "", "", pan, "4912") for pan in (first, second)]
    assert [cards[0].pay_with_pin(150_01), cards[0].pay_with_pin(150_00)] == ["51", "00"]
    assert [cards[1].pay_with_pin(400_01), cards[1].pay_with_pin(400_00)] == ["51", "00"]
    bank.close()
    assert run("reconcile", *engine.settings).returncode == 0
