"""Units convert within a dimension and never across."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.data.numbers.units import UNITS, canonical, comparable, convert


@pytest.mark.parametrize(
    "value, source, target, expected",
    [
        (1, "km", "miles", 0.621371),
        (100, "°c", "°f", 212),
        (2, "lbs", "kg", 0.907185),
        (3, "years", "months", 36),
        (30, "mpg", "km/l", 12.7543),
    ],
)
def test_known_conversions(value, source, target, expected):
    assert convert(value, source, target) == pytest.approx(expected, rel=1e-5)


def test_a_difference_of_temperatures_has_no_zero_point():
    assert convert(10, "°c", "°f", difference=True) == pytest.approx(18)


@given(st.sampled_from(sorted(UNITS)), st.sampled_from(sorted(UNITS)), st.floats(-1e6, 1e6))
def test_there_and_back_is_the_same_and_across_dimensions_is_nothing(one, other, value):
    there = convert(value, one, other)
    assert (there is not None) == comparable(one, other) == (UNITS[one].dimension == UNITS[other].dimension)
    if there is not None:
        assert convert(there, other, one) == pytest.approx(value, rel=1e-6, abs=1e-4)


def test_currencies_are_not_converted():
    assert canonical("euros") == "EUR" and convert(1, "EUR", "USD") is None and not comparable("EUR", "kg")
