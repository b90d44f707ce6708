"""Tables of an evaluation: models, pairs, answers, slices."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from ...core.errors import UsageError
from ...core.records import Rows
from ...stats.level import level
from ..results import Results
from ..score_matrix import Matrix
from ..scoring import failure_reason
from ..verdict import verdict
from .number_text import Seconds, duration, gap, share

MODEL_COLUMNS = (
    *("scorer", "model", "score", "low", "high", "letters", "rows", "groups", "failed", "method", "judge"),
    *("seconds", "input_tokens", "output_tokens", "cost"),
)
PAIR_COLUMNS = (
    *("scorer", "a", "b", "gap", "low", "high", "p", "low_all", "high_all", "p_all", "better", "test", "only_a", "only_b"),
    *("smallest_gap", "rows", "groups", "worth", "largest", "gap_by_user", "low_by_user", "high_by_user"),
    *("design_effect", "bootstrap_low", "bootstrap_high", "draws", "seed", "why"),
)
_MAX_SLICE_VALUES = 12  # distinct values of a column that defines slices


def levels_table(e: Results) -> Rows:
    """One row per scorer and model."""
    rows = []
    costs = {m: _cost_columns(e, m) for m in e.names}
    compared = e.analyses
    for name in e.scores:
        m = e.matrix(name)
        if name not in compared:
            rows += [_row_without_score(name, model, m, costs[model]) for model in e.names]
            continue
        a = compared[name]
        for model in a.ranking:
            model_level = a.levels[model]
            rows.append(
                {
                    "scorer": name,
                    "model": model,
                    "score": share(model_level.estimate.value, a.in_points),
                    "low": share(model_level.estimate.low, a.in_points),
                    "high": share(model_level.estimate.high, a.in_points),
                    "letters": a.letters[model] if len(e.names) > 1 else None,
                    "rows": len(a.matrix.rows),
                    "groups": a.cluster_count,
                    "failed": sum(a.matrix.failure_causes[model].values()) or None,
                    "method": model_level.method,
                    "judge": e.badges.get(name),
                    **costs[model],
                }
            )
        rows += [_row_without_score(name, model, m, costs[model]) for model in m.excluded]
    return Rows(rows, MODEL_COLUMNS, verdict(e))


def _row_without_score(scorer: str, model: str, m: Matrix, costs: dict[str, Any]) -> dict[str, Any]:
    """The row of a model without a score or verdict."""
    empty: dict[str, Any] = dict.fromkeys(MODEL_COLUMNS)
    return {**empty, "scorer": scorer, "model": model, "rows": 0, "failed": m.failure_causes[model].total() or None, **costs}


def _cost_columns(e: Results, model: str) -> dict[str, Any]:
    answers = [a for a in e.answers if a.model == model]
    seconds = [a.seconds for a in answers if a.seconds is not None and a.source == "live"]
    costs = [a.cost for a in answers]

    def mean(name: str) -> float | None:
        known = [v for a in answers if (v := getattr(a, name)) is not None]
        return round(sum(known) / len(known), 1) if known else None

    return {
        "seconds": Seconds(np.median(seconds)) if seconds else None,
        "input_tokens": mean("input_tokens"),
        "output_tokens": mean("output_tokens"),
        "cost": None if any(c is None for c in costs) or not costs else sum(c for c in costs if c is not None),
    }


def pairs_table(e: Results) -> Rows:
    """One row per scorer and pair: low, high and p, alone and corrected for all pairs."""
    rows = []
    for name, a in e.analyses.items():
        for p in a.pairs:
            estimate, equal_weight, in_points = p.test.gap, p.test.equal_weight, a.in_points
            rows.append(
                {
                    "scorer": name,
                    "a": p.a,
                    "b": p.b,
                    "gap": gap(estimate.value, in_points),
                    "low": gap(estimate.low, in_points),
                    "high": gap(estimate.high, in_points),
                    "p": p.test.p,
                    "low_all": gap(p.interval[0], in_points) if p.interval else None,
                    "high_all": gap(p.interval[1], in_points) if p.interval else None,
                    "p_all": p.p,
                    "better": p.better if p.significant else None,
                    "test": p.test.test,
                    "only_a": p.test.only_a,
                    "only_b": p.test.only_b,
                    "smallest_gap": gap(p.test.detectable_gap, in_points),
                    "rows": estimate.n,
                    "groups": estimate.clusters,
                    "worth": estimate.df + 1 if estimate.clusters is not None else None,
                    "largest": estimate.share,
                    "gap_by_user": gap(equal_weight.value, in_points) if equal_weight else None,
                    "low_by_user": gap(equal_weight.low, in_points) if equal_weight else None,
                    "high_by_user": gap(equal_weight.high, in_points) if equal_weight else None,
                    "design_effect": estimate.design_effect,
                    "bootstrap_low": gap(p.bootstrap.low, in_points) if p.bootstrap else None,
                    "bootstrap_high": gap(p.bootstrap.high, in_points) if p.bootstrap else None,
                    "draws": a.draws if p.bootstrap else None,
                    "seed": a.seed if p.bootstrap else None,
                    "why": estimate.reason or None,
                }
            )
    return Rows(rows, PAIR_COLUMNS)


def rows_table(e: Results) -> Rows:
    """One row per answer."""
    rows = []
    for i, a in enumerate(e.answers):
        s = e.dataset.samples[a.row]
        scores = {n: e.scores[n][i] for n in e.scores}
        rows.append(
            {
                "id": s.id,
                "group": s.group,
                "target": s.target,
                "model": a.model,
                "sample": a.sample if e.samples > 1 else None,
                "text": a.text,
                **{n: v.value for n, v in scores.items()},
                "why": "; ".join(v.explanation for v in scores.values() if v.explanation) or None,
                "error": failure_reason(a) or next((v.error for v in scores.values() if v.error), None),
                "seconds": duration(a.seconds),
                "cost": a.cost,
                "run": a.run,
            }
        )
    return Rows(rows, ("id", "group", "target", "model", "sample", "text", *e.scores, "why", "error", "seconds", "cost", "run"))


def slices_table(e: Results, by: str = "", scorer: str = "", fewest: int = 5) -> Rows:
    """Each slice's score and that of the other rows, worst first; intervals are not corrected."""
    try:
        a = e.analysis(scorer)
    except UsageError as problem:
        return Rows([], ("column", "value", "model", "rows", "score", "low", "high", "elsewhere"), str(problem))
    values = {by: _column(e, by)} if by else _columns(e)
    rows: list[dict[str, Any]] = []
    for column, cells in values.items():
        row_values = [cells[i] for i in a.matrix.rows]
        for value in dict.fromkeys(row_values):
            inside = np.array([c == value for c in row_values])
            if value is None or inside.sum() < fewest or inside.all():
                continue
            for model in a.matrix.models:
                x = a.matrix.of(model)
                estimate = level(x[inside], a.row_groups.of(a.matrix.rows[inside].tolist())).estimate
                rows.append(
                    {
                        "column": column,
                        "value": value,
                        "model": model,
                        "rows": int(inside.sum()),
                        "score": share(estimate.value, a.in_points),
                        "low": share(estimate.low, a.in_points),
                        "high": share(estimate.high, a.in_points),
                        "elsewhere": share(float(x[~inside].mean()), a.in_points),
                    }
                )
    rows.sort(key=lambda r: r["score"] - r["elsewhere"])
    note = f"intervals are not corrected: of {len(rows)} slices, some are low by chance" if rows else "no column defines slices"
    return Rows(rows, ("column", "value", "model", "rows", "score", "low", "high", "elsewhere"), note)


def _column(e: Results, by: str) -> list[Hashable]:
    if by not in ("target", "group", "split") and all(by not in s.values for s in e.dataset):
        names = ", ".join(dict.fromkeys(["target", "group", "split", *(k for s in e.dataset for k in s.values)]))
        raise UsageError("No such column to slice by", detail=repr(by), hint=f"One of {names}.")
    return [_short_value(getattr(s, by) if by in ("target", "group", "split") else s.values.get(by)) for s in e.dataset]


def _columns(e: Results) -> dict[str, list[Hashable]]:
    names = ["target", "group", "split", *dict.fromkeys(k for s in e.dataset for k in s.values)]
    columns: dict[str, list[Hashable]] = {}
    for name in names:
        cells = _column(e, name)
        if (
            1 < len({c for c in cells if c is not None}) <= _MAX_SLICE_VALUES and cells not in columns.values()
        ):  # the column of users equals the group
            columns[name] = cells
    return columns


def _short_value(value: Any) -> Hashable:
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)[:60]
