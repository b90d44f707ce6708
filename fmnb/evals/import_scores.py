"""Scores computed elsewhere as an evaluation: a table with a column of scores for each model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..batch.answers import Answer
from ..core.errors import UsageError
from .datasets.dataset import Dataset
from .datasets.formats import rows_of, samples_from
from .datasets.sample import to_json_value
from .evaluation import Evaluation
from .scorers.base import Score


def from_scores(
    table: Any,
    models: Sequence[str],
    *,
    texts: Mapping[str, str] | None = None,
    target: str | None = None,
    group: str | None = None,
    id: str | None = None,
    scorer: str = "score",
) -> Evaluation:
    """Make an evaluation from scores computed elsewhere; nothing is called and nothing is logged.

    `models` are the columns with each model's scores (numbers, or true and false; empty where
    it failed), `texts` maps a model to the column of its answers. The other columns describe the rows.
    Raises UsageError for a missing column, or a score that is not a number.

    >>> e = from_scores([{"q": i, "a": 1, "b": i % 2} for i in range(40)], ["a", "b"])
    >>> e.sentence
    'a beats b by 50.0 points (95% 33.8 to 66.2, paired, 40 rows, score).'
    """
    rows = rows_of(table)
    names = list(dict.fromkeys(k for r in rows for k in r))
    text_columns = dict(texts or {})
    missing = [c for c in (*models, *text_columns.values()) if c not in names]
    if missing or not models:
        raise UsageError("No such column of scores", detail=repr(missing[0] if missing else ""), hint=f"Columns: {', '.join(names)}.")
    score_columns = {*models, *text_columns.values()}
    samples, by = samples_from([{k: v for k, v in r.items() if k not in score_columns} for r in rows], target=target, group=group, id=id)
    answers = [
        Answer(i, m, text=str(r.get(text_columns[m]) or "") if m in text_columns else "", run=f"row-{i}", finish_reason="stop")
        for i, r in enumerate(rows)
        for m in models
    ]
    scores = [_score(r.get(m), m, i) for i, r in enumerate(rows) for m in models]
    return Evaluation("", "", Dataset(tuple(samples), by=by), tuple(models), 1, answers, {scorer: scores})


def _score(value: Any, model: str, row: int) -> Score:
    value = to_json_value(value)
    if value is None or value == "":
        return Score(None, error="no score")
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        value = value.strip().lower() == "true"
    try:
        return Score(float(value))
    except (TypeError, ValueError):
        raise UsageError("A score must be a number", detail=f"{value!r} of {model} in row {row}") from None
