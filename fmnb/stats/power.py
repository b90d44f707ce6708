"""Sample size for a difference, and the minimum detectable difference of a sample."""

from __future__ import annotations

import math

from .student import z_quantile


def rows_needed(sd: float, gap: float, *, power: float = 0.8, confidence: float = 0.95, design_effect: float = 1.0) -> int:
    """Rows needed to detect a true `gap` with probability `power`.

    `sd` is the standard deviation of paired differences; `design_effect` is 1 + (rows per cluster
    - 1) times their correlation. Raises ValueError for a gap of 0.

    >>> rows_needed(0.521564, 0.05), rows_needed(0.521564, 0.03), rows_needed(0.521564, 0.02)
    (855, 2373, 5338)
    """
    if gap == 0:
        raise ValueError("a gap of 0 cannot be detected")
    return max(2, math.ceil(_factor(power, confidence) ** 2 * sd**2 * design_effect / gap**2))


def detectable_gap(standard_error: float, *, power: float = 0.8, confidence: float = 0.95) -> float:
    """The minimum detectable difference at this `power`, from the standard error.

    >>> round(detectable_gap(0.521564 / 10), 3)
    0.146
    """
    return _factor(power, confidence) * standard_error


def votes_needed(share: float, *, power: float = 0.8, confidence: float = 0.95) -> int:
    """Decisive votes needed to distinguish a true share of wins from one half.

    >>> [votes_needed(s) for s in (0.52, 0.55, 0.6, 0.65, 0.7, 0.75)]
    [4904, 783, 194, 85, 47, 29]
    """
    if share == 0.5 or not 0 < share < 1:
        raise ValueError(f"the share must lie between 0 and 1 and differ from one half: {share}")
    z = z_quantile(0.5 + confidence / 2) * 0.5 + z_quantile(power) * math.sqrt(share * (1 - share))
    return math.ceil((z / (share - 0.5)) ** 2)


def sd_of_row_means(between: float, within: float, samples: int) -> float:
    """Standard deviation of row means over `samples` answers, from the variances between and within rows.

    >>> round(sd_of_row_means(0.04, 0.09, 1), 4), round(sd_of_row_means(0.04, 0.09, 9), 4)
    (0.3606, 0.2236)
    """
    return math.sqrt(between + within / samples)


def _factor(power: float, confidence: float) -> float:
    return z_quantile(0.5 + confidence / 2) + z_quantile(power)
