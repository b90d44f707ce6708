"""Intervals and tests of proportions that hold for few observations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from .student import t_quantile


@dataclass(frozen=True, slots=True)
class Interval:
    """A value between `low` and `high` with the given confidence."""

    value: float
    low: float
    high: float
    confidence: float = 0.95


def wilson(hits: float, of: float, confidence: float = 0.95) -> Interval:
    """Wilson's interval of a proportion; ties may count as halves.

    Unlike the normal interval it holds for fewer than a hundred observations and near 0 and 1.
    Wilson, JASA 22 (1927). Raises ValueError for no observations.

    >>> i = wilson(515, 1319); round(i.low, 6), round(i.high, 6)
    (0.364474, 0.417057)
    """
    if of <= 0 or not 0 <= hits <= of:
        raise ValueError(f"a share of {hits} in {of}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    low = 0.0 if hits == 0 else max(0.0, middle - half)  # exact, without rounding error
    high = 1.0 if hits == of else min(1.0, middle + half)
    return Interval(p, low, high, confidence)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided p value of the exact binomial test at one half, without ties.

    Five to none is p = 0.0625: fewer than six decisive votes are never significant.

    >>> sign_test(5, 0), sign_test(6, 0), sign_test(3, 3)
    (0.0625, 0.03125, 1.0)
    """
    n, few = wins + losses, min(wins, losses)
    if n == 0:
        return 1.0
    if n <= 1000:
        return min(1.0, 2 * sum(math.comb(n, k) for k in range(few + 1)) / 2**n)
    # The largest term from logarithms, the others from ratios: integers of 300 digits and more are slow.
    top = math.exp(math.lgamma(n + 1) - math.lgamma(few + 1) - math.lgamma(n - few + 1) - n * math.log(2))
    total, term, k = 0.0, 1.0, few
    while k >= 0 and term > 1e-18:
        total += term
        term *= k / (n - k + 1)
        k -= 1
    return min(1.0, 2 * top * total)


def bounded(mean: float, standard_error: float, n: int, units: float, confidence: float = 0.95) -> Interval:
    """Wilson-type interval of a mean of scores from 0 to 1, with an effective sample size.

    The effective sample size follows from the standard error. Student's t has `units` - 1 degrees
    of freedom (`units` are rows, or the effective number of clusters), and the error is multiplied
    by sqrt(1 + 2 / units), since it is uncertain for few units. If all scores are equal, each unit
    counts as one row. After Franco, Little, Louis & Slud, Journal of Survey Statistics and
    Methodology 7 (2019); docs/coverage.md has its coverage. Raises ValueError for a mean outside 0 to 1.

    >>> i = bounded(0.6, 0.07, 100, 25); round(i.low, 3), round(i.high, 3)
    (0.448, 0.735)
    """
    if not 0 <= mean <= 1 or n < 1 or units < 2:
        raise ValueError(f"a mean of {mean} in {n} rows of {units} units")
    z = t_quantile(0.5 + confidence / 2, units - 1)
    n_effective = mean * (1 - mean) / (standard_error**2 * (1 + 2 / units)) if standard_error > 0 and 0 < mean < 1 else units
    middle = (mean + z * z / (2 * n_effective)) / (1 + z * z / n_effective)
    half = z * math.sqrt(mean * (1 - mean) / n_effective + z * z / (4 * n_effective * n_effective)) / (1 + z * z / n_effective)
    return Interval(mean, 0.0 if mean == 0 else max(0.0, middle - half), 1.0 if mean == 1 else min(1.0, middle + half), confidence)
