"""How many rows would show a gap."""

from __future__ import annotations

import math

from ..errors import UsageError
from ..stats.power import rows_needed, smallest_gap, spread_with
from .analysis import Analysis


def power_sentence(a: Analysis, gap: float, samples: int = 0) -> str:
    """Rows that would show `gap` between the best two four times of five, from the spread seen here. UsageError for one model or no spread.

    `samples` asks how it would be with as many answers a row: they shrink only what differs
    between answers to the same row, which is known where several were asked for.
    """
    if not a.pairs:
        raise UsageError("One model has no gap to see", todo="Evaluate two models or more.")
    if not 0 < abs(gap) <= 1 and a.points:
        raise UsageError("A gap of scores from 0 to 1 is a part of 1", seen=repr(gap), todo="0.05 is 5 points.")
    best, second = a.order[:2]
    pair = next((p for p in a.pairs if {p.a, p.b} == {best, second}), a.pairs[0])
    error, n = pair.test.gap.standard_error, len(a.matrix.rows)
    if not error:
        raise UsageError(
            "These rows do not say how much answers differ", seen=pair.test.gap.why or "no spread", todo="Evaluate on more rows first."
        )
    spread, times = error * math.sqrt(n), ""
    if samples:
        m = a.matrix
        if m.samples < 2:
            raise UsageError("One answer a row does not say how much answers to a row differ", todo="Evaluate with samples=3 first.")
        within = m.within[best] + m.within[second]
        spread = spread_with(max(0.0, spread**2 - within / m.samples), within, samples)
        times = f", {samples} answers to each"
    need = rows_needed(spread, abs(gap))
    unit = f"{100 * abs(gap):.3g} points" if a.points else f"{abs(gap):.3g}"
    now = smallest_gap(error)
    seen = f"{100 * now:.2g} points" if a.points else f"{now:.3g}"
    more = f"about {need - n:,} more than the {n:,} here" if need > n else f"the {n:,} here are enough"
    return f"A gap of {unit} between {best} and {second} needs about {need:,} rows{times}, {more}; {n:,} rows can see {seen}."
