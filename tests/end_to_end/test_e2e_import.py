"""`authsvc account import`, as who moves a bank over would use it: a file, a stopped engine, and then cards that pay."""

from __future__ import annotations

import json
from pathlib import Path

from conftest import Start
from e2e_bank import Bank, Plastic
from e2e_process import run

from authsvc.codec.pan import with_check_digit


def lines(count: int) -> list[dict[str, object]]:
    return [
        {
            "product": "prepaid-bps", "pan": with_check_digit(f"557529{500_000_000 + number}"), "expiry": "4912", "pin": "1234",
            "balance": 500_00,
        }
        for number in range(count)
    ]  # fmt: skip


def test_imported_cards_pay(start: Start, tmp_path: Path) -> None:
    engine = start()
    file = tmp_path / "cards.jsonl"
    made = lines(2_500)
    file.write_text(
        "".join(json.dumps(each) + "\n" for each in [*made, {**made[0], "pan": f"{made[0]['pan']}"[:15] + "x"}])
    )
    while_running = run("account", "import", str(file), "--pins", *engine.settings)
    assert while_running.returncode == 2
    assert "another engine uses this data_dir" in while_running.stderr
    engine.stop()
    imported = run("account", "import", str(file), "--pins", *engine.settings)
    assert imported.returncode == 1
    assert "2500 accounts taken, 0 were there, 1 lines refused" in imported.stdout
    assert "line 2501: Expected `str` matching regex" in imported.stderr
    again = run("account", "import", str(file), "--pins", "--json", *engine.settings)
    counted = json.loads(again.stdout)
    assert (counted["taken"], counted["there"], counted["refused"]) == (0, 2_500, 1)
    engine.start()
    bank = Bank(engine)
    for each in (made[0], made[2_499]):
        card = Plastic(bank, "", "", str(each["pan"]), "4912")
        assert [card.pay_with_pin(400_00), card.pay_with_pin(400_00)] == ["00", "51"]
    assert run("reconcile", *engine.settings).returncode == 0
    assert run("replay", "--products", "config/products", *engine.settings).returncode == 0
    bank.close()
