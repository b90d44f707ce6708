"""McNemar, Holm, letters, bootstrap, sign flips, power: against statsmodels and scipy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint

from fmnb.stats.holm import holm, letters
from fmnb.stats.mcnemar import mcnemar
from fmnb.stats.power import detectable_gap, rows_needed, sd_of_row_means, votes_needed
from fmnb.stats.proportions import sign_test, wilson
from fmnb.stats.resampling import bootstrap, bootstrap_many, sign_flip

counts = st.integers(0, 400)


@settings(max_examples=100, deadline=None)
@given(counts, counts)
def test_mcnemar_is_that_of_statsmodels(b, c):
    ours = mcnemar(b, c)
    assert ours.p == pytest.approx(sm_mcnemar([[1, b], [c, 1]], exact=True).pvalue if b + c else 1.0, abs=1e-9)
    if b + c:
        for corrected, value, p in ((False, ours.chi2, ours.chi2_p), (True, ours.chi2_corrected, ours.chi2_corrected_p)):
            theirs = sm_mcnemar([[1, b], [c, 1]], exact=False, correction=corrected)
            if not (corrected and b == c):  # statsmodels squares a negative distance there
                assert [value, p] == pytest.approx([theirs.statistic, theirs.pvalue], abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 5000))
def test_the_sign_test_is_scipys_for_large_counts_too(wins, losses):
    expected = scipy.stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected, rel=1e-8, abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95, 0.99]))
def test_wilson_is_that_of_statsmodels(share, confidence):
    i = wilson(*share, confidence)
    assert [i.low, i.high] == pytest.approx(proportion_confint(*share, alpha=1 - confidence, method="wilson"), abs=1e-9)


@settings(max_examples=15, deadline=None)  # theirs takes a tenth of a second
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_that_of_statsmodels(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist(), abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 6), st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5))))
def test_models_share_a_letter_exactly_where_they_are_tied(n, pairs):
    def tied(a, b):
        return (a, b) in pairs or (b, a) in pairs

    found = letters(list(range(n)), tied)
    for a in range(n):
        for b in range(a):
            assert bool(set(found[a]) & set(found[b])) == tied(a, b)


def test_the_bootstrap_is_scipys_on_the_same_draws():
    x = np.random.default_rng(3).normal(0.2, 1, 80)
    theirs = scipy.stats.bootstrap((x,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(5))
    ours = bootstrap(x, draws=2000, seed=5)
    assert [ours.low, ours.high] == pytest.approx(list(theirs.confidence_interval), abs=1e-9)


def test_the_bootstrap_of_several_columns_is_that_of_each():
    x = np.random.default_rng(0).normal(size=(60, 3))
    for together, alone in zip(bootstrap_many(x, draws=300), [bootstrap(c, draws=300) for c in x.T], strict=True):
        assert [together.low, together.high] == pytest.approx([alone.low, alone.high], abs=1e-12)


def test_the_bootstrap_draws_whole_clusters():
    values, users = [0.0, 0, 0, 0, 1, 1, 1, 1] * 20, [i // 4 for i in range(160)]
    alone, grouped = bootstrap(values), bootstrap(values, users)
    assert grouped.high - grouped.low > 1.6 * (alone.high - alone.low)


def test_the_same_seed_gives_the_same_interval():
    x = np.random.default_rng(1).normal(size=50)
    assert bootstrap(x, draws=100) == bootstrap(x, draws=100) != bootstrap(x, draws=100, seed=1)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=2, max_size=11))
def test_few_signs_are_flipped_in_every_way_as_in_scipy(d):
    x = np.array(d, dtype=float)
    theirs = scipy.stats.permutation_test((x, np.zeros(len(x))), lambda a, b: np.mean(a - b), permutation_type="samples", n_resamples=5000)
    assert sign_flip(d) == pytest.approx(min(1.0, theirs.pvalue), abs=1e-9)


def test_many_signs_are_drawn_and_never_give_0():
    assert sign_flip([1.0] * 60, draws=999) == 1 / 1000


@settings(max_examples=40, deadline=None)
@given(st.floats(0.05, 2), st.floats(0.01, 0.5))
def test_that_many_rows_see_the_gap_and_one_fewer_does_not(spread, gap):
    n = rows_needed(spread, gap)
    assert detectable_gap(spread / n**0.5) <= gap * (1 + 1e-9)
    if n > 2:
        assert detectable_gap(spread / (n - 1) ** 0.5) > gap * (1 - 1e-9)


def test_rows_needed_is_the_normal_power_formula_of_statsmodels():
    n = NormalIndPower(ddof=0).solve_power(effect_size=0.1, alpha=0.05, power=0.8, ratio=0)  # one sample: ratio 0
    assert rows_needed(1.0, 0.1) == int(np.ceil(n))


def test_samples_shrink_only_the_spread_within_a_row():
    assert sd_of_row_means(0.2, 0.0, 9) == sd_of_row_means(0.2, 0.0, 1)
    assert votes_needed(0.4) == votes_needed(0.6)
    with pytest.raises(ValueError):
        rows_needed(1, 0)
    with pytest.raises(ValueError):
        votes_needed(0.5)
