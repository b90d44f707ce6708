"""One figure with what its sentence offers it: columns, conditions, operations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from .binding import bind, clause
from .columns import Column
from .figure_text import FigureText
from .filter_sets import NOTHING, Carried, Filters, filters_of
from .link_columns import SURE, ColumnMention
from .operations import AGGREGATES, Cue
from .sentence_links import SentenceLinks, in_unit_of
from .table import Table
from .units import CURRENCIES, UNITS, comparable

_CODES = set(CURRENCIES.values())
_ABOUT = r"(?:about |around |roughly |~|nearly |almost |some |approximately |just |a good |more than |over )?(?:US)?[$€£]?"
_COMPARATIVE = (
    r"(?:higher|lower|more|less|fewer|greater|above|below|ahead|behind|longer|shorter|heavier|lighter|warmer|colder|hotter|cooler|larger"
    r"|bigger|smaller|faster|slower|better|worse|older|younger|cheaper|points? (?:higher|lower|more|less))"
)
_LONG_UNITS = "|".join(re.escape(u) for u in UNITS if len(u) > 2 and u.isalpha())
_MORE_AFTER = re.compile(
    rf"[\s-]?(?:(?:times|percent|percentage points?|points?|degrees?|\w{{3,12}}|{_LONG_UNITS})\s)?{_COMPARATIVE}\b(?! average)"
)
_BY = re.compile(rf"\bby\s{_ABOUT}$")
_MOVED = re.compile(
    r"\b(?:increas\w+|rose|risen|grew|grown|fell|fallen|dropp?\w*|declin\w+|climb\w*|gain\w*|(?<!make )(?<!makes )(?<!made )(?<!making )up|down|higher|lower|beats?|leads?|ahead"
    rf"|exceed\w*|jump\w*|shrank|lost|slipp?\w*|improv\w+|surg\w+)\s(?:by\s)?{_ABOUT}$",
    re.I,
)
_NAMED_GAP = re.compile(
    r"\b(?:difference|gap|change|margin|increase|decrease|drop|rise|spread|gain|loss|decline|improvement|advantage|lead|jump|fall)\b"
    rf"[^.;]{{0,90}}\b(?:is|was|of|amounts? to|comes to|equals|stands at|being|at)\s{_ABOUT}$",
    re.I,
)
_PERIOD_WORD = re.compile(r"\s(?:\w+\s)?(year|month|week|quarter|season|decade)s?\b")
_SUPERLATIVE_OF = re.compile(r"\b(?:highest|lowest|largest|smallest|best|worst)\s(?:\w+\s)?(average|mean|median|total)\b", re.I)
_INNER = {"average": "mean", "mean": "mean", "median": "median", "total": "sum"}
_RIGHT_BEHIND = 8  # characters up to "on average" behind a figure and its unit
_TO = re.compile(rf"\bto\s{_ABOUT}$")


@dataclass(frozen=True)
class FigureContext:
    """A figure and what may explain it.

    `named` are the aggregates that are named for it, nearest first, `near` all operations near it.
    `guessed` tells that no column was named and the only fitting one was taken.
    """

    figure: FigureText
    linked: SentenceLinks
    main: tuple[FigureText, ...]
    filters: Filters
    columns: tuple[ColumnMention, ...]
    guessed: bool
    named: tuple[str, ...]
    near: frozenset[str]
    comparative: bool

    @property
    def table(self) -> Table:
        """The table of its sentence."""
        return self.linked.table

    @property
    def text(self) -> str:
        """The sentence."""
        return self.linked.text

    @property
    def before(self) -> str:
        """Forty characters before the figure."""
        return self.text[max(0, self.figure.start - 40) : self.figure.start]

    @property
    def after(self) -> str:
        """Forty characters after the figure."""
        return self.text[self.figure.end : self.figure.end + 40]

    @property
    def can_compare(self) -> bool:
        """Whether the sentence sets two groups or periods against each other."""
        seasons = [c for c in self.linked.periods.conditions if c.relation != "period"]
        return bool(self.filters.several or self.linked.periods.pair or len(seasons) == 2)

    def extra(self, mention: ColumnMention) -> int:
        """0 for a column that is named, 1 for one that is only likely."""
        return 0 if mention.score >= SURE else 1


def context_of(figure: FigureText, linked: SentenceLinks, context: Carried = NOTHING, topics: Sequence[str] = ()) -> FigureContext:
    """Collects what a sentence offers one of its figures.

    Args:
        figure: The figure.
        linked: The sentence.
        context: Conditions of an earlier sentence.
        topics: Columns of an earlier sentence, taken where this one names none.

    Returns:
        What readings of the figure may use.
    """
    main = _main(linked)
    filters = filters_of(figure, linked, main, context)
    columns, guessed = _columns(figure, linked, main, topics)
    named, near = _operations(figure, linked, main)
    seasons = [c for c in linked.periods.conditions if c.relation != "period"]
    can_compare = bool(filters.several or linked.periods.pair or len(seasons) == 2)
    comparative = _is_comparative(figure, linked, can_compare)
    return FigureContext(figure, linked, main, filters, tuple(columns), guessed, named, near, comparative)


def _main(linked: SentenceLinks) -> tuple[FigureText, ...]:
    """The claims that are no thresholds, or all of them."""
    stated = {limit.figure.start for limit in (*linked.thresholds, *linked.exact)}
    return tuple(f for f in linked.claims if f.start not in stated) or linked.claims


def _columns(
    figure: FigureText, linked: SentenceLinks, main: Sequence[FigureText], topics: Sequence[str]
) -> tuple[list[ColumnMention], bool]:
    own = {limit.condition.column for limit in linked.exact if limit.figure.start == figure.start}
    fitting = [
        m
        for m in linked.measures
        if m.column.name not in own
        and not (figure.unit and figure.kind == "number" and m.column.unit and in_unit_of(figure, m.column) is None)
    ]
    if not fitting:
        return _unnamed(figure, linked, topics), True
    top = max(m.score for m in fitting)
    strong = [m for m in fitting if m.score >= SURE] or [m for m in fitting if m.score >= top - 0.05]
    used = {limit.condition.column for limit in linked.thresholds if limit.figure.start != figure.start}
    free = [m for m in strong if m.column.name not in used] or strong
    if figure.unit and figure.kind == "number":
        free = [m for m in free if m.column.unit and comparable(m.column.unit, figure.unit)] or free
    spans: dict[tuple[int, int], list[ColumnMention]] = {}
    for m in free:
        spans.setdefault((m.start, m.end), []).append(m)
    bound = bind(figure, [_Span(a, b, tuple(ms)) for (a, b), ms in spans.items()], main, linked.text)
    return [m for span in bound for m in span.mentions], False


@dataclass(frozen=True)
class _Span:
    start: int
    end: int
    mentions: tuple[ColumnMention, ...]


def _unnamed(figure: FigureText, linked: SentenceLinks, topics: Sequence[str]) -> list[ColumnMention]:
    """Columns for a figure where none is named: by unit, by the topic so far, or the only one."""
    if figure.kind not in ("number", "percent", "multiple", "points"):
        return []
    table = linked.table
    amounts = [c for c in table.columns.values() if c.measured and not c.few]
    amounts = amounts or [c for c in table.columns.values() if c.measured]
    every = [c for c in table.columns.values() if c.measured]
    picked: list[Column] = []
    if figure.unit:
        picked = [c for c in every if c.unit and comparable(c.unit, figure.unit)]
        if not picked and len(amounts) == 1 and not amounts[0].unit:
            picked = amounts
        if len(picked) > 1 and (known := [c for c in picked if c.name in topics]):
            picked = known
        if len(picked) > 2:
            return []
        return [ColumnMention(c, figure.start, figure.start, 0.8 if len(picked) == 1 else 0.7) for c in picked]
    counts = figure.kind == "number" and figure.value == round(figure.value) and figure.value <= table.rows
    statistics = {"mean", "max", "min", "median", "change", "ratio", "difference", "sum"} & linked.operations
    if len(amounts) == 1:
        return [ColumnMention(amounts[0], figure.start, figure.start, 0.8 if statistics or not counts else 0.7)]
    known = [table.columns[t] for t in topics if t in table.columns and table.columns[t].measured]
    return [ColumnMention(c, figure.start, figure.start, 0.7) for c in known[:1]]


def _operations(figure: FigureText, linked: SentenceLinks, main: Sequence[FigureText]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Aggregates that are named for the figure, nearest first, and all operations between its neighbors."""
    place = next((k for k, g in enumerate(main) if g.start == figure.start), 0)
    low = main[place - 1].end if place and main else 0
    high = main[place + 1].start if main and place + 1 < len(main) else len(linked.text)
    cues = [c for c in linked.cues if low <= c.start and c.end <= high and not (c.start >= figure.start and c.end <= figure.end)]
    dropped = {c.operation for c in cues if c.operation in ("max", "min") and _names_a_group(c, linked)}
    cues = [c for c in cues if c.operation not in dropped]
    before = main[place - 1] if place and main else None
    ranked = sorted(
        _own([c for c in cues if c.operation in AGGREGATES], figure, before, linked.text), key=lambda c: _distance(c, figure, linked.text)
    )
    named = list(dict.fromkeys(c.operation for c in ranked))
    if named and set(named) <= {"max", "min"} and (inner := _SUPERLATIVE_OF.search(linked.text[: figure.start])):
        named.append(_INNER[inner.group(1).lower()])  # A has the highest average, and B the lowest
    if not named and not dropped:
        everywhere = [c for c in linked.cues if c.operation in AGGREGATES and not _names_a_group(c, linked)]
        earlier = [c for c in everywhere if c.end <= figure.start]
        if earlier:
            last = max(earlier, key=lambda c: c.start)
            named = [last.operation]
        elif everywhere:
            named = [min(everywhere, key=lambda c: c.start).operation]
    return tuple(named), frozenset(c.operation for c in cues)


def _own(cues: list[Cue], figure: FigureText, before: FigureText | None, text: str) -> list[Cue]:
    """The aggregates of this figure: those before it in its clause, and those right behind it.

    The maximum of "an average of 3, with a maximum of 9" is that of the 9.
    """
    if before is not None:  # "26.9 days on average (min 20": the average is that of the figure before
        others = [
            c for c in cues if not (before.end <= c.start <= max(before.end, before.whole_end) + _RIGHT_BEHIND and c.end <= figure.start)
        ]
        cues = others or cues
    low, _ = clause(text, figure.start, figure.end)
    ahead = [c for c in cues if low <= c.start and c.end <= figure.start]
    right = max(figure.end, figure.whole_end)
    behind = [c for c in cues if figure.end <= c.start <= right + _RIGHT_BEHIND and not re.search("[,;(]", text[figure.end : c.start])]
    return ahead + behind if ahead else cues


def _distance(cue: Cue, figure: FigureText, text: str) -> tuple[int, int]:
    low, high = clause(text, figure.start, figure.end)
    inside = low <= cue.start and cue.end <= high
    if cue.end <= figure.start:
        return (0 if inside else 1), figure.start - cue.end
    return (1 if cue.start - figure.end <= 25 and inside else 3), cue.start - figure.end


def _names_a_group(cue: Cue, linked: SentenceLinks) -> bool:
    """Whether "the best site" or "the worst year" tells which group it is, and not which statistic."""
    if cue.operation not in ("max", "min") or not (linked.values or linked.periods.conditions):
        return False
    if _PERIOD_WORD.match(linked.text, cue.end):
        return True
    return any(m.column.kind in ("text", "flag") and 0 <= m.start - cue.end <= 1 for m in linked.groupings)


def _is_comparative(figure: FigureText, linked: SentenceLinks, can_compare: bool) -> bool:
    text = linked.text
    before = text[max(0, figure.start - 40) : figure.start]
    if can_compare and _BY.search(before):
        return True
    after = text[max(figure.end, figure.whole_end) :]
    if _MORE_AFTER.match(after) and "difference" in linked.operations:
        return True
    if _MOVED.search(before) and ("by" in before[-22:] or can_compare) and not _TO.search(before):
        return True
    return bool(_NAMED_GAP.search(text[max(0, figure.start - 130) : figure.start]))
