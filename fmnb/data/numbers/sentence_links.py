"""What a sentence names in one table: columns, values, periods, thresholds, operations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from .columns import Column
from .condition import Condition
from .figure_text import FigureText
from .link_columns import SURE, ColumnMention, fit, link_columns
from .link_values import ValueMention, link_values, side
from .no_claims import no_claim
from .operations import Cue, operations
from .periods import Periods, periods
from .table import Table
from .units import UNITS, convert
from .words import Word, stem, words

_COMPARED = re.compile(r"\s?[A-Za-z°%]*\s?(?:above|below|higher|lower|more|less|ahead|behind)\b")
_NONE = re.compile(r"\b(?:no|without(?: an?)?|lack(?:s|ing)?(?: an?)?)\s(?:known |recorded |valid )?", re.I)
_NEGATED = re.compile(r"\b(?:not|non|never|without|un)[\s-]$|n't\s$", re.I)
_UNIT_DIMENSIONS = {"time", "length", "mass", "temperature", "calendar", "data"}
_TRUE = {"true", "yes", "y", "t"}


@dataclass(frozen=True)
class Choice:
    """Conditions of which one holds, for words that name a value of one or several columns."""

    options: tuple[Condition, ...]
    start: int
    end: int


@dataclass(frozen=True)
class Limit:
    """A condition that a figure itself states: above 30 mpg, 8 cylinders."""

    figure: FigureText
    condition: Condition


@dataclass(frozen=True)
class SentenceLinks:
    """One sentence against one table. `claims` are the figures that say something about it."""

    text: str
    table: Table
    figures: tuple[FigureText, ...]
    columns: tuple[ColumnMention, ...]
    values: tuple[Choice, ...]
    cues: tuple[Cue, ...]
    periods: Periods
    thresholds: tuple[Limit, ...] = ()
    exact: tuple[Limit, ...] = ()
    missing: tuple[Condition, ...] = ()
    claims: tuple[FigureText, ...] = ()
    conditions: frozenset[int] = field(default=frozenset())

    @property
    def measures(self) -> list[ColumnMention]:
        """Mentions of columns of amounts."""
        taken = {limit.condition.column for limit in self.exact if limit.figure.start in self.conditions}
        return [m for m in self.columns if m.column.measured and m.column.name not in taken]

    @property
    def groupings(self) -> list[ColumnMention]:
        """Mentions of columns that make groups."""
        return [m for m in self.columns if m.column.kind in ("text", "flag", "date") or m.column.few or m.column.year]

    @property
    def operations(self) -> set[str]:
        """The operations that the sentence names anywhere."""
        return {c.operation for c in self.cues}

    @property
    def strength(self) -> float:
        """How much of the table the sentence names, to choose among tables."""
        return len(self.columns) + 1.5 * len(self.values) + 0.5 * len(self.periods.conditions)


def link(text: str, figures: Sequence[FigureText], table: Table, carried: Condition | None = None) -> SentenceLinks:
    """What a sentence names in a table.

    Args:
        text: The sentence.
        figures: Its figures.
        table: The table.
        carried: The period of an earlier sentence.

    Returns:
        Everything that readings of its figures may use.
    """
    tokens = words(text)
    named = link_values(text, tokens, table)
    columns = _columns(text, tokens, figures, named, table)
    dates = [f for f in figures if f.kind == "date"]
    found_periods = periods(text, dates, table, columns, carried)
    flags, columns = _flags(text, columns)
    values = [_choice(text, m, columns) for m in named] + flags
    cues = operations(text)
    missing, more = _missing(text, tokens, columns, cues)
    base = SentenceLinks(
        text, table, tuple(figures), tuple(columns), tuple(sorted(values, key=lambda v: v.start)), (*cues, *more), found_periods
    )
    exact = _exact(base, tokens)
    thresholds = _thresholds(base)
    claims = [f for f in figures if f.kind != "date" and not no_claim(f, text)]
    stated = {limit.figure.start for limit in exact}
    held: frozenset[int] = frozenset()
    if any(f.start not in stated for f in claims):
        held = frozenset(stated)
        values += [Choice((limit.condition,), limit.condition.start, limit.condition.end) for limit in exact]
        claims = [f for f in claims if f.start not in stated]
    values.sort(key=lambda v: v.start)
    return SentenceLinks(
        text, table, tuple(figures), base.columns, tuple(values), base.cues, found_periods, thresholds, exact, missing, tuple(claims), held
    )


def _columns(
    text: str, tokens: list[Word], figures: Sequence[FigureText], named: Sequence[ValueMention], table: Table
) -> list[ColumnMention]:
    """Column mentions without those inside values, figures and units, and without the table's own name."""
    found = link_columns(text, tokens, table)
    values = [(m.start, m.end) for m in named]
    found = [c for c in found if c.score >= 1.25 or not _inside(c, values)]
    found = [
        c for c in found if not _inside(c, [(f.start, f.end) for f in figures if f.kind in ("multiple", "percent", "points", "fraction")])
    ]
    units = [
        (f.end, f.whole_end) for f in figures if f.whole_end > f.end and f.unit in UNITS and UNITS[f.unit].dimension in _UNIT_DIMENSIONS
    ]
    units = [u for u in units if not any((c.column.month or c.column.year) and _inside(c, [u]) for c in found)]
    outside = [c for c in found if not _inside(c, units)]
    if any(c.column.kind == "number" and c.score >= SURE for c in outside):
        found = outside
    else:
        found = [c for c in found if not _inside(c, units) or c.column.unit or len(c.column.words) > 1]
    own = stem(table.name)
    return [c for c in found if not _is_table_name(text, c, own)]


def _is_table_name(text: str, mention: ColumnMention, own: str) -> bool:
    column = mention.column
    rows_of_it = column.whole and len(column.labels) > 0.3 * max(1, len(column.codes))
    if column.kind != "number" or len(column.words) != 1 or stem(column.words[0]) != own or not rows_of_it:
        return False
    written = text[mention.start : mention.end]
    return text[mention.start - 1 : mention.start] != "`" and not (written == column.name and not column.name.islower())


def _inside(mention: ColumnMention, spans: Sequence[tuple[int, int]]) -> bool:
    return any(a <= mention.start and mention.end <= b for a, b in spans)


def _flags(text: str, columns: list[ColumnMention]) -> tuple[list[Choice], list[ColumnMention]]:
    """Named columns of yes and no as conditions: returned, not returned."""
    choices = []
    for mention in columns:
        column = mention.column
        if column.kind != "flag" or not column.labels or mention.score < 0.8:
            continue
        positive = next((v for v in column.labels if str(v).lower() in _TRUE), None)
        negative = next((v for v in column.labels if str(v).lower() not in _TRUE), None)
        chosen = negative if _NEGATED.search(text[max(0, mention.start - 8) : mention.start]) else positive
        if chosen is not None:
            choices.append(Choice((Condition(column.name, "=", chosen, mention.start, mention.end),), mention.start, mention.end))
    return choices, [m for m in columns if m.column.kind != "flag"]


def _choice(text: str, mention: ValueMention, columns: Sequence[ColumnMention]) -> Choice:
    places = mention.places
    if len({c for c, _ in places}) > 1:
        near = tuple(p for p in places if any(m.column.name == p[0] for m in columns))
        places = near or side(text, mention)
    options = tuple(Condition(c, "=", v, mention.start, mention.end) for c, v in places[:3])  # type: ignore[arg-type]
    return Choice(options, mention.start, mention.end)


def _exact(linked: SentenceLinks, tokens: Sequence[Word]) -> tuple[Limit, ...]:
    """Whole numbers that stand beside a column of few of them: 8-cylinder, cluster 3."""
    found = []
    for figure in linked.figures:
        if figure.kind != "number" or figure.scale != 1 or figure.value != round(figure.value) or figure.bound:
            continue
        for column, start, end in _mentions_of_few(linked, tokens):
            if figure.value not in column.few:
                continue
            after = start >= figure.end
            between = linked.text[figure.end : start] if after else linked.text[end : figure.start]
            before = linked.text[max(0, figure.start - 10) : figure.start]
            counted = re.search(
                r"\b(?:top|first|largest|biggest|leading|bottom|smallest|last|different|distinct|all|the|these|other)\s$", before, re.I
            )
            if after and between != "-" and counted:
                continue
            form = r"[\s-]{0,2}" if after else r"\s?(?:=|is|of|number|no\.?|equals?|:)?\s?"
            if re.fullmatch(form, between):
                found.append(Limit(figure, Condition(column.name, "=", figure.value, figure.start, max(figure.end, end))))
                break
    return tuple(found)


def _mentions_of_few(linked: SentenceLinks, tokens: Sequence[Word]) -> list[tuple[Column, int, int]]:
    """Every mention of a column of few whole numbers, not only its best one."""
    found = [(m.column, m.start, m.end) for m in linked.columns if m.column.few]
    for column in {m.column.name: m.column for m in linked.columns if m.column.few and m.score >= SURE}.values():
        if len(column.words) == 1:
            spots = [(w.start, w.end) for w in tokens if fit(column.words[0], w, column.words) >= 0.9]
            found += [(column, a, b) for a, b in spots if not any(c is column and start == a for c, start, _ in found)]
    return found


def _thresholds(linked: SentenceLinks) -> tuple[Limit, ...]:
    """Bounds on a named column, or on one of the figure's unit: above 30 mpg, at least 40."""
    found = []
    for figure in linked.figures:
        if not figure.bound or figure.kind not in ("number", "percent"):
            continue
        if _COMPARED.match(linked.text, max(figure.whole_end, figure.end)):
            continue
        near = sorted(linked.measures, key=lambda m: gap(m, figure))
        for mention in near[:2]:
            value = in_unit_of(figure, mention.column)
            if value is not None:
                found.append(Limit(figure, _threshold(figure, mention.column, value)))
        if not near and figure.unit:
            for column in linked.table.columns.values():
                if column.kind == "number" and column.unit and (value := convert(figure.value, figure.unit, column.unit)) is not None:
                    found.append(Limit(figure, _threshold(figure, column, value)))
    return tuple(found)


def _threshold(figure: FigureText, column: Column, value: float) -> Condition:
    return Condition(column.name, figure.bound, value, figure.start, figure.end)  # type: ignore[arg-type]


def _missing(text: str, tokens: list[Word], columns: list[ColumnMention], cues: list[Cue]) -> tuple[tuple[Condition, ...], list[Cue]]:
    """Columns whose missing values the sentence is about."""
    found: list[Condition] = []
    more: list[Cue] = []
    spots = [(c.start, c.end) for c in cues if c.operation == "missing"]
    for m in _NONE.finditer(text):
        at = next((c for c in columns if -1 <= c.start - m.end() <= 1), None)
        if at is not None:
            found.append(Condition(at.column.name, "missing", None, m.start(), m.end()))
            more.append(Cue("missing", *m.span()))
    taken = {c.column for c in found}
    for start, end in spots:
        at = min(columns, key=lambda c: min(abs(c.start - end), abs(start - c.end)), default=None)
        if at and at.column.name not in taken:
            found.append(Condition(at.column.name, "missing", None, start, end))
    return tuple(found), more


def gap(mention: ColumnMention, figure: FigureText) -> int:
    """Characters between a mention and a figure."""
    return max(mention.start - figure.end, figure.start - mention.end, 0)


def in_unit_of(figure: FigureText, column: Column) -> float | None:
    """The figure's value in the column's unit; None if the units cannot be compared."""
    if figure.unit and column.unit and figure.unit != column.unit:
        return convert(figure.value, figure.unit, column.unit)
    return figure.value
