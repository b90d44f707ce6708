"""Readings as a row of the table written out: Oslo,412.5,1210, each figure in the place of its column."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .condition import Condition
from .figure_context import FigureContext
from .reading import Reading

_BETWEEN = re.compile(r"[\s,;|\t\"'`*]+")


def read_rows(context: FigureContext) -> Iterator[Reading]:
    """The cell of the column that follows a named value, if nothing but figures stands between.

    >>> from .tracer import Tracer
    >>> rows = [{"city": "Oslo", "shops": 3, "staff": 41}, {"city": "Rome", "shops": 5, "staff": 77}]
    >>> [f.state for f in Tracer({"t": rows}).check("Oslo,3,41\\nRome,3,77").figures]
    ['exact', 'exact', 'untraced', 'exact']
    """
    names = list(context.table.columns)
    for condition in _keys(context):
        inside = [f for f in context.linked.figures if f.kind != "date" and condition.end <= f.start < context.figure.start]
        ends = [condition.end, *(f.end for f in inside)]
        starts = [*(f.start for f in inside), context.figure.start]
        place = names.index(condition.column) + 1 + len(inside)
        if place >= len(names) or not all(_BETWEEN.fullmatch(context.text, a, b) for a, b in zip(ends, starts, strict=True)):
            continue
        if not any("," in context.text[a:b] or "|" in context.text[a:b] for a, b in zip(ends, starts, strict=True)):
            continue
        column = names[place]
        value = context.table.aggregate("value", column, [condition])
        rows = int(context.table.mask([condition]).sum())
        yield Reading(0, "value", column, value, column, (condition,), rows)


def _keys(context: FigureContext) -> list[Condition]:
    """The last value or period before the figure."""
    values = [o for choice in context.linked.values for o in choice.options]
    before = [c for c in (*values, *context.linked.periods.conditions) if c.end <= context.figure.start]
    return [c for c in before if c.end == max(b.end for b in before)]
