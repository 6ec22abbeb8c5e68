"""What the measurements stand on: the floor is a host that decides, CPU time finds its process, the page keeps its words."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from bench import cores, cpu, page
from bench.loads import Measured, server
from bench.profile import summed
from bench.system import Company, Found, Turn, _by_company, _each
from loadtest import report
from loadtest.messages import Card, Kind, Terminal, repeat, zone_key
from loadtest.timeline import Second, Tally
from loadtest.wire import Link

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning:psec")
ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 6, 15, 10, tzinfo=UTC)
CARD = Card("4180390000000017", "4912", "1234")


@pytest.fixture(scope="module")
def plain() -> Iterator[tuple[int, int]]:
    with server("bench.plain") as found:
        yield found


def test_the_plain_way_decides_and_remembers(plain: tuple[int, int]) -> None:
    """Approved while there are funds; a repeat gets the very same bytes; a reversal gives the money back."""
    terminal = Terminal(zone_key(ROOT / "config/keys/demo.toml"), 1)
    with Link("127.0.0.1", plain[0]) as link:
        large = terminal.pay(Kind.CHIP_PIN, CARD, 100_000_000, NOW)
        first = link.ask(large)
        assert (first.code, first.fields["t"]) == ("00", "0110")
        assert link.ask(repeat(large)).raw == first.raw
        assert link.ask(terminal.pay(Kind.CHIP_PIN, CARD, 1, NOW)).code == "61"
        assert link.ask(terminal.reverse(large, NOW)).code == "00"
        assert link.ask(terminal.pay(Kind.CHIP_PIN, CARD, 1, NOW)).code == "00"


def test_the_plain_way_has_its_valkey_counted(plain: tuple[int, int]) -> None:
    """Its Valkey is a process of its own, and is found as its child."""
    assert len(cpu.children_of(plain[1], "valkey-server")) == 1


def test_a_child_of_a_child_is_found() -> None:
    """The writer of a worker's ledger is a grandchild of the first process."""
    waiting = "import sys; print(7, flush=True); sys.stdin.read()"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {waiting!r}])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"7\n"
        assert len(cpu.children_of(os.getpid(), "sys.stdin.read")) == 2
        assert len(cpu.children_of(process.pid, "sys.stdin.read")) == 1
        process.communicate()


def test_the_page_keeps_what_people_wrote(tmp_path: Path) -> None:
    file = tmp_path / "performance.md"
    file.write_text("# A\n<!-- begin x -->\nold\n<!-- end x -->\nwords\n", "utf-8")
    page.put("x", page.table(("a", "b"), [("1", 2)]), file)
    page.put("x", page.table(("a", "b"), [("3", 4)]), file)
    assert file.read_text("utf-8") == "# A\n<!-- begin x -->\n| a | b |\n|---|---:|\n| 3 | 4 |\n<!-- end x -->\nwords\n"
    with pytest.raises(ValueError, match="has no place for y"):
        page.put("y", [], file)


@pytest.mark.parametrize("name", ["parts", "system", "growth"])
def test_the_real_page_has_a_place_for_each(name: str) -> None:
    text = page.PAGE.read_text("utf-8")
    assert 0 < text.find(f"<!-- begin {name} -->\n") < text.find(f"<!-- end {name} -->\n")


def test_a_profile_is_summed_by_function() -> None:
    """Lines of a function are one; a function that calls itself counts once in what it has with its calls."""
    raw = "run (a.py:1);decide (b.py:5);decide (b.py:9) 3\nrun (a.py:2);decide (b.py:6) 5\nrun (a.py:2) 2\n"
    assert summed(raw)[1:] == [" 80.0%      80.0%  decide (b.py)", " 20.0%     100.0%  run (a.py)"]


def measured(rate: int, p99: int = 0) -> Measured:
    """A load of a second; only what is looked at here is true of it."""
    tally = Tally()
    tally.answered = rate
    tally.latency.record_value(max(1, p99))
    return Measured("", report.result_of(tally, 1.0, 0.0), {})


def test_the_turn_in_the_middle_counts() -> None:
    """Of each load by itself: by its rate, of the open loop by p99."""
    turns = [
        Turn(measured(echo), measured(plain), measured(full), measured(1, p99))
        for echo, plain, full, p99 in ((900, 10, 50, 30), (100, 30, 60, 10), (500, 20, 90, 20))
    ]
    found = Found(turns, (0, 0, 0), [])
    assert [each.result.per_second for each in found.medians[:3]] == [500, 20, 60]
    assert found.medians[3].result.latency.p99 == 20
    assert [turn.times_plain for turn in turns] == [5.0, 2.0, 4.5]
    assert len(list(found.all)) == 12


def test_all_turns_are_told() -> None:
    assert (_each([3.0, 1.0, 2.0], ".1f"), _each([7.0], ".0f")) == ("2.0 (3.0, 1.0, 2.0)", "7")


def test_what_the_host_stole_is_the_eighth_number_of_all_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """proc(5): user nice system idle iowait irq softirq steal guest."""
    text = f"cpu 1 2 3 4 5 6 7 {3 * cpu.TICKS} 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
    monkeypatch.setattr(Path, "read_text", lambda _path: text)
    assert cpu.stolen() == 3.0


@pytest.mark.parametrize("module", ["capacity", "growth", "imports", "mockhost", "system"])
def test_a_measurement_says_what_it_measures(module: str) -> None:
    """What the pages name can be started: one of them had gone on importing what was there no longer."""
    told = subprocess.run([sys.executable, "-m", f"bench.{module}", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("Usage:")


def samples(*took: float, at: float = 0.0) -> list[cores.Sample]:
    """One each 0.1 s."""
    return [cores.Sample(at + number / 10, each) for number, each in enumerate(took)]


@pytest.mark.parametrize(
    ("took", "alone", "shared"),
    [
        ((5.0, 5.0, 5.4, 5.9), 5.0, 0.0),  # within a fifth: ours
        ((5.0, 5.0, 6.1, 10.0), 5.0, 0.5),
        ((10.0, 10.0), 10.0, 0.0),  # never alone, and nobody can tell
        ((4.0, *[5.0] * 99), 5.0, 0.0),  # a single quick one is chance
        ((1.0, 1.0, 1.0, *[5.0] * 97), 1.0, 0.97),
    ],
)
def test_a_core_is_shared_while_the_work_takes_longer(took: tuple[float, ...], alone: float, shared: float) -> None:
    found = samples(*took)
    assert cores.alone(found) == alone
    assert cores.shared(found, alone) == shared


def test_nothing_was_seen_where_nobody_looked() -> None:
    assert cores.shared([], 5.0) == 0.0


def test_each_core_is_watched_while_it_lasts() -> None:
    with cores.watched() as found:
        began = time.perf_counter()
        assert not found
    assert len(found) >= len(os.sched_getaffinity(0))
    assert all(sample.took > 0 and abs(sample.at - began) < 60 for sample in found)


def watched_and_broken_off() -> None:
    with cores.watched():
        assert len(cpu.children_of(os.getpid(), "bench.cores")) == len(os.sched_getaffinity(0))
        raise ZeroDivisionError


def test_the_watchers_end_with_what_they_watch() -> None:
    with pytest.raises(ZeroDivisionError):
        watched_and_broken_off()
    assert not cpu.children_of(os.getpid(), "bench.cores")


def test_seconds_are_told_apart_by_who_had_the_cores() -> None:
    """The third in which they were most ours, and that in which they were least; an interval cut off is no second."""
    seconds = [
        Second(at, 0, answered, 0, 0, 0, 0, 0, 0) for at, answered in ((1.0, 90), (2.0, 60), (3.0, 50), (3.2, 7))
    ]
    quiet, half, full = samples(*[5.0] * 10, at=100), samples(5.0, 9.0, at=101), samples(*[9.0] * 10, at=102)
    load = measured(1)
    load = replace(load, result=replace(load.result, timeline=seconds), cores=[*full, *quiet, *half], began=100.0)
    assert _by_company([load], 5.0, lambda second: second.answered) == (Company(0.0, 0.0, 90), Company(1.0, 1.0, 50))
    assert _by_company([measured(1)], 5.0, lambda second: second.answered) is None
