"""User behavior by model: rates with intervals clustered by user."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from ..core.errors import UsageError
from ..core.records import Rows
from ..stats.level import level
from ..stats.means import MIN_CLUSTERS_SIGN_FLIP, cluster_codes
from ..stats.unpaired import unpaired_p
from .datasets.formats import rows_of
from .datasets.sample import to_json_value
from .report.number_text import p_text

COLUMNS = ("model", "rate", "low", "high", "rows", "users", "design_effect", "why")


def rates(table: Any, value: str, *, model: str = "model", user: str = "user") -> Rows:
    """Each model's mean of a column of user behavior (copied or not, seconds, turns), clustered by user.

    Behavior is weak evidence, since users choose tasks and models; a difference is reported with its
    p value and without a verdict. Raises UsageError for a missing column or a value that is not a number.

    >>> rows = [{"model": "ab"[i % 2], "copied": int(i % 3 == 0), "user": f"u{i % 15}"} for i in range(90)]
    >>> [(r["model"], round(r["rate"], 2), r["users"]) for r in rates(rows, "copied")]
    [('a', 0.33, 15), ('b', 0.33, 15)]
    """
    rows = rows_of(table)
    column_names = list(dict.fromkeys(k for r in rows for k in r))
    for column in (value, model, user):
        if column not in column_names:
            raise UsageError("No such column of behavior", detail=repr(column), hint=f"Columns: {', '.join(column_names)}.")
    x = np.array([_as_number(r.get(value), value, i) for i, r in enumerate(rows)])
    users = [r.get(user) for r in rows]
    out: list[dict[str, Any]] = []
    models = list(dict.fromkeys(str(r.get(model)) for r in rows))
    for name in models:
        at = [i for i, r in enumerate(rows) if str(r.get(model)) == name]
        e = level(x[at], [users[i] for i in at]).estimate
        out.append(dict(zip(COLUMNS, (name, e.value, e.low, e.high, e.n, e.clusters, e.design_effect, e.reason or None), strict=True)))
    out.sort(key=lambda r: -r["rate"])
    return Rows(
        out,
        COLUMNS,
        "; ".join(_gap(x, users, [str(r.get(model)) for r in rows], a, b) for a, b in combinations([r["model"] for r in out], 2)),
    )


def _gap(x: np.ndarray, users: list[Any], models: list[str], a: str, b: str) -> str:
    """The difference of two means whose rows share users."""
    at = np.array([i for i, m in enumerate(models) if m in (a, b)])
    is_a = np.array([models[i] == a for i in at])
    y = x[at]
    gap = float(y[is_a].mean() - y[~is_a].mean())
    codes, count = cluster_codes([users[i] for i in at], len(at))
    if count < MIN_CLUSTERS_SIGN_FLIP:
        return f"{a} and {b}: {count} users are too few for a comparison"
    p = unpaired_p(y, is_a, codes)
    return f"{a} - {b}: {gap:+.3g} ({count} users, {p_text(p)}, weak evidence)"


def _as_number(value: Any, column: str, row: int) -> float:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    try:
        return float(to_json_value(value))
    except (TypeError, ValueError):
        raise UsageError("Behavior must be a number, or true or false", detail=f"{value!r} in {column}, row {row}") from None
