"""Two models on the same rows: the gap, whether chance explains it, and the smallest gap these rows can show.

Pairing takes the difficulty of the rows out: the gap's error comes from the differences row
by row, not from two shares of their own. Miller, arXiv:2411.00640 (2024).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from .mcnemar import mcnemar
from .means import Estimate, Values, estimate
from .power import smallest_gap
from .resampling import sign_flip


@dataclass(frozen=True, slots=True)
class Paired:
    """`gap` is b less a; `p` by `test`; `only_a` and `only_b` count rows that one alone got right, where rows are right or wrong.

    `smallest` is the gap that would be found four times of five; None where the spread is unknown.
    """

    gap: Estimate
    p: float
    test: str
    only_a: int | None = None
    only_b: int | None = None
    smallest: float | None = None

    @property
    def real(self) -> bool:
        """Whether chance does not explain the gap: p below one less the confidence, and an interval, where there is one, without 0."""
        return is_real(self.gap, self.p)


def is_real(gap: Estimate, p: float) -> bool:
    """The rule behind "beats" and "are tied"; `p` may have been raised for several comparisons."""
    outside = gap.low is None or gap.high is None or gap.low > 0 or gap.high < 0
    return gap.value != 0 and p < 1 - gap.confidence + 1e-12 and outside


def paired(a: Values, b: Values, clusters: Sequence[Hashable] | None = None, confidence: float = 0.95) -> Paired:
    """The gap of `b` over `a` on the same rows in the same order.

    Right-or-wrong rows are tested by McNemar's exact test, other scores by Student's t, rows in
    clusters by t over clusters; where an interval would not hold (few clusters, few rows that
    differ) signs are flipped instead, which holds for any number. Raises ValueError for unequal lengths.

    >>> r = paired([0, 0, 1, 1] * 30, [1, 0, 1, 1] * 30)
    >>> r.gap.value, r.only_a, r.only_b, r.real
    (0.25, 0, 30, True)
    >>> paired([0, 1, 1], [1, 0, 1]).real
    False
    """
    x, y = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    if len(x) != len(y):
        raise ValueError(f"the same rows for both: {len(x)} and {len(y)}")
    d = y - x
    gap = estimate(d, clusters, confidence)
    smallest = smallest_gap(gap.standard_error, confidence=confidence) if gap.standard_error and not gap.why else None
    only_a = only_b = None
    if is_binary(x) and is_binary(y):
        only_a, only_b = int((d < 0).sum()), int((d > 0).sum())
        if clusters is None:
            return Paired(gap, mcnemar(only_a, only_b).p, "McNemar, exact", only_a, only_b, smallest)
    if gap.why or gap.p is None:
        return Paired(gap, sign_flip(d, clusters), "sign flips" if clusters is None else "sign flips of clusters", only_a, only_b, smallest)
    return Paired(gap, gap.p, "t" if clusters is None else "t over clusters", only_a, only_b, smallest)


def is_binary(values: Values) -> bool:
    """Whether all values are 0 or 1."""
    x = np.asarray(values)
    return bool(np.isin(x, (0, 1)).all())
