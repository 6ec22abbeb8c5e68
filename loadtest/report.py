"""What a run came to: one value, the lines a person reads, and JSON. The page is made by module `page`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hdrh.histogram import HdrHistogram
from msgspec import Struct

from loadtest.timeline import Example, Second, Tally, at

PERCENTILES = (0.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99, 100.0)


class Latency(Struct, frozen=True):
    """Microseconds, from the moment a message was due to the moment its answer was read."""

    p50: int
    p90: int
    p99: int
    p999: int
    max: int


def latency(histogram: HdrHistogram) -> Latency:
    return Latency(*(at(histogram, percent) for percent in (50.0, 90.0, 99.0, 99.9, 100.0)))


class Result(Struct, frozen=True):
    """`seconds`: from the first message due to the last answer; `per_second`: answers; `unanswered`: sent, and no answer
    in time; `garbled`: came, and was no answer to anything; `wrong`: not the answer it had to be, by kind in
    `wrong_by_kind`, with one example of each; `unchecked`: answers of which nobody could say what they had to be;
    `late_p99`: how late the generator itself was, microseconds; `cpu`: its own processor time, microseconds a message;
    `codes`: DE39 by kind of message; `hdr`: all latencies as a compressed HdrHistogram (V2, base64)."""

    seconds: float
    sent: int
    answered: int
    per_second: float
    unanswered: int
    garbled: int
    wrong: int
    unchecked: int
    links_lost: int
    latency: Latency
    late_p99: int
    cpu: float
    codes: dict[str, dict[str, int]]
    wrong_by_kind: dict[str, int]
    examples: dict[str, Example]
    timeline: list[Second]
    percentiles: list[tuple[float, int]]
    hdr: str

    @property
    def clean(self) -> bool:
        """Every message was answered, and by the answer it had to get."""
        return not (self.unanswered or self.garbled or self.wrong or self.links_lost)

    @property
    def refused(self) -> int:
        return sum(count for codes in self.codes.values() for code, count in codes.items() if code != "00")


def result_of(tally: Tally, seconds: float, cpu_seconds: float) -> Result:
    return Result(
        seconds=seconds, sent=tally.sent, answered=tally.answered, per_second=tally.answered / seconds,
        unanswered=tally.unanswered, garbled=tally.garbled, wrong=sum(tally.wrong.values()), unchecked=tally.unchecked,
        links_lost=tally.links_lost, latency=latency(tally.latency), late_p99=at(tally.late, 99),
        cpu=cpu_seconds * 1e6 / max(1, tally.answered), codes=tally.by_kind(), wrong_by_kind=dict(tally.wrong),
        examples=tally.examples, timeline=tally.seconds,
        percentiles=[(percent, at(tally.latency, percent)) for percent in PERCENTILES],
        hdr=tally.latency.encode().decode(),
    )  # fmt: skip


class Stage(Struct, frozen=True):
    """One rate of several. `offered`: messages a second that were due, 0 in a closed loop; `held`: whether the host kept
    up; `to`: what a ramp from `offered` came to, 0 where it was none."""

    offered: float
    held: bool
    result: Result
    to: float = 0.0


class Report(Struct, frozen=True):
    """All that a command came to. `command`: its options, without tokens and keys; `knee`: the highest rate that was held,
    None when it was not looked for."""

    host: str
    begun: str
    command: dict[str, bool | str | int | float]
    stages: list[Stage]
    knee: float | None = None

    @property
    def clean(self) -> bool:
        """A search for the knee goes past what a host can do: only wrong and garbled answers count there."""
        if self.knee is None:
            return all(stage.result.clean for stage in self.stages)
        return not any(stage.result.wrong or stage.result.garbled for stage in self.stages)


def lines(result: Result) -> Iterator[str]:
    """The report, for a person."""
    yield f"sent {result.sent}, answered {result.answered} in {result.seconds:.1f} s: {result.per_second:.0f} a second"
    yield (
        f"unanswered {result.unanswered}, garbled {result.garbled}, wrong {result.wrong}, "
        f"links lost {result.links_lost}, unchecked {result.unchecked}"
    )
    yield f"latency in ms, from the moment due:  {latency_line(result.latency)}"
    yield f"the generator was late itself by (p99): {_ms(result.late_p99)} ms, which is part of the latency"
    yield f"the generator used {result.cpu:.1f} µs of processor time a message"
    yield "answers by DE39:"
    for kind, codes in sorted(result.codes.items()):
        yield f"  {kind:<12} {code_counts(codes)}"
    for kind, example in sorted(result.examples.items()):
        yield (
            f"  WRONG {kind}: {result.wrong_by_kind[kind]}, as {example.answered} instead of {example.expected}"
            f" (amount {example.amount}, RRN {example.rrn}, card ··{example.last4})"
        )


def stage_lines(stages: Sequence[Stage]) -> Iterator[str]:
    yield "   offered  answered/s   p50 ms    p99 ms  wrong  unanswered"
    for stage in stages:
        found = stage.result
        yield (
            f"{stage.offered:10.0f}  {found.per_second:10.0f}  {_ms(found.latency.p50):>7}  {_ms(found.latency.p99):>8}"
            f"  {found.wrong:5}  {found.unanswered:10}{'' if stage.held else '   not held'}"
        )


def latency_line(latency: Latency) -> str:
    return (
        f"p50 {_ms(latency.p50)}  p90 {_ms(latency.p90)}  p99 {_ms(latency.p99)}  "
        f"p99.9 {_ms(latency.p999)}  max {_ms(latency.max)}"
    )


def code_counts(codes: Mapping[str, int]) -> str:
    """The most frequent first."""
    return "  ".join(f"{code or '--'} {count}" for code, count in sorted(codes.items(), key=lambda pair: -pair[1]))


def _ms(microseconds: int) -> str:
    return f"{microseconds / 1000:.2f}"
