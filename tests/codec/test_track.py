"""Track 2 in its parts, and the CVV on a stripe."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from authsvc.codec import track
from authsvc.codec.misfit import MisfitError
from authsvc.codec.track import StripeCvv, Track2, stripe_cvv


def digits(least: int, most: int) -> st.SearchStrategy[str]:
    return st.text(string.digits, min_size=least, max_size=most)


TRACKS = st.builds(Track2, digits(12, 19), st.just("") | digits(4, 4), st.just("") | digits(3, 3), digits(0, 13))


@given(TRACKS)
def test_what_is_built_is_parsed(given_track: Track2) -> None:
    """Any track, with an expiry and a service code or with separators in their places."""
    assert track.parse(track.build(given_track)) == given_track


PAN = "4111111111111111"


@pytest.mark.parametrize(
    ("text", "then"),
    [
        (f"{PAN}=28122011234", Track2(PAN, "2812", "201", "1234")),
        (f"{PAN}D28122011234", Track2(PAN, "2812", "201", "1234")),  # as it stands on a chip, or packed
        (f"{PAN}==2011234", Track2(PAN, "", "201", "1234")),
        (f"{PAN}=2812=1234", Track2(PAN, "2812", "", "1234")),
        (f"{PAN}=2812", Track2(PAN, "2812")),  # ends early: senders that read the stripe in part
        (f"{PAN}=", Track2(PAN)),
    ],
)
def test_parts(text: str, then: Track2) -> None:
    assert track.parse(text) == then
    assert PAN not in repr(then)


@pytest.mark.parametrize(
    ("rest", "offset", "expected", "found"),
    [
        ("281", 17, "an expiry YYMM", '"999"'),
        ("28F2201", 17, "an expiry YYMM", '"99A9"'),
        ("281220", 21, "a service code of 3 digits", '"99"'),
        ("=2F1", 18, "a service code of 3 digits", '"9A9"'),
    ],
)
def test_a_track_cut_short_in_a_part_is_refused(rest: str, offset: int, expected: str, found: str) -> None:
    """Where, and what should be there; none of the track is said."""
    with pytest.raises(MisfitError) as caught:
        track.parse(f"{PAN}={rest}")
    error = caught.value
    assert (error.field, error.offset, error.expected, error.found) == ("DE35", offset, expected, found)


@pytest.mark.parametrize(
    ("fields", "then"),
    [
        ({"35": f"{PAN}=2812201112341230000"}, StripeCvv("2812", "201", "123")),
        ({"35": f"{PAN}D2812201112341230000"}, StripeCvv("2812", "201", "123")),
        ({"35": f"{PAN}=28122010000000000000"}, None),
        ({"35": f"{PAN}=2812"}, None),
        ({"35": f"{PAN}=="}, None),
        ({"45": f"B{PAN}^KOWALSKA/ANNA^28122011123400123000000"}, StripeCvv("2812", "201", "123")),
        ({"45": f"B{PAN}^KOWALSKA/ANNA^2812201"}, None),
        ({}, None),
    ],
)
def test_the_cvv_on_a_stripe(fields: dict[str, str], then: StripeCvv | None) -> None:
    assert stripe_cvv(fields) == then
    assert "123" not in repr(stripe_cvv(fields))
