"""A clearing file to a running engine, chunk by chunk.

Killed at any point and run again, nothing is posted twice: each record goes under a reference of its own, so neither side
has to remember how far it came.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from authsvc.api_client import ApiClient
from authsvc.clearing.records import ClearingFile, Line
from authsvc.control.money import PresentmentOutcome

CHUNK = 200
"""Presentments in one call: well under a second of work, and under the API's largest list."""


class Result(Struct, frozen=True):
    line: Line
    outcome: PresentmentOutcome


def post(file: ClearingFile, client: ApiClient) -> Iterator[list[Result]]:
    """Its presentments in their order, the results of a chunk at a time. Raises RefusedError when the engine is away, or takes
    none: then the chunk may be posted in part, and a second run finds out."""
    lines = file.lines
    for start in range(0, len(lines), CHUNK):
        chunk = lines[start : start + CHUNK]
        bodies = [replace(line.body, reference=file.reference(line)) for line in chunk]
        answer = client.call("POST", "/v1/presentments", msgspec.to_builtins(bodies))
        outcomes = msgspec.convert(answer, list[PresentmentOutcome])
        yield [Result(line, outcome) for line, outcome in zip(chunk, outcomes, strict=True)]
