"""Paired difference of two models: the gap, its test, and the minimum detectable difference.

Pairing removes the variance of row difficulty: the standard error is that of the differences row
by row. Miller, arXiv:2411.00640 (2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .grouping import Grouping
from .mcnemar import mcnemar
from .means import Clusters, Ends, Estimate, Values, as_grouping, estimates, user_means
from .resampling import sign_flip
from .student import t_quantile


@dataclass(frozen=True, slots=True)
class Paired:
    """The paired difference of two models, `gap` = b - a, and its test.

    `only_a` and `only_b` count rows that only one model got right, for binary scores.
    `detectable_gap` is the minimum detectable difference at 80% power, corrected for all comparisons;
    None if the variance is unknown. `equal_weight` is the gap with equal weight for every user, if
    users have unequal numbers of rows.
    """

    gap: Estimate
    p: float
    test: str
    only_a: int | None = None
    only_b: int | None = None
    detectable_gap: float | None = None
    equal_weight: Estimate | None = None
    identical: bool = False  # equal scores on every row

    @property
    def significant(self) -> bool:
        """Whether the gap is significant: p < 1 - confidence, and 0 outside the interval, if there is one."""
        return is_significant(self.gap, self.p) and not self.sign_differs

    @property
    def sign_differs(self) -> bool:
        """Whether equal weight for every user reverses the sign of the gap."""
        return self.equal_weight is not None and self.equal_weight.value * self.gap.value < 0


def is_significant(gap: Estimate, p: float) -> bool:
    """Whether a gap is significant; `p` may be adjusted for several comparisons."""
    outside = gap.low is None or gap.high is None or gap.low > 0 or gap.high < 0
    return gap.value != 0 and p < 1 - gap.confidence + 1e-12 and outside


def paired(a: Values, b: Values, clusters: Clusters = None, confidence: float = 0.95) -> Paired:
    """The paired difference b - a on the same rows in the same order.

    Binary scores are tested by McNemar's exact test, other scores by Student's t, clustered rows by
    t over clusters, or by sign flips of clusters if these are few or unequal. Raises ValueError for
    unequal lengths.

    >>> r = paired([0, 0, 1, 1] * 30, [1, 0, 1, 1] * 30)
    >>> r.gap.value, r.only_a, r.only_b, r.significant
    (0.25, 0, 30, True)
    >>> paired([0, 1, 1], [1, 0, 1]).significant
    False
    """
    return paired_all([(a, b)], clusters, confidence)[0]


def paired_all(
    pairs: Sequence[tuple[Values, Values]], clusters: Clusters = None, confidence: float = 0.95, *, comparisons: int = 0
) -> list[Paired]:
    """`paired` of several pairs over the same rows, as one family of `comparisons` (default: these).

    The p values are not adjusted; `gap.simultaneous` and `detectable_gap` are corrected for the family.
    """
    scores = [(np.asarray(a, dtype=float), np.asarray(b, dtype=float)) for a, b in pairs]
    for x, y in scores:
        if len(x) != len(y):
            raise ValueError(f"paired scores need the same rows: {len(x)} and {len(y)}")
    if not scores:
        return []
    structure = as_grouping(clusters, len(scores[0][0]))
    gaps = [y - x for x, y in scores]
    bounded = [_bounded(x, y) for x, y in scores]
    family = comparisons or len(scores)
    gap_estimates = estimates(gaps, structure, confidence, bounded=bounded, comparisons=family)
    equal_weights = _equal_weight(gaps, structure, bounded, confidence, family)
    out = []
    for (x, y), d, e, u in zip(scores, gaps, gap_estimates, equal_weights, strict=True):
        only_a = only_b = None
        p, test = e.p, e.test
        if is_binary(x) and is_binary(y):
            only_a, only_b = int((d < 0).sum()), int((d > 0).sum())
            if structure is None:
                exact = mcnemar(only_a, only_b).p
                p, test = max(exact, p if e.low is not None and p is not None else 0.0), "McNemar, exact"
                e = _include_zero(replace(e, p=p), p)
        elif structure is None and (e.reason or p is None):
            p, test = sign_flip(d), "sign flips"
        out.append(Paired(e, 1.0 if p is None else p, test, only_a, only_b, _detectable_gap(e), u, not d.any()))
    return out


def is_binary(values: Values) -> bool:
    """Whether all values are 0 or 1."""
    x = np.asarray(values)
    return bool(((x == 0) | (x == 1)).all())


def _bounded(x: np.ndarray, y: np.ndarray) -> bool:
    return bool(min(x.min(initial=0), y.min(initial=0)) >= 0 and max(x.max(initial=1), y.max(initial=1)) <= 1)


def _equal_weight(
    gaps: Sequence[np.ndarray], structure: Grouping | None, bounded: Sequence[bool], confidence: float, family: int
) -> list[Estimate | None]:
    """Each gap with equal weight for every user, where that differs."""
    means = [user_means(d, structure) for d in gaps] if structure is not None else [None for _ in gaps]
    columns = [m for m in means if m is not None]
    if not columns:
        return [None] * len(gaps)
    return list(estimates(columns, range(len(columns[0])), confidence, bounded=bounded, comparisons=family))


def _include_zero(e: Estimate, p: float) -> Estimate:
    """Extend the interval to 0 if the exact test does not reject 0."""
    if e.low is not None and e.high is not None and p > 1 - e.confidence:
        e = replace(e, low=min(e.low, 0.0), high=max(e.high, 0.0))
    if e.simultaneous is not None and p > (1 - e.confidence) / e.comparisons:
        together: Ends = (min(e.simultaneous[0], 0.0), max(e.simultaneous[1], 0.0))
        e = replace(e, simultaneous=together)
    return e


def _detectable_gap(e: Estimate) -> float | None:
    """The minimum detectable difference at 80% power: half the corrected interval plus t(0.8) errors."""
    if not e.standard_error or e.half_width is None or e.df <= 0:
        return None
    return e.half_width + t_quantile(0.8, e.df) * e.standard_error
