"""Readings of one set of rows: range, best group against worst, correlation."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from .figure_context import FigureContext
from .filter_sets import Conditions
from .reading import Reading

_BEST_WORST = re.compile(
    r"\b(?:(?:best|highest|largest|top|biggest|strongest)\b.{1,30}\b(?:worst|lowest|smallest|bottom|weakest)"
    r"|(?:worst|lowest|smallest|bottom|weakest)\b.{1,30}\b(?:best|highest|largest|top|biggest|strongest))\b",
    re.I,
)


def read_spread(context: FigureContext) -> Iterator[Reading]:
    """The distance or ratio of the extremes that the sentence names, and correlations."""
    if _BEST_WORST.search(context.text) or "range" in context.linked.operations:
        yield from _extremes(context)
    if "correlation" in context.linked.operations:
        yield from _correlations(context)


def _extremes(context: FigureContext) -> Iterator[Reading]:
    ratio = context.figure.kind == "multiple" or "ratio" in context.near
    for mention in context.columns:
        name = mention.column.name
        for filter_set in context.filters.sets[:4]:
            tier = filter_set.tier + context.extra(mention)
            high, low = (context.table.aggregate(o, name, filter_set.conditions) for o in ("max", "min"))
            yield from _spread(tier, name, high, low, filter_set.conditions, ratio)
            for grouping in context.linked.groupings:
                if grouping.column.name == name or grouping.column.kind == "date":
                    continue
                for operation in [o for o in context.named if o in ("mean", "sum", "median")] or ["mean"]:
                    groups = context.table.groups(operation, grouping.column.name, name, filter_set.conditions)
                    if len(groups) > 1:
                        what = f"{operation} of {name} by {grouping.column.name}"
                        yield from _spread(tier, what, max(groups.values()), min(groups.values()), filter_set.conditions, ratio)


def _spread(tier: int, what: str, high: float, low: float, conditions: Conditions, ratio: bool) -> Iterator[Reading]:
    if not ratio:
        yield Reading(tier, "difference", f"largest less smallest {what}", high - low, None, conditions, parts=(high, low))
    elif low:
        yield Reading(tier, "ratio", f"largest by smallest {what}", high / low, None, conditions, parts=(high, low))


def _correlations(context: FigureContext) -> Iterator[Reading]:
    mentions = [m for m in context.linked.columns if m.column.numbers is not None][:4]
    for i, a in enumerate(mentions):
        for b in mentions[i + 1 :]:
            for filter_set in context.filters.sets[:4]:
                x, y = a.column.numbers, b.column.numbers
                assert x is not None and y is not None
                rows = context.table.mask(filter_set.conditions) & np.isfinite(x) & np.isfinite(y)
                if rows.sum() > 2 and np.ptp(x[rows]) and np.ptp(y[rows]):
                    value = float(np.corrcoef(x[rows], y[rows])[0, 1])
                    what = f"correlation of {a.column.name} and {b.column.name}"
                    yield Reading(filter_set.tier, "correlation", what, value, a.column.name, filter_set.conditions, int(rows.sum()))
