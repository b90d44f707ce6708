"""A figure matches what rounds to it, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.data.numbers.matching import chance, is_near, is_slip, matches, written_like
from fmnb.data.numbers.parse import figures


@given(st.floats(0.01, 99_999), st.integers(0, 3))
def test_what_is_rounded_matches_and_two_places_off_does_not(value, places):
    figure = figures(f"{value:.{places}f}")[0]
    assert matches(figure, value)
    assert not matches(figure, figure.value + 2 * max(figure.high - figure.value, figure.step))


def test_chance_grows_with_the_values_tried_and_falls_with_digits():
    assert chance(figures("31")[0], [31]) < chance(figures("31")[0], [31, 28, 25]) < 0.1
    assert chance(figures("31.42")[0], [31]) < chance(figures("31")[0], [31])
    assert chance(figures("31")[0], [400.0]) == 0


@pytest.mark.parametrize(
    "text, value, form", [("657", 675.0, "675"), ("$1.20", 1.3, "$1.30"), ("€98.5k", 97_715.0, "€97.7k"), ("-3.4", 3.1, "3.1")]
)
def test_the_other_value_is_written_alike(text, value, form):
    assert written_like(figures(text)[0], value) == form


def test_near_and_slips():
    assert is_slip(figures("1,234")[0], 1243) and not is_slip(figures("12")[0], 21)
    assert is_near(figures("100")[0], 125) and not is_near(figures("100")[0], 150)
