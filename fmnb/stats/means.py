"""A mean with its interval: of scores, or of the paired differences of two models on the same rows.

Rows that hang together (of one user, of one template) are clusters: then the spread
between clusters counts, not the number of rows. Liang & Zeger, Biometrika 73 (1986), with
the factor C / (C - 1) and Student's t on C - 1 degrees of freedom.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .student import t_quantile, t_two_sided

FEWEST_CLUSTERS = 10  # below, the spread between clusters is itself a guess
FEWEST_DIFFERENT = 10  # rows (or clusters) that are not all alike; below, their number is too uncertain for an interval

Values = Sequence[float] | np.ndarray


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its standard error, and an interval unless `why` says that there can be none.

    `p` tests a mean of 0. `design_effect` is how many times larger the variance is for the
    clusters than it would be for as many rows of their own.
    """

    value: float
    low: float | None
    high: float | None
    standard_error: float | None
    p: float | None
    n: int
    clusters: int | None = None
    design_effect: float | None = None
    why: str = ""
    confidence: float = 0.95


def estimate(values: Values, clusters: Sequence[Hashable] | None = None, confidence: float = 0.95) -> Estimate:
    """The mean of `values` with Student's interval, clustered where `clusters` names each value's group.

    No interval is given for fewer than 10 values or clusters, or where fewer than 10 of them (or
    half, of fewer than 20) differ from the most frequent one: there it would be wrong too often.
    Raises ValueError for no values at all, and for clusters of another length.

    >>> e = estimate([0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0] * 4)
    >>> round(e.value, 3), round(e.low, 3), round(e.high, 3)
    (0.583, 0.439, 0.728)
    >>> estimate([0.0, 0, 0, 1]).why
    'only 1 of 4 rows differs from the rest'
    """
    x = np.asarray(values, dtype=float)
    n = len(x)
    if n == 0:
        raise ValueError("a mean of nothing")
    if not np.isfinite(x).all():
        raise ValueError("a value that is no finite number")
    mean = float(x.mean())
    if clusters is None:
        se = standard_error(x)
        return _estimate(mean, se, n - 1, n, None, None, _thin(x, "row"), confidence)
    codes, count = cluster_codes(clusters, n)
    se = clustered_error(x, codes, count)
    plain = standard_error(x)
    effect = (se / plain) ** 2 if plain and se is not None else None
    why = (
        f"only {count} clusters, and fewer than {FEWEST_CLUSTERS} do not tell how much they differ"
        if count < FEWEST_CLUSTERS
        else _thin(x, "row") or _thin_clusters(x, codes, count)
    )
    return _estimate(mean, se, count - 1, n, count, effect, why, confidence)


def standard_error(values: Values) -> float | None:
    """Of a mean of independent values; None for fewer than two.

    >>> standard_error([0, 1, 0, 1])
    0.28867513459481287
    """
    x = np.asarray(values, dtype=float)
    return float(x.std(ddof=1) / math.sqrt(len(x))) if len(x) > 1 else None


def clustered_error(values: Values, codes: np.ndarray, count: int, *, finite: bool = True) -> float | None:
    """Of a mean of values in `count` clusters numbered by `codes`; `finite` applies C / (C - 1). None for fewer than two.

    >>> round(clustered_error([0, 0, 1, 1], np.array([0, 0, 1, 1]), 2, finite=False), 6)
    0.353553
    """
    x = np.asarray(values, dtype=float)
    if count < 2:
        return None
    sums = np.bincount(codes, weights=x - x.mean(), minlength=count)
    plain = math.sqrt(float((sums**2).sum())) / len(x)
    return plain * math.sqrt(count / (count - 1)) if finite else plain


def cluster_codes(clusters: Sequence[Hashable], n: int) -> tuple[np.ndarray, int]:
    """Each row's cluster as a number from 0, and how many there are. A missing name is a cluster of its own.

    >>> cluster_codes(["b", "a", "b", None], 4)
    (array([0, 1, 0, 2]), 3)
    """
    if len(clusters) != n:
        raise ValueError(f"{len(clusters)} clusters for {n} rows")
    seen: dict[Any, int] = {}
    codes = np.empty(n, dtype=np.int64)
    for i, c in enumerate(clusters):
        missing = c is None or c != c  # NaN
        codes[i] = seen.setdefault((i,) if missing else (None, c), len(seen))
    return codes, len(seen)


def _thin(x: np.ndarray, what: str) -> str:
    """Why too few values differ, or nothing."""
    if len(x) < 2:
        return f"one {what} tells nothing of the spread"
    _, counts = np.unique(x, return_counts=True)
    other = len(x) - int(counts.max())
    if len(x) >= FEWEST_DIFFERENT and other >= min(FEWEST_DIFFERENT, math.ceil(len(x) / 2)):
        return ""
    if other == 0:
        return f"all {len(x)} {what}s are the same"
    if len(x) < FEWEST_DIFFERENT and other >= len(x) / 2:
        return f"only {len(x)} {what}s"
    return f"only {other} of {len(x)} {what}s differ{'s' if other == 1 else ''} from the rest"


def _thin_clusters(x: np.ndarray, codes: np.ndarray, count: int) -> str:
    means = np.bincount(codes, weights=x, minlength=count) / np.bincount(codes, minlength=count)
    return _thin(means, "cluster")


def _estimate(
    mean: float, se: float | None, df: int, n: int, clusters: int | None, effect: float | None, why: str, confidence: float
) -> Estimate:
    if se is None or df < 1:
        return Estimate(mean, None, None, None, None, n, clusters, effect, why or "one row tells nothing of the spread", confidence)
    if se == 0:
        return Estimate(mean, None, None, 0.0, 1.0 if mean == 0 else None, n, clusters, effect, why, confidence)
    p = t_two_sided(mean / se, df)
    if why:
        return Estimate(mean, None, None, se, p, n, clusters, effect, why, confidence)
    half = t_quantile(0.5 + confidence / 2, df) * se
    return Estimate(mean, mean - half, mean + half, se, p, n, clusters, effect, "", confidence)
