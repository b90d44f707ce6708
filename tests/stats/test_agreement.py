"""Kappa, alpha and calibration: against statsmodels, krippendorff and known values."""

from __future__ import annotations

import math

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from fmnb.stats.agreement import alpha, kappa
from fmnb.stats.calibration import bins, calibration, expected_error, platt

seeds = st.integers(0, 2**32 - 1)
P = [0.95, 0.9, 0.85, 0.8, 0.7, 0.65, 0.6, 0.55, 0.4, 0.3]
Y = [1, 1, 0, 1, 1, 0, 1, 0, 0, 1]


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 4), st.integers(5, 120))
def test_kappa_and_its_interval_are_those_of_statsmodels(seed, labels, n):
    random = np.random.default_rng(seed)
    a = random.integers(0, labels, n)
    b = np.where(random.random(n) < 0.6, a, random.integers(0, labels, n))
    table = np.zeros((labels, labels))
    np.add.at(table, (a, b), 1)
    ours = kappa(a.tolist(), b.tolist())
    if math.isnan(ours.value):
        assert len(set(a) | set(b)) == 1
        return
    theirs = cohens_kappa(table)
    assert ours.value == pytest.approx(theirs.kappa, abs=1e-9)
    if ours.low is None:
        assert not theirs.std_kappa > 1e-5  # the root of a rounding error, or of one below 0
    else:
        assert [ours.low, ours.high] == pytest.approx([theirs.kappa_low, theirs.kappa_upp], abs=1e-9)
    assert ours.observed == pytest.approx((a == b).mean())


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(2, 5), st.integers(3, 40), st.sampled_from(["nominal", "ordinal", "interval"]))
def test_alpha_is_that_of_krippendorff_with_gaps(seed, raters, n, level):
    random = np.random.default_rng(seed)
    table = random.integers(1, 5, (raters, n)).astype(float)
    table[random.random((raters, n)) < 0.3] = np.nan
    ratings = [{r: table[r, i] for r in range(raters) if not np.isnan(table[r, i])} for i in range(n)]
    twice = [v for t in ratings if len(t) > 1 for v in t.values()]
    if len(set(twice)) < 2:
        return
    usable = table[:, [len(t) > 1 for t in ratings]]
    expected = krippendorff.alpha(reliability_data=usable, level_of_measurement=level)
    assert alpha(ratings, level, draws=20).value == pytest.approx(expected, abs=1e-9)


def test_alphas_interval_needs_ten_items_and_holds_the_value():
    few = alpha([{1: "a", 2: "b"}, {1: "a", 2: "a"}])
    assert few.low is None
    random = np.random.default_rng(0)
    many = alpha([{1: t, 2: t if random.random() < 0.8 else 1 - t} for t in random.integers(0, 2, 100).tolist()])
    assert many.low < many.value < many.high < 1
    with pytest.raises(ValueError, match="two annotators"):
        alpha([{1: "a"}])


def test_one_label_throughout_has_no_kappa():
    k = kappa(["y"] * 5, ["y"] * 5)
    assert math.isnan(k.value) and k.observed == 1
    with pytest.raises(ValueError):
        kappa(["y"], [])


def test_the_calibration_fixture():
    assert expected_error(P, Y, 10, equal_mass=False) == pytest.approx(0.3)
    assert expected_error(P, Y, 5) == pytest.approx(0.16)
    c = calibration(P, Y)
    assert [c.one_bin, c.brier, c.selective_10] == pytest.approx([0.07, 0.24, 1.0]) and c.error is None and c.platt_error is None
    assert sum(b.n for b in c.bins) == 10


def test_from_300_rows_on_there_are_ten_bins_and_rescaling_helps_the_overconfident():
    random = np.random.default_rng(2)
    true = random.random(3000)
    right = (random.random(3000) < true).astype(float)
    stated = 1 / (1 + np.exp(-2.5 * np.log(true / (1 - true))))
    c = calibration(stated, right)
    assert len(c.bins) == 10 and c.error > 0.08 and c.platt_error < 0.04
    assert platt(stated, right) == pytest.approx(true, abs=0.1)
    assert len(bins(stated, right, 10, equal_mass=False)) == 10


@pytest.mark.parametrize(("p", "y"), [([], []), ([0.5], []), ([1.2], [1]), ([-0.1], [0])])
def test_confidences_that_are_none_are_refused(p, y):
    with pytest.raises(ValueError):
        calibration(p, y)
