"""Readings from figures said before: difference, growth, ratio, share, or the same value again.

Only figures that were traced are operands, so that each of these leads back to the data as well.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .binding import clause
from .figure_context import FigureContext
from .figure_text import FigureText
from .operations import direction
from .reading import Reading
from .units import comparable, convert

MOST = 4  # earlier figures that can be operands
_AGAIN = re.compile(
    r"[\s,;(—–-]*(?:or|that is|that's|that means|which is|this is|i\.e\.,?|meaning|equal to|equivalent to|equals|=|≈)?[\s,]*"
    r"(?:only |just |about |around |roughly |nearly |almost |some |approximately |~|a |an |more than |over )*(?:US)?[$€£]?",
    re.I,
)
_NOUN_BETWEEN = re.compile(r"(?:\s[\w°%-]+){0,3}[\s,;]*(?:\(|,?\sor\s|,\s|,?\sthat is,?\s|,?\s(?:which|that) is\s|\sand\s)", re.I)
_SAME = re.compile(r"\bor\b|roughly|about|around|that is|i\.e\.|≈|~|=|\(", re.I)
RATE = re.compile(r"\s(?:a|per|each|every)\s(?:year|month|week|day|quarter)\b")
_WHICH = re.compile(r"\bof (?:which|that|these|those|them|this)\b", re.I)
_DIFFERENCE = {"difference", "change", "range"}


@dataclass(frozen=True)
class Said:
    """A traced figure, its reading, and how many sentences ago it was said."""

    figure: FigureText
    reading: Reading
    ago: int = 0


def read_earlier(context: FigureContext, said: Sequence[Said]) -> Iterator[Reading]:
    """Readings of a figure from those that were traced before it, or beside it in its sentence.

    Args:
        context: The figure.
        said: Traced figures, in order.

    Yields:
        Readings whose operation the sentence names, or that stand right behind their operand.
    """
    figure = context.figure
    before = [s for s in said if s.ago == 0 and s.figure.end <= figure.start]
    if before:
        yield from _again(context, before[-1])
        if figure.kind in ("percent", "fraction"):
            yield from _of_which(context, before[-1])
            yield from _share_of(context, before[-1], said)
    operands = [s for s in said if s.ago <= 1 and s.figure.start != figure.start or s.ago][-MOST:]
    for a, b in itertools.combinations(operands, 2):
        if _alike(a, b):
            yield from _compared(context, a, b, tier=0 if not a.ago and not b.ago and len(operands) == 2 else 1)
    if "sum" in context.near and figure.kind == "number":
        here = [s for s in before if _alike(s, before[0])]
        if len(here) > 1:
            total = sum(s.reading.value for s in here)
            yield Reading(1, "sum of figures", "sum of " + ", ".join(s.figure.text for s in here), total, parts=(total, 0.0))


def restates(text: str, one: FigureText, other: FigureText) -> bool:
    """Whether the second figure says the first again: 10 km (6.2 miles)."""
    between = text[max(one.end, one.whole_end) : other.start]
    return bool(between.strip()) and bool(_AGAIN.fullmatch(between)) and bool(_SAME.search(between))


def _again(context: FigureContext, last: Said) -> Iterator[Reading]:
    """The same value in another unit or precision: $739,345, or roughly $0.74 million."""
    figure = context.figure
    between = context.text[max(last.figure.end, last.figure.whole_end) : figure.start]
    if (
        figure.kind != last.figure.kind
        or context.comparative
        or RATE.match(context.text, max(figure.end, figure.whole_end))
        or not _AGAIN.fullmatch(between)
        or not between.strip()
    ):
        return
    if figure.unit and last.figure.unit and figure.unit != last.figure.unit:
        if comparable(figure.unit, last.figure.unit):
            value = convert(last.reading.value, last.figure.unit, figure.unit)
            if value is not None:
                yield Reading(0, "conversion", f"{last.figure.text} in {figure.unit}", value, last.reading.column, last.reading.conditions)
        return
    if _SAME.search(between):
        yield Reading(0, "restated", f"{last.figure.text} again", last.reading.value, last.reading.column, last.reading.conditions)


def _share_of(context: FigureContext, last: Said, said: Sequence[Said]) -> Iterator[Reading]:
    """A percentage right behind the figure that it is of: 87 tickets (13.6%), a gain of 9.9 mpg (45%)."""
    between = context.text[max(last.figure.end, last.figure.whole_end) : context.figure.start]
    if not (_AGAIN.fullmatch(between) or _NOUN_BETWEEN.match(between)) or len(between) > 60:
        return
    scale = 100.0 if context.figure.kind == "percent" else 1.0
    reading = last.reading
    if reading.operation == "difference" and reading.parts and reading.parts[1]:
        one, other = reading.parts
        yield Reading(
            0,
            "growth",
            f"{last.figure.text} as growth",
            abs(one / other - 1) * scale,
            reading.column,
            reading.conditions,
            parts=(one, other),
        )
        return
    if reading.operation not in ("count", "sum"):
        return
    wholes = {context.table.aggregate(reading.operation, reading.column, ()): 0}
    for condition in reading.conditions:
        rest = tuple(c for c in reading.conditions if c != condition)
        wholes.setdefault(context.table.aggregate(reading.operation, reading.column, rest), 0 if len(reading.conditions) > 1 else 1)
    for other_said in said:
        if other_said.figure.start != last.figure.start and _alike(other_said, last):
            wholes.setdefault(other_said.reading.value, 1)
    for whole, tier in wholes.items():
        if whole and whole >= reading.value:
            what = f"{last.figure.text} as a share of {whole:,.6g}"
            yield Reading(
                tier, "share", what, scale * reading.value / whole, reading.column, reading.conditions, parts=(reading.value, whole)
            )


def _of_which(context: FigureContext, last: Said) -> Iterator[Reading]:
    """A share of the figure before: €14.6 million, of which Engineering takes 45%."""
    reading = last.reading
    if reading.operation not in ("count", "sum") or not _WHICH.search(context.text[last.figure.end : context.figure.start]):
        return
    scale = 100.0 if context.figure.kind == "percent" else 1.0
    for filter_set in context.filters.sets[:4]:
        if filter_set.conditions and reading.value:
            conditions = tuple(dict.fromkeys((*reading.conditions, *filter_set.conditions)))
            part = context.table.aggregate(reading.operation, reading.column, conditions)
            what = f"share of {last.figure.text}"
            yield Reading(
                filter_set.tier, "share", what, scale * part / reading.value, reading.column, conditions, parts=(part, reading.value)
            )


def _alike(a: Said, b: Said) -> bool:
    """Whether two figures can be compared: the same kind, column and sort of operation."""
    if a.figure.kind != b.figure.kind or (a.figure.unit and b.figure.unit and a.figure.unit != b.figure.unit):
        return False
    counts = {"count", "distinct", "known"}
    if (a.reading.operation in counts) != (b.reading.operation in counts):
        return False
    return a.reading.column == b.reading.column


def _compared(context: FigureContext, a: Said, b: Said, tier: int) -> Iterator[Reading]:
    figure = context.figure
    x, y = a.reading.value, b.reading.value
    low, high = clause(context.text, figure.start, figure.end)
    way = direction(context.text[low:high]) or direction(context.text)
    names = f"{a.figure.text} and {b.figure.text}"

    def made(operation: str, value: float, parts: tuple[float, float]) -> Reading:
        return Reading(tier, operation, f"{operation} of {names}", value, a.reading.column, a.reading.conditions, parts=parts)

    big, small = max(x, y), min(x, y)
    if figure.kind == a.figure.kind == "number" and (context.comparative or (context.near & _DIFFERENCE and _as_change(context))):
        yield made("difference", big - small, (big, small))
    elif figure.kind == "points" and a.figure.kind == "percent":
        yield made("points", big - small, (big, small))
    elif figure.kind == "percent" and a.figure.kind != "percent" and context.near & _DIFFERENCE and small > 0:
        if way >= 0:
            yield made("growth", (big / small - 1) * 100, (big, small))
        if way <= 0:
            yield made("growth", (1 - small / big) * 100, (small, big))
    elif (figure.kind == "multiple" or (figure.kind == "number" and "ratio" in context.near)) and small > 0:
        yield made("ratio", big / small, (big, small))


def _as_change(context: FigureContext) -> bool:
    """Whether the figure is said to be the change itself: an increase of 4.4, down 12.5."""
    return bool(
        re.search(
            r"\b(?:difference|gap|increase|decrease|drop|rise|gain|loss|decline|change|improvement|jump|fall|spread|margin|lead)\b.{0,20}$"
            r"|\b(?:up|down|by|adding|another|extra)\s(?:\w+\s)?[$€£]?$",
            context.before,
        )
    )
