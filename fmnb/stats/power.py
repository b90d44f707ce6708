"""How many rows would show a gap, and the smallest gap that this many rows can show."""

from __future__ import annotations

import math

from .student import z_quantile


def rows_needed(spread: float, gap: float, *, power: float = 0.8, confidence: float = 0.95, design_effect: float = 1.0) -> int:
    """Rows with which a true `gap` is found with probability `power`; `spread` is the standard deviation of paired differences.

    `design_effect` is 1 + (rows per cluster - 1) times their correlation. Raises ValueError for a gap of 0.

    >>> rows_needed(0.521564, 0.05), rows_needed(0.521564, 0.03), rows_needed(0.521564, 0.02)
    (855, 2373, 5338)
    """
    if gap == 0:
        raise ValueError("a gap of 0 cannot be seen")
    return max(2, math.ceil(_factor(power, confidence) ** 2 * spread**2 * design_effect / gap**2))


def smallest_gap(standard_error: float, *, power: float = 0.8, confidence: float = 0.95) -> float:
    """The true gap that is found with probability `power`, given the standard error that this many rows have.

    >>> round(smallest_gap(0.521564 / 10), 3)
    0.146
    """
    return _factor(power, confidence) * standard_error


def votes_needed(share: float, *, power: float = 0.8, confidence: float = 0.95) -> int:
    """Decisive votes with which a true share of wins is told from one half.

    >>> [votes_needed(s) for s in (0.52, 0.55, 0.6, 0.65, 0.7, 0.75)]
    [4904, 783, 194, 85, 47, 29]
    """
    if share == 0.5 or not 0 < share < 1:
        raise ValueError(f"a share that differs from one half: {share}")
    z = z_quantile(0.5 + confidence / 2) * 0.5 + z_quantile(power) * math.sqrt(share * (1 - share))
    return math.ceil((z / (share - 0.5)) ** 2)


def spread_with(between: float, within: float, samples: int) -> float:
    """The standard deviation of a row's mean over `samples` answers: variance between rows, and within a row over samples.

    >>> round(spread_with(0.04, 0.09, 1), 4), round(spread_with(0.04, 0.09, 9), 4)
    (0.3606, 0.2236)
    """
    return math.sqrt(between + within / samples)


def _factor(power: float, confidence: float) -> float:
    return z_quantile(0.5 + confidence / 2) + z_quantile(power)
