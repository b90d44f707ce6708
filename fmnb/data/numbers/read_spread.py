"""Readings of one set of rows: range, best group against worst, correlation."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from .ask import Ask
from .filter_sets import Conditions
from .reading import Reading

_BEST_WORST = re.compile(
    r"\b(?:(?:best|highest|largest|top|biggest|strongest)\b.{1,30}\b(?:worst|lowest|smallest|bottom|weakest)"
    r"|(?:worst|lowest|smallest|bottom|weakest)\b.{1,30}\b(?:best|highest|largest|top|biggest|strongest))\b",
    re.I,
)


def read_spread(ask: Ask) -> Iterator[Reading]:
    """The distance or ratio of the extremes that the sentence names, and correlations."""
    if _BEST_WORST.search(ask.text) or "range" in ask.linked.operations:
        yield from _extremes(ask)
    if "correlation" in ask.linked.operations:
        yield from _correlations(ask)


def _extremes(ask: Ask) -> Iterator[Reading]:
    ratio = ask.figure.kind == "multiple" or "ratio" in ask.near
    for mention in ask.columns:
        name = mention.column.name
        for filter_set in ask.filters.sets[:4]:
            tier = filter_set.tier + ask.extra(mention)
            high, low = (ask.table.aggregate(o, name, filter_set.conditions) for o in ("max", "min"))
            yield from _spread(tier, name, high, low, filter_set.conditions, ratio)
            for grouping in ask.linked.groupings:
                if grouping.column.name == name or grouping.column.kind == "date":
                    continue
                for operation in [o for o in ask.named if o in ("mean", "sum", "median")] or ["mean"]:
                    groups = ask.table.groups(operation, grouping.column.name, name, filter_set.conditions)
                    if len(groups) > 1:
                        what = f"{operation} of {name} by {grouping.column.name}"
                        yield from _spread(tier, what, max(groups.values()), min(groups.values()), filter_set.conditions, ratio)


def _spread(tier: int, what: str, high: float, low: float, conditions: Conditions, ratio: bool) -> Iterator[Reading]:
    if not ratio:
        yield Reading(tier, "difference", f"largest less smallest {what}", high - low, None, conditions, parts=(high, low))
    elif low:
        yield Reading(tier, "ratio", f"largest by smallest {what}", high / low, None, conditions, parts=(high, low))


def _correlations(ask: Ask) -> Iterator[Reading]:
    mentions = [m for m in ask.linked.columns if m.column.numbers is not None][:4]
    for i, a in enumerate(mentions):
        for b in mentions[i + 1 :]:
            for filter_set in ask.filters.sets[:4]:
                x, y = a.column.numbers, b.column.numbers
                assert x is not None and y is not None
                rows = ask.table.mask(filter_set.conditions) & np.isfinite(x) & np.isfinite(y)
                if rows.sum() > 2 and np.ptp(x[rows]) and np.ptp(y[rows]):
                    value = float(np.corrcoef(x[rows], y[rows])[0, 1])
                    what = f"correlation of {a.column.name} and {b.column.name}"
                    yield Reading(filter_set.tier, "correlation", what, value, a.column.name, filter_set.conditions, int(rows.sum()))
