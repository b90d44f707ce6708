"""Strengths: known examples, their errors against the likelihood's curvature, and cases without a maximum."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnb.stats.bradley_terry import bootstrap, bradley_terry, order

EXAMPLE = {("A", "B"): 2, ("B", "A"): 3, ("A", "D"): 1, ("D", "A"): 4, ("B", "C"): 5, ("C", "B"): 3, ("C", "D"): 1, ("D", "C"): 3}


def test_the_worked_example_of_22_games():
    found = bradley_terry(EXAMPLE)
    expected = {"A": -0.446545, "B": 0.042403, "C": -0.415803, "D": 0.819946}
    assert found.strengths == pytest.approx(expected, abs=1e-6) and not found.regularized
    assert sum(found.strengths.values()) == pytest.approx(0, abs=1e-9)


def test_four_systems_with_ties_as_halves_on_real_outcomes():
    """GSM8K's released solutions: 286, 515, 458 and 742 of the same 1,319 right, paired item by item, is not in the repository; the two-model case has a closed form."""
    found = bradley_terry({("a", "b"): 75, ("b", "a"): 25})
    assert found.strengths["a"] - found.strengths["b"] == pytest.approx(math.log(3), abs=1e-9)
    # the error of a log odds is sqrt(1/75 + 1/25); each strength is half of the difference
    assert found.standard_errors["a"] == pytest.approx(math.sqrt(1 / 75 + 1 / 25) / 2, rel=1e-6)
    assert found.probability("a", "b") == pytest.approx(0.75)


def loglik(t, names, wins):
    at = {n: i for i, n in enumerate(names)}
    return -sum(c * math.log1p(math.exp(t[at[b]] - t[at[a]])) for (a, b), c in wins.items())


def test_the_errors_are_the_curvature_of_the_likelihood():
    found = bradley_terry(EXAMPLE)
    names = list(found.strengths)
    t, h = np.array(list(found.strengths.values())), 1e-4
    n = len(t)
    hessian = np.zeros((n, n))
    for i in range(n):
        for j in range(n):

            def f(a, b, i=i, j=j):
                x = t.copy()
                x[i] += a
                x[j] += b
                return loglik(x, names, EXAMPLE)

            hessian[i, j] = (f(h, h) - f(h, -h) - f(-h, h) + f(-h, -h)) / (4 * h * h)
    errors = np.sqrt(np.diag(np.linalg.pinv(-hessian, rcond=1e-5)))
    assert list(found.standard_errors.values()) == pytest.approx(errors.tolist(), rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.tuples(st.integers(0, 4), st.integers(0, 4)).filter(lambda p: p[0] != p[1]), st.integers(1, 20), min_size=1))
def test_at_the_maximum_expected_wins_are_the_wins(wins):
    try:
        found = bradley_terry(wins)
    except ValueError:
        return
    if found.regularized:
        assert all(map(math.isfinite, found.strengths.values()))
        return
    for name in found.strengths:
        won = sum(c for (a, _), c in wins.items() if a == name)
        expected = sum(c * found.probability(name, b if a == name else a) for (a, b), c in wins.items() if name in (a, b))
        assert won == pytest.approx(expected, abs=1e-5)


def test_one_that_never_lost_gets_a_finite_strength_and_it_is_said():
    found = bradley_terry({("a", "b"): 10, ("b", "c"): 5, ("c", "b"): 5})
    assert found.regularized and found.strengths["a"] > found.strengths["b"] and math.isfinite(found.strengths["a"])


@pytest.mark.parametrize("wins", [{}, {("a", "b"): 1, ("c", "d"): 1}, {("a", "a"): 1}, {("a", "b"): -1}])
def test_what_cannot_be_ranked_is_refused(wins):
    with pytest.raises(ValueError):
        bradley_terry(wins)


def test_bootstrap_over_prompts_is_wider_than_over_votes_when_votes_of_a_prompt_agree():
    rng = np.random.default_rng(1)
    clustered = {i: ({("a", "b"): 5.0} if rng.random() < 0.6 else {("b", "a"): 5.0}) for i in range(40)}
    single = {(i, k): {pair: 1.0} for i, votes in clustered.items() for pair in votes for k in range(5)}
    wide, narrow = bootstrap(clustered)["a"], bootstrap(single)["a"]
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])
    assert bootstrap(clustered) == bootstrap(clustered)  # the seed is fixed


def test_groups_of_the_tied():
    assert order({"a": 2.0, "b": 1.0, "c": 0.0}, lambda x, y: False) == [("a",), ("b",), ("c",)]
    assert order({"a": 2.0, "b": 1.0, "c": 0.0}, lambda x, y: True) == [("a", "b", "c")]
