"""Readings as a rank, as the first of several, or as a number per group."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from .figure_context import FigureContext
from .filter_sets import Conditions, FilterSet
from .number_words import number_of
from .reading import Reading
from .words import stem, words

_UPWARD = re.compile(
    r"[\s-]*(?:\w+[\s-])?(?:lowest|least|smallest|shortest|coldest|lightest|cheapest|fewest|slowest|worst|from (?:the )?bottom|from last)",
    re.I,
)
_TOP = re.compile(
    r"\b(?:top|largest|biggest|highest|leading|first|most \w+|bottom|smallest|lowest)[\s-](?:grossing |rated |selling |populous )?"
    r"(?P<after>\d{1,4}|two|three|four|five|six|seven|eight|nine|ten|twenty)\b"
    r"|\b(?P<before>\d{1,4}|two|three|four|five|six|seven|eight|nine|ten)\s"
    r"(?:largest|biggest|highest|most|top|smallest|lowest|heaviest|longest|best|leading)\b",
    re.I,
)
_LOW = re.compile(r"bottom|smallest|lowest", re.I)
_GRAINS = {"month": "datetime64[M]", "year": "datetime64[Y]", "day": "datetime64[D]", "week": "datetime64[W]"}


def read_ranks(context: FigureContext) -> Iterator[Reading]:
    """The rank of a named group by a column or by its rows."""
    upward = bool(_UPWARD.match(context.text, context.figure.end) or re.search(r"from the bottom", context.text))
    for choice in context.linked.values[:4]:
        for own in choice.options[:2]:
            for filter_set in context.filters.sets[:4]:
                at = next((c for c in filter_set.conditions if c.column == own.column and c.relation == "="), None)
                if at is None:
                    continue
                rest = tuple(c for c in filter_set.conditions if c.column != own.column)
                code = context.table.columns[own.column].labels.index(at.value)
                for mention in context.columns:
                    if mention.column.name == own.column:
                        continue
                    operations = [o for o in context.named if o in ("mean", "sum", "median")] or ["mean", "sum"]
                    for k, operation in enumerate(operations):
                        groups = context.table.groups(operation, own.column, mention.column.name, rest)
                        what = f"rank of {at.value} by {operation} of {mention.column.name}"
                        tier = filter_set.tier + min(k, 1) + context.extra(mention)
                        yield from _rank(tier, what, groups, code, upward, mention.column.name, rest)
                if not context.columns or context.guessed:
                    groups = context.table.groups("count", own.column, None, rest)
                    yield from _rank(filter_set.tier, f"rank of {at.value} by rows", groups, code, upward, None, rest)


def _rank(
    tier: int, what: str, groups: dict[int, float], code: int, upward: bool, column: str | None, rest: Conditions
) -> Iterator[Reading]:
    if code in groups:
        own = groups[code]
        rank = 1 + len([v for v in groups.values() if (v < own if upward else v > own)])
        yield Reading(tier, "rank", what + (" from the bottom" if upward else ""), rank, column, rest, len(groups))


def top_of(text: str) -> tuple[int, int, int, bool] | None:
    """The k of "top k" with its place, and whether the smallest are meant."""
    m = _TOP.search(text)
    if not m:
        return None
    name = "after" if m.group("after") else "before"
    k = int(m.group(name)) if m.group(name).isdigit() else int(number_of(m.group(name)) or 0)
    return k, m.start(name), m.end(name), bool(_LOW.search(m.group()))


def read_top(context: FigureContext) -> Iterator[Reading]:
    """Sums, means and shares of the first k rows or groups."""
    found = top_of(context.text)
    if not found or found[1] <= context.figure.start < found[2]:
        return
    k, _, _, low = found
    share = context.figure.kind in ("percent", "fraction")
    scale = 100.0 if context.figure.kind == "percent" else 1.0
    for filter_set in context.filters.sets[:4]:
        for mention in context.columns[:2]:
            yield from _top_of_column(context, filter_set, mention.column.name, k, low, scale if share else 0.0)
        if not context.columns or context.guessed:
            for grouping in context.linked.groupings[:2]:
                groups = sorted(context.table.groups("count", grouping.column.name, None, filter_set.conditions).values(), reverse=not low)
                if len(groups) >= k:
                    part, whole = math.fsum(groups[:k]), math.fsum(groups)
                    value = scale * part / whole if share else part
                    what = f"rows in the {'smallest' if low else 'largest'} {k} {grouping.column.name}"
                    yield Reading(filter_set.tier, "top", what, value, None, filter_set.conditions, k, (part, whole))


def _top_of_column(context: FigureContext, filter_set: FilterSet, name: str, k: int, low: bool, scale: float) -> Iterator[Reading]:
    numbers = context.table.columns[name].numbers
    assert numbers is not None
    x = np.sort(numbers[context.table.mask(filter_set.conditions) & np.isfinite(numbers)])
    x = x if low else x[::-1]
    size = "smallest" if low else "largest"
    mean = "mean" in context.named
    if x.size >= k and x.sum():
        part = float(x[:k].sum())
        value = scale * part / float(x.sum()) if scale else part / k if mean else part
        what = f"{'share' if scale else 'mean' if mean else 'sum'} of the {size} {k} values of {name}"
        yield Reading(filter_set.tier + (1 if scale else 0), "top", what, value, name, filter_set.conditions, k, (part, float(x.sum())))
    for grouping in context.linked.groupings[:2]:
        if grouping.column.kind == "date" or mean:
            continue
        groups = sorted(context.table.groups("sum", grouping.column.name, name, filter_set.conditions).values(), reverse=not low)
        if len(groups) >= k and any(groups):
            part, whole = math.fsum(groups[:k]), math.fsum(groups)
            value = scale * part / whole if scale else part
            what = f"{'share' if scale else 'sum'} of {name} in the {size} {k} {grouping.column.name}"
            yield Reading(filter_set.tier, "top", what, value, name, filter_set.conditions, k, (part, whole))


def read_per_group(context: FigureContext) -> Iterator[Reading]:
    """A sum or a count divided by the number of groups: rain per month, orders a day, rows at each site."""
    if "per" not in context.near:
        return
    for cue in context.linked.cues:
        between = (
            context.text[cue.end : context.figure.start]
            if cue.end <= context.figure.start
            else context.text[context.figure.end : cue.start]
        )
        if cue.operation != "per" or any(c.isdigit() for c in between) or not (following := words(context.text[cue.end : cue.end + 30])):
            continue
        word = following[0]
        for filter_set in context.filters.sets[:4]:
            groups = _number_of_groups(context, filter_set, stem(word.lower), cue.end + word.start, cue.end + word.end)
            if not groups:
                continue
            for mention in context.columns[:2]:
                name = mention.column.name
                value = context.table.aggregate("sum", name, filter_set.conditions) / groups
                what = f"sum of {name} per {word.lower}"
                yield Reading(filter_set.tier + context.extra(mention), "per group", what, value, name, filter_set.conditions, groups)
            if not context.columns or context.guessed:
                value = context.table.aggregate("count", None, filter_set.conditions) / groups
                yield Reading(filter_set.tier, "per group", f"rows per {word.lower}", value, None, filter_set.conditions, groups)


def _number_of_groups(context: FigureContext, filter_set: FilterSet, word: str, start: int, end: int) -> int:
    mask = context.table.mask(filter_set.conditions)
    time = next((c for c in context.table.columns.values() if c.days is not None), None)
    if word in _GRAINS and time is not None and time.days is not None:
        days = time.days[mask & (time.codes >= 0)]
        return len(np.unique(days.astype(_GRAINS[word])))
    year = next((c for c in context.table.columns.values() if c.year), None)
    column = year if word == "year" else next((m.column for m in context.linked.groupings if m.start <= end and m.end >= start), None)
    if column is None:
        return 0
    codes = column.codes[mask]
    return len(np.unique(codes[codes >= 0]))
