"""The matrix of scores, rows by models, with samples averaged and failures counted by cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from .scorers.base import Score

NO_TARGET = "no target"
NO_VERDICT = "no verdict"  # prefix of a judge's errors, which are not failures of the models


@dataclass(frozen=True)
class Matrix:
    """Scores of one scorer: `values[row, model]` are means over samples of the row numbers in `rows`.

    `models` can be compared; `excluded` models have no scores, or more failures than
    `max_failures` allows. Each model has `n_expected` answers to score; `n_answered` arrived,
    `n_scored` have a score, and `failure_causes` counts the others by cause. `observed_means` are
    the means of the available scores. `drop_causes` counts rows dropped for all models.
    `within_row_variance` is each model's mean variance between samples of a row.
    """

    scorer: str
    models: tuple[str, ...]
    rows: np.ndarray
    values: np.ndarray
    samples: int
    within_row_variance: dict[str, float]
    failure_causes: dict[str, Counter[str]]
    drop_causes: Counter[str]
    excluded: tuple[str, ...] = ()
    n_expected: int = 0
    n_answered: dict[str, int] = field(default_factory=dict)
    n_scored: dict[str, int] = field(default_factory=dict)
    observed_means: dict[str, float] = field(default_factory=dict)
    missing: str = "drop"
    max_failures: float = 0.0
    failures_as_zero: np.ndarray | None = None  # rows by `all_models`, failed answers as 0
    all_models: tuple[str, ...] = ()
    pairwise: dict[tuple[str, str], np.ndarray] = field(
        default_factory=dict
    )  # of a judge: points of b against a, by row; NaN without a verdict

    def of(self, model: str) -> np.ndarray:
        """One model's scores."""
        return self.values[:, self.models.index(model)]

    def pair(self, a: str, b: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scores of two models and their row numbers; for a judge, the points of this pair."""
        if (a, b) not in self.pairwise:
            return self.of(a), self.of(b), self.rows
        points = self.pairwise[a, b]
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
    """Make the matrix from scores in the order of row, model, sample; `errors` are those of failed calls.

    `missing` is "drop" (a row without a score of one model is dropped for all compared models, and
    models with more failures than the share `max_failures` are excluded) or "failure" (an answer
    without a score counts as 0). A model without scores is always excluded; an undecided pair of a
    judge never counts as 0.
    """
    shape = (rows, len(models), samples)
    values = np.array([np.nan if s.value is None else s.value for s in scores], dtype=float).reshape(shape)
    cause_of = {i: errors.get(i) or scores[i].error or "no score" for i in np.flatnonzero(np.isnan(values.reshape(-1))).tolist()}
    answers_per_row = len(models) * samples
    no_target = {i // answers_per_row for i, cause in cause_of.items() if cause == NO_TARGET}
    has_target = np.array([r not in no_target for r in range(rows)], dtype=bool)
    drop_causes: Counter[str] = Counter({NO_TARGET: len(no_target)}) if no_target else Counter()
    failure_causes: dict[str, Counter[str]] = {m: Counter() for m in models}
    unanswered: Counter[str] = Counter()
    for i, cause in cause_of.items():
        if i // answers_per_row not in no_target:
            model = models[i % answers_per_row // samples]
            failure_causes[model][cause] += 1
            unanswered[model] += i in errors
    n_expected = int(has_target.sum()) * samples
    n_scored = {m: n_expected - failure_causes[m].total() for m in models}
    compared = [m for m in models if n_scored[m] and (missing == "failure" or failure_causes[m].total() <= max_failures * n_expected)]
    columns = [list(models).index(m) for m in compared]
    undecided = np.zeros(shape, dtype=bool)
    for i, cause in cause_of.items():
        undecided.reshape(-1)[i] = cause.startswith(NO_VERDICT)
    zero_filled = np.where(np.isnan(values) & ~undecided, 0.0, values)  # failures count as 0
    used = zero_filled if missing == "failure" else values
    per_row = _mean(used)
    complete = has_target & ~np.isnan(per_row[:, columns]).any(axis=1)
    for row in np.flatnonzero(has_target & ~complete).tolist():
        first = next(m for m in columns if np.isnan(per_row[row, m]))
        drop_causes[cause_of[row * answers_per_row + first * samples]] += 1
    complete_rows = np.flatnonzero(complete)
    compared_values = used[complete_rows][:, columns]
    return Matrix(
        scorer,
        tuple(compared),
        complete_rows,
        per_row[complete_rows][:, columns],
        samples,
        _within_row_variance(compared_values, compared),
        failure_causes,
        drop_causes,
        tuple(m for m in models if m not in compared),
        n_expected,
        {m: n_expected - unanswered[m] for m in models},
        n_scored,
        {m: float(np.nanmean(values[:, i])) for i, m in enumerate(models) if n_scored[m]},
        missing,
        max_failures,
        np.nan_to_num(_mean(zero_filled)[has_target]) if n_expected and not undecided.any() else None,
        tuple(models),
        _pairwise_points(compared, scores, shape, models),
    )


def _mean(values: np.ndarray) -> np.ndarray:
    """Means over available samples; NaN if there are none."""
    available = ~np.isnan(values)
    n = available.sum(axis=2)
    total = np.where(available, values, 0.0).sum(axis=2)
    means: np.ndarray = np.where(n > 0, total / np.maximum(n, 1), np.nan)
    return means


def _within_row_variance(values: np.ndarray, models: Sequence[str]) -> dict[str, float]:
    """Each model's mean variance between answers to one row."""
    if values.shape[2] < 2 or not len(values):
        return dict.fromkeys(models, 0.0)
    available = ~np.isnan(values)
    n = available.sum(axis=2)
    mean = _mean(values)
    squares = np.where(available, (np.nan_to_num(values) - np.nan_to_num(mean)[:, :, None]) ** 2, 0.0).sum(axis=2)
    has_several = n > 1
    variance = np.where(has_several, squares / np.maximum(n - 1, 1), 0.0)
    return {m: float(variance[:, i].sum() / max(1, has_several[:, i].sum())) for i, m in enumerate(models)}


def _pairwise_points(
    compared: Sequence[str], scores: Sequence[Score], shape: tuple[int, int, int], models: Sequence[str]
) -> dict[tuple[str, str], np.ndarray]:
    """Points of the second model against the first by row, for each pair of a judge."""
    if len(compared) < 2 or not any(s.points_against for s in scores):
        return {}
    points_by_pair = {}
    rows, answers_per_row = shape[0], shape[1] * shape[2]
    for a, b in combinations(compared, 2):
        points = np.full((rows, 1, shape[2]), np.nan)
        offset = list(models).index(b) * shape[2]
        for row in range(rows):
            for sample in range(shape[2]):
                points[row, 0, sample] = scores[row * answers_per_row + offset + sample].points_against.get(a, np.nan)
        points_by_pair[a, b] = _mean(points)[:, 0]
    return points_by_pair
