"""The promise behind the sentences, on a few designs; docs/coverage.md has them all."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import FULL

SETS = 2000 if FULL else 128


@pytest.fixture(scope="module")
def coverage():
    bench = str(Path(__file__).parents[2] / "bench")
    sys.path.insert(0, bench)
    try:
        yield importlib.import_module("coverage_designs"), _page_of(bench)
    finally:
        sys.path.remove(bench)


def _page_of(bench):
    spec = importlib.util.spec_from_file_location("bench_coverage", Path(bench) / "coverage.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_coverage"] = module
    spec.loader.exec_module(module)
    return module


def at_most(share, sets, sigmas=2.6):
    """The largest share that so many data sets show by chance."""
    return share + sigmas * (share * (1 - share) / sets) ** 0.5


def check(cells, *, lowest, average):
    shown = [c for c in cells if c.shown >= 0.5]
    assert shown
    assert min(c.covered for c in shown) >= lowest, min(shown, key=lambda c: c.covered)
    assert np.mean([c.covered for c in shown]) >= average[0]
    assert np.mean([c.covered for c in shown]) <= average[1]


def test_wilson_holds_exactly(coverage):
    page = coverage[1]
    for n in page.SIZES:
        check(list(page.wilson_cells((n,))), lowest=0.92, average=(0.94, 0.97))


def test_gaps_of_rows_and_equal_groups_hold(coverage):
    page, random, times = coverage[1], np.random.default_rng(11), 2000 if FULL else 400
    check(list(page.gap_cells(times, random, (100, 200), (0.3, 0.5), clusters=(0, 20))), lowest=0.91, average=(0.935, 0.975))


def test_clustered_shares_and_scores_hold(coverage):
    page, random, times = coverage[1], np.random.default_rng(12), 2000 if FULL else 400
    check(list(page.share_cells(times, random, (200, 500), (0.1, 0.5), (10, 50))), lowest=0.91, average=(0.935, 0.98))
    check(list(page.score_cells(times, random, (50, 200), (0.3, 0.9))), lowest=0.91, average=(0.935, 0.975))


@pytest.mark.parametrize(
    ("pattern", "users"),
    [("equal", 8), ("equal", 20), ("Zipf 1", 20), ("Zipf 1.5", 12), ("Zipf 1.5", 40), ("one of 65 %", 20), ("150 and singles", 20)],
)
def test_unequal_users_give_no_false_winners_and_intervals_that_hold(coverage, pattern, users):
    (c,) = coverage[1].user_cells(SETS, np.random.default_rng(5), (pattern,), (users,))
    assert np.mean(c.false) <= at_most(0.05, 6 * SETS) and max(c.false) <= at_most(0.05, SETS, 3.2)
    assert c.covered >= 1 - at_most(0.06, SETS, 3.2)
    assert c.level_shown < 0.2 or c.level_covered >= 1 - at_most(0.06, SETS, 3.2)


@pytest.mark.parametrize(("users", "items", "filled"), [(20, 15, 1.0), (8, 40, 1.0), (50, 8, 1.0), (40, 60, 0.15)])
def test_users_by_questions_give_no_false_winners(coverage, users, items, filled):
    designs, random = coverage[0], np.random.default_rng(6)
    for effects in ((0.0, 0.1), (0.1, 0.1)):
        g, draw = designs.crossed(users, items, filled, *effects)
        found = designs.gaps(random, g, draw, 0.0, 2 * SETS)
        assert found.beats <= at_most(0.05, 2 * SETS) and found.covered >= 1 - at_most(0.06, 2 * SETS)


@pytest.mark.parametrize(("users", "items"), [(50, 5), (5, 50), (50, 1), (1, 50)])
def test_few_questions_or_users_give_no_verdict(coverage, users, items):
    designs = coverage[0]
    g, draw = designs.crossed(users, items, 1.0, 0.3, 0.3)
    found = designs.gaps(np.random.default_rng(1), g, draw, 0.0, 64)
    assert found.beats == found.shown == 0


def test_questions_asked_again_count_once(coverage):
    """Twelve questions asked by users who each ask one of them: rows of a question share its luck."""
    designs, random = coverage[0], np.random.default_rng(2)
    codes = np.repeat(np.arange(12), designs.sizes_of("Zipf 1", 12, 200))
    g = designs.grouping([f"u{i}" for i in range(len(codes))], codes.tolist())
    found = designs.gaps(random, g, designs.right_or_wrong(codes, 0.5, 0.0, 0.4), 0.0, 4 * SETS)
    assert g.kind == "items" and found.beats <= at_most(0.05, 4 * SETS)
    alone = designs.gaps(random, None, designs.right_or_wrong(codes, 0.5, 0.0, 0.4), 0.0, 4 * SETS)
    assert alone.beats > 0.2, "as independent rows they would"


@pytest.mark.parametrize(("rows", "spread"), [(20, 1.0), (40, 1.5), (300, 1.5)])
def test_skewed_scores_have_intervals_that_hold(coverage, rows, spread):
    designs = coverage[0]
    found = designs.gaps(np.random.default_rng(3), None, designs.skewed(None, rows, spread), 0.0, 4 * SETS)
    assert found.covered >= 1 - at_most(0.06, 4 * SETS) and found.shown == 1


@pytest.mark.parametrize(("pattern", "users", "models"), [("alone", 150, 4), ("equal", 12, 3), ("Zipf 1", 20, 4)])
def test_several_equal_models_are_rarely_said_to_differ(coverage, pattern, users, models):
    designs = coverage[0]
    sizes = np.ones(users, dtype=int) if pattern == "alone" else designs.sizes_of(pattern, users, 240)
    wrong, together = designs.several(np.random.default_rng(4), sizes, models, SETS)
    assert wrong <= at_most(0.05, SETS) and together >= 1 - at_most(0.05, SETS)


@pytest.mark.parametrize("votes", [[100, *[1] * 9], [10] * 8, [5] * 20, [1] * 40], ids=str)
def test_votes_of_people_of_two_minds_name_no_preference(coverage, votes):
    wrong, held = coverage[0].voting(np.random.default_rng(8), votes, 1.0, 2 * SETS)
    assert wrong <= at_most(0.05, 2 * SETS) and held >= 1 - at_most(0.05, 2 * SETS)


def test_the_same_is_rarely_said_of_models_that_differ_by_the_margin(coverage):
    designs = coverage[0]
    codes, g = designs.by_user(designs.sizes_of("Zipf 1", 60, 2400))
    found = designs.gaps(np.random.default_rng(9), g, designs.right_or_wrong(codes, 0.5, 0.1, 0.02), 0.1, 2 * SETS, margin=0.1)
    assert found.same <= at_most(0.05, 2 * SETS)
