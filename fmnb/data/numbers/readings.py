"""All readings of one figure, in the figure's unit."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

from .binding import clause
from .figure_context import FigureContext
from .read_aggregates import read_aggregates, read_range
from .read_counts import read_counts
from .read_earlier import RATE
from .read_pairs import read_pairs
from .read_ranks import read_per_group, read_ranks, read_top
from .read_rows import read_rows
from .read_shares import read_shares
from .read_spread import read_spread
from .read_wide import read_wide
from .reading import Reading
from .units import comparable, convert
from .words import stem

MOST_READINGS = 240
_COUNTS = {
    "count",
    "distinct",
    "known",
    "columns",
    "correlation",
    "share",
    "share of sum",
    "group share",
    "rank",
    "ratio",
    "growth",
    "max group",
    "min group",
}
_SHARED = re.compile(r"\s?(?:of\b|share|were|are|is|have|had|come|came|fall|fell|belong)")
_OWN_NOUN = re.compile(r"\s([A-Za-z]+)")
_HEADER = re.compile(r"\s*(?:number of\s)?([A-Za-z]+) for [^:]{1,60}:\s", re.I)
_TIMES = re.compile(r"\bas\b|\bthan\b|\bthe\b|\bthat\b|\bits\b")


def readings(context: FigureContext) -> list[Reading]:
    """The readings that a sentence allows for a figure, at most 240.

    Args:
        context: The figure and what its sentence offers.

    Returns:
        Readings of all tiers, without those whose unit cannot be compared with the figure's.
    """
    found = []
    for reading in itertools.islice(_all(context), 4 * MOST_READINGS):
        if (converted := in_figures_unit(reading, context)) is not None and converted.value == converted.value:
            found.append(replace(converted, table=context.table.name))
        if len(found) == MOST_READINGS:
            break
    return found


def _all(context: FigureContext) -> Iterator[Reading]:
    match context.figure.kind:
        case "number":
            yield from _number(context)
        case "percent" | "fraction":
            yield from _percent(context)
        case "points":
            yield from read_pairs(context, "points")
            yield from read_spread(context)
        case "multiple":
            yield from read_pairs(context, "ratio")
            yield from read_spread(context)
            yield from _times(context)
        case "ordinal":
            yield from read_ranks(context)


def _number(context: FigureContext) -> Iterator[Reading]:
    yield from read_rows(context)
    ranged = list(read_range(context))
    if ranged:
        yield from ranged
        return
    operations = context.linked.operations
    counted = _counts_rows(context)
    if not context.comparative and not counted:
        rate = RATE.match(context.text, max(context.figure.end, context.figure.whole_end))
        yield from (r for r in read_aggregates(context) if not (rate and r.operation == "sum"))
    yield from read_counts(context)
    low, high = clause(context.text, context.figure.start, context.figure.end)
    local = {c.operation for c in context.linked.cues if low <= c.start and c.end <= high}
    if context.comparative or {"difference", "change", "range"} & local:
        yield from read_pairs(context, "difference")
    yield from read_spread(context)
    if "ratio" in operations:
        yield from read_pairs(context, "ratio")
    yield from read_top(context)
    yield from read_per_group(context)
    if not context.comparative and not counted:
        yield from read_wide(context)


def _counts_rows(context: FigureContext) -> bool:
    """Whether the figure is said to count the table's rows: 254 cars, or "cars" as the header above it."""
    nouns = [m.group(1) for m in (_OWN_NOUN.match(context.after), _HEADER.match(context.text)) if m]
    return any(stem(noun.lower()) == stem(context.table.name.lower()) for noun in nouns)


def _percent(context: FigureContext) -> Iterator[Reading]:
    scale = 100.0 if context.figure.kind == "percent" else 1.0
    operations = context.linked.operations
    signed = context.figure.text[:1] in "+-−" and context.can_compare
    changes = signed or bool({"change", "difference"} & operations)
    if changes:
        yield from read_pairs(context, "growth", scale)
    compared = context.comparative and context.can_compare
    if not compared and (_SHARED.match(context.after) or "share" in operations or not changes or not context.can_compare):
        yield from read_shares(context, scale)
    if context.figure.kind == "percent" and not compared:
        yield from _percent_columns(context)
        yield from read_range(context)
    yield from read_top(context)


def _percent_columns(context: FigureContext) -> Iterator[Reading]:
    """Columns whose values are percentages, or shares up to 1."""
    for mention in context.columns:
        name = mention.column.name
        low, high = context.table.aggregate("min", name, ()), context.table.aggregate("max", name, ())
        if not (mention.column.percent or (0 <= low and high <= 100)):
            continue
        scale = 100.0 if high <= 1 else 1.0
        for filter_set in context.filters.sets:
            rows = int(context.table.mask(filter_set.conditions).sum())
            for operation in ([*context.named, "value"] if context.named else ["value", "mean"]) if rows else []:
                value = scale * context.table.aggregate(operation, name, filter_set.conditions)
                what = name if operation == "value" else f"{operation} of {name}"
                tier = filter_set.tier + context.extra(mention)
                yield Reading(tier, operation, what, value, name, filter_set.conditions, rows)


def _times(context: FigureContext) -> Iterator[Reading]:
    """How often: it snowed three times."""
    figure = context.figure
    whole = figure.value == round(figure.value) and figure.text.endswith("times")
    if whole and "difference" not in context.linked.operations and not _TIMES.search(context.after[:30]):
        for filter_set in context.filters.sets:
            value = context.table.aggregate("count", None, filter_set.conditions)
            yield Reading(filter_set.tier, "count", "number of rows", value, None, filter_set.conditions, int(value))


def in_figures_unit(reading: Reading, context: FigureContext) -> Reading | None:
    """The reading in the unit of the figure; None if the column's unit is another sort."""
    figure = context.figure
    column = context.table.columns.get(reading.column or "")
    unit = column.unit if column else None
    if figure.kind != "number" or not figure.unit or not unit or figure.unit == unit or reading.operation in _COUNTS:
        return reading
    if not comparable(unit, figure.unit):
        return None
    value = convert(reading.value, unit, figure.unit, difference=reading.operation in ("difference", "range", "std"))
    return None if value is None else replace(reading, value=value)
