"""The words of a plot: titles of its axes, and why intervals are missing."""

from __future__ import annotations

from ..analysis import Analysis
from ..clusters import name_groups


def score_axis(a: Analysis) -> str:
    """The title of an axis of scores."""
    return f"{a.scorer}, percent" if a.in_points else a.scorer


def gap_axis(a: Analysis) -> str:
    """The title of an axis of gaps."""
    return "gap in points" if a.in_points else "gap"


def missing_intervals(a: Analysis, *, gaps: bool = False) -> str:
    """Why a plot lacks intervals, "" if it has them all."""
    if gaps:
        found = [(p.interval is not None, name_groups(p.grouping, a.by, p.test.gap.reason)) for p in a.pairs]
    else:
        levels = [a.levels[m].estimate for m in a.ranking]
        found = [(e.low is not None, name_groups(a.grouping, a.by, e.reason)) for e in levels]
    missing = [why for has_one, why in found if not has_one]
    if not missing:
        return ""
    reason = next(filter(None, missing), "")
    count = "no intervals" if len(missing) == len(found) else f"{len(missing)} of {len(found)} intervals are missing"
    return f"{count}: {reason}" if reason else count
