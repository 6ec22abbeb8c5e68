"""The compiled codec held against the reference: on any bytes, it says the same or it says nothing."""

from __future__ import annotations

from collections.abc import Mapping

from authsvc.codec.compiled import Compiled
from authsvc.codec.layout import Layout
from authsvc.codec.reference import Fields, MessageError, Reference

HEAD = ("MTI", "bitmap", "DE65")


class Oracle:
    """One dialect, its functions compiled at first sight, also for messages that the reference refuses."""

    def __init__(self, layout: Layout) -> None:
        self.reference = Reference(layout)
        self.compiled = Compiled(layout, after=1, most=256)

    def check(self, payload: bytes) -> Fields | None:
        """Fails when the two differ. Returns the fields of a good message."""
        expected = self._expected(payload)
        got = self.compiled.decode(payload)
        if expected is None:
            assert got is None, "taken, and the reference refuses it"
            return None
        assert got == expected, "a good message is taken, with the same fields"
        assert list(got) == list(expected), "in the same order"
        self.check_encode(expected)
        return expected

    def _expected(self, payload: bytes) -> Fields | None:
        """What the reference says, and a compiled decoder for it wherever there can be one."""
        try:
            fields = self.reference.decode(payload)
        except MessageError as error:
            if "t" in error.fields and error.field not in HEAD:
                self.compiled.decoded(payload)
            return None
        self.compiled.decoded(payload)
        return fields

    def check_encode(self, fields: Mapping[str, str], complete: bool = True) -> None:
        """`complete`: nothing has to be filled up, so the compiled encoder may not pass it on."""
        self.compiled.encoded(fields)
        got = self.compiled.encode(fields)
        try:
            expected = self.reference.encode(fields)
        except ValueError:
            assert got is None, "said, and the reference refuses it"
            return
        assert got == expected if complete else got in (None, expected)
