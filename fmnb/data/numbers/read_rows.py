"""Readings as a row of the table written out: Oslo,412.5,1210, each figure in the place of its column."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .ask import Ask
from .condition import Condition
from .reading import Reading

_BETWEEN = re.compile(r"[\s,;|\t\"'`*]+")


def read_rows(ask: Ask) -> Iterator[Reading]:
    """The cell of the column that follows a named value, if nothing but figures stands between.

    >>> from .tracer import Tracer
    >>> rows = [{"city": "Oslo", "shops": 3, "staff": 41}, {"city": "Rome", "shops": 5, "staff": 77}]
    >>> [f.state for f in Tracer({"t": rows}).check("Oslo,3,41\\nRome,3,77").figures]
    ['exact', 'exact', 'untraced', 'exact']
    """
    names = list(ask.table.columns)
    for condition in _keys(ask):
        inside = [f for f in ask.linked.figures if f.kind != "date" and condition.end <= f.start < ask.figure.start]
        ends = [condition.end, *(f.end for f in inside)]
        starts = [*(f.start for f in inside), ask.figure.start]
        place = names.index(condition.column) + 1 + len(inside)
        if place >= len(names) or not all(_BETWEEN.fullmatch(ask.text, a, b) for a, b in zip(ends, starts, strict=True)):
            continue
        if not any("," in ask.text[a:b] or "|" in ask.text[a:b] for a, b in zip(ends, starts, strict=True)):
            continue
        column = names[place]
        value = ask.table.aggregate("value", column, [condition])
        rows = int(ask.table.mask([condition]).sum())
        yield Reading(0, "value", column, value, column, (condition,), rows)


def _keys(ask: Ask) -> list[Condition]:
    """The last value or period before the figure."""
    values = [o for choice in ask.linked.values for o in choice.options]
    before = [c for c in (*values, *ask.linked.periods.conditions) if c.end <= ask.figure.start]
    return [c for c in before if c.end == max(b.end for b in before)]
