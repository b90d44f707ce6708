"""How many rows would show a gap."""

from __future__ import annotations

import math

from ..errors import UsageError
from ..stats.power import rows_needed, smallest_gap
from .analysis import Analysis


def power_sentence(a: Analysis, gap: float) -> str:
    """Rows that would show `gap` between the best two four times of five, from the spread seen here. UsageError for one model or no spread."""
    if not a.pairs:
        raise UsageError("One model has no gap to see", todo="Evaluate two models or more.")
    if not 0 < abs(gap) <= 1 and a.points:
        raise UsageError("A gap of scores from 0 to 1 is a part of 1", seen=repr(gap), todo="0.05 is 5 points.")
    best, second = a.order[:2]
    pair = next(p for p in a.pairs if {p.a, p.b} == {best, second})
    error, n = pair.test.gap.standard_error, len(a.matrix.rows)
    if not error:
        raise UsageError(
            "These rows do not say how much answers differ", seen=pair.test.gap.why or "no spread", todo="Evaluate on more rows first."
        )
    need = rows_needed(error * math.sqrt(n), abs(gap))
    unit = f"{100 * abs(gap):.3g} points" if a.points else f"{abs(gap):.3g}"
    now = smallest_gap(error)
    seen = f"{100 * now:.2g} points" if a.points else f"{now:.3g}"
    more = f"about {need - n:,} more than the {n:,} here" if need > n else f"the {n:,} here are enough"
    return f"A gap of {unit} between {best} and {second} needs about {need:,} rows, {more}; {n:,} rows can see {seen}."
