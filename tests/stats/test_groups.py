"""Unequal, few, crossed and linked groups: held to clubSandwich, scipy, statsmodels and sandwich, and to full enumeration."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnb.stats.grouping import bell_mccaffrey, cr2_error, grouping, groups_of
from fmnb.stats.hall import hall, hall_p, skewness
from fmnb.stats.level import level
from fmnb.stats.means import estimate, estimates
from fmnb.stats.paired import paired, paired_all
from fmnb.stats.sign_flips import flip_sums

ORACLES = json.loads((Path(__file__).parent / "data" / "clusters.json").read_text())
seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(params=list(ORACLES))
def case(request):
    d, o = ORACLES[request.param]["data"], ORACLES[request.param]["values"]
    return d, o, np.array(d["b"], float) - np.array(d["a"], float)


def test_errors_and_degrees_of_freedom_are_those_of_clubsandwich(case):
    d, o, gap = case
    groups, theirs = groups_of(d["user"]), o["CR2 (clubSandwich, Satterthwaite)"]
    assert cr2_error(groups.sums(gap), groups.sizes) == pytest.approx(theirs["se"], abs=1e-9)
    assert groups.df == pytest.approx(theirs["df"], abs=1e-9)
    assert groups.share == pytest.approx(o["largest_share"]) and not groups.balanced or d["user"][0] != d["user"][6]


def test_flips_and_their_intervals_are_those_of_scipy(case):
    d, o, gap = case
    groups, theirs = groups_of(d["user"]), o["flips by rows (scipy)"]
    found = flip_sums(groups.sums(gap)[:, None], groups.sizes, [0.95, 0.9])[0]
    assert found.p == pytest.approx(theirs["p"], abs=1e-12)
    assert found.intervals[0] == pytest.approx(theirs["ci95"], abs=1e-9) and found.intervals[1] == pytest.approx(theirs["ci90"], abs=1e-9)


def test_every_user_counting_the_same_is_a_flip_of_user_means(case):
    d, o, gap = case
    theirs = o["flips by users, every user the same (scipy)"]
    groups = groups_of(d["user"])
    found = flip_sums((groups.sums(gap) / groups.sizes)[:, None], np.ones(groups.count), [0.95])[0]
    assert found.p == pytest.approx(theirs["p"], abs=1e-12) and found.intervals[0] == pytest.approx(theirs["ci95"], abs=1e-9)
    assert paired(d["a"], d["b"], d["user"]).equal_weight.value == pytest.approx(theirs["mean"], abs=1e-9)


@pytest.mark.parametrize("name", ["six", "zipf"])
def test_levels_of_unequal_users_are_those_of_statsmodels(name):
    d, o = ORACLES[name]["data"], ORACLES[name]["values"]["level of b"]
    e = level(d["b"], d["user"]).estimate
    assert [e.value, e.standard_error, e.df, e.low, e.high] == pytest.approx([o["mean"], o["se_CR2"], o["df"], *o["wilson_BM"]], abs=1e-9)


def test_one_heavy_user_has_no_level_and_the_users_mean_beside_it():
    d = ORACLES["heavy"]["data"]
    found = level(d["b"], d["user"])
    assert found.estimate.low is None and found.estimate.reason == "one cluster has 69% of the rows"
    assert found.equal_weight.low < 0.6675 < found.equal_weight.high and found.equal_weight.value == pytest.approx(0.6675)
    r = paired(d["a"], d["b"], d["user"])
    assert r.p == 0.3125 and not r.significant, "by t over clusters it would be p = .0025"


def test_users_by_questions_is_the_two_way_error():
    d, o = ORACLES["crossed"]["data"], ORACLES["crossed"]["values"]["two-way"]
    g = grouping(d["user"], d["item"])
    e = estimate(np.array(d["b"]) - np.array(d["a"]), g)
    assert g.kind == "crossed" and (g.users, g.questions) == (8, 6)
    assert [e.standard_error, e.df, e.p, e.low, e.high] == pytest.approx([o["se"], o["df"], o["p"], *o["ci"]], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 9), st.integers(-20, 20)), min_size=6, max_size=9), st.sampled_from([0.8, 0.9, 0.95]))
def test_few_groups_are_flipped_in_every_way(groups, confidence):
    """p and interval against the definition: all 2^G sign vectors, each with the gap at which it ties."""
    sizes, sums = np.array([float(n) for n, _ in groups]), np.array([float(s) for _, s in groups])
    signs = np.array(list(itertools.product([1, -1], repeat=len(groups))), float)
    found = flip_sums(sums[:, None], sizes, [confidence])[0]

    def p(mu: float) -> float:
        moved = sums - mu * sizes
        return float(np.mean(np.abs(signs @ moved) >= abs(moved.sum()) * (1 - 1e-9) - 1e-9))

    assert found.p == pytest.approx(p(0))
    if found.intervals[0] is None:
        return
    low, high = found.intervals[0]
    assert low <= sums.sum() / sizes.sum() <= high
    assert p(low - 1e-6) <= 1 - confidence + 1e-12 and p(high + 1e-6) <= 1 - confidence + 1e-12
    assert p(low + 1e-6 * (high - low)) > 1 - confidence or high - low < 1e-9


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(6, 30), st.integers(1, 6), st.booleans())
def test_p_and_interval_never_disagree(seed, users, comparisons, bounded):
    random = np.random.default_rng(seed)
    codes = random.choice(users, users * 6, p=random.dirichlet(np.ones(users)))
    columns = [random.normal(random.normal(0, 0.3), 1, len(codes)) ** (1 if bounded else 3) for _ in range(comparisons)]
    for e in estimates(columns, codes.tolist(), bounded=[bounded] * comparisons):
        if e.low is not None:
            assert (e.p <= 0.05) == (e.low > 0 or e.high < 0)
        if e.simultaneous is not None:
            assert (e.p <= 0.05 / comparisons) == (e.simultaneous[0] > 0 or e.simultaneous[1] < 0)
            assert e.simultaneous[0] <= e.low <= e.value <= e.high <= e.simultaneous[1]


@settings(max_examples=25, deadline=None)
@given(seeds, st.integers(2, 7))
def test_comparisons_share_their_signs(seed, comparisons):
    random = np.random.default_rng(seed)
    codes = random.integers(0, 25, 90).tolist()
    scores = random.random((comparisons + 1, 90))
    pairs = [(scores[0], s) for s in scores[1:]]
    for together, alone in zip(paired_all(pairs, codes), [paired(a, b, codes) for a, b in pairs], strict=True):
        assert (together.p, together.gap.low, together.gap.high) == pytest.approx((alone.p, alone.gap.low, alone.gap.high), abs=0.01)
        assert together.detectable_gap is None or together.detectable_gap > alone.detectable_gap


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=3, max_size=30))
def test_unequal_groups_are_worth_fewer(sizes):
    n = np.array(sizes, float)
    df = bell_mccaffrey(n)
    assert 0 < df <= len(n) - 1 + 1e-9 and (df == pytest.approx(len(n) - 1)) == (n.max() == n.min())
    w = n / n.sum()
    c = -np.outer(w / np.sqrt(1 - w), w / np.sqrt(1 - w))
    np.fill_diagonal(c, w)  # clubSandwich's matrix for CR2: a_g^2 w_g (1 - w_g), and -a_g a_h w_g w_h
    assert df == pytest.approx(np.trace(c) ** 2 / np.trace(c @ c), rel=1e-9)


@pytest.mark.parametrize(
    ("users", "items", "kind"),
    [
        (["a", "b", "c"], ["1", "2", "3"], None),
        (["a", "a", "b"], ["1", "2", "3"], "groups"),
        ([None, None, None], ["1", "1", "2"], "items"),
        (["a", "a", "b"], ["1", "1", "2"], "groups"),  # one user asked twice
        (["a", "b", "c", "a", "b", "c"], ["1", "1", "1", "2", "2", "2"], "crossed"),
        ([f"u{i // 2}" for i in range(40)], [f"q{i % 40}" if i > 1 else "q2" for i in range(40)], "linked"),
    ],
)
def test_how_rows_hang_together_is_found(users, items, kind):
    found = grouping(users, items)
    assert (found.kind if found else None) == kind


def test_few_questions_crossed_with_many_users_tell_nothing():
    users, items = [u for u in range(30) for _ in range(5)], [q for _ in range(30) for q in range(5)]
    g = grouping(users, items)
    r = paired(np.zeros(150), np.random.default_rng(0).random(150), g)
    assert g.reason == "5 questions are too few for a verdict" and r.p == 1 and not r.significant and r.gap.low is None


def test_users_and_questions_together_are_not_as_clear_as_users_alone():
    random = np.random.default_rng(4)
    users, items = np.repeat(np.arange(20), 12), np.tile(np.arange(12), 20)
    d = random.normal(0, 1, 12)[items] + random.normal(0, 0.3, 240)  # questions differ, users do not
    alone, both = estimate(d, users.tolist()), estimate(d, grouping(users.tolist(), items.tolist()))
    assert both.standard_error > 3 * alone.standard_error and both.df == pytest.approx(11)


def test_clusters_whose_total_is_nothing_do_not_count():
    a, b = np.zeros(80), np.repeat([1, 1, 1, 1, 1, 0, 0, 0, 0, 0], 8)  # five users of ten differ
    r = paired(a, b, np.repeat(np.arange(10), 8).tolist())
    assert r.gap.too_few and r.gap.nonzero == 5 and not r.significant
    six = paired(a, np.repeat([1, 1, 1, 1, 1, 1, 0, 0, 0, 0], 8), np.repeat(np.arange(10), 8).tolist())
    assert six.significant and six.p == 0.03125 and not six.gap.too_few


def test_no_winner_where_users_counted_alike_say_the_reverse():
    sizes = [200, *[2] * 15]
    users = np.repeat(np.arange(16), sizes)
    random = np.random.default_rng(1)
    gain = np.where(users == 0, 0.9, -0.3)
    b = np.clip(0.5 + gain * 0.4 + random.normal(0, 0.02, len(users)), 0, 1)
    r = paired(np.full(len(users), 0.5), b, users.tolist())
    assert r.gap.value > 0 > r.equal_weight.value and r.sign_differs and not r.significant


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(12, 200))
def test_halls_p_and_interval_are_one_test(seed, n):
    random = np.random.default_rng(seed)
    x = random.lognormal(0, 1, n) - random.lognormal(0, 0.5)
    given_ = (x.mean(), x.std(ddof=1) / n**0.5, skewness(x - x.mean()), n, n - 1)
    low, high = hall(*given_, 0.95)
    assert (hall_p(*given_) <= 0.05) == (low > 0 or high < 0)


def test_skewed_scores_have_a_wider_interval_and_say_so():
    x = np.random.default_rng(0).lognormal(0, 1.2, 60)
    plain, wide = estimate(x), estimate(x, bounded=False)
    assert wide.skewed and wide.low <= plain.low and wide.high > plain.high + (plain.high - plain.low) / 10
    assert not estimate(np.random.default_rng(0).normal(size=60), bounded=False).skewed


def test_an_exact_test_and_the_interval_beside_it_agree():
    """McNemar's exact p is 0.0525 where Student's interval would leave 0 out."""
    for wins, losses, n in itertools.product(range(10, 26), range(0, 14), (40, 200)):
        b = np.r_[np.ones(wins), np.zeros(losses), np.zeros(n - wins - losses)] if wins + losses <= n else None
        if b is None:
            continue
        a = np.r_[np.zeros(wins), np.ones(losses), np.zeros(n - wins - losses)]
        r = paired(a, b)
        if r.gap.low is not None:
            assert (r.p <= 0.05) == (r.gap.low > 0 or r.gap.high < 0) == r.significant
