"""Numbers as sentences say them: gaps in points of a hundred, scores in percent, p values, counts that promise no more than they can."""

from __future__ import annotations

import math


def amount(value: float, points: bool, whole: bool = False) -> str:
    """A gap with its unit; `whole` points are two_digits up, so that what is smaller is smaller in words, too.

    >>> amount(0.041, True), amount(0.0612, True, whole=True), amount(0.01, True, whole=True), amount(2.5, False)
    ('4.1 points', '7 points', '1 point', '2.5')
    """
    if not points:
        return f"{value:.3g}"
    figure = f"{math.ceil(100 * value - 1e-9)}" if whole and value >= 0.0095 else number(value, True)
    return f"{figure} point{'' if figure in ('1', '1.0') else 's'}"


def number(value: float, points: bool) -> str:
    """A gap without its unit.

    >>> number(0.041, True), number(0.004, True), number(12.3456, False)
    ('4.1', '0.40', '12.3')
    """
    if not points:
        return f"{value:.3g}"
    return f"{100 * value:.1f}" if value == 0 or abs(value) >= 0.0095 else f"{100 * value:.2f}"


def share(value: float, points: bool) -> str:
    """A score: percent where scores lie between 0 and 1.

    >>> share(0.5, True), share(3.25, False)
    ('50.0%', '3.25')
    """
    return f"{value:.1%}" if points else f"{value:.4g}"


def p_words(p: float) -> str:
    """A p value of two digits; never two_digits to the other side of 0.05.

    >>> p_words(0.0004), p_words(0.021), p_words(0.0498)
    ('p < .001', 'p = 0.021', 'p = 0.0498')
    """
    if p < 0.001:
        return "p < .001"
    short = f"{p:.2g}"
    return f"p = {short}" if (float(short) < 0.05) == (p < 0.05) else f"p = {p:.3g}"


def two_digits(n: int) -> int:
    """Two digits are all an estimate of rows can promise.

    >>> two_digits(423), two_digits(7)
    (420, 7)
    """
    scale = 10 ** max(0, len(str(n)) - 2)
    return -(-n // scale) * scale if n % scale > scale / 2 else max(1, n // scale * scale)
