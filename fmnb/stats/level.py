"""How good one model is on its own: the mean of its scores with the interval that fits them."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .means import FEWEST_CLUSTERS, Estimate, Values, estimate
from .paired import is_binary
from .shares import bounded, wilson


@dataclass(frozen=True, slots=True)
class Level:
    """An estimate, and the name of the method behind its interval."""

    estimate: Estimate
    method: str


def level(scores: Values, clusters: Sequence[Hashable] | None = None, confidence: float = 0.95) -> Level:
    """The mean of a model's scores: Wilson's interval for right or wrong rows, one of its kind for scores from 0 to 1, else Student's.

    No interval for fewer than 10 clusters or 2 rows; `why` says so. Raises ValueError for no scores.

    >>> l = level([1] * 60 + [0] * 40); l.method, round(l.estimate.low, 3), round(l.estimate.high, 3)
    ('Wilson', 0.502, 0.691)
    >>> level([0.5, 0.7], ["one", "two"]).estimate.why
    'only 2 clusters, and fewer than 10 do not tell how much they differ'
    """
    x = np.asarray(scores, dtype=float)
    found = estimate(x, clusters, confidence)
    if clusters is None and is_binary(x):
        i = wilson(float(x.sum()), len(x), confidence)
        return Level(replace(found, low=i.low, high=i.high, why=""), "Wilson")
    if x.min() < 0 or x.max() > 1:
        return Level(found, "t" if clusters is None else "t over clusters")
    units = len(x) if found.clusters is None else found.clusters
    if units < (2 if clusters is None else FEWEST_CLUSTERS):
        return Level(replace(found, low=None, high=None), "none")
    error = found.standard_error or 0.0
    if clusters is not None:
        error = max(error, math.sqrt(found.value * (1 - found.value) / len(x)) if is_binary(x) else 0.0)
    i = bounded(found.value, error, len(x), units, confidence)
    return Level(replace(found, low=i.low, high=i.high, why=""), "Wilson for scores" if clusters is None else "Wilson over clusters")
