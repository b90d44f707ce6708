"""Readings of a figure as a cell or an aggregate of a named column."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from .figure_context import FigureContext
from .filter_sets import FilterSet
from .link_columns import ColumnMention
from .operations import AGGREGATES
from .reading import Reading

_ENDS = re.compile(r"\b(start|began|begin|open|first|end|finish|clos|last|reach|stood|latest|final)\w*", re.I)
_RANGE_MIDDLE = re.compile(
    r"\s?(?:[A-Za-z°$€%]+\s)?(?:to|and|through|-|–|—|up to)\s?(?:about |around |roughly |as (?:much|many|high) as )?"
    r"(?:a (?:high|max(?:imum)?) of )?(?:US)?[$€£]?",
    re.I,
)
_RANGE_WORDS = re.compile(
    r"\b(?:from|between|low of)\s(?:a |about |around |roughly |just |as (?:little|few|low) as )?(?:US)?[$€£]?$"
    r"|\b(?:rang\w+|var(?:y|ies|ied)|span\w*|anywhere|runs?|goes|stretch\w*|swing\w*)\b[^.;,]{0,30}$",
    re.I,
)


def read_aggregates(context: FigureContext) -> Iterator[Reading]:
    """Cells and aggregates of the named columns, under each set of conditions."""
    for mention in context.columns:
        for filter_set in context.filters.sets:
            if context.table.mask(filter_set.conditions).any():
                yield from _of_column(context, mention, filter_set)


def _reading(context: FigureContext, mention: ColumnMention, filter_set: FilterSet, operation: str, tier: int, note: str = "") -> Reading:
    name = mention.column.name
    value = context.table.aggregate(operation, name, filter_set.conditions)
    rows = int(context.table.mask(filter_set.conditions).sum())
    what = name if operation == "value" else f"{WORDS.get(operation, operation)} of {name}"
    return Reading(tier, operation, what + note, value, name, filter_set.conditions, rows)


WORDS = {"max": "maximum", "min": "minimum", "std": "standard deviation", "distinct": "number of different values"}


def _of_column(context: FigureContext, mention: ColumnMention, filter_set: FilterSet) -> Iterator[Reading]:
    tier = filter_set.tier + context.extra(mention)
    name, conditions = mention.column.name, filter_set.conditions
    named = context.named
    for operation in named:
        yield _reading(context, mention, filter_set, operation, tier)
    single = context.table.aggregate("value", name, conditions)
    if not math.isnan(single):
        yield _reading(context, mention, filter_set, "value", tier)
    elif not named or _part_of_name(context, mention):
        yield _reading(context, mention, filter_set, "mean", tier, " (operation not named)")
        yield _reading(context, mention, filter_set, "sum", tier + 1, " (operation not named)")
    yield from _group_extremes(context, mention, filter_set, tier)
    if not named and _ENDS.search(context.text):
        yield from _ends(context, mention, filter_set, tier + 1)


def _part_of_name(context: FigureContext, mention: ColumnMention) -> bool:
    """Whether the only aggregates named are words of the column's own name, as in temp_max."""
    return set(context.named) <= {w for w in mention.column.words if w in AGGREGATES}


def _group_extremes(context: FigureContext, mention: ColumnMention, filter_set: FilterSet, tier: int) -> Iterator[Reading]:
    """The highest average of any group, where groups are named."""
    inner = next((o for o in context.named if o in ("mean", "sum", "median")), None)
    extremes = [o for o in ("max", "min") if o in context.linked.operations]
    if not inner or not extremes:
        return
    name = mention.column.name
    for grouping in context.linked.groupings:
        by = grouping.column.name
        if by == name or grouping.column.kind == "date" or any(c.column == by for c in filter_set.conditions):
            continue
        groups = context.table.groups(inner, by, name, filter_set.conditions)
        if len(groups) > 1:
            for extreme in extremes:
                value = max(groups.values()) if extreme == "max" else min(groups.values())
                size = "largest" if extreme == "max" else "smallest"
                what = f"{size} {inner} of {name} by {by}"
                yield Reading(tier, f"{extreme} by group", what, value, name, filter_set.conditions, len(groups))


def _ends(context: FigureContext, mention: ColumnMention, filter_set: FilterSet, tier: int) -> Iterator[Reading]:
    """The first and the last value of a period."""
    time = next((c for c in context.table.columns.values() if c.kind == "date" or c.year), None)
    values = mention.column.numbers
    if time is None or values is None:
        return
    rows = np.nonzero(context.table.mask(filter_set.conditions) & np.isfinite(values) & (time.codes >= 0))[0]
    when = time.days if time.days is not None else time.numbers
    if not rows.size or when is None:
        return
    order = rows[np.argsort(when[rows], kind="stable")]
    name = mention.column.name
    for place, row in (("first", order[0]), ("last", order[-1])):
        yield Reading(tier, place, f"{place} {name}", float(values[row]), name, filter_set.conditions, 1)


def read_range(context: FigureContext) -> Iterator[Reading]:
    """Smallest and largest value: from 9 to 46.6, between 9 and 46.6."""
    if context.linked.periods.pair:
        return
    numbers = [f for f in context.linked.figures if f.kind == context.figure.kind]
    place = next((k for k, f in enumerate(numbers) if f.start == context.figure.start), -1)
    for other, side in ((place + 1, "min"), (place - 1, "max")):
        if place < 0 or not 0 <= other < len(numbers):
            continue
        one, two = (context.figure, numbers[other]) if side == "min" else (numbers[other], context.figure)
        middle = context.text[max(one.end, 0) : two.start]
        lead = context.text[max(0, one.start - 60) : one.start]
        if not _RANGE_WORDS.search(lead):
            continue
        if not _RANGE_MIDDLE.fullmatch(middle) and not _with_values(context, one.end, two.start, middle):
            continue
        for mention in context.columns:
            for filter_set in context.filters.sets:
                yield _reading(context, mention, filter_set, side, filter_set.tier)
                if not filter_set.conditions or all(c.start < one.start for c in filter_set.conditions):
                    continue
                yield _reading(context, mention, FilterSet(filter_set.tier, ()), side, filter_set.tier)


def _with_values(context: FigureContext, start: int, end: int, middle: str) -> bool:
    """From 8.5 in New Hampshire to 21.9 in Mississippi: each end names where it is."""
    inside = [v for v in context.linked.values if start <= v.start and v.end <= end]
    return len(inside) == 1 and bool(re.search(r"\bto\s(?:about |around |just )?[$€£]?$", middle))
