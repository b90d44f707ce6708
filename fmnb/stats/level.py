"""The mean score of one model, with an interval suited to its scores."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .grouping import Grouping, groups_of
from .means import Clusters, Estimate, Values, as_grouping, estimate, is_dominated, standard_error, user_means
from .paired import is_binary
from .proportions import bounded, wilson

MIN_CLUSTERS = 5  # for an interval
_MIN_DF = 3.0  # degrees of freedom


@dataclass(frozen=True, slots=True)
class Level:
    """An estimate and the method of its interval; `equal_weight` gives every user the same weight."""

    estimate: Estimate
    method: str
    equal_weight: Estimate | None = None


def level(scores: Values, clusters: Clusters = None, confidence: float = 0.95) -> Level:
    """The mean of a model's scores with its interval.

    The interval is Wilson's for binary scores, a Wilson-type one for scores from 0 to 1, and one
    that allows for skewness otherwise. There is none for one row, for fewer than 5 clusters, or if
    one cluster has nearly all rows; `reason` states which. Raises ValueError for no scores.

    >>> l = level([1] * 60 + [0] * 40); l.method, round(l.estimate.low, 3), round(l.estimate.high, 3)
    ('Wilson', 0.502, 0.691)
    >>> level([0.5, 0.7], ["one", "two"]).estimate.reason
    'only 2 clusters; at least 5 are needed to estimate how much they differ'
    """
    x = np.asarray(scores, dtype=float)
    structure = as_grouping(clusters, len(x))
    if not len(x) or not np.isfinite(x).all() or x.min() < 0 or x.max() > 1:
        e = estimate(x, structure, confidence, bounded=False)
        return Level(e, e.test if e.low is not None else "none", _equal_weight(x, structure, e, False))
    binary = is_binary(x)
    if structure is None:
        e = Estimate(float(x.mean()), None, None, standard_error(x), None, len(x), confidence=confidence, df=len(x) - 1.0)
        if binary:
            i = wilson(float(x.sum()), len(x), confidence)
            return Level(replace(e, low=i.low, high=i.high), "Wilson")
        if len(x) < 2:
            return Level(replace(e, reason="one row is too few to estimate the variance"), "none")
        i = bounded(min(1.0, e.value), e.standard_error or 0.0, len(x), len(x), confidence)
        return Level(replace(e, low=i.low, high=i.high), "Wilson for scores")
    e = _clustered(x, structure, confidence, binary)
    return Level(e, "none" if e.low is None else "Wilson over clusters", _equal_weight(x, structure, e, True))


def _clustered(x: np.ndarray, structure: Grouping, confidence: float, binary: bool) -> Estimate:
    groups, se, plain = structure.groups, structure.error(x), standard_error(x)
    share = groups.share if structure.items is None else max(groups.share, structure.items.share)
    e = Estimate(
        min(1.0, float(x.mean())),
        None,
        None,
        se,
        None,
        len(x),
        structure.count,
        (se / plain) ** 2 if plain and se is not None else None,
        confidence=confidence,
        df=structure.df,
        share=share,
    )
    if structure.count < MIN_CLUSTERS:
        words = f"only {e.clusters} cluster{'' if e.clusters == 1 else 's'}"
        return replace(e, reason=f"{words}; at least {MIN_CLUSTERS} are needed to estimate how much they differ")
    if e.df < _MIN_DF:
        return replace(e, reason=f"one cluster has {share:.0%} of the rows")
    error = max(se or 0.0, math.sqrt(e.value * (1 - e.value) / len(x)) if binary else 0.0)
    i = bounded(e.value, error, len(x), e.df + 1, confidence)
    return replace(e, low=i.low, high=i.high)


def _equal_weight(x: np.ndarray, structure: Grouping | None, e: Estimate, zero_to_one: bool) -> Estimate | None:
    """The mean with equal weight for every user, if one user dominates."""
    means = user_means(x, structure) if structure is not None and is_dominated(e) else None
    if means is None:
        return None
    alone = Grouping("groups", groups_of(range(len(means))))
    if not zero_to_one:
        return estimate(means, alone, e.confidence, bounded=False)
    return _clustered(means, alone, e.confidence, False)
