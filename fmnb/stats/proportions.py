"""Shares and votes: intervals and tests that hold for few observations."""

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
    """Wilson's interval of a share; ties may count as halves.

    The normal interval is wrong for fewer than a hundred observations and near 0 and 1; this
    one is not. Wilson, JASA 22 (1927). Raises ValueError for a share of nothing.

    >>> i = wilson(515, 1319); round(i.low, 6), round(i.high, 6)
    (0.364474, 0.417057)
    """
    if of <= 0 or not 0 <= hits <= of:
        raise ValueError(f"a share of {hits} in {of}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = hits / of
    middle = (p + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    low = 0.0 if hits == 0 else max(0.0, middle - half)  # rounding would leave a hair
    high = 1.0 if hits == of else min(1.0, middle + half)
    return Interval(p, low, high, confidence)


def sign_test(wins: int, losses: int) -> float:
    """Two-sided p of as uneven a result by chance alone, ties left out: the exact binomial test at one half.

    Five to none is 0.0625: with fewer than six decisive votes nothing can be told.

    >>> sign_test(5, 0), sign_test(6, 0), sign_test(3, 3)
    (0.0625, 0.03125, 1.0)
    """
    n, few = wins + losses, min(wins, losses)
    if n == 0:
        return 1.0
    if n <= 1000:
        return min(1.0, 2 * sum(math.comb(n, k) for k in range(few + 1)) / 2**n)
    # The largest term by logarithms, the others by their ratios to it: whole numbers of 300 digits and more are slow.
    top = math.exp(math.lgamma(n + 1) - math.lgamma(few + 1) - math.lgamma(n - few + 1) - n * math.log(2))
    total, term, k = 0.0, 1.0, few
    while k >= 0 and term > 1e-18:
        total += term
        term *= k / (n - k + 1)
        k -= 1
    return min(1.0, 2 * top * total)


def bounded(mean: float, standard_error: float, n: int, units: float, confidence: float = 0.95) -> Interval:
    """The interval of a mean of scores from 0 to 1 whose rows are worth more or fewer than right-or-wrong rows of their own.

    Wilson's, for as many rows as the standard error says they are worth, with Student's t on
    `units` (rows, or the equal clusters they are worth) and the error raised by sqrt(1 + 2 / units): it is
    itself a guess where units are few. After Franco, Little, Louis & Slud, Journal of Survey
    Statistics and Methodology 7 (2019); how well it holds is in docs/coverage.md. Where all
    scores are alike each unit counts as one row. Raises ValueError for a mean outside 0 to 1.

    >>> i = bounded(0.6, 0.07, 100, 25); round(i.low, 3), round(i.high, 3)
    (0.448, 0.735)
    """
    if not 0 <= mean <= 1 or n < 1 or units < 2:
        raise ValueError(f"a mean of {mean} in {n} rows of {units} units")
    z = t_quantile(0.5 + confidence / 2, units - 1)
    worth = mean * (1 - mean) / (standard_error**2 * (1 + 2 / units)) if standard_error > 0 and 0 < mean < 1 else units
    middle = (mean + z * z / (2 * worth)) / (1 + z * z / worth)
    half = z * math.sqrt(mean * (1 - mean) / worth + z * z / (4 * worth * worth)) / (1 + z * z / worth)
    return Interval(mean, 0.0 if mean == 0 else max(0.0, middle - half), 1.0 if mean == 1 else min(1.0, middle + half), confidence)
