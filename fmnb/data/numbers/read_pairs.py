"""Readings as a comparison of two groups or periods: difference, growth, ratio, percentage points."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from .binding import clause
from .condition import Condition
from .figure_context import FigureContext
from .operations import DOWN, UP, direction
from .reading import Reading

Mode: TypeAlias = Literal["difference", "growth", "ratio", "points"]
_DIRECTED = re.compile(
    r"\bthan\b|\bbehind\b|\bahead of\b|\babove\b|\bbelow\b|\bcompared\b|\bexceed\w*|\brelative to\b|\bversus\b|\bvs\b|\bagainst\b|\bbeats?\b"
    r"|\bleads?\b|\btrails?\b|\boutperform\w*|\bover\b|\bout-?\w+ed\b",
    re.I,
)
_AGAINST = re.compile(r"\b(?:compared (?:to|with)|relative to|versus|vs\.?|against|next to)\s(?:the |those |all )*(?:\w+\s){0,4}$", re.I)
_BASE_YEAR = re.compile(r"\b(?:compared (?:to|with)|than (?:in|it was in)|versus|vs\.?|against|relative to|since|from)\s(?:the )?$", re.I)
_FROM_YEAR = re.compile(r"\b(?:from|between)\s(?:the )?$", re.I)
_OVERALL = re.compile(
    r"\b(?:overall (?:average|mean|median|figure|level)|the rest|others|whole (?:table|dataset|sample|set)|all (?:the )?others|everyone"
    r"|(?:general|global|grand|table|fleet|national|company) (?:average|mean|median)|(?:than|above|below|over|under) (?:the )?(?:overall )?"
    r"(?:average|mean|median)|data ?set(?:'s)? (?:average|mean|median))\b",
    re.I,
)
_PAIRABLE = ("mean", "median", "sum", "max", "min", "std")
_BETWEEN_COLUMNS = re.compile(r"\b(?:between|and|than|versus|minus|to|over)\b")


@dataclass(frozen=True)
class _Pair:
    """Two sides: the later period, or the group that is named first, against the other."""

    tier: int
    one: str
    other: str
    one_filter: tuple[Condition, ...]
    other_filter: tuple[Condition, ...]
    periods: bool = False


def read_pairs(context: FigureContext, mode: Mode, scale: float = 1.0) -> Iterator[Reading]:
    """Comparisons of two sides that the sentence names, in the direction that its words give.

    Args:
        context: The figure.
        mode: What is computed of the two values.
        scale: 100 for percent.

    Yields:
        Readings with their two values as `parts`.
    """
    named = [o for o in context.named if o in _PAIRABLE]
    for pair in _pairs(context):
        if mode == "points":
            yield from _points(context, pair, named)
        else:
            yield from _of_columns(context, pair, mode, scale, named)
    if mode != "points":
        yield from _two_columns(context, mode, scale, named)


def _pairs(context: FigureContext) -> Iterator[_Pair]:
    text = context.text
    against = dict(context.filters.several)
    seasons = [c for c in context.linked.periods.conditions if c.relation != "period"]
    if len({c.value for c in seasons}) == 2:
        against["season"] = seasons
    for conditions in against.values():
        if len(conditions) > 3:
            continue
        for a, b in itertools.combinations(conditions, 2):
            if _AGAINST.search(text[max(0, a.start - 60) : a.start]) and a.start < b.start:
                a, b = b, a
            for filter_set in context.filters.sets[:4]:
                rest = tuple(c for c in filter_set.conditions if c.column != a.column)
                yield _Pair(filter_set.tier, str(a.value), str(b.value), (*rest, a), (*rest, b))
    if context.linked.periods.pair:
        later, earlier = _ordered(text, *context.linked.periods.pair)
        for filter_set in context.filters.sets[:4]:
            rest = tuple(c for c in filter_set.conditions if c.relation != "period")
            yield _Pair(filter_set.tier, _years(later), _years(earlier), (*rest, later), (*rest, earlier), periods=True)
    if _OVERALL.search(text):
        for filter_set in context.filters.sets[:3]:
            for condition in filter_set.conditions:
                if condition.relation == "=":
                    rest = tuple(c for c in filter_set.conditions if c is not condition)
                    yield _Pair(filter_set.tier, str(condition.value), "all", filter_set.conditions, rest)
                    if re.search(r"\b(?:rest|others?)\b", text):
                        without = Condition(condition.column, "!=", condition.value, condition.start, condition.end)
                        yield _Pair(filter_set.tier, str(condition.value), "the rest", filter_set.conditions, (*rest, without))


def _ordered(text: str, one: Condition, two: Condition) -> tuple[Condition, Condition]:
    """The later side first, unless the words set the order."""
    assert isinstance(one.value, tuple) and isinstance(two.value, tuple)
    if _FROM_YEAR.search(text[max(0, one.start - 14) : one.start]) and one.start < two.start:
        return two, one
    if _BASE_YEAR.search(text[max(0, two.start - 18) : two.start]):
        return one, two
    return (two, one) if str(one.value[0]) <= str(two.value[0]) else (one, two)


def _years(condition: Condition) -> str:
    assert isinstance(condition.value, tuple)
    low, high = map(str, condition.value)
    return low[:4] if low[:4] == high[:4] else f"{low} to {high}"


def _of_columns(context: FigureContext, pair: _Pair, mode: Mode, scale: float, named: list[str]) -> Iterator[Reading]:
    table = context.table
    counts = table.aggregate("count", None, pair.one_filter), table.aggregate("count", None, pair.other_filter)
    if not counts[0] or not counts[1]:
        return
    for mention in context.columns:
        name = mention.column.name
        single = not math.isnan(table.aggregate("value", name, pair.one_filter))
        for operation in named or (["value"] if single else ["mean", "sum"]):
            values = table.aggregate(operation, name, pair.one_filter), table.aggregate(operation, name, pair.other_filter)
            tier = pair.tier + context.extra(mention) + (1 if operation == "sum" and not named else 0)
            what = f"{'' if operation == 'value' else operation + ' of '}{name}, {pair.one} against {pair.other}"
            yield from _compared(context, mode, scale, tier, what, values, pair, operation, name, int(sum(counts)))
    if not context.columns or context.guessed or ("count" in context.linked.operations and not named):
        what = f"number of rows, {pair.one} against {pair.other}"
        yield from _compared(context, mode, scale, pair.tier, what, counts, pair, "count", None, int(sum(counts)))


def _compared(
    context: FigureContext,
    mode: Mode,
    scale: float,
    tier: int,
    what: str,
    values: tuple[float, float],
    pair: _Pair,
    operation: str,
    column: str | None,
    rows: int,
) -> Iterator[Reading]:
    one, other = values
    if not (math.isfinite(one) and math.isfinite(other)):
        return

    def reading(value: float, tier: int, note: str = "") -> Reading:
        return Reading(tier, mode, f"{mode}: {what}{note}", value, column, pair.one_filter, rows, (one, other))

    if mode == "ratio":
        if other:
            yield reading(one / other, tier)
        if not pair.periods and one and re.search(r"\bbetween\b", context.text):
            yield reading(other / one, tier, " (turned)")
        return
    if mode == "growth" and not other:
        return
    value = (one / other - 1) * scale if mode == "growth" else one - other
    if context.figure.value < 0 or context.figure.text.startswith("+"):
        yield reading(value, tier)
        return
    stated = _stated_direction(context)
    if stated and value * stated < 0:  # a figure without a sign takes its direction from the words
        if pair.periods or _DIRECTED.search(context.text):
            yield reading(abs(value), 9, ", the other direction")
            return
        if mode == "growth" and one:
            value = (other / one - 1) * scale
    yield reading(abs(value), tier)


def _stated_direction(context: FigureContext) -> int:
    low, high = clause(context.text, context.figure.start, context.figure.end)
    local = context.text[low:high]
    return direction(local) or (0 if _both(local) else direction(context.text))


def _both(text: str) -> bool:
    return bool(UP.search(text) and DOWN.search(text))


def _points(context: FigureContext, pair: _Pair, named: list[str]) -> Iterator[Reading]:
    """Differences of shares, or of columns in percent."""
    table = context.table
    for mention in context.columns:
        column = mention.column
        if column.numbers is None or not (column.percent or _within_100(context, column.name)):
            continue
        for operation in named or ["value", "mean"]:
            values = table.aggregate(operation, column.name, pair.one_filter), table.aggregate(operation, column.name, pair.other_filter)
            what = f"{operation} of {column.name}, {pair.one} against {pair.other}"
            yield from _compared(context, "points", 1.0, pair.tier, what, values, pair, operation, column.name, 2)
    for condition in pair.one_filter:
        if condition not in pair.other_filter:
            continue
        one_base = tuple(c for c in pair.one_filter if c != condition)
        other_base = tuple(c for c in pair.other_filter if c != condition)
        bases = table.aggregate("count", None, one_base), table.aggregate("count", None, other_base)
        if all(bases):
            shares = (
                100 * table.aggregate("count", None, pair.one_filter) / bases[0],
                100 * table.aggregate("count", None, pair.other_filter) / bases[1],
            )
            what = f"share of {condition}, {pair.one} against {pair.other}"
            yield from _compared(context, "points", 1.0, pair.tier, what, shares, pair, "share", None, int(sum(bases)))


def _within_100(context: FigureContext, column: str) -> bool:
    low, high = context.table.aggregate("min", column, ()), context.table.aggregate("max", column, ())
    return 0 <= low and high <= 100


def _two_columns(context: FigureContext, mode: Mode, scale: float, named: list[str]) -> Iterator[Reading]:
    """Two columns of the same rows: arrival delay against departure delay."""
    mentions = [m for m in context.linked.measures if not context.extra(m)][:4]
    for a, b in list(itertools.combinations(sorted(mentions, key=lambda m: m.start), 2))[:4]:
        between = context.text[a.end : b.start] if a.end <= b.start else "and"
        if not _BETWEEN_COLUMNS.search(between):
            continue
        for filter_set in context.filters.sets[:4]:
            pair = _Pair(filter_set.tier, a.column.name, b.column.name, filter_set.conditions, filter_set.conditions)
            for operation in named or ["value", "mean", "sum"]:
                values = (
                    context.table.aggregate(operation, a.column.name, pair.one_filter),
                    context.table.aggregate(operation, b.column.name, pair.one_filter),
                )
                what = f"{operation} of {a.column.name} against {b.column.name}"
                yield from _compared(context, mode, scale, pair.tier, what, values, pair, operation, a.column.name, 0)
