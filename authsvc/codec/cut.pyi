"""`cut.c`: programs that decode and encode messages in ASCII. Only there where it was compiled (`authsvc.native`)."""

from collections.abc import Callable, Mapping, Set

Row = tuple[str, int, int, int, int, bool, bool, Set[str] | None, Callable[[str], object] | None]
"""Field; digits of the length in front, 0: always as long as the shortest; shortest and longest, in bytes; what all of its
characters are (`ANY` and so on in `cut.c`); whether it stands as bytes, read as hexadecimal digits; whether its length has
to be even; values it may have; what else a value has to be good for."""

def decoder(start: dict[str, str], at: int, rows: tuple[Row, ...]) -> Callable[[bytes], dict[str, str] | None]:
    """The decoder of messages with these fields, the first of which begins at byte `at`. `start`: the dictionary to fill, with
    the MTI and every field in it. Raises ValueError on a row that is none."""

def encoder(bitmap: bytes, rows: tuple[Row, ...]) -> Callable[[Mapping[str, str]], bytes | None]:
    """The encoder of messages with these fields, the first of them the MTI, behind which the `bitmap` stands; for
    a dictionary alone."""
