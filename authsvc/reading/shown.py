"""Frames in words, as text for a terminal and as JSON; both say the same."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from authsvc.codec.describe import Broken, Row
from authsvc.reading.frames import Frame, Told
from authsvc.reading.spoken import framing_words


def as_text(told: Told) -> str:
    """Notes, then every frame: a line of its own when there are several or it has a time or a link, and a line a row."""
    lines = [*told.notes]
    headed = len(told.frames) > 1 or any(frame.at is not None or frame.sender for frame in told.frames)
    for frame in told.frames:
        if headed:
            lines += ["", _head(frame)] if lines else [_head(frame)]
        lines += map(_line, frame.description.rows)
        if frame.problem:
            lines.append(f"broken frame: {frame.problem}")
        if frame.description.broken is not None and (frame.description.length or not frame.problem):
            lines += _break(frame.description.broken, frame.description.length)
    return "\n".join(lines)


def as_json(told: Told) -> str:
    """`{"notes": […], "frames": […]}`; times are RFC 3339, offsets and lengths bytes of the message, durations seconds."""
    document = {"notes": told.notes, "frames": [_document(frame) for frame in told.frames]}
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def _head(frame: Frame) -> str:
    link = f"{frame.sender} > {frame.receiver}" if frame.sender else ""
    pair = ""
    if frame.answers:
        pair = f"answers #{frame.answers}{_after(frame)}"
    elif frame.answered_by:
        pair = f"answered by #{frame.answered_by}{_after(frame)}"
    size = f"{frame.description.length} bytes"
    return "  ".join(part for part in (f"#{frame.number}", _time(frame.at), link, size, pair) if part)


def _after(frame: Frame) -> str:
    return "" if frame.seconds is None else f" after {frame.seconds * 1000:.3f} ms"


def _time(at: float | None) -> str:
    if at is None:
        return ""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _line(row: Row) -> str:
    place = "" if row.offset < 0 else str(row.offset)
    return f"{place:>5}  {row.field:<16} {row.name[:42]:<42} {row.value:<24}  {row.meaning}".rstrip()


def _break(broken: Broken, length: int) -> Iterator[str]:
    yield f"broken at {broken.field} (byte {broken.offset} of {length}): {broken.problem}"
    yield f"  expected  {broken.expected}"
    yield f"  found     {broken.found}"
    yield f"  around    {broken.before} >< {broken.after}   (behind >< kinds alone: 9 a digit, A or a a letter, * hidden)"


def _document(frame: Frame) -> dict[str, object]:
    return {
        "number": frame.number,
        "time": _time(frame.at) or None,
        "from": frame.sender or None,
        "to": frame.receiver or None,
        "dialect": frame.spoken.dialect,
        "framing": framing_words(frame.spoken.framing),
        "guessed": frame.spoken.guessed,
        "header": frame.header,
        "length": frame.description.length,
        "answers": frame.answers or None,
        "answered_by": frame.answered_by or None,
        "seconds": None if frame.seconds is None else round(frame.seconds, 6),
        "problem": frame.problem or None,
        "rows": frame.description.rows,
        "broken": frame.description.broken,
    }
