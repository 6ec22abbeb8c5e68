"""What a run came to: numbers in one value, and the lines a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from loadtest.histogram import Histogram

PERCENTILES = (50.0, 90.0, 99.0, 99.9)


class Latency(Struct, frozen=True):
    """Microseconds, from the moment a message was due to the moment its answer was read."""

    p50: int
    p90: int
    p99: int
    p999: int
    max: int


def latency(histogram: Histogram) -> Latency:
    p50, p90, p99, p999 = (histogram.at(percent) for percent in PERCENTILES)
    return Latency(p50, p90, p99, p999, histogram.longest)


class Result(Struct, frozen=True):
    """`seconds`: from the first message due to the last answer; `per_second`: answers; `unanswered`: sent, and no answer
    in time; `garbled`: came, and was no answer to anything; `wrong`: not the answer it had to be (another MTI, or a
    repeat that got another answer than the first one); `late_p99`: how late the generator itself sent, microseconds;
    `codes`: DE39 → how many, by kind of message."""

    seconds: float
    sent: int
    answered: int
    per_second: float
    unanswered: int
    garbled: int
    wrong: int
    links_lost: int
    latency: Latency
    late_p99: int
    codes: dict[str, dict[str, int]]

    @property
    def clean(self) -> bool:
        """Every message was answered, and by its answer."""
        return not (self.unanswered or self.garbled or self.wrong or self.links_lost)


def lines(result: Result) -> Iterator[str]:
    """The report, for a person."""
    yield f"sent {result.sent}, answered {result.answered} in {result.seconds:.1f} s: {result.per_second:.0f} a second"
    yield (
        f"unanswered {result.unanswered}, garbled {result.garbled}, wrong {result.wrong}, "
        f"links lost {result.links_lost}"
    )
    yield f"latency in ms, from the moment due:  {latency_line(result.latency)}"
    yield f"the generator was late itself by (p99): {_ms(result.late_p99)} ms, which is part of the latency"
    yield "answers by DE39:"
    for kind, codes in sorted(result.codes.items()):
        yield f"  {kind:<12} {code_counts(codes)}"


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
