"""All readings of one figure, in the figure's unit."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import replace

from .ask import Ask
from .binding import clause
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


def readings(ask: Ask) -> list[Reading]:
    """The readings that a sentence allows for a figure, at most 240.

    Args:
        ask: The figure and what its sentence offers.

    Returns:
        Readings of all tiers, without those whose unit cannot be compared with the figure's.
    """
    found = []
    for reading in itertools.islice(_all(ask), 4 * MOST_READINGS):
        if (converted := in_figures_unit(reading, ask)) is not None and converted.value == converted.value:
            found.append(replace(converted, table=ask.table.name))
        if len(found) == MOST_READINGS:
            break
    return found


def _all(ask: Ask) -> Iterator[Reading]:
    match ask.figure.kind:
        case "number":
            yield from _number(ask)
        case "percent" | "fraction":
            yield from _percent(ask)
        case "points":
            yield from read_pairs(ask, "points")
            yield from read_spread(ask)
        case "multiple":
            yield from read_pairs(ask, "ratio")
            yield from read_spread(ask)
            yield from _times(ask)
        case "ordinal":
            yield from read_ranks(ask)


def _number(ask: Ask) -> Iterator[Reading]:
    yield from read_rows(ask)
    ranged = list(read_range(ask))
    if ranged:
        yield from ranged
        return
    operations = ask.linked.operations
    counted = _counts_rows(ask)
    if not ask.comparative and not counted:
        rate = RATE.match(ask.text, max(ask.figure.end, ask.figure.whole_end))
        yield from (r for r in read_aggregates(ask) if not (rate and r.operation == "sum"))
    yield from read_counts(ask)
    low, high = clause(ask.text, ask.figure.start, ask.figure.end)
    local = {c.operation for c in ask.linked.cues if low <= c.start and c.end <= high}
    if ask.comparative or {"difference", "change", "range"} & local:
        yield from read_pairs(ask, "difference")
    yield from read_spread(ask)
    if "ratio" in operations:
        yield from read_pairs(ask, "ratio")
    yield from read_top(ask)
    yield from read_per_group(ask)
    if not ask.comparative and not counted:
        yield from read_wide(ask)


def _counts_rows(ask: Ask) -> bool:
    """Whether the figure is said to count the table's rows: 254 cars, or "cars" as the header above it."""
    nouns = [m.group(1) for m in (_OWN_NOUN.match(ask.after), _HEADER.match(ask.text)) if m]
    return any(stem(noun.lower()) == stem(ask.table.name.lower()) for noun in nouns)


def _percent(ask: Ask) -> Iterator[Reading]:
    scale = 100.0 if ask.figure.kind == "percent" else 1.0
    operations = ask.linked.operations
    signed = ask.figure.text[:1] in "+-−" and ask.can_compare
    changes = signed or bool({"change", "difference"} & operations)
    if changes:
        yield from read_pairs(ask, "growth", scale)
    compared = ask.comparative and ask.can_compare
    if not compared and (_SHARED.match(ask.after) or "share" in operations or not changes or not ask.can_compare):
        yield from read_shares(ask, scale)
    if ask.figure.kind == "percent" and not compared:
        yield from _percent_columns(ask)
        yield from read_range(ask)
    yield from read_top(ask)


def _percent_columns(ask: Ask) -> Iterator[Reading]:
    """Columns whose values are percentages, or shares up to 1."""
    for mention in ask.columns:
        name = mention.column.name
        low, high = ask.table.aggregate("min", name, ()), ask.table.aggregate("max", name, ())
        if not (mention.column.percent or (0 <= low and high <= 100)):
            continue
        scale = 100.0 if high <= 1 else 1.0
        for filter_set in ask.filters.sets:
            rows = int(ask.table.mask(filter_set.conditions).sum())
            for operation in ([*ask.named, "value"] if ask.named else ["value", "mean"]) if rows else []:
                value = scale * ask.table.aggregate(operation, name, filter_set.conditions)
                what = name if operation == "value" else f"{operation} of {name}"
                tier = filter_set.tier + ask.extra(mention)
                yield Reading(tier, operation, what, value, name, filter_set.conditions, rows)


def _times(ask: Ask) -> Iterator[Reading]:
    """How often: it snowed three times."""
    figure = ask.figure
    whole = figure.value == round(figure.value) and figure.text.endswith("times")
    if whole and "difference" not in ask.linked.operations and not _TIMES.search(ask.after[:30]):
        for filter_set in ask.filters.sets:
            value = ask.table.aggregate("count", None, filter_set.conditions)
            yield Reading(filter_set.tier, "count", "number of rows", value, None, filter_set.conditions, int(value))


def in_figures_unit(reading: Reading, ask: Ask) -> Reading | None:
    """The reading in the unit of the figure; None if the column's unit is another sort."""
    figure = ask.figure
    column = ask.table.columns.get(reading.column or "")
    unit = column.unit if column else None
    if figure.kind != "number" or not figure.unit or not unit or figure.unit == unit or reading.operation in _COUNTS:
        return reading
    if not comparable(unit, figure.unit):
        return None
    value = convert(reading.value, unit, figure.unit, difference=reading.operation in ("difference", "range", "std"))
    return None if value is None else replace(reading, value=value)
