"""Shares and votes: intervals and tests that hold for few observations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist


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
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(few + 1)) / 2**n)
