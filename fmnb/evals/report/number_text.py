"""Numbers in sentences: gaps in percentage points, scores in percent, p values, rounded counts."""

from __future__ import annotations

import math

from ...core.records import FormattedFloat
from ...views.footer import seconds


class Percent(FormattedFloat):
    """A share that displays in percent.

    >>> str(Percent(2 / 3)), Percent(0.5) + 1
    ('66.7%', 1.5)
    """

    def __str__(self) -> str:
        return f"{self:.1%}"


class Points(FormattedFloat):
    """A gap between shares that displays in percentage points.

    >>> str(Points(-0.25))
    '-25.0 points'
    """

    def __str__(self) -> str:
        return f"{100 * self:.1f} points"


class Seconds(FormattedFloat):
    """A time that displays as in the footer of an answer.

    >>> str(Seconds(0.0000466)), str(Seconds(1.24))
    ('under 1 ms', '1.2 s')
    """

    def __str__(self) -> str:
        return seconds(float(self))


def share(value: float | None, in_points: bool) -> float | None:
    """A score, as a percentage if scores lie between 0 and 1."""
    return None if value is None else Percent(value) if in_points else float(value)


def gap(value: float | None, in_points: bool) -> float | None:
    """A gap between scores, in points if they lie between 0 and 1."""
    return None if value is None else Points(value) if in_points else float(value)


def duration(value: float | None) -> float | None:
    """A time in seconds."""
    return None if value is None else Seconds(value)


def gap_text(value: float, in_points: bool, round_up: bool = False) -> str:
    """A gap with its unit; `round_up` rounds points up, for statements about smaller gaps.

    >>> gap_text(0.041, True), gap_text(0.0612, True, round_up=True), gap_text(0.01, True, round_up=True), gap_text(2.5, False)
    ('4.1 points', '7 points', '1 point', '2.5')
    """
    if not in_points:
        return f"{value:.3g}"
    figure = f"{math.ceil(100 * value - 1e-9)}" if round_up and value >= 0.0095 else gap_number(value, True)
    return f"{figure} point{'' if figure in ('1', '1.0') else 's'}"


def gap_number(value: float, in_points: bool) -> str:
    """A gap without its unit.

    >>> gap_number(0.041, True), gap_number(0.004, True), gap_number(12.3456, False)
    ('4.1', '0.40', '12.3')
    """
    if not in_points:
        return f"{value:.3g}"
    return f"{100 * value:.1f}" if value == 0 or abs(value) >= 0.0095 else f"{100 * value:.2f}"


def score_text(value: float, in_points: bool) -> str:
    """A score, in percent if scores lie between 0 and 1.

    >>> score_text(0.5, True), score_text(3.25, False)
    ('50.0%', '3.25')
    """
    return f"{value:.1%}" if in_points else f"{value:.4g}"


def p_text(p: float) -> str:
    """A p value with two digits, and with more where rounding would cross 0.05.

    >>> p_text(0.0004), p_text(0.021), p_text(0.0498)
    ('p < .001', 'p = 0.021', 'p = 0.0498')
    """
    if p < 0.001:
        return "p < .001"
    short = f"{p:.2g}"
    return f"p = {short}" if (float(short) < 0.05) == (p < 0.05) else f"p = {p:.3g}"


def two_digits(n: int) -> int:
    """A count rounded to two significant digits.

    >>> two_digits(423), two_digits(7)
    (420, 7)
    """
    scale = 10 ** max(0, len(str(n)) - 2)
    return -(-n // scale) * scale if n % scale > scale / 2 else max(1, n // scale * scale)
