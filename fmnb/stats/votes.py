"""Preference between two models from votes: the share, its test, and an interval by the same method.

Votes of one person are correlated, and so are votes on one prompt. The test uses decisive votes
only; ties pull the share of all votes toward one half.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from .grouping import Grouping, grouping
from .level import level
from .means import estimate
from .proportions import Interval, sign_test

MIN_VOTES = 6  # decisive votes, or voters; five to none is still p = 0.0625


@dataclass(frozen=True, slots=True)
class Preference:
    """The share of all votes, with ties as halves, and an interval consistent with the test.

    The interval excludes one half exactly if `p` is significant. `decisive`, `decisive_low` and
    `decisive_high` exclude ties; `p` tests a share of one half, corrected for all comparisons.
    `reason` states what is insufficient for a verdict.
    """

    share: float
    low: float | None
    high: float | None
    decisive: float | None
    decisive_low: float | None
    decisive_high: float | None
    p: float
    voters: int
    prompts: int
    reason: str = ""

    @property
    def significant(self) -> bool:
        """Whether the share differs significantly from one half."""
        return self.p < 0.05 and not self.reason


def preference(
    votes: Sequence[float], voters: Sequence[Hashable], prompts: Sequence[Hashable], *, comparisons: int = 1, confidence: float = 0.95
) -> Preference:
    """Estimate the preference for one of two models from votes.

    Several voters are clusters, crossed with prompts if they voted on the same ones. The votes of a
    single voter are clustered by prompt and describe that person only. Independent votes are
    tested by the sign test, with Clopper and Pearson's interval.

    Args:
        votes: 1 for the model, 0 against it, 0.5 for a tie.
        voters: Voter of each vote.
        prompts: Prompt of each vote.
        comparisons: Number of comparisons that p and the interval are corrected for.
        confidence: Confidence level of the interval.

    >>> one = preference([1] * 9 + [0] + [0.5] * 7, ["ada"] * 17, range(17))
    >>> round(one.p, 4), round(one.decisive_low, 3), round(one.low, 3), round(one.share, 3)
    (0.0215, 0.555, 0.532, 0.735)
    >>> preference([1] * 100, ["ada", "bob"] * 50, range(100)).reason
    'fewer than 6 voters are too few for a verdict, however many votes they cast'
    """
    x = np.asarray(votes, dtype=float)
    if not len(x):
        raise ValueError("a preference needs at least one vote")
    decided = np.flatnonzero(x != 0.5)
    people, n = len(set(voters)), len(decided)
    who = [voters[i] for i in decided.tolist()]
    about = [prompts[i] for i in decided.tolist()]
    share, level_ = float(x.mean()), 1 - (1 - confidence) / comparisons
    low = high = None
    p = 1.0
    if n:
        p, low, high = _test(x[decided], grouping(who if len(set(who)) > 1 else None, about), level_)
    p = min(1.0, p * comparisons)
    why = _too_few(n, len(set(who)), len(set(about)), people)
    part = n / len(x)
    ends = [None if v is None else 0.5 + part * (v - 0.5) for v in (low, high)]
    decisive = float(x[decided].mean()) if n else None
    return Preference(share, ends[0], ends[1], decisive, low, high, p, people, len(set(prompts)), why)


def clopper_pearson(hits: int, of: int, confidence: float = 0.95) -> Interval:
    """Clopper and Pearson's exact interval of a proportion, consistent with `sign_test` at one half.

    >>> i = clopper_pearson(9, 10); round(i.low, 4), round(i.high, 4)
    (0.555, 0.9975)
    """
    if of <= 0 or not 0 <= hits <= of:
        raise ValueError(f"a share of {hits} in {of}")
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else _share_with_tail(hits, of, tail)
    high = 1.0 if hits == of else 1 - _share_with_tail(of - hits, of, tail)
    return Interval(hits / of, low, high, confidence)


def _test(x: np.ndarray, g: Grouping | None, confidence: float) -> tuple[float, float | None, float | None]:
    if g is None:
        hits = int(x.sum())
        i = clopper_pearson(hits, len(x), confidence)
        return sign_test(hits, len(x) - hits), i.low, i.high
    e = estimate(x - 0.5, g, confidence)
    p = 1.0 if e.p is None else e.p
    if e.low is not None and e.high is not None:
        return p, max(0.0, 0.5 + e.low), min(1.0, 0.5 + e.high)
    known = level(x, g, confidence).estimate
    if known.low is None or known.high is None or g.reason:
        return p, None, None
    outside = known.low > 0.5 or known.high < 0.5
    if outside and p > 1 - confidence:
        return p, min(known.low, 0.5), max(known.high, 0.5)
    return (p, None, None) if not outside and p <= 1 - confidence else (p, known.low, known.high)


def _too_few(decisive: int, voters: int, prompts: int, people: int) -> str:
    if decisive < MIN_VOTES:
        return f"fewer than {MIN_VOTES} decisive votes are too few for a verdict"
    if people > 1 and voters < MIN_VOTES:
        return f"fewer than {MIN_VOTES} voters are too few for a verdict, however many votes they cast"
    if prompts < MIN_VOTES:
        return f"fewer than {MIN_VOTES} prompts are too few for a verdict, however many votes there are"
    return ""


def _share_with_tail(hits: int, of: int, tail: float) -> float:
    """The proportion at which `hits` or more have probability `tail`."""
    k = np.arange(hits, of + 1)
    logs = np.array([math.lgamma(of + 1) - math.lgamma(i + 1) - math.lgamma(of - i + 1) for i in k.tolist()])
    low, high = 0.0, 1.0
    for _ in range(60):
        p = (low + high) / 2
        at_least = float(np.exp(logs + k * math.log(p) + (of - k) * math.log1p(-p)).sum())
        low, high = (p, high) if at_least < tail else (low, p)
    return (low + high) / 2
