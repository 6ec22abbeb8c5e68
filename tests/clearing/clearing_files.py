"""IPM files for tests, written by cardutil: a record each, with what every first presentment has."""

from __future__ import annotations

import io
from pathlib import Path

from cardutil.mciipm import IpmWriter

from authsvc.clearing import reading
from authsvc.clearing.records import Record

DATA = Path(__file__).parents[1] / "data/clearing"
PAN = "5575290000000001"
HEADER = {"MTI": "1644", "DE24": "697", "DE71": "1", "PDS0105": "0012606150000000000000001"}
TRAILER = {"MTI": "1644", "DE24": "695", "DE71": "3", "PDS0105": "0012606150000000000000001"}


def record(**but: str | None) -> dict[str, str]:
    """A first presentment of 123.45 PLN of a chip purchase; `DE38=None` leaves DE38 out."""
    usual: dict[str, str | None] = {
        "MTI": "1240", "DE2": PAN, "DE3": "000000", "DE4": "12345", "DE12": "2026-06-15 12:00:00", "DE22": "051000510001",
        "DE24": "200", "DE26": "5411", "DE31": "05423456616600000000001", "DE33": "423456", "DE37": "000000000001",
        "DE38": "A1B2C3", "DE42": "SHOP00000000042", "DE43": "ZIELENIAK\\MOKOTOWSKA 1\\WARSZAWA\\00-640       POL",
        "DE49": "985", "DE71": "2", "PDS0023": "POI", "PDS0148": "9852",
    }  # fmt: skip
    return {name: value for name, value in {**usual, **but}.items() if value is not None}


def ipm(*records: dict[str, str], encoding: str = "cp500", blocked: bool = True) -> bytes:
    out = io.BytesIO()
    with IpmWriter(out, encoding=encoding, blocked=blocked) as writer:
        writer.write_many([dict(one) for one in records])  # cardutil adds fields to what it is given
    return out.getvalue()


def only(*records: dict[str, str]) -> Record:
    """What the one record of a file comes to."""
    (found,) = reading.read(ipm(*records)).records
    return found
