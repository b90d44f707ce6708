"""Hall's interval for the mean of skewed values: Student's t transformed by the sample skewness.

Hall, Journal of the Royal Statistical Society B 54 (1992), 221. It is only used together with
another interval: for symmetric values it is slightly too narrow.
"""

from __future__ import annotations

import math

import numpy as np

from .student import t_quantile, t_two_sided

_SKEWNESS_FACTOR = 1.5  # samples underestimate skewness, since they rarely include the tail; measured in docs/coverage.md


def skewness(rest: np.ndarray) -> float:
    """Skewness from deviations from the mean; 0 if all are 0.

    >>> round(skewness(np.array([-1.0, -1, -1, 3])), 3)
    1.155
    """
    spread = float((rest**2).sum())
    return float((rest**3).sum() / spread**1.5 * math.sqrt(len(rest))) if spread > 0 else 0.0


def hall(mean: float, error: float, skew: float, count: int, df: float, confidence: float) -> tuple[float, float]:
    """The interval of a mean of `count` rows or groups with this standard error and skewness.

    >>> hall(1.0, 0.1, 0.0, 20, 19, 0.95) == (1 - 0.1 * t_quantile(0.975, 19), 1 + 0.1 * t_quantile(0.975, 19))
    True
    """
    t = t_quantile(0.5 + confidence / 2, df)
    a = _coefficient(skew, count)
    return mean - error * _inverse(t, a), mean - error * _inverse(-t, a)


def hall_p(mean: float, error: float, skew: float, count: int, df: float) -> float:
    """p value of a mean of 0; it is below 1 - confidence exactly if `hall` excludes 0.

    >>> low, high = hall(0.3, 0.1, 1.5, 20, 19, 0.95)
    >>> round(hall_p(0.3 - low, 0.1, 1.5, 20, 19), 9)
    0.05
    """
    t, a = mean / error, _coefficient(skew, count)
    return t_two_sided(t + 2 * a * t**2 + 4 / 3 * a**2 * t**3 + a, df)


def _coefficient(skew: float, count: int) -> float:
    """The coefficient of the transformation; below 12 values the skewness correction is reduced."""
    return min(_SKEWNESS_FACTOR, max(1.0, 1 + (count - 8) / 8)) * skew / (6 * math.sqrt(count))


def _inverse(y: float, a: float) -> float:
    return y if abs(a) <= 1e-6 else float(np.cbrt(1 + 6 * a * (y - a)) - 1) / (2 * a)
