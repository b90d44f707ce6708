"""Test of two means whose rows are not paired but share users.

Users may have used both models, any number of times. The test is the wild cluster bootstrap with
the null imposed: residuals from the common mean are multiplied by a random sign per user.
Cameron, Gelbach & Miller, Review of Economics and Statistics 90 (2008).
"""

from __future__ import annotations

import numpy as np

from .sign_flips import DRAWS, MAX_EXACT, SEED, sign_vectors


def unpaired_p(values: np.ndarray, first: np.ndarray, codes: np.ndarray, *, draws: int = DRAWS, seed: int = SEED) -> float:
    """p value of equal means of the rows with `first` and the other rows; `codes` numbers the users.

    Exact (all sign vectors) for up to 16 users.

    >>> y = np.array([1, 1, 1, 0, 0, 0, 1, 0] * 4, float)
    >>> unpaired_p(y, np.arange(32) % 2 == 0, np.arange(32) // 4)
    0.0078125
    """
    count = int(codes.max()) + 1
    rest = values - values.mean()
    n, sums = [], []
    for part in (first, ~first):
        n.append(np.bincount(codes, weights=part, minlength=count))
        sums.append(np.bincount(codes, weights=rest * part, minlength=count))
    observed = abs(float(_statistic(np.ones((1, count)), sums, n)[0]))
    hits = total = 0
    for signs in sign_vectors(count, draws, seed):
        t = np.abs(_statistic(signs, sums, n))
        hits += int((t >= observed * (1 - 1e-9)).sum())
        total += len(t)
    return hits / total if count <= MAX_EXACT else (hits + 1) / (total + 1)


def _statistic(signs: np.ndarray, sums: list[np.ndarray], n: list[np.ndarray]) -> np.ndarray:
    """The difference divided by its standard error, for each sign vector."""
    flipped = [signs * s for s in sums]
    totals = [float(c.sum()) for c in n]
    means = [f.sum(axis=1) / c for f, c in zip(flipped, totals, strict=True)]
    scores = (flipped[0] - means[0][:, None] * n[0]) / totals[0] - (flipped[1] - means[1][:, None] * n[1]) / totals[1]
    error = np.sqrt((scores**2).sum(axis=1))
    gap = means[0] - means[1]
    return np.divide(gap, error, out=np.where(gap == 0, 0.0, np.inf), where=error > 1e-15)
