"""The promise behind the sentences, on a few designs; docs/coverage.md has them all."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import FULL


@pytest.fixture(scope="module")
def coverage():
    where = Path(__file__).parents[2] / "bench" / "coverage.py"
    spec = importlib.util.spec_from_file_location("bench_coverage", where)
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["bench_coverage"] = module
    spec.loader.exec_module(module)
    return module


def check(cells, *, lowest, average):
    shown = [c for c in cells if c.shown >= 0.5]
    assert shown
    assert min(c.covered for c in shown) >= lowest, min(shown, key=lambda c: c.covered)
    assert np.mean([c.covered for c in shown]) >= average[0]
    assert np.mean([c.covered for c in shown]) <= average[1]


def test_wilson_holds_exactly(coverage):
    for n in coverage.SIZES:
        check(list(coverage.wilson_cells((n,))), lowest=0.92, average=(0.94, 0.97))


def test_gaps_hold(coverage):
    random, times = np.random.default_rng(11), 2000 if FULL else 400
    check(list(coverage.gap_cells(times, random, (100, 200), (0.3, 0.5), clusters=(0, 20))), lowest=0.91, average=(0.935, 0.975))


def test_clustered_shares_and_scores_hold(coverage):
    random, times = np.random.default_rng(12), 2000 if FULL else 400
    check(list(coverage.share_cells(times, random, (200, 500), (0.1, 0.5), (10, 50))), lowest=0.91, average=(0.935, 0.98))
    check(list(coverage.score_cells(times, random, (50, 200), (0.3, 0.9))), lowest=0.91, average=(0.935, 0.975))


@pytest.mark.parametrize(("n", "models", "clusters"), [(50, 2, 0), (200, 3, 0), (100, 2, 10), (40, 2, 5)])
def test_equal_models_are_rarely_said_to_differ(coverage, n, models, clusters):
    times = 2000 if FULL else 300
    wrong = coverage.wrong_sentences(times, np.random.default_rng(5), n, models, clusters)
    assert wrong <= 0.05 + 2.6 * (0.05 * 0.95 / times) ** 0.5
