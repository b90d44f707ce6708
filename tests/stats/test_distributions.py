"""Tails and quantiles against scipy."""

from __future__ import annotations

import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnb.stats.student import chi2_tail, t_quantile, t_two_sided, z_quantile

freedoms = st.one_of(st.integers(1, 200), st.integers(200, 1_000_000)).map(float) | st.floats(0.5, 500)


@settings(max_examples=150, deadline=None)
@given(st.floats(0.0005, 0.9995), freedoms)
def test_the_quantile_of_t_is_scipys(p, df):
    assert t_quantile(p, df) == pytest.approx(scipy.stats.t.ppf(p, df), rel=1e-9, abs=1e-9)


@settings(max_examples=150, deadline=None)
@given(st.floats(-50, 50), freedoms)
def test_the_tail_of_t_is_scipys(t, df):
    assert t_two_sided(t, df) == pytest.approx(2 * scipy.stats.t.sf(abs(t), df), rel=1e-8, abs=1e-12)


def test_a_t_too_small_to_square_is_no_evidence():
    assert t_two_sided(1e-170, 5.0) == 1.0 == t_two_sided(1.9e-160, 14818.0)


@given(st.floats(0.0001, 0.9999), st.floats(0, 60))
def test_normal_and_chi_square_are_scipys(p, x):
    assert z_quantile(p) == pytest.approx(scipy.stats.norm.ppf(p), abs=1e-9)
    assert chi2_tail(x) == pytest.approx(scipy.stats.chi2.sf(x, 1), abs=1e-12)


@pytest.mark.parametrize("df", [0, -1])
def test_no_degrees_of_freedom_are_refused(df):
    with pytest.raises(ValueError):
        t_two_sided(1.0, df)
