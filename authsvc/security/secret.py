"""A type for key bytes that never lets them out by accident."""

from __future__ import annotations

from typing import NoReturn


class Secret:
    """Bytes that are never printed, compared, copied or stored; `reveal()` is the one way to them, and easy to find."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = value

    def reveal(self) -> bytes:
        return self._value

    def __repr__(self) -> str:
        return "<secret>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not copied, pickled or sent anywhere")
