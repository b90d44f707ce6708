"""Votes: p and interval are one exact test where votes stand alone, and clusters where one person cast several."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from fmnb.stats.proportions import sign_test
from fmnb.stats.sign_flips import flip_sums
from fmnb.stats.votes import clopper_pearson, preference


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_exact_interval_is_scipys_and_agrees_with_the_sign_test(votes, confidence):
    hits, of = votes
    i = clopper_pearson(hits, of, confidence)
    theirs = scipy.stats.binomtest(hits, of).proportion_ci(confidence, "exact")
    assert [i.low, i.high] == pytest.approx([theirs.low, theirs.high], abs=1e-9)
    assert (sign_test(hits, of - hits) < 1 - confidence) == (i.low > 0.5 or i.high < 0.5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 14), st.integers(1, 8), st.integers(1, 3))
def test_p_verdict_and_intervals_agree_whoever_voted(seed, voters, each, comparisons):
    random = np.random.default_rng(seed)
    leaning = random.random(voters)
    who = np.repeat(np.arange(voters), each)
    votes = np.where(random.random(len(who)) < 0.2, 0.5, (random.random(len(who)) < leaning[who]).astype(float))
    prompts = random.integers(0, 9, len(who)) if seed % 2 else np.arange(len(who))
    found = preference(votes, who.tolist(), prompts.tolist(), comparisons=comparisons)
    turned = preference(1 - votes, who.tolist(), prompts.tolist(), comparisons=comparisons)
    assert found.p == pytest.approx(turned.p) and found.share == pytest.approx(1 - turned.share)
    if found.low is not None and found.decisive_low is not None:
        assert (found.low > 0.5 or found.high < 0.5) == (found.decisive_low > 0.5 or found.decisive_high < 0.5)
        assert found.low - 1e-9 <= found.share <= found.high + 1e-9 and 0 <= found.low <= found.high <= 1
        if not found.reason:
            assert found.significant == (found.low > 0.5 or found.high < 0.5)
        assert turned.low == pytest.approx(1 - found.high)


def test_one_persons_hundred_votes_among_others_are_one_voter():
    votes = [1.0] * 100 + [1, 0] * 4
    who = ["ada"] * 100 + [f"v{i}" for i in range(8)]
    found = preference(votes, who, range(108))
    sums = np.array([50.0, *[0.5, -0.5] * 4])
    assert found.p == flip_sums(sums[:, None], np.array([100.0, *[1] * 8]))[0].p > 0.5
    assert not found.significant and preference(votes, range(108), range(108)).p < 1e-10


def test_the_same_few_prompts_are_few():
    assert "6 prompts" in preference([1.0] * 40, ["ada"] * 40, [i % 5 for i in range(40)]).reason
    assert "6 prompts" in preference([1.0] * 40, range(40), [i % 5 for i in range(40)]).reason
