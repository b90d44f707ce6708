"""Sample size for a gap, and equivalence of models within a margin."""

from __future__ import annotations

import math

from ...core.errors import UsageError
from ...stats.power import sd_of_row_means
from ...stats.student import t_quantile
from ..analysis import Analysis, Pair
from ..clusters import group_noun, name_groups, plural
from .number_text import gap_number, gap_text
from .sentences import ranked_pairs


def power_sentence(a: Analysis, gap: float, samples: int = 0) -> str:
    """Rows needed to detect `gap` between the best two models at 80% power, from the observed variance.

    Clustered rows are counted in groups, since more rows of the same users help little. With several
    models, the test is corrected for all pairs.

    Args:
        a: The statistics.
        gap: The gap, in units of the score; 0.05 is 5 points.
        samples: Answers per row; more samples reduce only the variance within rows, which is known
            if the evaluation had several samples.

    Raises:
        UsageError: There is only one model, or the variance is unknown.
    """
    _check_gap(a, gap)
    best, second = a.ranking[:2]
    pair = a.pair(best, second)
    e = pair.test.gap
    smallest = pair.test.detectable_gap or _detectable_gap_t(pair)
    if not smallest or not e.standard_error:
        raise UsageError(
            "The variance of the gap is unknown", detail=e.reason or "no variance in these rows", hint="Evaluate on more rows first."
        )
    samples_text, ratio = "", 1.0
    if samples:
        m = a.matrix
        if m.samples < 2:
            raise UsageError("The variance between answers to a row is unknown", hint="Evaluate with samples=3 first.")
        within = m.within_row_variance[best] + m.within_row_variance[second]
        spread = e.standard_error * math.sqrt(e.n)
        ratio = sd_of_row_means(max(0.0, spread**2 - within / m.samples), within, samples) / spread
        samples_text = f" with {samples} answers each"
    current = e.n if pair.grouping is None else pair.grouping.count
    needed = max(2, math.ceil(current * (smallest * ratio / abs(gap)) ** 2))
    unit = group_noun(pair.grouping, a.by) if pair.grouping is None or pair.grouping.items is None else pair.additional_unit
    more = f"about {needed - current:,} more than now" if needed > current else f"the current {current:,} are enough"
    detectable = f"{100 * smallest:.2g} points" if a.in_points else f"{smallest:.3g}"
    size = f"{100 * abs(gap):.3g} points" if a.in_points else f"{abs(gap):.3g}"
    return f"A gap of {size} between {best} and {second} needs about {needed:,} {plural(unit)}{samples_text}, {more}; {current:,} {plural(unit)} can detect {detectable}."


def same_sentences(a: Analysis, margin: float) -> list[str]:
    """An equivalence test of each pair: equivalent if the interval of the gap lies inside `margin`.

    Models without a significant difference are not necessarily equivalent. UsageError for a single
    model, or an invalid margin.
    """
    _check_gap(a, margin)
    return [_same_sentence(a, p, abs(margin)) for p in ranked_pairs(a)]


def _same_sentence(a: Analysis, p: Pair, margin: float) -> str:
    size = f"{100 * margin:.3g} point{'' if margin == 0.01 else 's'}" if a.in_points else f"{margin:.3g}"
    if p.interval is None:
        return (
            f"{p.a} and {p.b} are not shown to be the same within {size}: no interval, {name_groups(p.grouping, a.by, p.test.gap.reason)}."
        )
    low, high = p.interval
    together = f" for all {len(a.pairs)} pairs together" if len(a.pairs) > 1 else ""
    evidence = f"gap {gap_text(abs(p.test.gap.value), a.in_points)}, 95%{together} {gap_number(low, a.in_points)} to {gap_number(high, a.in_points)}, {p.b} less {p.a}"
    if -margin < low and high < margin:
        return f"{p.a} and {p.b} are the same within {size} ({evidence})."
    if p.no_verdict_reason or low >= margin or high <= -margin:
        return f"{p.a} and {p.b} are not the same within {size} ({evidence})."
    return f"{p.a} and {p.b} are not shown to be the same within {size} ({evidence})."


def _detectable_gap_t(pair: Pair) -> float | None:
    """The minimum detectable difference by Student's t, for pairs without an interval."""
    e = pair.test.gap
    if not e.standard_error or e.df < 1:
        return None
    return (t_quantile(1 - (1 - e.confidence) / e.comparisons / 2, e.df) + t_quantile(0.8, e.df)) * e.standard_error


def _check_gap(a: Analysis, gap: float) -> None:
    if not a.pairs:
        raise UsageError("A difference needs two models", hint="Evaluate two models or more.")
    if not 0 < abs(gap) <= 1 and a.in_points:
        raise UsageError("A gap of scores from 0 to 1 must be at most 1", detail=repr(gap), hint="0.05 is 5 points.")
    if not abs(gap) > 0:
        raise UsageError("A gap of 0 cannot be detected", detail=repr(gap))
