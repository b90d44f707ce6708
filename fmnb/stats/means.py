"""A mean with its interval: of scores, or of the paired differences of two models on the same rows.

Rows that hang together (of one user, of one template, the same question) are groups: then the
spread between groups counts, not the number of rows. Where groups are many and of nearly equal
size, Student's t is used with the CR2 error and Bell and McCaffrey's degrees of freedom; else
the signs of whole groups are flipped. The choice looks at sizes only. docs/coverage.md has
how often each is right.
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

FEWEST_CLUSTERS = 10  # for Student's t over clusters
FEWEST_FLIPPED = 6  # clusters; five signs that agree are still p = 0.0625
FEWEST_DIFFERENT = 10  # rows (or clusters) that are not all alike; below, their number is too uncertain for an interval
SKEWED = 0.75  # skewness of unbounded scores from which Student's interval is not enough; measured in docs/coverage.md

Values = Sequence[float] | np.ndarray
Clusters = Sequence[Hashable] | Grouping | None
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its standard error, and an interval unless `why` says that there can be none.

    `p` tests a mean of 0 by `test`, and is below one less the confidence exactly where an
    interval that is shown leaves 0 out. `simultaneous` is the interval that holds for all
    `comparisons` at once. `design_effect` is how many times larger the variance is for the
    clusters than for as many independent rows; `df` + 1 is how many equal clusters they are
    worth, `share` the part of the rows in the largest one, `nonzero` counts clusters (or rows)
    whose sum is not 0.
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
    df: float = 0.0
    test: str = "t"
    simultaneous: Ends | None = None
    comparisons: int = 1
    nonzero: int | None = None
    share: float | None = None
    skewed: bool = False
    half_width: float | None = field(default=None, repr=False)  # of the interval that holds for all comparisons

    @property
    def too_few(self) -> bool:
        """Whether so few clusters differ from 0 that no verdict is possible, however large the gap."""
        if self.clusters is None or self.nonzero is None:
            return False
        return self.nonzero < 1 + math.log2(self.comparisons / (1 - self.confidence)) - 1e-9


def estimate(values: Values, clusters: Clusters = None, confidence: float = 0.95, *, bounded: bool = True) -> Estimate:
    """The mean of `values` with its interval, over clusters where `clusters` names each value's group.

    Args:
        values: Scores, or differences of scores.
        clusters: A name for each value, or a `Grouping`; None where all values stand alone.
        confidence: Of the interval.
        bounded: Whether scores have a largest and smallest value that they could reach. Where
            they do not, the interval also allows for skewed values.

    Returns:
        The estimate. It has no interval where one would be wrong too often: for fewer than 10
        values or 6 clusters, or where fewer than 10 of them (or half, of fewer than 20) differ
        from the most frequent one.

    Raises:
        ValueError: For no values, a value that is no finite number, or clusters of another length.

    >>> e = estimate([0, 1, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0] * 4)
    >>> round(e.value, 3), round(e.low, 3), round(e.high, 3)
    (0.583, 0.439, 0.728)
    >>> estimate([0.0, 0, 0, 1]).why
    'only 1 of 4 rows differs from the rest'
    """
    return estimates([values], clusters, confidence, bounded=[bounded])[0]


def estimates(
    columns: Sequence[Values], clusters: Clusters = None, confidence: float = 0.95, *, bounded: Sequence[bool], comparisons: int = 0
) -> list[Estimate]:
    """`estimate` of several columns over the same rows, as one family of comparisons: signs are drawn once for all."""
    arrays = [_as_array(c) for c in columns]
    structure = as_grouping(clusters, len(arrays[0])) if arrays else None
    family = comparisons or len(arrays)
    if structure is None:
        return [_independent(x, b, confidence, family) for x, b in zip(arrays, bounded, strict=True)]
    if structure.items is not None:
        return [_crossed(x, structure, b, confidence, family) for x, b in zip(arrays, bounded, strict=True)]
    groups = structure.groups
    out = [_frame(x, structure, b, confidence, family) for x, b in zip(arrays, bounded, strict=True)]
    to_flip = []
    for i, (e, b) in enumerate(zip(out, bounded, strict=True)):
        if groups.balanced and groups.count >= FEWEST_CLUSTERS and b and not e.why and not e.too_few:
            out[i] = _by_t(e, "t over clusters")
        else:
            to_flip.append(i)
    if to_flip:
        sums = np.stack([groups.sums(arrays[i]) for i in to_flip], axis=1)
        levels = [confidence, 1 - (1 - confidence) / family]
        found = flip_sums(sums, groups.sizes, levels, draws=draws_for(family, confidence))
        for i, f in zip(to_flip, found, strict=True):
            shown = f.intervals if not out[i].why else (None, None)
            e = replace(out[i], p=f.p, test="sign flips of clusters")
            out[i] = _with(e, shown, groups.sums(arrays[i]) - groups.sizes * e.value, groups.count, bounded[i])
    return out


def standard_error(values: Values) -> float | None:
    """Of a mean of independent values; None for fewer than two.

    >>> standard_error([0, 1, 0, 1])
    0.28867513459481287
    """
    x = np.asarray(values, dtype=float)
    return float(x.std(ddof=1) / math.sqrt(len(x))) if len(x) > 1 else None


def clustered_error(values: Values, codes: np.ndarray, count: int, *, finite: bool = True) -> float | None:
    """Liang and Zeger's error of a mean over `count` clusters numbered by `codes`; `finite` applies C / (C - 1). None for fewer than two.

    For clusters of equal size it is that of `estimate`, for others it is smaller.

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
    found = groups_of(clusters)
    return found.codes, found.count


def as_grouping(clusters: Clusters, n: int) -> Grouping | None:
    """Names of clusters as a grouping; a grouping as it is. ValueError for another length than `n`."""
    found = clusters if clusters is None or isinstance(clusters, Grouping) else Grouping("groups", groups_of(clusters))
    if found is not None and len(found.groups.codes) != n:
        raise ValueError(f"{len(found.groups.codes)} clusters for {n} rows")
    return found


def user_means(values: Values, structure: Grouping) -> np.ndarray | None:
    """The mean of each group, for an estimate in which every user counts the same; None where sizes are equal, or groups are crossed."""
    sizes = structure.groups.sizes
    if structure.items is not None or sizes.max() == sizes.min():
        return None
    return structure.groups.sums(np.asarray(values, dtype=float)) / sizes


def heavy(e: Estimate) -> bool:
    """Whether one cluster weighs so much that a mean over rows is mostly its own."""
    if e.clusters is None or e.share is None:
        return False
    return e.share > 1 / 3 or (e.df < 5 and e.df < 0.8 * (e.clusters - 1))


def _as_array(values: Values) -> np.ndarray:
    x = np.asarray(values, dtype=float)
    if len(x) == 0:
        raise ValueError("a mean of nothing")
    if not np.isfinite(x).all():
        raise ValueError("a value that is no finite number")
    return x


def _independent(x: np.ndarray, bounded: bool, confidence: float, family: int) -> Estimate:
    se, n = standard_error(x), len(x)
    why = thin(x, "row") or ("one row tells nothing of the spread" if n < 2 else "")
    e = Estimate(float(x.mean()), None, None, se, None, n, why=why, confidence=confidence, df=n - 1.0, comparisons=family)
    if se is None:
        return e
    if se == 0:
        return replace(e, p=1.0 if e.value == 0 else None)
    e = _by_t(e, "t", shown=not why)
    return e if bounded or why else _allowing_for_skew(e, x - e.value, n)


def _frame(x: np.ndarray, structure: Grouping, bounded: bool, confidence: float, family: int) -> Estimate:
    """All but the interval and p."""
    groups, se, plain = structure.groups, structure.error(x), standard_error(x)
    sums = groups.sums(x)
    why = structure.why or thin_clusters(x, groups)
    nonzero = int((np.abs(sums) > 1e-12).sum())
    e = Estimate(float(x.mean()), None, None, se, None, len(x), groups.count, None, why, confidence, structure.df)
    return replace(
        e,
        comparisons=family,
        nonzero=nonzero,
        share=groups.share,
        skewed=not bounded and abs(skewness(sums - groups.sizes * e.value)) > SKEWED,
        design_effect=(se / plain) ** 2 if plain and se is not None else None,
    )


def thin_clusters(x: np.ndarray, groups: Groups) -> str:
    """Why these clusters are too few or too alike for an interval, or nothing."""
    if groups.count < FEWEST_FLIPPED:
        return f"only {groups.count} cluster{'' if groups.count == 1 else 's'}, and fewer than {FEWEST_FLIPPED} do not tell how much they differ"
    return thin(x, "row") or thin(groups.sums(x) / groups.sizes, "cluster", FEWEST_FLIPPED)


def thin(x: np.ndarray, what: str, fewest: int = FEWEST_DIFFERENT) -> str:
    """Why too few values differ, or nothing."""
    if len(x) < 2:
        return f"one {what} tells nothing of the spread"
    _, counts = np.unique(x, return_counts=True)
    other = len(x) - int(counts.max())
    if len(x) >= fewest and other >= min(FEWEST_DIFFERENT, math.ceil(len(x) / 2)):
        return ""
    if other == 0:
        return f"all {len(x)} {what}s are the same"
    if len(x) < fewest and other >= len(x) / 2:
        return f"only {len(x)} {what}s"
    return f"only {other} of {len(x)} {what}s differ{'s' if other == 1 else ''} from the rest"


def _by_t(e: Estimate, test: str, shown: bool = True) -> Estimate:
    """With Student's p, and its intervals where they are to be shown."""
    error = e.standard_error
    if not error:
        return replace(e, p=1.0, test=test)
    e = replace(e, p=t_two_sided(e.value / error, e.df), test=test)
    if not shown:
        return e
    halves = [t_quantile(1 - (1 - e.confidence) / k / 2, e.df) * error for k in (1, e.comparisons)]
    (low, high), together = ((e.value - h, e.value + h) for h in halves)
    return replace(e, low=low, high=high, simultaneous=together, half_width=halves[1])


def _with(e: Estimate, shown: Sequence[Ends | None], rest: np.ndarray, count: int, bounded: bool) -> Estimate:
    alone, together = shown
    if alone is not None:
        e = replace(e, low=alone[0], high=alone[1])
    if together is not None:
        e = replace(e, simultaneous=together, half_width=(together[1] - together[0]) / 2)
    if not e.why and alone is None:
        e = replace(e, why=f"{count} clusters are too few for an interval")
    return e if bounded else _allowing_for_skew(e, rest, count)


def _allowing_for_skew(e: Estimate, rest: np.ndarray, count: int) -> Estimate:
    """Where values are skewed, the wider of what was found and Hall's interval, at each end; p is the larger one."""
    if not e.standard_error or e.df <= 0:
        return e
    skew = skewness(rest)
    if abs(skew) <= SKEWED:
        return e
    given = (e.value, e.standard_error, skew, count, e.df)
    e = replace(e, p=max(e.p if e.p is not None else 0.0, hall_p(*given)), skewed=True, test=f"{e.test}, Hall")
    if e.low is not None and e.high is not None:
        low, high = hall(*given, e.confidence)
        e = replace(e, low=min(e.low, low), high=max(e.high, high))
    if e.simultaneous is not None:
        low, high = hall(*given, 1 - (1 - e.confidence) / e.comparisons)
        together = (min(e.simultaneous[0], low), max(e.simultaneous[1], high))
        e = replace(e, simultaneous=together, half_width=(together[1] - together[0]) / 2)
    return e


def _crossed(x: np.ndarray, structure: Grouping, bounded: bool, confidence: float, family: int) -> Estimate:
    users, items = structure.groups, structure.items or structure.groups
    e = _frame(x, structure, bounded, confidence, family)
    worst = max(users.share, items.share)
    e = replace(e, clusters=structure.count, share=worst, why=e.why or thin_clusters(x, items).replace("cluster", "question"), nonzero=None)
    if structure.why:
        return replace(e, p=1.0, test="none")
    skew = max(abs(skewness(g.sums(x) - g.sizes * e.value)) for g in (users, items))
    return replace(_by_t(e, "t over users and questions", shown=not e.why), skewed=not bounded and skew > SKEWED)
