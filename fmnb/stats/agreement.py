"""Agreement of annotators beyond chance: Cohen's kappa for two, Krippendorff's alpha for any number.

Krippendorff's alpha allows missing labels.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .resampling import SEED
from .student import z_quantile


@dataclass(frozen=True, slots=True)
class Agreement:
    """A coefficient (1 is full agreement, 0 is chance), its interval, and the observed agreement.

    `observed` is the share of equal labels, `n` the number of labeled items. `low` and `high` are
    None if there is no interval.
    """

    value: float
    low: float | None
    high: float | None
    observed: float
    n: int


def kappa(a: Sequence[Hashable], b: Sequence[Hashable], confidence: float = 0.95) -> Agreement:
    """Cohen's kappa of two annotators, with the interval of Fleiss, Cohen and Everitt (1969).

    Kappa is NaN if both annotators used a single label throughout. There is no interval for full
    agreement, or if one annotator used a single label. Raises ValueError for unequal lengths or no labels.

    >>> k = kappa("yynnynyynn" * 3, "yynnynynny" * 3)
    >>> round(k.value, 3), k.observed
    (0.6, 0.8)
    """
    if len(a) != len(b) or not len(a):
        raise ValueError(f"kappa needs labels of the same items: {len(a)} and {len(b)}")
    names = {n: i for i, n in enumerate(dict.fromkeys([*a, *b]))}
    table = np.zeros((len(names), len(names)))
    for x, y in zip(a, b, strict=True):
        table[names[x], names[y]] += 1
    n = len(a)
    p = table / n
    row, column = p.sum(1), p.sum(0)
    agreed, chance = float(np.trace(p)), float(row @ column)
    if chance >= 1:
        return Agreement(math.nan, None, None, agreed, n)
    value = (agreed - chance) / (1 - chance)
    diagonal = np.diag(p)
    on = (diagonal * (1 - (row + column) * (1 - value)) ** 2).sum()
    off = (1 - value) ** 2 * ((p * (column[:, None] + row[None, :]) ** 2).sum() - (diagonal * (row + column) ** 2).sum())
    variance = (on + off - (value - chance * (1 - value)) ** 2) / ((1 - chance) ** 2 * n)
    if variance < 1e-12:  # full agreement, or one annotator with a single label
        return Agreement(float(value), None, None, agreed, n)
    half = z_quantile(0.5 + confidence / 2) * math.sqrt(variance)
    return Agreement(float(value), float(value - half), float(value + half), agreed, n)


def alpha(
    ratings: Sequence[Mapping[Hashable, Any]],
    level: str = "nominal",
    *,
    draws: int = 1000,
    seed: int = SEED,
    confidence: float = 0.95,
) -> Agreement:
    """Krippendorff's alpha of `ratings[item][annotator]`; missing labels are left out.

    `level` is nominal, ordinal or interval. The interval is a bootstrap over items; it needs ten
    items with two labels. Raises ValueError if no item has two labels.

    >>> round(alpha([{1: "a", 2: "a"}, {1: "b", 2: "b"}, {1: "a", 2: "b"}]).value, 4)
    0.4444
    """
    things = [list(r.values()) for r in ratings if len(r) > 1]
    if not things:
        raise ValueError("no item has labels of two annotators")
    if level not in ("nominal", "ordinal", "interval"):
        raise ValueError(f"no such level: {level}")
    labels = list(dict.fromkeys(v for t in things for v in t))
    if level != "nominal":
        labels.sort()
    at = {v: i for i, v in enumerate(labels)}
    counts = np.zeros((len(things), len(labels)))
    for i, t in enumerate(things):
        for v in t:
            counts[i, at[v]] += 1
    numbers = np.array(labels, dtype=float) if level == "interval" else None
    value = _alpha(_coincidences(counts).sum(0), numbers, level)
    agreed = float((counts.max(1) == counts.sum(1)).mean())
    if len(things) < 10 or math.isnan(value):
        return Agreement(value, None, None, agreed, len(things))
    random, each = np.random.default_rng(seed), _coincidences(counts)
    flat = each.reshape(len(things), -1)
    replicates = []
    for _ in range(draws):
        times = np.bincount(random.integers(0, len(things), len(things)), minlength=len(things))
        replicates.append(_alpha((times @ flat).reshape(each.shape[1:]), numbers, level))
    tail = 50 * (1 - confidence)
    low, high = np.nanpercentile(replicates, [tail, 100 - tail])
    return Agreement(value, float(low), float(high), agreed, len(things))


def _coincidences(counts: np.ndarray) -> np.ndarray:
    """Coincidence matrix of each item: pairs of its labels, divided by the number of labels minus 1."""
    m = counts.sum(1)[:, None, None]
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs -= np.eye(counts.shape[1])[None] * counts[:, :, None]
    return pairs / (m - 1)


def _alpha(coincidences: np.ndarray, numbers: np.ndarray | None, level: str) -> float:
    totals = coincidences.sum(1)
    n = totals.sum()
    if level == "nominal":
        distance = 1 - np.eye(len(totals))
    elif level == "interval":
        assert numbers is not None
        distance = (numbers[:, None] - numbers[None, :]) ** 2
    else:
        until = np.cumsum(totals)
        middle = until - totals / 2
        distance = (middle[:, None] - middle[None, :]) ** 2
    expected = float((np.outer(totals, totals) * distance).sum())
    return 1 - float((n - 1) * (coincidences * distance).sum()) / expected if expected > 0 else math.nan
