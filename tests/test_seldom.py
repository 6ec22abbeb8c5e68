"""The first one is told at once, the others once a second and together."""

from __future__ import annotations

from authsvc.seldom import Seldom


def test_what_is_told_and_how_many_it_stands_for() -> None:
    """Each kind for itself; nothing is lost, what was not told is in the next number."""
    seldom = Seldom()
    moments = [("a", 5.0), ("a", 5.1), ("b", 5.2), ("a", 5.9), ("a", 6.0), ("a", 6.5), ("a", 9.0), ("b", 6.2)]
    assert [seldom.count(kind, now) for kind, now in moments] == [1, 0, 1, 0, 3, 0, 2, 1]
