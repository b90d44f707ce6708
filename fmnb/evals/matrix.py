"""Scores as a table of rows by models: samples averaged, failures counted as nothing, rows that cannot be scored left out for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .scorers.base import Score

NO_TARGET = "no target"


@dataclass(frozen=True)
class Matrix:
    """`values[row, model]` are means over samples; `rows` are the row numbers that count. `within` is each model's mean variance inside a row.

    `failed` counts, for each model, answers that failed or could not be scored, by cause; they
    count as 0. `dropped` counts rows left out, by cause.
    """

    scorer: str
    models: tuple[str, ...]
    rows: np.ndarray
    values: np.ndarray
    samples: int
    within: dict[str, float]
    failed: dict[str, Counter[str]]
    dropped: Counter[str]

    def of(self, model: str) -> np.ndarray:
        """One model's scores."""
        return self.values[:, self.models.index(model)]


def matrix(
    scorer: str,
    models: Sequence[str],
    rows: int,
    samples: int,
    scores: Sequence[Score],
    errors: Mapping[int, str],
    missing: str = "failure",
) -> Matrix:
    """Of scores in the order of row, model, sample; `errors` says which of them belong to calls that failed, and why.

    `missing` is "failure" (an answer without a score counts as 0) or "drop" (its row is left out for every model).
    """
    shape = (rows, len(models), samples)
    values = np.array([np.nan if s.value is None else s.value for s in scores], dtype=float).reshape(shape)
    failed: dict[str, Counter[str]] = {m: Counter() for m in models}
    dropped: Counter[str] = Counter()
    out = np.zeros(rows, dtype=bool)
    each = len(models) * samples
    for i in np.flatnonzero(np.isnan(values.reshape(-1))).tolist():
        row, model = i // each, models[i % each // samples]
        cause = errors.get(i) or scores[i].error or "no score"
        if cause == NO_TARGET or missing == "drop":
            if not out[row]:
                dropped[cause] += 1
            out[row] = True
        else:
            failed[model][cause] += 1
    keep = np.flatnonzero(~out)
    kept = np.nan_to_num(values[keep], nan=0.0)
    within = kept.var(axis=2, ddof=1).mean(axis=0) if samples > 1 and len(keep) else np.zeros(len(models))
    return Matrix(
        scorer,
        tuple(models),
        keep,
        kept.mean(axis=2) if samples else kept[:, :, 0],
        samples,
        {m: float(v) for m, v in zip(models, within, strict=True)},
        failed,
        dropped,
    )
