"""The report: one page that needs nothing else, JSON that other tools can read."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import msgspec
from hdrh.histogram import HdrHistogram
from msgspec.structs import replace

from loadtest.page import page
from loadtest.report import Report, Stage, result_of
from loadtest.timeline import Example, Tally


def report(wrong: int = 0) -> Report:
    tally = Tally()
    for second in range(3):
        for place in range(100):
            tally.sent += 1
            tally.answered += 1
            tally.record(1_000 * (place + 1) + second)
            tally.codes["chip_pin", b"51" if place % 10 == 0 else b"00"] += 1
        tally.seconds[second:] = [replace(tally.end_of_interval(5), at=second + 1.0)]
    if wrong:
        tally.wrong["chip_pin"] = wrong
        tally.examples["chip_pin"] = Example("chip_pin", "00", "0110 <51>", 100, "000000000001", "000001", "0017")
    return Report("127.0.0.1:8583", "2026-06-15", {"rate": 100.0}, [Stage(100.0, True, result_of(tally, 3.0, 0.001))])


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.seen: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_loads_nothing() -> None:
    """Every tag is closed, nothing is fetched, four plots are drawn, each with what its axes measure."""
    tags, text = _Tags(), page(report())
    tags.feed(text)
    assert tags.open == tags.links == []
    assert tags.seen.count("svg") == 4
    assert tags.seen.count("polyline") == 3 + 2 + 2 + 1
    assert [text.count(f">{label}</text>") for label in ("milliseconds", "a second")] == [2, 2]
    assert "http" not in text
    assert "None.</p>" in text


def test_a_wrong_answer_is_shown_with_what_it_had_to_be() -> None:
    """Whatever a host says cannot become part of the page's own language."""
    text = page(report(wrong=3))
    assert "0110 &lt;51&gt; instead of 00; amount 100, RRN 000000000001" in text
    assert '<b class="bad">3 wrong</b>' in text


def test_a_run_without_refusals_has_no_empty_plot() -> None:
    found = report()
    (stage,) = found.stages
    clean = [replace(second, refused=0) for second in stage.result.timeline]
    text = page(replace(found, stages=[replace(stage, result=replace(stage.result, timeline=clean))]))
    assert "<h2>Refused and wrong</h2>\n<p>None.</p>" in text


def test_several_rates_are_marked_and_a_ramp_named_by_both_ends() -> None:
    (stage,) = report().stages
    text = page(replace(report(), stages=[stage, replace(stage, offered=300.0, to=900.0, held=False)]))
    assert text.count(">300 to 900/s</text>") == 3 + 1
    assert "<td>300 to 900/s, not held</td>" in text


def test_an_hour_is_drawn_by_some_hundred_points() -> None:
    """Each the worst of its intervals, and rates as they were."""
    (stage,) = report().stages
    seconds = [replace(stage.result.timeline[0], at=at + 1.0, max=5_000 * (at == 1234) + 1_000) for at in range(3_600)]
    text = page(replace(report(), stages=[replace(stage, result=replace(stage.result, timeline=seconds))]))
    assert "A point stands for 9 intervals" in text
    lines = re.findall(r'points="([^"]*)"', text)
    assert {len(line.split()) for line in lines[:5]} == {400}
    assert len({place.partition(",")[2] for place in lines[2].split()}) == 2
    assert len({place.partition(",")[2] for place in lines[4].split()}) == 1


def test_the_json_reads_back() -> None:
    """Also its switches, which are no numbers."""
    found = replace(report(), command={"tls": False, "rate": 1.5, "links": 8, "mix": "demo.toml"})
    assert msgspec.json.decode(msgspec.json.encode(found), type=Report) == found


def test_the_json_has_every_second_and_the_whole_histogram() -> None:
    """`hdr` is a HdrHistogram as other tools read it; what it says is what the report says."""
    written = msgspec.json.decode(msgspec.json.encode(report()))
    result = written["stages"][0]["result"]
    assert [second["answered"] for second in result["timeline"]] == [100, 100, 100]
    assert [second["refused"] for second in result["timeline"]] == [10, 10, 10]
    found = HdrHistogram.decode(result["hdr"])
    assert found.get_total_count() == 300
    assert found.get_value_at_percentile(99) == result["latency"]["p99"]


def test_percentiles_are_those_of_the_latencies() -> None:
    """Within a thousandth, as the histogram has three digits."""
    found = report().stages[0].result.latency
    assert abs(found.p50 - 50_000) <= 100
    assert abs(found.p99 - 99_000) <= 150
    assert abs(found.max - 100_000) <= 150
