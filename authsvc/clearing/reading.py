"""A clearing file, whatever its form."""

from __future__ import annotations

import hashlib
from typing import Literal

from authsvc.clearing import ipm, text
from authsvc.clearing.records import ClearingFile, Record
from authsvc.errors import PeerError

Form = Literal["auto", "ipm", "csv", "jsonl"]


def read(content: bytes, form: Form = "auto") -> ClearingFile:
    """All records of a file, good and bad. Raises PeerError when it is broken as a whole: then nothing of it can be trusted."""
    name, records = _read(content, _form_of(content) if form == "auto" else form)
    if not records:
        raise PeerError("file", "has no records")
    return ClearingFile(hashlib.sha256(content).hexdigest(), name, tuple(records))


def _form_of(content: bytes) -> Form:
    if ipm.is_ipm(content):
        return "ipm"
    return "jsonl" if content.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") else "csv"


def _read(content: bytes, form: Form) -> tuple[str, list[Record]]:
    if form == "ipm":
        return ipm.read(content)
    return form, text.read_csv(content) if form == "csv" else text.read_jsonl(content)
