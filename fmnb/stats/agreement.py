"""How far raters agree beyond chance: Cohen's kappa for two, Krippendorff's alpha for any number with gaps."""

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
    """A coefficient (1 full agreement, 0 chance), its interval unless there can be none, and the share of equal labels."""

    value: float
    low: float | None
    high: float | None
    agreed: float
    n: int


def kappa(a: Sequence[Hashable], b: Sequence[Hashable], confidence: float = 0.95) -> Agreement:
    """Cohen's kappa of two raters' labels of the same things, with the large-sample interval of Fleiss, Cohen and Everitt (1969).

    Where both gave one and the same label throughout, chance explains all and kappa is not
    defined (NaN); where they agree fully, or one always says the same, there is no interval. Raises ValueError for unequal lengths or no labels.

    >>> k = kappa("yynnynyynn" * 3, "yynnynynny" * 3)
    >>> round(k.value, 3), k.agreed
    (0.6, 0.8)
    """
    if len(a) != len(b) or not len(a):
        raise ValueError(f"labels of the same things: {len(a)} and {len(b)}")
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
    if variance < 1e-12:  # full agreement, or one rater who always says the same: no spread to judge by
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
    """Krippendorff's alpha: `ratings[thing][rater]` is a label; who did not rate is left out. `level` is nominal, ordinal or interval.

    The interval draws whole things again; it needs ten of them that two raters labelled. Raises
    ValueError where nothing was labelled twice.

    >>> round(alpha([{1: "a", 2: "a"}, {1: "b", 2: "b"}, {1: "a", 2: "b"}]).value, 4)
    0.4444
    """
    things = [list(r.values()) for r in ratings if len(r) > 1]
    if not things:
        raise ValueError("nothing was labelled by two raters")
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
    found = []
    for _ in range(draws):
        times = np.bincount(random.integers(0, len(things), len(things)), minlength=len(things))
        found.append(_alpha((times @ flat).reshape(each.shape[1:]), numbers, level))
    tail = 50 * (1 - confidence)
    low, high = np.nanpercentile(found, [tail, 100 - tail])
    return Agreement(value, float(low), float(high), agreed, len(things))


def _coincidences(counts: np.ndarray) -> np.ndarray:
    """Of each thing, how often two of its labels meet: pairs of labels over its number of labels less one."""
    m = counts.sum(1)[:, None, None]
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs -= np.eye(counts.shape[1])[None] * counts[:, :, None]
    return pairs / (m - 1)


def _alpha(seen: np.ndarray, numbers: np.ndarray | None, level: str) -> float:
    totals = seen.sum(1)
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
    return 1 - float((n - 1) * (seen * distance).sum()) / expected if expected > 0 else math.nan
