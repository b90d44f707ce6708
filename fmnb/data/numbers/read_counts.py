"""Readings of a whole number as a count: of rows, different values, columns, the largest group."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .condition import Condition
from .figure_context import FigureContext
from .reading import Reading

_NEXT = re.compile(r"[\s-]*(?:of (?:the |these |those |all |its )*)?([A-Za-z][\w'-]*)")
_NO_NOUN = frozenset(
    (
        "in on at for from by with to and or per is was are were while compared than as which but when during versus vs respectively lower "
        "higher points over after before since until against a an the"
    ).split()
)
_COUNTED = re.compile(r"\b(?:count|number|numbers|numbering|numbered|total|n ?=|size)\b[^.,;]{0,45}$", re.I)
_OUT_OF = re.compile(r"\b(?:out of|of|across|among|over|all)\s(?:the |all |a total of |these |our )*$", re.I)
_ROWS = re.compile(r"\s?(?:rows?|records?|entries|observations)\b", re.I)
_COLUMNS = re.compile(r"\s?(?:columns?|fields?|variables?|features?|attributes?)\b", re.I)


def read_counts(context: FigureContext) -> Iterator[Reading]:
    """Counts of what the sentence names, if the figure can be one and something says so."""
    if not _possible(context):
        return
    if _COLUMNS.match(context.after):
        yield Reading(0, "columns", "number of columns", len(context.table.columns))
        return
    if _ROWS.match(context.after) and not context.linked.values and not context.linked.thresholds and not context.linked.periods.conditions:
        yield Reading(0, "count", "number of rows", context.table.rows, rows=context.table.rows)
    if _OUT_OF.search(context.before) and not _free(context):
        yield Reading(0, "count", "number of all rows", context.table.rows, rows=context.table.rows)
    counted = _is_counted(context)
    if not counted and not (context.linked.columns or context.linked.values or context.linked.periods.conditions):
        return
    for filter_set in context.filters.sets:
        conditions = tuple(c for c in filter_set.conditions if not (c.relation == "=" and c.start == context.figure.start))
        if counted or not context.columns:
            tier = filter_set.tier + (0 if counted else 1)
            yield _count(context, tier, conditions)
        yield from _different(context, filter_set.tier, conditions)
    yield from _largest_group(context)


def _possible(context: FigureContext) -> bool:
    f = context.figure
    whole = f.value == round(f.value) or f.scale > 1
    plain = not f.unit or (f.unit in ("day", "days", "week", "weeks", "month", "months", "year", "years") and not _free(context))
    plain = plain or "missing" in context.near  # "one mpg value is missing": the column is a unit as well
    return whole and 0 <= f.value <= context.table.rows * 1.5 and not (f.scale > 1 and f.value == 0) and plain and not context.comparative


def _free(context: FigureContext) -> bool:
    """Whether a column is named that no threshold of another figure uses."""
    used = {limit.condition.column for limit in context.linked.thresholds if limit.figure.start != context.figure.start}
    return not context.guessed and any(m.column.name not in used for m in context.columns)


def _is_counted(context: FigureContext) -> bool:
    beside = [m for m in context.linked.measures if 0 <= m.start - context.figure.end <= 3 and not m.column.few]
    if beside and not {"count", "missing"} & context.near:
        return False
    noun = _NEXT.match(context.after)
    follows = noun.group(1).lower() if noun else ""
    bracketed = bool(re.search(r"\((?:n\s?=\s?)?$", context.before) and re.match(r"\)", context.after))
    weak = bool(context.columns) and all(context.extra(m) for m in context.columns)
    return bool(
        ((bracketed or weak) and (context.linked.values or context.linked.periods.conditions))
        or "count" in context.near
        or "missing" in context.linked.operations
        or (follows and follows not in _NO_NOUN and not beside)
        or re.match(r"\s(?:of|such|times|in total)\b", context.after)
        or _COUNTED.search(context.before)
        or (context.linked.columns and not (_free(context) or context.linked.values or context.linked.periods.conditions))
    )


def _count(context: FigureContext, tier: int, conditions: tuple[Condition, ...]) -> Reading:
    value = context.table.aggregate("count", None, conditions)
    return Reading(tier, "count", "number of rows", value, None, conditions, int(value))


def _different(context: FigureContext, tier: int, conditions: tuple[Condition, ...]) -> Iterator[Reading]:
    """How many different values a named column has: six sites, ten distinct varieties."""
    following = [
        m
        for m in context.linked.groupings
        if 0 <= m.start - context.figure.end <= 22 and _noun_phrase(context.text[context.figure.end : m.start])
    ]
    distinct = "distinct" in context.linked.operations
    named = following[:2] or ([m for m in context.linked.groupings if m not in following][:2] if distinct else [])
    for mention in named:
        name = mention.column.name
        if any(c.column == name and c.relation == "=" for c in conditions):
            conditions = tuple(c for c in conditions if c.column != name)
        value = context.table.aggregate("distinct", name, conditions)
        yield Reading(tier, "distinct", f"number of different values of {name}", value, name, conditions, context.table.rows)
    if distinct:
        for measure in context.linked.measures:
            name = measure.column.name
            value = context.table.aggregate("distinct", name, conditions)
            yield Reading(tier, "distinct", f"number of different values of {name}", value, name, conditions, context.table.rows)
    if re.search(r"\b(?:non-null|non-missing|known|valid|filled|recorded)\b", context.text):
        for mention in context.linked.columns:
            name = mention.column.name
            value = context.table.aggregate("known", name, conditions)
            yield Reading(tier, "known", f"known values of {name}", value, name, conditions, context.table.rows)
    if re.match(r"\s(?:distinct |different )?years?\b", context.after):
        yield from _years(context, tier)


def _noun_phrase(between: str) -> bool:
    return not re.search(r"[.;:,]|\b(?:in|for|by|with|at|from|among)\b", between)


def _years(context: FigureContext, tier: int) -> Iterator[Reading]:
    column = next((c for c in context.table.columns.values() if c.year or c.kind == "date"), None)
    if column is None:
        return
    count = len(column.labels) if column.year else len({str(d)[:4] for d in column.labels})
    yield Reading(tier, "distinct", f"number of different years of {column.name}", count, column.name, (), context.table.rows)


def _largest_group(context: FigureContext) -> Iterator[Reading]:
    """The rows of the largest or smallest group, where it is not named."""
    extremes = [o for o in ("max", "min") if o in context.linked.operations]
    if not extremes or (context.columns and not context.guessed):
        return
    for grouping in context.linked.groupings[:2]:
        for filter_set in context.filters.sets[:2]:
            groups = context.table.groups("count", grouping.column.name, None, filter_set.conditions)
            if len(groups) < 2:
                continue
            for extreme in extremes:
                value = max(groups.values()) if extreme == "max" else min(groups.values())
                what = f"rows of the {'largest' if extreme == 'max' else 'smallest'} {grouping.column.name}"
                yield Reading(
                    filter_set.tier, f"{extreme} group", what, value, grouping.column.name, filter_set.conditions, context.table.rows
                )
