"""What people did with answers, by model: rates with intervals that treat one person's actions as one person's."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from ..core.errors import UsageError
from ..core.records import Rows
from ..stats.level import level
from ..stats.means import FEWEST_FLIPPED, cluster_codes
from ..stats.unpaired import unpaired_p
from .datasets.formats import rows_of
from .datasets.sample import plain
from .report.number_text import p_words

COLUMNS = ("model", "rate", "low", "high", "rows", "users", "design_effect", "why")


def rates(table: Any, value: str, *, model: str = "model", user: str = "user") -> Rows:
    """Of each model the mean of a column of behaviour (copied or not, seconds, turns), clustered by user.

    Behaviour is weak evidence: people choose tasks and models, so a difference is told with
    its p and no word of better. Raises UsageError for a missing column or a value that is no number.

    >>> rows = [{"model": "ab"[i % 2], "copied": int(i % 3 == 0), "user": f"u{i % 15}"} for i in range(90)]
    >>> [(r["model"], round(r["rate"], 2), r["users"]) for r in rates(rows, "copied")]
    [('a', 0.33, 15), ('b', 0.33, 15)]
    """
    rows = rows_of(table)
    names = list(dict.fromkeys(k for r in rows for k in r))
    for column in (value, model, user):
        if column not in names:
            raise UsageError("No such column of behaviour", detail=repr(column), hint=f"Columns: {', '.join(names)}.")
    x = np.array([_number(r.get(value), value, i) for i, r in enumerate(rows)])
    users = [r.get(user) for r in rows]
    out: list[dict[str, Any]] = []
    found = list(dict.fromkeys(str(r.get(model)) for r in rows))
    for name in found:
        at = [i for i, r in enumerate(rows) if str(r.get(model)) == name]
        e = level(x[at], [users[i] for i in at]).estimate
        out.append(dict(zip(COLUMNS, (name, e.value, e.low, e.high, e.n, e.clusters, e.design_effect, e.why or None), strict=True)))
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
    if count < FEWEST_FLIPPED:
        return f"{a} and {b}: {count} users are too few to compare"
    p = unpaired_p(y, is_a, codes)
    return f"{a} less {b}: {gap:+.3g} ({count} users, {p_words(p)}, weak evidence)"


def _number(value: Any, column: str, row: int) -> float:
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    try:
        return float(plain(value))
    except (TypeError, ValueError):
        raise UsageError("Behaviour is a number, or true and false", detail=f"{value!r} in {column}, row {row}") from None
