"""Shares and sign tests: textbook values and properties."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fmnb.stats.proportions import sign_test, wilson


def test_known_values():
    i = wilson(515, 1319)
    assert (i.value, i.low, i.high) == pytest.approx((0.390447, 0.364474, 0.417057), abs=1e-6)
    assert wilson(0, 10).low == 0.0 and wilson(0, 10).high == pytest.approx(0.277533, abs=1e-6)
    assert wilson(10, 10).high == 1.0


@given(st.integers(1, 500), st.data())
def test_the_interval_holds_the_share_and_lies_within_0_and_1(of, data):
    hits = data.draw(st.integers(0, of))
    i = wilson(hits, of)
    assert 0 <= i.low <= i.value <= i.high <= 1


@given(st.integers(1, 200), st.data())
def test_the_ends_are_where_the_score_test_turns(of, data):
    """Wilson's ends solve |p - share| = z sqrt(p (1 - p) / n)."""
    hits = data.draw(st.integers(0, of))
    i = wilson(hits, of)
    for end in (i.low, i.high):
        if 0 < end < 1:
            assert abs(end - i.value) == pytest.approx(1.959963985 * math.sqrt(end * (1 - end) / of), abs=1e-7)


@pytest.mark.parametrize(("hits", "of"), [(1, 0), (-1, 5), (6, 5)])
def test_a_share_of_nothing_is_refused(hits, of):
    with pytest.raises(ValueError):
        wilson(hits, of)


def test_the_sign_test_is_exact():
    assert sign_test(5, 0) == 0.0625 and sign_test(6, 0) == 0.03125 and sign_test(0, 0) == 1.0
    assert sign_test(152, 209) == pytest.approx(0.00315066, abs=1e-8)  # McNemar's exact p of the same counts


@given(st.integers(0, 60), st.integers(0, 60))
def test_it_is_the_same_for_both_sides(a, b):
    assert sign_test(a, b) == sign_test(b, a) and 0 < sign_test(a, b) <= 1
