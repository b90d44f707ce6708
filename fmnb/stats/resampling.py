"""Bootstrap intervals and sign-flip tests of paired differences, by row or by cluster.

The seed is a parameter and should be reported: the same seed gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np

from .means import Values, cluster_codes
from .proportions import Interval
from .sign_flips import DRAWS as DRAWS
from .sign_flips import SEED as SEED
from .sign_flips import flip_sums

QUICK, FINAL = 2_000, DRAWS  # draws: for interactive use, and for published results
_MAX_NUMBERS = 4_000_000  # numbers in memory at a time


def bootstrap(
    differences: Values,
    clusters: Sequence[Hashable] | None = None,
    *,
    draws: int = QUICK,
    seed: int = SEED,
    confidence: float = 0.95,
) -> Interval:
    """Percentile bootstrap interval of a mean, over rows or clusters.

    Efron, Annals of Statistics 7 (1979).

    >>> i = bootstrap([1, 0, 0, -1, 1, 0, 1, 0, 0, 1] * 10)
    >>> i.low < i.value < i.high
    True
    """
    return bootstrap_many(np.asarray(differences, dtype=float)[:, None], clusters, draws=draws, seed=seed, confidence=confidence)[0]


def bootstrap_many(
    columns: np.ndarray,
    clusters: Sequence[Hashable] | None = None,
    *,
    draws: int = QUICK,
    seed: int = SEED,
    confidence: float = 0.95,
) -> list[Interval]:
    """`bootstrap` of several columns with the same draws, which is as fast as one.

    >>> len(bootstrap_many(np.eye(4)))
    4
    """
    x = np.asarray(columns, dtype=float)
    if len(x) == 0:
        raise ValueError("nothing to draw from")
    if clusters is None:
        sums, sizes = x, np.ones(len(x))
    else:
        codes, count = cluster_codes(clusters, len(x))
        sums = np.stack([np.bincount(codes, weights=c, minlength=count) for c in x.T], axis=1)
        sizes = np.bincount(codes, minlength=count).astype(float)
    random = np.random.default_rng(seed)
    units, means = len(sums), []
    block = max(1, _MAX_NUMBERS // units)
    for start in range(0, draws, block):
        rows = min(block, draws - start)
        drawn = random.integers(0, units, (rows, units))
        drawn += np.arange(rows)[:, None] * units
        times = np.bincount(drawn.ravel(), minlength=rows * units).reshape(rows, units).astype(float)
        means.append((times @ sums) / (times @ sizes)[:, None])
    tail = 50 * (1 - confidence)
    low, high = np.percentile(np.concatenate(means), [tail, 100 - tail], axis=0)
    return [Interval(float(v), float(a), float(b), confidence) for v, a, b in zip(x.mean(axis=0), low, high, strict=True)]


def sign_flip(differences: Values, clusters: Sequence[Hashable] | None = None, *, draws: int = DRAWS, seed: int = SEED) -> float:
    """p value of a mean difference of 0, with random signs of rows or clusters.

    It is (hits + 1) / (draws + 1), or exact for up to 16 rows or clusters.

    >>> sign_flip([1, 1, 1, 1, 1])
    0.0625
    """
    d = np.asarray(differences, dtype=float)
    if clusters is not None:
        codes, count = cluster_codes(clusters, len(d))
        d = np.bincount(codes, weights=d, minlength=count)
    if len(d) == 0:
        raise ValueError("nothing to flip")
    d = d[d != 0]  # flipping 0 changes nothing
    return flip_sums(d[:, None], np.ones(len(d)), draws=draws, seed=seed)[0].p if len(d) else 1.0
