"""How good one model is on its own: the mean of its scores with the interval that fits them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from .grouping import Grouping, groups_of
from .means import Clusters, Estimate, Values, as_grouping, estimate, heavy, standard_error, user_means
from .paired import is_binary
from .proportions import bounded, wilson

FEWEST = 5  # clusters with which a level has an interval
_WORTH = 3.0  # degrees of freedom


@dataclass(frozen=True, slots=True)
class Level:
    """An estimate, and the name of the method behind its interval. `equal_weight` is the mean when every user counts the same."""

    estimate: Estimate
    method: str
    equal_weight: Estimate | None = None


def level(scores: Values, clusters: Clusters = None, confidence: float = 0.95) -> Level:
    """The mean of a model's scores: Wilson's interval for right or wrong rows, one of its kind for scores from 0 to 1, else one that allows for skewed scores.

    No interval for 2 rows, for fewer than 5 clusters, or where one cluster has nearly all rows;
    `why` says so. Raises ValueError for no scores.

    >>> l = level([1] * 60 + [0] * 40); l.method, round(l.estimate.low, 3), round(l.estimate.high, 3)
    ('Wilson', 0.502, 0.691)
    >>> level([0.5, 0.7], ["one", "two"]).estimate.why
    'only 2 clusters, and fewer than 5 do not tell how much they differ'
    """
    x = np.asarray(scores, dtype=float)
    structure = as_grouping(clusters, len(x))
    if not len(x) or not np.isfinite(x).all() or x.min() < 0 or x.max() > 1:
        found = estimate(x, structure, confidence, bounded=False)
        return Level(found, found.test if found.low is not None else "none", _even(x, structure, found, False))
    binary = is_binary(x)
    if structure is None:
        e = Estimate(float(x.mean()), None, None, standard_error(x), None, len(x), confidence=confidence, df=len(x) - 1.0)
        if binary:
            i = wilson(float(x.sum()), len(x), confidence)
            return Level(replace(e, low=i.low, high=i.high), "Wilson")
        if len(x) < 2:
            return Level(replace(e, why="one row tells nothing of the spread"), "none")
        i = bounded(min(1.0, e.value), e.standard_error or 0.0, len(x), len(x), confidence)
        return Level(replace(e, low=i.low, high=i.high), "Wilson for scores")
    e = _clustered(x, structure, confidence, binary)
    return Level(e, "none" if e.low is None else "Wilson over clusters", _even(x, structure, e, True))


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
    if structure.count < FEWEST:
        words = f"only {e.clusters} cluster{'' if e.clusters == 1 else 's'}"
        return replace(e, why=f"{words}, and fewer than {FEWEST} do not tell how much they differ")
    if e.df < _WORTH:
        return replace(e, why=f"one cluster has {share:.0%} of the rows")
    error = max(se or 0.0, math.sqrt(e.value * (1 - e.value) / len(x)) if binary else 0.0)
    i = bounded(e.value, error, len(x), e.df + 1, confidence)
    return replace(e, low=i.low, high=i.high)


def _even(x: np.ndarray, structure: Grouping | None, e: Estimate, zero_to_one: bool) -> Estimate | None:
    """The mean when every user counts the same, where one user weighs much."""
    means = user_means(x, structure) if structure is not None and heavy(e) else None
    if means is None:
        return None
    alone = Grouping("groups", groups_of(range(len(means))))
    if not zero_to_one:
        return estimate(means, alone, e.confidence, bounded=False)
    return _clustered(means, alone, e.confidence, False)
