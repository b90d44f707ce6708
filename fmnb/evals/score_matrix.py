"""Scores as a table of rows by models: samples averaged, rows that cannot be scored left out for all, failures told apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from .scorers.base import Score

NO_TARGET = "no target"
NO_VERDICT = "no verdict"  # how a judge's errors begin: they are no failure of the models it judges


@dataclass(frozen=True)
class Matrix:
    """`values[row, model]` are means over samples; `rows` are the row numbers that count. `within` is each model's mean variance inside a row.

    `models` are those that can be compared; `without` are the others: nothing of theirs was
    scored, or more of it failed than `max_failures` allows. Of each model `asked` answers could
    have been scored, `answered` arrived, `scored` have a score, `failed` counts the causes of the
    rest; `rest` is the mean of what was scored. `dropped` counts rows left out for all, by cause.
    """

    scorer: str
    models: tuple[str, ...]
    rows: np.ndarray
    values: np.ndarray
    samples: int
    within: dict[str, float]
    failed: dict[str, Counter[str]]
    dropped: Counter[str]
    without: tuple[str, ...] = ()
    asked: int = 0
    answered: dict[str, int] = field(default_factory=dict)
    scored: dict[str, int] = field(default_factory=dict)
    rest: dict[str, float] = field(default_factory=dict)
    missing: str = "drop"
    max_failures: float = 0.0
    zeroed: np.ndarray | None = None  # rows by `all_models`, failed answers as 0
    all_models: tuple[str, ...] = ()
    duels: dict[tuple[str, str], np.ndarray] = field(
        default_factory=dict
    )  # of a judge of several: b's points against a, by row; NaN is none

    def of(self, model: str) -> np.ndarray:
        """One model's scores."""
        return self.values[:, self.models.index(model)]

    def pair(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores of two models and the rows they are of; of a judge, the points of their own duels."""
        if (a, b) not in self.duels:
            return self.of(a), self.of(b), self.rows
        points = self.duels[a, b]
        rows = np.flatnonzero(~np.isnan(points))
        return 1 - points[rows], points[rows], rows


def matrix(
    scorer: str,
    models: Sequence[str],
    rows: int,
    samples: int,
    scores: Sequence[Score],
    errors: Mapping[int, str],
    missing: str = "drop",
    max_failures: float = 1.0,
) -> Matrix:
    """Of scores in the order of row, model, sample; `errors` says which of them belong to calls that failed, and why.

    `missing` is "drop" (a row without a score of one model is left out for every model that is
    compared, and models of which more than the share `max_failures` failed are not compared) or
    "failure" (an answer without a score counts as 0). A model of which nothing was scored is
    never compared; what a judge could not decide never counts as 0.
    """
    shape = (rows, len(models), samples)
    values = np.array([np.nan if s.value is None else s.value for s in scores], dtype=float).reshape(shape)
    cause_of = {i: errors.get(i) or scores[i].error or "no score" for i in np.flatnonzero(np.isnan(values.reshape(-1))).tolist()}
    each = len(models) * samples
    no_target = {i // each for i, cause in cause_of.items() if cause == NO_TARGET}
    counted = np.array([r not in no_target for r in range(rows)], dtype=bool)
    dropped: Counter[str] = Counter({NO_TARGET: len(no_target)}) if no_target else Counter()
    failed: dict[str, Counter[str]] = {m: Counter() for m in models}
    unanswered: Counter[str] = Counter()
    for i, cause in cause_of.items():
        if i // each not in no_target:
            model = models[i % each // samples]
            failed[model][cause] += 1
            unanswered[model] += i in errors
    asked = int(counted.sum()) * samples
    number = {m: asked - failed[m].total() for m in models}
    kept = [m for m in models if number[m] and (missing == "failure" or failed[m].total() <= max_failures * asked)]
    at = [list(models).index(m) for m in kept]
    undecided = np.zeros(shape, dtype=bool)
    for i, cause in cause_of.items():
        undecided.reshape(-1)[i] = cause.startswith(NO_VERDICT)
    full = np.where(np.isnan(values) & ~undecided, 0.0, values)  # failures as 0
    used = full if missing == "failure" else values
    per_row = _mean(used)
    whole = counted & ~np.isnan(per_row[:, at]).any(axis=1)
    for row in np.flatnonzero(counted & ~whole).tolist():
        first = next(m for m in at if np.isnan(per_row[row, m]))
        dropped[cause_of[row * each + first * samples]] += 1
    keep = np.flatnonzero(whole)
    mine = used[keep][:, at]
    return Matrix(
        scorer,
        tuple(kept),
        keep,
        per_row[keep][:, at],
        samples,
        _within(mine, kept),
        failed,
        dropped,
        tuple(m for m in models if m not in kept),
        asked,
        {m: asked - unanswered[m] for m in models},
        number,
        {m: float(np.nanmean(values[:, i])) for i, m in enumerate(models) if number[m]},
        missing,
        max_failures,
        np.nan_to_num(_mean(full)[counted]) if asked and not undecided.any() else None,
        tuple(models),
        _duels(kept, scores, shape, models),
    )


def _mean(values: np.ndarray) -> np.ndarray:
    """Means over samples that are there; NaN where none is."""
    there = ~np.isnan(values)
    n = there.sum(axis=2)
    total = np.where(there, values, 0.0).sum(axis=2)
    found: np.ndarray = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return found


def _within(values: np.ndarray, models: Sequence[str]) -> dict[str, float]:
    """Each model's mean variance between answers to one row."""
    if values.shape[2] < 2 or not len(values):
        return dict.fromkeys(models, 0.0)
    there = ~np.isnan(values)
    n = there.sum(axis=2)
    mean = _mean(values)
    squares = np.where(there, (np.nan_to_num(values) - np.nan_to_num(mean)[:, :, None]) ** 2, 0.0).sum(axis=2)
    several = n > 1
    variance = np.where(several, squares / np.maximum(n - 1, 1), 0.0)
    return {m: float(variance[:, i].sum() / max(1, several[:, i].sum())) for i, m in enumerate(models)}


def _duels(
    kept: Sequence[str], scores: Sequence[Score], shape: tuple[int, int, int], models: Sequence[str]
) -> dict[tuple[str, str], np.ndarray]:
    """Of each pair the second one's points against the first, by row: a judge's verdicts, and nothing else's."""
    if len(kept) < 2 or not any(s.against for s in scores):
        return {}
    found = {}
    rows, each = shape[0], shape[1] * shape[2]
    for a, b in combinations(kept, 2):
        points = np.full((rows, 1, shape[2]), np.nan)
        place = list(models).index(b) * shape[2]
        for row in range(rows):
            for sample in range(shape[2]):
                points[row, 0, sample] = scores[row * each + place + sample].against.get(a, np.nan)
        found[a, b] = _mean(points)[:, 0]
    return found
