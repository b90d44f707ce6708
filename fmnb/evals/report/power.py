"""How many rows would show a gap, and whether two models are the same within a margin."""

from __future__ import annotations

import math

from ...core.errors import UsageError
from ...stats.power import spread_with
from ...stats.student import t_quantile
from ..analysis import Analysis, Pair
from ..clusters import in_words, plural, unit
from .number_text import amount, number
from .sentences import ordered


def power_sentence(a: Analysis, gap: float, samples: int = 0) -> str:
    """Rows that would show `gap` between the best two four times of five, from the spread seen here.

    Where rows are in groups, it counts groups: more rows of the same users do not help for long.
    With several models it is the gap that is found after the correction for all pairs.

    Args:
        a: The statistics.
        gap: In units of the score; 0.05 is 5 points.
        samples: Asks how it would be with as many answers a row: they shrink only what differs
            between answers to the same row, which is known where several were asked for.

    Raises:
        UsageError: For one model, or where nothing is known of the spread.
    """
    _check(a, gap)
    best, second = a.order[:2]
    pair = a.pair(best, second)
    e = pair.test.gap
    smallest = pair.test.smallest or _by_t(pair)
    if not smallest or not e.standard_error:
        raise UsageError("These rows do not say how much answers differ", detail=e.why or "no spread", hint="Evaluate on more rows first.")
    times, ratio = "", 1.0
    if samples:
        m = a.matrix
        if m.samples < 2:
            raise UsageError("One answer a row does not say how much answers to a row differ", hint="Evaluate with samples=3 first.")
        within = m.within[best] + m.within[second]
        spread = e.standard_error * math.sqrt(e.n)
        ratio = spread_with(max(0.0, spread**2 - within / m.samples), within, samples) / spread
        times = f", {samples} answers to each"
    have = e.n if pair.grouping is None else pair.grouping.count
    need = max(2, math.ceil(have * (smallest * ratio / abs(gap)) ** 2))
    what = unit(pair.grouping, a.by) if pair.grouping is None or pair.grouping.items is None else pair.more_of
    more = f"about {need - have:,} more than the {have:,} here" if need > have else f"the {have:,} here are enough"
    seen = f"{100 * smallest:.2g} points" if a.points else f"{smallest:.3g}"
    size = f"{100 * abs(gap):.3g} points" if a.points else f"{abs(gap):.3g}"
    return f"A gap of {size} between {best} and {second} needs about {need:,} {plural(what)}{times}, {more}; {have:,} {plural(what)} can see {seen}."


def same_sentences(a: Analysis, margin: float) -> list[str]:
    """Of each pair whether the two are the same within `margin`: the interval that is shown lies inside.

    Not told apart is not the same: that needs rows enough to rule a larger gap out.
    UsageError for one model, or a margin that is no part of 1 where scores are.
    """
    _check(a, margin)
    return [_same(a, p, abs(margin)) for p in ordered(a)]


def _same(a: Analysis, p: Pair, margin: float) -> str:
    size = f"{100 * margin:.3g} point{'' if margin == 0.01 else 's'}" if a.points else f"{margin:.3g}"
    if p.interval is None:
        return f"{p.a} and {p.b} are not shown to be the same within {size}: no interval, {in_words(p.grouping, a.by, p.test.gap.why)}."
    low, high = p.interval
    together = f" for all {len(a.pairs)} pairs together" if len(a.pairs) > 1 else ""
    seen = f"gap {amount(abs(p.test.gap.value), a.points)}, 95%{together} {number(low, a.points)} to {number(high, a.points)}, {p.b} less {p.a}"
    if -margin < low and high < margin:
        return f"{p.a} and {p.b} are the same within {size} ({seen})."
    if p.doubt or low >= margin or high <= -margin:
        return f"{p.a} and {p.b} are not the same within {size} ({seen})."
    return f"{p.a} and {p.b} are not shown to be the same within {size} ({seen})."


def _by_t(pair: Pair) -> float | None:
    """The smallest gap where no interval is shown, as Student's t would have it."""
    e = pair.test.gap
    if not e.standard_error or e.df < 1:
        return None
    return (t_quantile(1 - (1 - e.confidence) / e.comparisons / 2, e.df) + t_quantile(0.8, e.df)) * e.standard_error


def _check(a: Analysis, gap: float) -> None:
    if not a.pairs:
        raise UsageError("One model has no gap to see", hint="Evaluate two models or more.")
    if not 0 < abs(gap) <= 1 and a.points:
        raise UsageError("A gap of scores from 0 to 1 is a part of 1", detail=repr(gap), hint="0.05 is 5 points.")
    if not abs(gap) > 0:
        raise UsageError("A gap of 0 cannot be seen", detail=repr(gap))
