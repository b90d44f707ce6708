"""The conditions that may apply to a figure, the likeliest first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from .binding import bind, clause, strong_clause
from .condition import Condition
from .figure_text import FigureText
from .sentence_links import Choice, SentenceLinks

Conditions = tuple[Condition, ...]
MOST_SETS = 12
_JOINT = re.compile(r"\b(?:combined|together|in total|altogether|both|collectively|or|sum)\b", re.I)
_REFERS = re.compile(r"\b(?:they|these|those|them|their|its|it|such|this|that|there|same|here|of which|among them|he|she|his|her)\b", re.I)
_FROM = re.compile(r"\bfrom\s(?:about |around |roughly |~|just |a )?[$€£]?$", re.I)
_FROM_TO = re.compile(r"[^.;]{0,34}?\b(?:to|into)\s(?:about |around |roughly |~|just |a )?[$€£]?", re.I)
_BEHIND = re.compile(r"\s?\(?(?:(?:of (?:them|those|these|which) )?(?:(?:are|were|in|from|for|by) )?)?(?:the )?", re.I)
_OTHERS = re.compile(r"[^\d.,;]{0,20}?\b(?:for|of|in|among) (?:the|all) (?:others?|rest|remaining)\b", re.I)
_ALL = re.compile(r"\b(?:overall|across (?:all|the|every)|in (?:all|total)|of all|in the whole|altogether|nationally|company-wide)\b", re.I)


@dataclass(frozen=True)
class FilterSet:
    """Conditions that hold together; `tier` 0 if the sentence says so, 1 if it implies it."""

    tier: int
    conditions: Conditions


@dataclass(frozen=True)
class Carried:
    """Conditions of an earlier sentence; `sure` under a heading that names them."""

    conditions: Conditions = ()
    sure: bool = False


NOTHING = Carried()


@dataclass(frozen=True)
class Filters:
    """What may apply to a figure, and the values of one column that the sentence sets against each other."""

    sets: tuple[FilterSet, ...]
    several: dict[str, list[Condition]] = field(default_factory=dict)


def filters_of(figure: FigureText, linked: SentenceLinks, main: Sequence[FigureText], context: Carried = NOTHING) -> Filters:
    """The sets of conditions that may apply to a figure.

    Args:
        figure: The figure.
        linked: Its sentence.
        main: The figures that compete for mentions.
        context: Conditions of an earlier sentence, for one that names none.

    Returns:
        At most a few dozen sets, and the values that can be compared.
    """
    several: dict[str, list[Condition]] = {}
    base = _values(figure, linked, main, several)
    base, loose = _limits(figure, linked, main, base)
    base = _without_values(figure, linked, main, base) + loose
    base = _periods(figure, linked, main, base)
    sets = [FilterSet(0, c) for c in _distinct(base)[:MOST_SETS]]
    sets = _elsewhere(figure, linked, main, sets)
    carried = context.conditions
    if _OTHERS.match(linked.text, max(figure.end, figure.whole_end)):
        sets = _turned(figure, sets)
    if carried and not linked.values and not linked.periods.conditions:
        sets = _carried(linked.text, sets, carried, context.sure)
    elif carried and linked.periods.conditions and not linked.values:
        sets = _carried(linked.text, sets, [c for c in carried if c.relation != "period"], context.sure)
    elif carried and not linked.periods.conditions and (times := [c for c in carried if c.relation == "period"]):
        sets += [FilterSet(1, (*s.conditions, *times)) for s in sets[:3]]
    low, high = strong_clause(linked.text, figure.start, figure.end)
    near = linked.text[max(low, figure.start - 60) : min(high, figure.end + 30)]
    if _ALL.search(near) and any(s.conditions for s in sets):
        sets.append(FilterSet(1, ()))
    return Filters(tuple({s.conditions: s for s in reversed(sets)}.values())[::-1], several)


def _distinct(sets: list[list[Condition]]) -> list[Conditions]:
    return list(dict.fromkeys(tuple(dict.fromkeys(s)) for s in sets))


def _values(
    figure: FigureText, linked: SentenceLinks, main: Sequence[FigureText], several: dict[str, list[Condition]]
) -> list[list[Condition]]:
    by_column: dict[tuple[str, ...], list[Choice]] = {}
    for choice in linked.values:
        key = tuple(sorted({o.column for o in choice.options}))
        by_column.setdefault(key, []).append(choice)
    base: list[list[Condition]] = [[]]
    for choices in by_column.values():
        distinct = list({c.options[0].value: c for c in reversed(choices)}.values())[::-1]
        if len(distinct) == 1:
            base = [[*b, o] for b in base for o in _nearest(choices, figure).options]
            continue
        bound = bind(figure, choices, main, linked.text)
        several[distinct[0].options[0].column] = [c.options[0] for c in sorted(distinct, key=lambda c: c.start)]
        bound = list({c.options[0].value: c for c in bound}.values())
        if len(bound) == 1:
            base = [[*b, o] for b in base for o in bound[0].options]
            continue
        first = bound[0].options[0]
        names = tuple(c.options[0].value for c in bound)
        union = replace(first, relation="in", value=cast("tuple[str | float, ...]", names), end=bound[-1].end)
        joint = [[*b, union] for b in base]
        base = joint if _JOINT.search(linked.text) else joint + [[*b, c.options[0]] for b in base for c in bound[:4]]
    return base


def _nearest(choices: Sequence[Choice], figure: FigureText) -> Choice:
    return min(choices, key=lambda c: min(abs(c.start - figure.end), abs(figure.start - c.end)))


def _limits(
    figure: FigureText, linked: SentenceLinks, main: Sequence[FigureText], base: list[list[Condition]]
) -> tuple[list[list[Condition]], list[list[Condition]]]:
    """Adds what other figures state; sets without it for a figure of another clause come second."""
    for limit in linked.exact:
        if limit.figure.start != figure.start and limit.figure.start not in linked.conditions:
            base = [[*b, limit.condition] for b in base]
    stated: dict[int, list[Condition]] = {}
    for limit in linked.thresholds:
        if limit.figure.start != figure.start:
            stated.setdefault(limit.figure.start, []).append(limit.condition)
    loose: list[list[Condition]] = []
    if len(main) > 1:
        low, high = clause(linked.text, figure.start, figure.end)
        own = any(low <= c.start < high for c in linked.missing)
        if own or any(not any(low <= c.start < high for c in conditions) for conditions in stated.values()):
            loose = [list(b) for b in base]
        if own:
            stated = {}
    for conditions in stated.values():
        base = [[*b, c] for b in base for c in conditions]
    return base, loose


def _without_values(
    figure: FigureText, linked: SentenceLinks, main: Sequence[FigureText], base: list[list[Condition]]
) -> list[list[Condition]]:
    """Adds the condition that values are missing, where the figure counts those."""
    missing = list(linked.missing) if len(linked.missing) <= 1 else bind(figure, linked.missing, main, linked.text)
    near = [
        c
        for c in missing
        if len(main) == 1
        or 0 <= c.start - figure.end < 25
        or (0 <= figure.start - c.end < 25 and not any(0 <= c.start - g.end < 25 for g in main if g.start != figure.start))
        or len(linked.missing) > 1
    ]
    if not near:
        return base
    columns = {c.column for c in near}
    return [[c for c in b if c.column not in columns] + near for b in base]


def _periods(figure: FigureText, linked: SentenceLinks, main: Sequence[FigureText], base: list[list[Condition]]) -> list[list[Condition]]:
    spans = [c for c in linked.periods.conditions if c.relation == "period"]
    seasons = [c for c in linked.periods.conditions if c.relation != "period"]
    if len(seasons) == 1:
        base = [[*b, *seasons] for b in base]
    elif seasons:
        base = [[*b, c] for b in base for c in bind(figure, seasons, main, linked.text)[:3]]
    if len(spans) == 1:
        owner = [g for g in main if g.start != figure.start and 0 <= spans[0].start - g.end <= 6]
        plain = [list(b) for b in base] if owner and figure.start < owner[0].start else []
        base = [[*b, *spans] for b in base] + plain
    elif spans:
        base = [[*b, c] for b in base for c in bind(figure, spans, main, linked.text)[:3]]
    if linked.periods.pair and figure.kind in ("number", "percent"):
        side = from_to(figure, linked)
        if side is not None:
            base = [[c for c in b if c.relation != "period"] + [linked.periods.pair[side]] for b in base]
    return base


def from_to(figure: FigureText, linked: SentenceLinks) -> int | None:
    """0 for the first figure of "from A to B", 1 for the second, else None."""
    figures = [f for f in linked.figures if f.kind == figure.kind]
    place = next((k for k, f in enumerate(figures) if f.start == figure.start), -1)
    for other, side in ((place + 1, 0), (place - 1, 1)):
        if place < 0 or not 0 <= other < len(figures):
            continue
        one, two = (figure, figures[other]) if side == 0 else (figures[other], figure)
        if _FROM.search(linked.text[: one.start]) and _FROM_TO.fullmatch(linked.text, one.end, two.start):
            return side
    return None


def _elsewhere(figure: FigureText, linked: SentenceLinks, main: Sequence[FigureText], sets: Sequence[FilterSet]) -> list[FilterSet]:
    """The sets, and the same without conditions of other clauses that have figures of their own."""
    if len(main) < 2:
        return list(sets)
    text = linked.text
    more = []
    sets = [_without_others(figure, linked, main, s) for s in sets]
    kept: list[FilterSet] = []
    low, high = clause(text, figure.start, figure.end)
    others = [g for g in main if g.start != figure.start]
    wide_low, wide_high = strong_clause(text, figure.start, figure.end)
    for filter_set in sets:
        conditions = filter_set.conditions
        outer = [c for c in conditions if not (low <= c.start and c.end <= high)]
        owned = [c for c in outer if any(clause(text, g.start, g.end) == clause(text, c.start, c.start) for g in others)]
        if owned and (len(owned) < len(conditions) or len(outer) == len(conditions)):
            more.append(FilterSet(1, tuple(c for c in conditions if c not in owned)))
        wide = [strong_clause(text, g.start, g.end) for g in others]
        far = [c for c in conditions if not (wide_low <= c.start < wide_high) and any(a <= c.start < b for a, b in wide)]
        if far:
            later = all(c.start >= wide_high for c in far)
            more.append(FilterSet(0 if later else 1, tuple(c for c in conditions if c not in far)))
            if later:
                continue  # what a later clause names belongs to its own figures
        kept.append(filter_set)
    return kept + more


def _without_others(figure: FigureText, linked: SentenceLinks, main: Sequence[FigureText], filter_set: FilterSet) -> FilterSet:
    """The set without values that stand right behind a later figure: 406 cars, 79 of them Japanese."""
    later = [g for g in main if g.start > figure.end]
    taken = [
        c
        for c in filter_set.conditions
        if c.start >= figure.end and any(c.start >= g.end and _BEHIND.fullmatch(linked.text, g.end, c.start) for g in later)
    ]
    return FilterSet(filter_set.tier, tuple(c for c in filter_set.conditions if c not in taken))


def _turned(figure: FigureText, sets: Sequence[FilterSet]) -> list[FilterSet]:
    """The sets with the value before the figure left out: 412 for remote ones and 405 for the others."""
    turned = []
    for s in sets:
        values = [c for c in s.conditions if c.relation == "=" and c.end <= figure.start]
        last = max(values, key=lambda c: c.end, default=None)
        turned.append(FilterSet(s.tier, tuple(replace(c, relation="!=") if c is last else c for c in s.conditions)))
    return turned


def _carried(text: str, sets: Sequence[FilterSet], carried: Sequence[Condition], sure: bool) -> list[FilterSet]:
    """Conditions of the sentence before: first if a word such as "they" refers to it, else second."""
    if not carried:
        return list(sets)
    refers = sure or bool(_REFERS.search(text))
    more = []
    for s in sets:
        named = {c.column for c in s.conditions}
        more.append(FilterSet(0 if refers else 1, s.conditions + tuple(c for c in carried if c.column not in named)))
        timeless = tuple(c for c in carried if c.column not in named and c.relation != "period")
        more.append(FilterSet(1, s.conditions + timeless))
    plain = [FilterSet(1 if refers else 0, s.conditions) for s in sets]
    return more + plain if refers else plain + more
