"""Means, clustered means and paired tests against scipy and statsmodels; and what is said where no interval holds."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnb.stats.level import level
from fmnb.stats.means import cluster_codes, clustered_error, estimate, standard_error
from fmnb.stats.paired import paired
from fmnb.stats.resampling import sign_flip

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(12, 300))
def test_a_mean_its_error_p_and_interval_are_scipys(seed, n):
    x = np.random.default_rng(seed).normal(0.3, 1.5, n)
    e, t = estimate(x), scipy.stats.ttest_1samp(x, 0)
    low, high = t.confidence_interval(0.95)
    assert [e.value, e.p, e.low, e.high] == pytest.approx([x.mean(), t.pvalue, low, high], abs=1e-9)
    assert e.standard_error == pytest.approx(scipy.stats.sem(x), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(12, 40), st.integers(2, 8))
def test_clusters_of_equal_size_are_those_of_statsmodels(seed, clusters, each):
    random = np.random.default_rng(seed)
    codes = np.repeat(np.arange(clusters), each)
    x = random.normal(size=clusters)[codes] + random.normal(size=len(codes))
    fit = sm.OLS(x, np.ones(len(x))).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
    e = estimate(x, codes.tolist())
    assert e.clusters == clusters and e.df == pytest.approx(clusters - 1)
    assert [e.standard_error, e.p, e.low, e.high] == pytest.approx([fit.bse[0], fit.pvalues[0], *fit.conf_int()[0]], abs=1e-9)
    assert e.design_effect == pytest.approx((fit.bse[0] / standard_error(x)) ** 2, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(12, 200))
def test_a_paired_test_of_scores_is_scipys(seed, n):
    random = np.random.default_rng(seed)
    a = random.normal(size=n)
    b = a + random.normal(0.2, 1, n)
    r = paired(a, b)
    plain = scipy.stats.ttest_rel(b, a).pvalue
    assert r.p == pytest.approx(plain, abs=1e-9) if r.test == "t" else r.gap.skewed and r.p >= plain - 1e-12


def test_one_row_has_no_interval_and_says_so():
    e = estimate([0.4])
    assert (e.low, e.high, e.standard_error) == (None, None, None) and "one row" in e.reason


def test_few_clusters_have_no_interval_and_are_tested_by_flipping_signs():
    values, users = [0.5, 0.2, 0.1, 0.6] * 5, ["a", "b", "c", "d"] * 5
    e = estimate(values, users)
    assert e.low is None and "only 4 clusters" in e.reason
    r = paired([0] * 20, values, users)
    assert r.test == "sign flips of clusters" and r.p == sign_flip([2.5, 1, 0.5, 3]) == 0.125
    assert not r.significant, "four users can never tell two models apart"


def test_few_rows_that_differ_have_no_interval():
    e = estimate([0] * 200 + [1] * 6)
    assert e.low is None and "6 of 206 rows differ" in e.reason and e.standard_error > 0
    assert estimate([0.1, 0.2, 0.3, 0.4, 0.5]).reason == "only 5 rows; at least 10 are needed for an interval"
    assert estimate([1] * 30).reason == "all 30 rows have the same value"


def test_missing_cluster_names_are_clusters_of_their_own():
    codes, count = cluster_codes(["u", None, "u", float("nan"), None], 5)
    assert codes.tolist() == [0, 1, 0, 2, 3] and count == 4


@pytest.mark.parametrize("values", [[], [1, float("nan")], [float("inf")]])
def test_what_has_no_mean_is_refused(values):
    with pytest.raises(ValueError):
        estimate(values)


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="3 clusters for 2 rows"):
        estimate([1, 2], ["a", "b", "c"])
    with pytest.raises(ValueError, match="same rows"):
        paired([1], [1, 2])


def test_the_plain_clustered_error_leaves_the_finite_factor_out():
    x, codes = [0, 0, 1, 1, 1, 0], np.array([0, 0, 1, 1, 2, 2])
    assert clustered_error(x, codes, 3) == pytest.approx(clustered_error(x, codes, 3, finite=False) * (3 / 2) ** 0.5)


def test_levels_stay_between_0_and_1_and_say_their_method():
    assert level([1] * 12).method == "Wilson" and level([1] * 12).estimate.low < 1
    half = level([0.5, 1.0, 0.0, 0.5] * 10)
    assert half.method == "Wilson for scores" and 0 < half.estimate.low < 0.5 < half.estimate.high < 1
    users = level([1.0] * 40, [i % 20 for i in range(40)])
    assert users.method == "Wilson over clusters" and 0.7 < users.estimate.low < users.estimate.high == 1
    assert level([3.0, 4, 5, 9, 1, 2, 3, 4, 5, 6, 7, 8]).method == "t"


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 60), st.booleans())
def test_an_interval_holds_its_own_mean(seed, n, grouped):
    random = np.random.default_rng(seed)
    x = random.choice([0, 0.25, 0.5, 1.0], n)
    e = level(x, (np.arange(n) % 12).tolist() if grouped else None).estimate
    assert e.low is None or e.low - 1e-12 <= e.value <= e.high + 1e-12
