"""Readings where no column is named: every column, which counts only where chance is small."""

from __future__ import annotations

from collections.abc import Iterator

from .figure_context import FigureContext
from .read_aggregates import WORDS
from .reading import Reading

WIDE_TIER = 2
MOST_COLUMNS = 24


def read_wide(context: FigureContext) -> Iterator[Reading]:
    """The named aggregates, or the cell, of each column under each set of conditions."""
    if (context.columns and not context.guessed) or "count" in context.near:
        return
    known = {m.column.name for m in context.columns}
    measured = context.figure.unit or context.figure.step < 1  # a whole number may be a count
    operations = [*context.named[:2], "value"] if context.named else ["value", "mean", "sum"] if measured else ["value"]
    columns = [c for c in context.table.columns.values() if c.measured and c.name not in known][:MOST_COLUMNS]
    for filter_set in context.filters.sets[:6]:
        if not filter_set.conditions and not context.named:
            continue
        rows = int(context.table.mask(filter_set.conditions).sum())
        if not rows:
            continue
        for column in columns:
            for operation in operations:
                value = context.table.aggregate(operation, column.name, filter_set.conditions)
                what = column.name if operation == "value" else f"{WORDS.get(operation, operation)} of {column.name}"
                yield Reading(
                    WIDE_TIER + filter_set.tier,
                    operation,
                    f"{what} (column not named)",
                    value,
                    column.name,
                    filter_set.conditions,
                    rows,
                    guess=True,
                )
