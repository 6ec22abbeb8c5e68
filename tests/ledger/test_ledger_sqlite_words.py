"""What goes through the pipes between the ledger and its writer, cut as a pipe may cut it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from authsvc.ledger.journal import Row, VaultEntry
from authsvc.ledger.sqlite_words import Forget, Frames, Order, framed
from authsvc.model import AccountId, CardId, UnixMs

HASH = bytes(range(32))
KNOWN = VaultEntry(HASH, AccountId("acc"), CardId("card"), "1234", b"sealed")
ROWS = st.builds(
    Row,
    st.sampled_from([AccountId("acc"), AccountId("other")]),
    st.integers(0, 2**40),
    st.just(HASH),
    st.binary(max_size=300),
    st.just(HASH),
    st.binary(max_size=3),
    st.none() | st.just(KNOWN),
)
ORDERS: st.SearchStrategy[list[Order]] = st.lists(
    ROWS | st.builds(Forget, st.integers(0, 2**40).map(UnixMs), st.integers(1, 9)), max_size=6
)


@given(ORDERS, st.lists(st.integers(1, 400), max_size=12))
def test_any_cut_gives_the_same_orders(orders: list[Order], sizes: list[int]) -> None:
    """Each as soon as it is whole, and none before."""
    frames: Frames[Order] = Frames(Order)
    ends = [0]
    for order in orders:
        ends.append(ends[-1] + len(framed(order)))
    stream = b"".join(map(framed, orders))
    heard: list[Order] = []
    start = 0
    for size in [*sizes, len(stream)]:
        heard += frames.receive(stream[start : start + size])
        start = min(start + size, len(stream))
        assert heard == orders[: sum(end <= start for end in ends[1:])]
    assert heard == orders


def test_what_was_heard_is_its_own() -> None:
    """Bytes of a row are bytes: nothing of it keeps the whole of what was read alive, nor changes with it."""
    frames: Frames[Order] = Frames(Order)
    row = Row(AccountId("acc"), 1, HASH, b"decision", HASH, b"state", KNOWN)
    (heard,) = frames.receive(framed(row))
    assert isinstance(heard, Row)
    assert [type(value) for value in (heard.hash, heard.encoded, heard.new_hash, heard.state)] == [bytes] * 4
