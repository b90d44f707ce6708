"""From readings to a record: traced, differing or not, with the reason in plain words."""

from __future__ import annotations

import re

from .figure_context import FigureContext
from .figure_text import FigureText
from .link_columns import SURE
from .matching import chance, is_near, is_slip, matches, written_like
from .operations import AGGREGATES
from .passages import Found
from .read_wide import WIDE_TIER
from .reading import Reading
from .report import WEAK, Figure, Origin, State
from .units import UNITS

NAMED_TIER = 1  # readings up to this tier match by themselves
_WIDE_CHANCE = 0.01
_LEAST_WIDE = 10.0
_COUNTED = re.compile(r"\s*(?:rows?|records?|sources?|passages?|lines?|columns?|files?|documents?|results?)\b", re.I)
_SIGNIFICANT = re.compile(r"[1-9](?:[\d,.\s]*\d)?")


def choose(figure: FigureText, readings: list[Reading]) -> tuple[Reading | None, float]:
    """The reading that gives the figure, and the chance of such a match; None if none does.

    A reading of a guess counts only for a figure of three digits or more that chance would hardly meet.
    """
    named = [r for r in readings if r.tier <= NAMED_TIER]
    fitting = [r for r in named if matches(figure, r.value)]
    if fitting:
        best = min(fitting, key=lambda r: (r.tier, not r.cell))
        return best, chance(figure, [r.value for r in named])
    guesses = [r for r in readings if r.guess and r.tier <= WIDE_TIER + 1]
    fitting = [r for r in guesses if matches(figure, r.value)]
    if not fitting or figure.bound or abs(figure.value) < _LEAST_WIDE or _digits(figure) < 3:
        return None, 0.0
    odds = chance(figure, [r.value for r in guesses])
    return (min(fitting, key=lambda r: r.tier), odds) if odds <= _WIDE_CHANCE else (None, odds)


def _digits(figure: FigureText) -> int:
    """How many digits are written, from the first that is not zero."""
    found = _SIGNIFICANT.search(figure.text)
    return sum(c.isdigit() for c in found.group()) if found else 0


def traced(figure: FigureText, offset: int, reading: Reading, odds: float, note: str = "") -> Figure:
    """The record of a figure that a reading gives."""
    where = " and ".join(map(str, reading.conditions))
    rows = f" ({reading.rows:,} {'row' if reading.rows == 1 else 'rows'})" if reading.rows else ""
    table = f" in {reading.table}" if reading.table else ""
    text = f"traced to your data: {reading.what}{f' where {where}' if where else ''}{table} = {reading.value:,.6g}{rows}"
    if odds > WEAK:
        text += f"; weak: {odds:.0%} of such figures would fit by chance"
    if note:
        text += f"; {note}"
    conditions = tuple(tuple(c.to_list()) for c in reading.conditions)
    origin = Origin(reading.table, reading.rows, reading.operation, reading.column or "", conditions)
    return record(figure, offset, "exact" if reading.cell else "recomputed", text, origin, reading.value, odds)


def in_passage(figure: FigureText, offset: int, found: Found, values: list[float]) -> Figure:
    """The record of a figure that a passage states."""
    assert found.same is not None
    at = found.same
    origin = Origin(passage=at.passage, start=at.start + at.figure.start, quote=at.quote())
    odds = 0.0 if figure.when else chance(figure, values)
    return record(figure, offset, "passage", f"traced to passage {at.passage + 1}: {at.quote()}", origin, at.figure.value, odds)


def not_traced(figure: FigureText, offset: int, context: FigureContext | None, readings: list[Reading], note: str = "") -> Figure:
    """The record of a figure that nothing gives: amber if one full reading is close, else neutral."""
    close = _close(figure, context, readings) if context else None
    if close is None:
        return record(figure, offset, "untraced", f"not traced{': ' + note if note else ''}")
    where = " and ".join(map(str, close.conditions))
    text = f"the table gives {written_like(figure, close.value)}: {close.what}{f' where {where}' if where else ''} in {close.table}"
    conditions = tuple(tuple(c.to_list()) for c in close.conditions)
    origin = Origin(close.table, close.rows, close.operation, close.column or "", conditions)
    return record(figure, offset, "differs", text, origin, close.value)


def _close(figure: FigureText, context: FigureContext, readings: list[Reading]) -> Reading | None:
    """The one full reading, if the figure is near it in the way that errors are."""
    full = [r for r in readings if r.tier == 0]
    if _COUNTED.match(context.linked.text, figure.end):
        full = [r for r in full if r.operation == "count"]
    if any(_without_a_condition(figure, context, r) for r in full):
        return None  # the condition may belong to another figure of the sentence
    if not full or figure.hedged or figure.bound or figure.in_words or context.guessed and any(r.column for r in full):
        return None
    values = {round(r.value, 9) for r in full}
    slips = [r for r in full if is_slip(figure, r.value)]
    if len(slips) == 1 or (slips and len({round(r.value, 9) for r in slips}) == 1):
        return slips[0] if len(values) <= 4 else None
    if len(values) != 1 or not is_near(figure, full[0].value):
        return None
    rivals = [r for r in readings if r.tier <= NAMED_TIER and (r.operation, r.column) == (full[0].operation, full[0].column)]
    if len({round(r.value, 9) for r in rivals}) > 1:
        return None
    sure = all(m.score >= SURE for m in context.columns) or full[0].column is None
    plain = full[0].cell or full[0].operation in context.named or full[0].operation == "count"
    return full[0] if sure and plain and not context.comparative else None


def _without_a_condition(figure: FigureText, context: FigureContext, reading: Reading) -> bool:
    """Whether the figure is right once one condition, or all, is left out."""
    if reading.operation not in (*AGGREGATES, "count", "value") or (reading.operation != "count" and not reading.column):
        return False
    fewer = [(), *(tuple(c for c in reading.conditions if c != dropped) for dropped in reading.conditions)]
    operations = (reading.operation, "mean") if reading.operation == "value" else (reading.operation,)
    return any(matches(figure, context.table.aggregate(o, reading.column, c)) for c in fewer if c != reading.conditions for o in operations)


def record(
    figure: FigureText,
    offset: int,
    state: State,
    explanation: str,
    source: Origin | None = None,
    computed: float | None = None,
    odds: float = 0.0,
) -> Figure:
    """A record with its place in the whole text."""
    span = (offset + figure.start, offset + figure.end)
    return Figure(figure.text, span, figure.value, (figure.low, figure.high), figure.unit, state, source, computed, odds, explanation)


def unit_note(figure: FigureText, reading: Reading, context: FigureContext) -> str:
    """What was not checked about a unit."""
    column = context.table.columns.get(reading.column or "")
    if figure.unit and column and not column.unit and (figure.unit in UNITS or figure.unit.isupper()) and reading.column:
        return f"the unit {figure.unit} was not checked, since column {column.name} states none"
    return ""
