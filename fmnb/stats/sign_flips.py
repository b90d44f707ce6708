"""Sign-flip test over groups, valid for any number and sizes of groups, and its interval.

If the models are equally good, each group's total has either sign with equal probability. The
interval contains every gap that the test does not reject, so p value and interval always agree.
Hartigan, JASA 64 (1969); Canay, Romano & Shaikh, Econometrica 85 (2017).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

SEED = 20_240_501
DRAWS = 10_000
MAX_EXACT = 16  # up to this many groups, all sign vectors are used
_MAX_NUMBERS = 4_000_000  # numbers in memory at a time
_COLUMNS = 64  # comparisons at a time


@dataclass(frozen=True, slots=True)
class Flips:
    """p value of a mean of 0, and an interval for each confidence; None if there are too few groups."""

    p: float
    intervals: tuple[tuple[float, float] | None, ...]


def flip_sums(
    sums: np.ndarray, sizes: np.ndarray, confidences: Sequence[float] = (), *, draws: int = DRAWS, seed: int = SEED
) -> list[Flips]:
    """Sign-flip test for several comparisons (columns of `sums`) with the same signs.

    Args:
        sums: Sums of the differences, one row per group and one column per comparison.
        sizes: Number of rows in each group.
        confidences: Confidence levels of the intervals.
        draws: Number of random sign vectors, if there are more than 16 groups.
        seed: Seed of the draws.

    >>> f = flip_sums(np.array([[4.0], [2], [1], [1], [1], [0]]), np.array([12.0, 6, 4, 3, 3, 2]), [0.9])[0]
    >>> f.p, [round(v, 3) for v in f.intervals[0]]
    (0.0625, [0.2, 0.333])
    """
    if len(sums) == 0:
        raise ValueError("nothing to flip")
    flips: list[Flips] = []
    for start in range(0, sums.shape[1], _COLUMNS):
        flips += _flip(sums[:, start : start + _COLUMNS], sizes, confidences, draws, seed)
    return flips


def draws_for(comparisons: int, confidence: float) -> int:
    """Number of draws that allows a sufficiently small p value for so many comparisons."""
    return max(DRAWS, math.ceil(20 * comparisons / (1 - confidence)))


def _flip(sums: np.ndarray, sizes: np.ndarray, confidences: Sequence[float], draws: int, seed: int) -> list[Flips]:
    columns = np.ascontiguousarray(np.column_stack([sums, sizes]).T, dtype=float)  # one row per comparison
    flipped = np.concatenate([columns @ signs.T for signs in sign_vectors(len(sizes), draws, seed)], axis=1)
    exact, of = len(sizes) <= MAX_EXACT, flipped.shape[1]
    total, rows = sums.sum(axis=0)[:, None], float(sizes.sum())
    a, b = flipped[:-1], flipped[-1]
    hits = (np.abs(a) >= np.abs(total) * (1 - 1e-12) - 1e-12).sum(axis=1)
    p = hits / of if exact else (hits + 1) / (of + 1)
    if not confidences:
        return [Flips(float(v), ()) for v in p]
    one_sign = np.abs(b) >= rows * (1 - 1e-12)  # all of one sign: no bound from an empty part
    with np.errstate(divide="ignore", invalid="ignore"):
        plus, minus = (total + a) / (rows + b), (total - a) / (rows - b)
    low, high = np.minimum(plus, minus), np.maximum(plus, minus)
    low[:, one_sign], high[:, one_sign] = -np.inf, np.inf
    ranks = [_rank(1 - c, of, exact) for c in confidences]
    places = sorted({k - 1 for k in ranks if k})
    if places:
        low.partition(places, axis=1)
        high.partition(sorted(of - 1 - k for k in places), axis=1)
    out = []
    for j, chance in enumerate(p):
        ends = [(float(low[j, k - 1]), float(high[j, of - k])) if k else None for k in ranks]
        out.append(Flips(float(chance), tuple(e if e and math.isfinite(e[0]) and math.isfinite(e[1]) else None for e in ends)))
    return out


def _rank(alpha: float, of: int, exact: bool) -> int:
    return math.floor(alpha * of + 1e-9) + 1 if exact else math.floor(alpha * (of + 1) + 1e-9)


def sign_vectors(count: int, draws: int = DRAWS, seed: int = SEED) -> Iterator[np.ndarray]:
    """Blocks of sign vectors: all of them for up to 16 groups, else random ones.

    The first sign of all vectors is +, since opposite vectors are equivalent.
    """
    if count <= MAX_EXACT:
        bits = np.arange(2 ** (count - 1))[:, None] >> np.arange(count - 1) & 1
        yield np.hstack([np.ones((len(bits), 1)), 1.0 - 2 * bits])
        return
    random = np.random.default_rng(seed)
    block = max(1, _MAX_NUMBERS // count)
    for start in range(0, draws, block):
        yield random.integers(0, 2, (min(block, draws - start), count), dtype=np.int8) * 2.0 - 1
