"""Readings as a share: of rows, of a sum, of one group in another; which words are its base."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

from .condition import Condition
from .figure_context import FigureContext
from .filter_sets import FilterSet
from .link_columns import SURE
from .reading import Reading

Conditions = tuple[Condition, ...]
_OF = re.compile(r"\s?of\s(?:all\s|the\s|these\s|those\s|its\s)*")
_VERB = re.compile(
    r"\b(?:are|is|were|was|have|had|has|come|came|comes|fall|fell|get|got|run|ran|weigh\w*|make|made|cost|use|used|exceed\w*|belong\w*|went|go"
    r"|carry|carried|saw|show\w*|score\w*|rate[sd]?|lack|reach\w*|earn\w*|report\w*|left|arriv\w*|depart\w*|last\w*|involve\w*|turned|work\w*"
    r"|took|take|yield\w*|live\w*|bought|sold)\b|[,.;]"
)
_SUM_OF = re.compile(
    r"\b(?:share of|of (?:the |all |total |overall |its |their |every )*(?:combined |total |overall |world(?:wide)? |global )*)", re.I
)
_AMONG = re.compile(r"\b(?:among|amongst|of|within|out of|for|in)\s(?:all\s|the\s|those\s)*", re.I)
_END_OF_BASE = re.compile(r",|\b(?:are|is|were|was|have|had|some|about|roughly)\b")
_TIMES = ("period", "month", "quarter")


def read_shares(context: FigureContext, scale: float) -> Iterator[Reading]:
    """Shares of what the sentence names, each with the bases that its words allow.

    Args:
        context: The figure.
        scale: 100 for percent, 1 for fractions.

    Yields:
        Readings with part and whole as `parts`.
    """
    zone, verb = _zone(context)
    if zone:
        yield from _group_of_group(context, scale, zone)
    summed = _summed(context, zone)
    for filter_set in context.filters.sets:
        if not filter_set.conditions:
            continue
        for tier, base in _bases(context, filter_set, zone, verb)[:10]:
            whole = context.table.aggregate("count", None, base)
            if whole and not (summed and not context.guessed):
                part = context.table.aggregate("count", None, filter_set.conditions)
                what = f"share of rows, of {' and '.join(map(str, base)) or 'all'}"
                yield Reading(tier, "share", what, scale * part / whole, None, filter_set.conditions, int(whole), (part, whole))
            for name in summed:
                if any(c.column == name for c in filter_set.conditions):
                    continue
                part, total = context.table.aggregate("sum", name, filter_set.conditions), context.table.aggregate("sum", name, base)
                if total:
                    what = f"share of the sum of {name}"
                    yield Reading(tier, "share of sum", what, scale * part / total, name, filter_set.conditions, int(whole), (part, total))


def _zone(context: FigureContext) -> tuple[tuple[int, int] | None, bool]:
    """The words after "12% of", which are the base, and whether a verb ends them."""
    m = _OF.match(context.text, context.figure.end)
    if not m:
        return None, False
    verb = _VERB.search(context.text, m.end())
    return (m.end(), verb.start() if verb else len(context.text)), bool(verb)


def _summed(context: FigureContext, zone: tuple[int, int] | None) -> list[str]:
    """Columns whose sums are shared out, not their rows."""
    if not ("sum" in context.linked.operations or "share" in context.linked.operations or _SUM_OF.search(context.text)):
        return []
    sure = [m for m in context.columns if m.score >= SURE and not m.column.percent]
    if zone and not any(zone[0] <= m.start < zone[1] for m in sure) and not context.guessed:
        return [m.column.name for m in sure if m.start < context.figure.start]
    return [m.column.name for m in sure]


def _group_of_group(context: FigureContext, scale: float, zone: tuple[int, int]) -> Iterator[Reading]:
    """One group as a share of another: exports of Norway are 40 % of those of Sweden."""
    for conditions in context.filters.several.values():
        inside = [c for c in conditions if zone[0] <= c.start < zone[1] + 40]
        outside = [c for c in conditions if c not in inside]
        if len(inside) != 1 or len(outside) != 1:
            continue
        for filter_set in context.filters.sets[:3]:
            rest = tuple(c for c in filter_set.conditions if c.column != inside[0].column)
            one, other = (*rest, outside[0]), (*rest, inside[0])
            names: list[str | None] = [*(m.column.name for m in context.columns[:2])] or [None]
            for name in names:
                operation = "count" if name is None else (context.named or ("sum",))[0]
                part, whole = context.table.aggregate(operation, name, one), context.table.aggregate(operation, name, other)
                if whole:
                    what = f"{outside[0].value} as a share of {inside[0].value}, {operation}{f' of {name}' if name else ''}"
                    yield Reading(filter_set.tier, "group share", what, scale * part / whole, name, one, 0, (part, whole))


def _bases(context: FigureContext, filter_set: FilterSet, zone: tuple[int, int] | None, verb: bool) -> list[tuple[int, Conditions]]:
    """Possible bases with their tiers: the conditions that stay while the part's own are dropped."""
    conditions, tier = filter_set.conditions, filter_set.tier
    found: list[tuple[int, Conditions]] = []

    def offer(extra: int, base: Sequence[Condition]) -> None:
        if len(base) < len(conditions) and not any(set(base) == set(b) for _, b in found):
            found.append((tier + extra, tuple(base)))

    times = [c for c in conditions if c.relation in _TIMES]
    if zone:
        inside = [c for c in conditions if zone[0] <= c.start < zone[1]]
        if verb and len(inside) < len(conditions):
            offer(0, inside)
        else:
            offer(0, [c for c in conditions if c not in inside] if inside else [])
        leading = [c for c in conditions if c in inside or (c.end <= context.figure.start and _after_preposition(context.text, c))]
        offer(0, leading)
        both = [c for c in conditions if c in inside or c in times]
        offer(0 if set(inside) <= set(times) else 1, both)
        offer(0 if set(inside) <= set(times) else 1, times)
        _subsets(conditions, lambda base: offer(2, base))
    elif (among := _among(context, conditions)) is not None:
        offer(0, among)
        offer(0, [*among, *(c for c in times if c not in among)])
        _subsets(conditions, lambda base: offer(2, base))
    else:
        offer(0, times)
        offer(1, [])
        flags = [c for c in conditions if context.table.columns[c.column].kind == "flag" or c.relation in ("missing", ">", ">=", "<", "<=")]
        if flags:  # the share of the returned in the East: the flag is the part
            offer(0, [c for c in conditions if c not in flags])
        _subsets(conditions, lambda base: offer(_stands_as_base(context.text, base), base))
    return found


def _subsets(conditions: Conditions, offer: Callable[[Conditions], None]) -> None:
    for size in range(min(3, len(conditions))):
        for base in itertools.combinations(conditions, size):
            offer(base)


def _stands_as_base(text: str, base: Sequence[Condition]) -> int:
    prepositions = all(_after_preposition(text, c) for c in base)
    subject = all(re.match(r"(?:'s|’s)\s", text[c.end : c.end + 3]) for c in base)
    if base and (prepositions or subject):
        return 0
    return 1 if len(base) == 1 else 2


def _after_preposition(text: str, condition: Condition) -> bool:
    return bool(
        re.search(r"\b(?:of|among|within|in|for|from)\s(?:all |the )*$", text[max(0, condition.start - 14) : condition.start], re.I)
    )


def _among(context: FigureContext, conditions: Conditions) -> list[Condition] | None:
    """Among N, 12 % are M: N is the base, if something else remains to be the part."""
    text, start = context.text, context.figure.start
    for m in _AMONG.finditer(text[:start]):
        word = m.group().lower().split()[0]
        if re.search(r"(?:share|proportion|percentage|fraction|number|part)\s$", text[max(0, m.start() - 12) : m.start()].lower()):
            continue
        if word not in ("among", "amongst", "of", "within", "out") or re.match(r"of\swhich", text[m.start() : m.start() + 10], re.I):
            continue
        stop = _END_OF_BASE.search(text[m.end() : start])
        end = m.end() + stop.start() if stop else start
        base = [c for c in conditions if m.end() <= c.start <= end and c.end <= end + 12]
        if base and len(base) < len(conditions):
            return base
    m2 = re.search(r"\b(?:among|amongst|within)\s(?:all\s|the\s)*", text[context.figure.end :], re.I)
    if m2:
        base = [c for c in conditions if c.start >= context.figure.end + m2.end()]
        if base and len(base) < len(conditions):
            return base
    return None
