"""Calibration of stated probabilities: calibration error, Brier score, selective accuracy.

Definitions follow HELM (Liang et al. 2022, appendix C.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

MIN_ROWS = 300  # for ten bins; with fewer, only one bin and the Brier score are reported


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of similar confidence: their number, mean confidence and accuracy."""

    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """Calibration measures of one model.

    `error` is the expected calibration error in ten bins of equal mass, None for fewer than 300
    rows; `one_bin` is the error in one bin; `platt_error` is the error after Platt scaling;
    `selective_10` is the accuracy of the most confident tenth; `coverage_area` is the area under
    the curve of accuracy over coverage.
    """

    n: int
    error: float | None
    one_bin: float
    brier: float
    platt_error: float | None
    selective_10: float
    coverage_area: float
    bins: tuple[Bin, ...]


def calibration(confidence: Sequence[float], right: Sequence[float]) -> Calibration:
    """All calibration measures.

    Raises ValueError for unequal lengths, no rows, or a confidence outside 0 to 1.

    >>> c = calibration([.95, .9, .85, .8, .7, .65, .6, .55, .4, .3], [1, 1, 0, 1, 1, 0, 1, 0, 0, 1])
    >>> round(c.one_bin, 3), round(c.brier, 3), c.error
    (0.07, 0.24, None)
    """
    p, y = _pair(confidence, right)
    enough = len(p) >= MIN_ROWS
    order = np.argsort(-p, kind="stable")
    running = np.cumsum(y[order]) / np.arange(1, len(p) + 1)
    tenth = max(1, int(len(p) * 0.1))
    all_bins = bins(confidence, right, 10 if enough else min(5, len(p)))
    return Calibration(
        len(p),
        expected_error(confidence, right) if enough else None,
        expected_error(confidence, right, 1),
        float(((p - y) ** 2).mean()),
        expected_error(platt(p, y).tolist(), right) if enough and 0 < y.mean() < 1 else None,
        float(running[tenth - 1]),
        float(running.mean()),
        tuple(all_bins),
    )


def bins(confidence: Sequence[float], right: Sequence[float], count: int = 10, *, equal_mass: bool = True) -> list[Bin]:
    """Bin rows by confidence, with equal mass or with equal width on 0 to 1; empty bins are dropped."""
    p, y = _pair(confidence, right)
    if equal_mass:
        order = np.argsort(p, kind="stable")
        groups = [g for g in np.array_split(order, count) if len(g)]
    else:
        which = np.minimum((p * count).astype(int), count - 1)
        groups = [g for g in (np.flatnonzero(which == i) for i in range(count)) if len(g)]
    return [Bin(len(g), float(p[g].mean()), float(y[g].mean())) for g in groups]


def expected_error(confidence: Sequence[float], right: Sequence[float], count: int = 10, *, equal_mass: bool = True) -> float:
    """Expected calibration error: the mean over rows of each bin's |confidence - accuracy|.

    >>> p, y = [.95, .9, .85, .8, .7, .65, .6, .55, .4, .3], [1, 1, 0, 1, 1, 0, 1, 0, 0, 1]
    >>> round(expected_error(p, y, 10, equal_mass=False), 3), round(expected_error(p, y, 5), 3)
    (0.3, 0.16)
    """
    parts = bins(confidence, right, count, equal_mass=equal_mass)
    return sum(b.n * abs(b.confidence - b.accuracy) for b in parts) / sum(b.n for b in parts)


def platt(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Platt scaling (1999): probabilities from a logistic regression on log odds, fit by Newton's method."""
    x = np.log(np.clip(p, 1e-6, 1 - 1e-6) / (1 - np.clip(p, 1e-6, 1 - 1e-6)))
    design = np.stack([x, np.ones_like(x)], axis=1)
    w = np.zeros(2)
    for _ in range(100):
        q = 1 / (1 + np.exp(-(design @ w)))
        curve = (design * (q * (1 - q))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(curve, design.T @ (y - q) - 1e-9 * w)
        w = w + np.clip(step, -5, 5)
        if np.abs(step).max() < 1e-10:
            break
    return 1 / (1 + np.exp(-(design @ w)))


def _pair(confidence: Sequence[float], right: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    p, y = np.asarray(confidence, dtype=float), np.asarray(right, dtype=float)
    if len(p) != len(y) or not len(p):
        raise ValueError(f"calibration needs one confidence per answer: {len(p)} for {len(y)}")
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("a confidence outside 0 to 1")
    return p, y
