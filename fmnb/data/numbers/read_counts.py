"""Readings of a whole number as a count: of rows, different values, columns, the largest group."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .ask import Ask
from .condition import Condition
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


def read_counts(ask: Ask) -> Iterator[Reading]:
    """Counts of what the sentence names, if the figure can be one and something says so."""
    if not _possible(ask):
        return
    if _COLUMNS.match(ask.after):
        yield Reading(0, "columns", "number of columns", len(ask.table.columns))
        return
    if _ROWS.match(ask.after) and not ask.linked.values and not ask.linked.thresholds and not ask.linked.periods.conditions:
        yield Reading(0, "count", "number of rows", ask.table.rows, rows=ask.table.rows)
    if _OUT_OF.search(ask.before) and not _free(ask):
        yield Reading(0, "count", "number of all rows", ask.table.rows, rows=ask.table.rows)
    counted = _is_counted(ask)
    if not counted and not (ask.linked.columns or ask.linked.values or ask.linked.periods.conditions):
        return
    for filter_set in ask.filters.sets:
        conditions = tuple(c for c in filter_set.conditions if not (c.relation == "=" and c.start == ask.figure.start))
        if counted or not ask.columns:
            tier = filter_set.tier + (0 if counted else 1)
            yield _count(ask, tier, conditions)
        yield from _different(ask, filter_set.tier, conditions)
    yield from _largest_group(ask)


def _possible(ask: Ask) -> bool:
    f = ask.figure
    whole = f.value == round(f.value) or f.scale > 1
    plain = not f.unit or (f.unit in ("day", "days", "week", "weeks", "month", "months", "year", "years") and not _free(ask))
    plain = plain or "missing" in ask.near  # "one mpg value is missing": the column is a unit as well
    return whole and 0 <= f.value <= ask.table.rows * 1.5 and not (f.scale > 1 and f.value == 0) and plain and not ask.comparative


def _free(ask: Ask) -> bool:
    """Whether a column is named that no threshold of another figure uses."""
    used = {limit.condition.column for limit in ask.linked.thresholds if limit.figure.start != ask.figure.start}
    return not ask.guessed and any(m.column.name not in used for m in ask.columns)


def _is_counted(ask: Ask) -> bool:
    beside = [m for m in ask.linked.measures if 0 <= m.start - ask.figure.end <= 3 and not m.column.few]
    if beside and not {"count", "missing"} & ask.near:
        return False
    noun = _NEXT.match(ask.after)
    follows = noun.group(1).lower() if noun else ""
    bracketed = bool(re.search(r"\((?:n\s?=\s?)?$", ask.before) and re.match(r"\)", ask.after))
    weak = bool(ask.columns) and all(ask.extra(m) for m in ask.columns)
    return bool(
        ((bracketed or weak) and (ask.linked.values or ask.linked.periods.conditions))
        or "count" in ask.near
        or "missing" in ask.linked.operations
        or (follows and follows not in _NO_NOUN and not beside)
        or re.match(r"\s(?:of|such|times|in total)\b", ask.after)
        or _COUNTED.search(ask.before)
        or (ask.linked.columns and not (_free(ask) or ask.linked.values or ask.linked.periods.conditions))
    )


def _count(ask: Ask, tier: int, conditions: tuple[Condition, ...]) -> Reading:
    value = ask.table.aggregate("count", None, conditions)
    return Reading(tier, "count", "number of rows", value, None, conditions, int(value))


def _different(ask: Ask, tier: int, conditions: tuple[Condition, ...]) -> Iterator[Reading]:
    """How many different values a named column has: six sites, ten distinct varieties."""
    following = [
        m for m in ask.linked.groupings if 0 <= m.start - ask.figure.end <= 22 and _noun_phrase(ask.text[ask.figure.end : m.start])
    ]
    distinct = "distinct" in ask.linked.operations
    named = following[:2] or ([m for m in ask.linked.groupings if m not in following][:2] if distinct else [])
    for mention in named:
        name = mention.column.name
        if any(c.column == name and c.relation == "=" for c in conditions):
            conditions = tuple(c for c in conditions if c.column != name)
        value = ask.table.aggregate("distinct", name, conditions)
        yield Reading(tier, "distinct", f"number of different values of {name}", value, name, conditions, ask.table.rows)
    if distinct:
        for measure in ask.linked.measures:
            name = measure.column.name
            value = ask.table.aggregate("distinct", name, conditions)
            yield Reading(tier, "distinct", f"number of different values of {name}", value, name, conditions, ask.table.rows)
    if re.search(r"\b(?:non-null|non-missing|known|valid|filled|recorded)\b", ask.text):
        for mention in ask.linked.columns:
            name = mention.column.name
            value = ask.table.aggregate("known", name, conditions)
            yield Reading(tier, "known", f"known values of {name}", value, name, conditions, ask.table.rows)
    if re.match(r"\s(?:distinct |different )?years?\b", ask.after):
        yield from _years(ask, tier)


def _noun_phrase(between: str) -> bool:
    return not re.search(r"[.;:,]|\b(?:in|for|by|with|at|from|among)\b", between)


def _years(ask: Ask, tier: int) -> Iterator[Reading]:
    column = next((c for c in ask.table.columns.values() if c.year or c.kind == "date"), None)
    if column is None:
        return
    count = len(column.labels) if column.year else len({str(d)[:4] for d in column.labels})
    yield Reading(tier, "distinct", f"number of different years of {column.name}", count, column.name, (), ask.table.rows)


def _largest_group(ask: Ask) -> Iterator[Reading]:
    """The rows of the largest or smallest group, where it is not named."""
    extremes = [o for o in ("max", "min") if o in ask.linked.operations]
    if not extremes or (ask.columns and not ask.guessed):
        return
    for grouping in ask.linked.groupings[:2]:
        for filter_set in ask.filters.sets[:2]:
            groups = ask.table.groups("count", grouping.column.name, None, filter_set.conditions)
            if len(groups) < 2:
                continue
            for extreme in extremes:
                value = max(groups.values()) if extreme == "max" else min(groups.values())
                what = f"rows of the {'largest' if extreme == 'max' else 'smallest'} {grouping.column.name}"
                yield Reading(filter_set.tier, f"{extreme} group", what, value, grouping.column.name, filter_set.conditions, ask.table.rows)
