"""The row filters of the report, as applied by the kernel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..results import Results
from ..scoring import failure_reason


def matching_rows(e: Results, filter: Mapping[str, Any]) -> list[int]:
    """Numbers of the rows that a filter selects; `page.js` does the same in the page.

    `model` with `below` selects scores below a value; `differ` and `more` compare two models; `failed`
    selects failures of one model; `column` with `value` selects a slice; `text` searches rows and answers.
    """
    scorer = filter.get("scorer") or next(iter(e.scores))
    means: Any = _means(e, str(scorer))
    keep: Any = np.ones(len(e.dataset), dtype=bool)
    at = {m: i for i, m in enumerate(e.names)}
    model, below = filter.get("model"), filter.get("below")
    if model in at and below is not None:
        keep &= means.T[at[model]] < float(below)
    for name, compare in (("differ", np.not_equal), ("more", np.greater)):
        pair: Any = filter.get(name) or ()
        if len(pair) == 2 and all(m in at for m in pair):
            keep &= compare(means.T[at[pair[0]]], means.T[at[pair[1]]])
    if filter.get("failed") in at:
        keep &= _failed(e, str(filter["failed"]))
    rows = np.flatnonzero(keep).tolist()
    if filter.get("column"):
        rows = [i for i in rows if _in_slice(e, i, str(filter["column"]), filter.get("value"))]
    if filter.get("text"):
        words = str(filter["text"]).lower()
        rows = [i for i in rows if any(words in t.lower() for t in _texts(e, i))]
    return rows


def _means(e: Results, scorer: str) -> Any:
    scores = e.scores.get(scorer) or next(iter(e.scores.values()))
    values = np.array([s.value or 0.0 for s in scores], dtype=float)
    cube: Any = values.reshape(len(e.dataset), len(e.names), e.samples)
    return cube.mean(axis=2)


def _failed(e: Results, model: str) -> np.ndarray:
    out = np.zeros(len(e.dataset), dtype=bool)
    for i, a in enumerate(e.answers):
        if a.model == model and (failure_reason(a) or any(scores[i].value is None for scores in e.scores.values())):
            out[a.row] = True
    return out


def _in_slice(e: Results, row: int, column: str, value: Any) -> bool:
    s = e.dataset.samples[row]
    cell = getattr(s, column) if column in ("target", "group", "split") else s.values.get(column)
    return cell == value or str("" if cell is None else cell)[:60] == str(value)


def _texts(e: Results, row: int) -> list[str]:
    s, each = e.dataset.samples[row], len(e.names) * e.samples
    values = [v if isinstance(v, str) else json.dumps(v, ensure_ascii=False) for v in s.values.values()]
    return [s.id, s.group or "", str(s.target or ""), *values, *(a.text for a in e.answers[row * each : (row + 1) * each])]
