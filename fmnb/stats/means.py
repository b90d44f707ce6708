"""Means of scores or of paired differences, with intervals and clustered standard errors.

Rows of one user, template or question are a cluster, and standard errors are clustered. For many
clusters of nearly equal size, Student's t is used with the CR2 standard error and Bell and
McCaffrey's degrees of freedom; otherwise the signs of whole clusters are flipped. The choice depends
on sizes only. docs/coverage.md has the coverage of each method.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from .grouping import Grouping, Groups, groups_of
from .hall import hall, hall_p, skewness
from .sign_flips import draws_for, flip_sums
from .student import t_quantile, t_two_sided

MIN_CLUSTERS_T = 10  # for Student's t over clusters
MIN_CLUSTERS_SIGN_FLIP = 6  # five equal signs are still p = 0.0625
MIN_DIFFERENT = 10  # rows or clusters that differ from the most frequent value; fewer allow no interval
MAX_SKEWNESS = 0.75  # of unbounded scores for Student's interval alone; measured in docs/coverage.md

Values = Sequence[float] | np.ndarray
Clusters = Sequence[Hashable] | Grouping | None
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its standard error, and an interval unless `reason` states why there is none.

    `p` tests a mean of 0 by `test`; it is below 1 - confidence exactly if the interval excludes 0.
    `simultaneous` is the interval that holds for all `comparisons`. `design_effect` is the
    variance relative to that of independent rows; `df` + 1 is the effective number of clusters,
    `share` the share of rows in the largest cluster, and `nonzero` the number of clusters (or rows)
    with a nonzero sum.
    """

    value: float
    low: float | None
    high: float | None
    standard_error: float | None
    p: float | None
    n: int
    clusters: int | None = None
    design_effect: float | None = None
    reason: str = ""
    confidence: float = 0.95
    df: float = 0.0
    test: str = "t"
    simultaneous: Ends | None = None
    comparisons: int = 1
    nonzero: int | None = None
    share: float | None = None
    skewed: bool = False
    half_width: float | None = field(default=None, repr=False)  # of the simultaneous interval

    @property
    def too_few(self) -> bool:
        """Whether too few clusters differ from 0 for any gap to be significant."""
        if self.clusters is None or self.nonzero is None:
            return False
        return self.nonzero < 1 + math.log2(self.comparisons / (1 - self.confidence)) - 1e-9


def estimate(values: Values, clusters: Clusters = None, confidence: float = 0.95, *, bounded: bool = True) -> Estimate:
    """The mean of `values` with its interval.

    Args:
        values: Scores, or differences of scores.
        clusters: Cluster of each value, or a `Grouping`; None for independent values.
        confidence: Confidence level of the interval.
        bounded: Whether scores have a minimum and a maximum. If not, the interval also allows for
            skewness.

    Returns:
        The estimate. It has no interval if its coverage would be too low: for fewer than 10 values
        or 6 clusters, or if fewer than 10 of them (or half, of fewer than 20) differ from the most
        frequent one.

    Raises:
        ValueError: There are no values, a value is not finite, or lengths differ.

    >>> e = estimate([0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0] * 4)
    >>> round(e.value, 3), round(e.low, 3), round(e.high, 3)
    (0.583, 0.439, 0.728)
    >>> estimate([0.0, 0, 0, 1]).reason
    'only 1 of 4 rows differs from the rest'
    """
    return estimates([values], clusters, confidence, bounded=[bounded])[0]


def estimates(
    columns: Sequence[Values], clusters: Clusters = None, confidence: float = 0.95, *, bounded: Sequence[bool], comparisons: int = 0
) -> list[Estimate]:
    """`estimate` of several columns over the same rows, as one family of comparisons with the same signs."""
    arrays = [_as_array(c) for c in columns]
    structure = as_grouping(clusters, len(arrays[0])) if arrays else None
    family = comparisons or len(arrays)
    if structure is None:
        return [_independent(x, b, confidence, family) for x, b in zip(arrays, bounded, strict=True)]
    if structure.items is not None:
        return [_crossed(x, structure, b, confidence, family) for x, b in zip(arrays, bounded, strict=True)]
    groups = structure.groups
    out = [_without_test(x, structure, b, confidence, family) for x, b in zip(arrays, bounded, strict=True)]
    to_flip = []
    for i, (e, b) in enumerate(zip(out, bounded, strict=True)):
        if groups.balanced and groups.count >= MIN_CLUSTERS_T and b and not e.reason and not e.too_few:
            out[i] = _with_t_test(e, "t over clusters")
        else:
            to_flip.append(i)
    if to_flip:
        sums = np.stack([groups.sums(arrays[i]) for i in to_flip], axis=1)
        levels = [confidence, 1 - (1 - confidence) / family]
        flips = flip_sums(sums, groups.sizes, levels, draws=draws_for(family, confidence))
        for i, f in zip(to_flip, flips, strict=True):
            shown = f.intervals if not out[i].reason else (None, None)
            e = replace(out[i], p=f.p, test="sign flips of clusters")
            out[i] = _with_intervals(e, shown, groups.sums(arrays[i]) - groups.sizes * e.value, groups.count, bounded[i])
    return out


def standard_error(values: Values) -> float | None:
    """Standard error of a mean of independent values; None for fewer than two.

    >>> standard_error([0, 1, 0, 1])
    0.28867513459481287
    """
    x = np.asarray(values, dtype=float)
    return float(x.std(ddof=1) / math.sqrt(len(x))) if len(x) > 1 else None


def clustered_error(values: Values, codes: np.ndarray, count: int, *, finite: bool = True) -> float | None:
    """Liang and Zeger's clustered standard error of a mean; `codes` numbers the `count` clusters.

    `finite` applies C / (C - 1). None for fewer than two clusters. For clusters of equal size it
    equals that of `estimate`; for others it is smaller.

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
    """Each row's cluster as a number from 0, and their number; a missing name is a separate cluster.

    >>> cluster_codes(["b", "a", "b", None], 4)
    (array([0, 1, 0, 2]), 3)
    """
    if len(clusters) != n:
        raise ValueError(f"{len(clusters)} clusters for {n} rows")
    groups = groups_of(clusters)
    return groups.codes, groups.count


def as_grouping(clusters: Clusters, n: int) -> Grouping | None:
    """Clusters as a `Grouping`. Raises ValueError if their length is not `n`."""
    structure = clusters if clusters is None or isinstance(clusters, Grouping) else Grouping("groups", groups_of(clusters))
    if structure is not None and len(structure.groups.codes) != n:
        raise ValueError(f"{len(structure.groups.codes)} clusters for {n} rows")
    return structure


def user_means(values: Values, structure: Grouping) -> np.ndarray | None:
    """The mean of each group, for equal weights; None if sizes are equal, or groups are crossed."""
    sizes = structure.groups.sizes
    if structure.items is not None or sizes.max() == sizes.min():
        return None
    return structure.groups.sums(np.asarray(values, dtype=float)) / sizes


def is_dominated(e: Estimate) -> bool:
    """Whether one or few clusters dominate the mean over rows."""
    if e.clusters is None or e.share is None:
        return False
    return e.share > 1 / 3 or (e.df < 5 and e.df < 0.8 * (e.clusters - 1))


def _as_array(values: Values) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    if len(x) == 0:
        raise ValueError("a mean needs at least one value")
    if not np.isfinite(x).all():
        raise ValueError("a value is not finite")
    return x


def _independent(x: np.ndarray, bounded: bool, confidence: float, family: int) -> Estimate:
    se, n = standard_error(x), len(x)
    why = too_few_different(x, "row") or ("one row is too few to estimate the variance" if n < 2 else "")
    e = Estimate(float(x.mean()), None, None, se, None, n, reason=why, confidence=confidence, df=n - 1.0, comparisons=family)
    if se is None:
        return e
    if se == 0:
        return replace(e, p=1.0 if e.value == 0 else None)
    e = _with_t_test(e, "t", shown=not why)
    return e if bounded or why else _with_skew_correction(e, x - e.value, n)


def _without_test(x: np.ndarray, structure: Grouping, bounded: bool, confidence: float, family: int) -> Estimate:
    """The estimate without interval and p value."""
    groups, se, plain = structure.groups, structure.error(x), standard_error(x)
    sums = groups.sums(x)
    why = structure.reason or too_few_clusters(x, groups)
    nonzero = int((np.abs(sums) > 1e-12).sum())
    e = Estimate(float(x.mean()), None, None, se, None, len(x), groups.count, None, why, confidence, structure.df)
    return replace(
        e,
        comparisons=family,
        nonzero=nonzero,
        share=groups.share,
        skewed=not bounded and abs(skewness(sums - groups.sizes * e.value)) > MAX_SKEWNESS,
        design_effect=(se / plain) ** 2 if plain and se is not None else None,
    )


def too_few_clusters(x: np.ndarray, groups: Groups) -> str:
    """Why these clusters are too few or too similar for an interval, or ""."""
    if groups.count < MIN_CLUSTERS_SIGN_FLIP:
        return f"only {groups.count} cluster{'' if groups.count == 1 else 's'}; at least {MIN_CLUSTERS_SIGN_FLIP} are needed to estimate how much they differ"
    return too_few_different(x, "row") or too_few_different(groups.sums(x) / groups.sizes, "cluster", MIN_CLUSTERS_SIGN_FLIP)


def too_few_different(x: np.ndarray, what: str, minimum: int = MIN_DIFFERENT) -> str:
    """Why too few values differ for an interval, or ""."""
    if len(x) < 2:
        return f"one {what} is too few to estimate the variance"
    _, counts = np.unique(x, return_counts=True)
    other = len(x) - int(counts.max())
    if len(x) >= minimum and other >= min(MIN_DIFFERENT, math.ceil(len(x) / 2)):
        return ""
    if other == 0:
        return f"all {len(x)} {what}s have the same value"
    if len(x) < minimum and other >= len(x) / 2:
        return f"only {len(x)} {what}s; at least {minimum} are needed for an interval"
    return f"only {other} of {len(x)} {what}s differ{'s' if other == 1 else ''} from the rest"


def _with_t_test(e: Estimate, test: str, shown: bool = True) -> Estimate:
    """Add the p value of Student's t, and its intervals if `shown`."""
    error = e.standard_error
    if not error:
        return replace(e, p=1.0, test=test)
    e = replace(e, p=t_two_sided(e.value / error, e.df), test=test)
    if not shown:
        return e
    halves = [t_quantile(1 - (1 - e.confidence) / k / 2, e.df) * error for k in (1, e.comparisons)]
    (low, high), together = ((e.value - h, e.value + h) for h in halves)
    return replace(e, low=low, high=high, simultaneous=together, half_width=halves[1])


def _with_intervals(e: Estimate, shown: Sequence[Ends | None], rest: np.ndarray, count: int, bounded: bool) -> Estimate:
    alone, together = shown
    if alone is not None:
        e = replace(e, low=alone[0], high=alone[1])
    if together is not None:
        e = replace(e, simultaneous=together, half_width=(together[1] - together[0]) / 2)
    if not e.reason and alone is None:
        e = replace(e, reason=f"{count} clusters are too few for an interval")
    return e if bounded else _with_skew_correction(e, rest, count)


def _with_skew_correction(e: Estimate, rest: np.ndarray, count: int) -> Estimate:
    """For skewed values, the wider of the interval and Hall's at each end, and the larger p value."""
    if not e.standard_error or e.df <= 0:
        return e
    skew = skewness(rest)
    if abs(skew) <= MAX_SKEWNESS:
        return e
    args = (e.value, e.standard_error, skew, count, e.df)
    e = replace(e, p=max(e.p if e.p is not None else 0.0, hall_p(*args)), skewed=True, test=f"{e.test}, Hall")
    if e.low is not None and e.high is not None:
        low, high = hall(*args, e.confidence)
        e = replace(e, low=min(e.low, low), high=max(e.high, high))
    if e.simultaneous is not None:
        low, high = hall(*args, 1 - (1 - e.confidence) / e.comparisons)
        together = (min(e.simultaneous[0], low), max(e.simultaneous[1], high))
        e = replace(e, simultaneous=together, half_width=(together[1] - together[0]) / 2)
    return e


def _crossed(x: np.ndarray, structure: Grouping, bounded: bool, confidence: float, family: int) -> Estimate:
    users, items = structure.groups, structure.items or structure.groups
    e = _without_test(x, structure, bounded, confidence, family)
    worst = max(users.share, items.share)
    e = replace(
        e, clusters=structure.count, share=worst, reason=e.reason or too_few_clusters(x, items).replace("cluster", "question"), nonzero=None
    )
    if structure.reason:
        return replace(e, p=1.0, test="none")
    skew = max(abs(skewness(g.sums(x) - g.sizes * e.value)) for g in (users, items))
    return replace(_with_t_test(e, "t over users and questions", shown=not e.reason), skewed=not bounded and skew > MAX_SKEWNESS)
