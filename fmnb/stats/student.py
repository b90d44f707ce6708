"""Tails and quantiles of the normal, Student's t and chi-square distributions, without scipy."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300


def z_quantile(p: float) -> float:
    """The normal quantile.

    >>> round(z_quantile(0.975), 6)
    1.959964
    """
    return _NORMAL.inv_cdf(p)


def chi2_tail(x: float) -> float:
    """P(X >= x) for a chi-square of one degree of freedom.

    >>> round(chi2_tail(3.841459), 6)
    0.05
    """
    return math.erfc(math.sqrt(x / 2)) if x > 0 else 1.0


def t_two_sided(t: float, df: float) -> float:
    """Two-sided p value of `t` with `df` degrees of freedom.

    >>> round(t_two_sided(2.0, 10), 6)
    0.073388
    """
    if df <= 0:
        raise ValueError(f"degrees of freedom: {df}")
    if math.isinf(t):
        return 0.0
    return min(1.0, _incomplete_beta(t * t, df))


@functools.lru_cache(maxsize=4096)  # one for each comparison of the same rows
def t_quantile(p: float, df: float) -> float:
    """Quantile of Student's t.

    >>> round(t_quantile(0.975, 10), 6)
    2.228139
    """
    if not 0 < p < 1:
        raise ValueError(f"not a probability between 0 and 1: {p}")
    if p == 0.5:
        return 0.0
    if p < 0.5:
        return -t_quantile(1 - p, df)
    tail = 2 * (1 - p)
    low, high = 0.0, max(2.0, _NORMAL.inv_cdf(p))
    while t_two_sided(high, df) > tail:
        low, high = high, high * 2
    t = (low + high) / 2
    for _ in range(200):
        error = t_two_sided(t, df) - tail
        low, high = (t, high) if error > 0 else (low, t)
        step = t + error / (2 * _t_density(t, df))  # Newton, kept inside the bracket
        new = step if low < step < high else (low + high) / 2
        if abs(new - t) <= 1e-13 * max(1.0, abs(t)):
            return new
        t = new
    return t


def _t_density(t: float, df: float) -> float:
    return math.exp(_log_gamma_ratio(df / 2) - 0.5 * math.log(df * math.pi) - (df + 1) / 2 * math.log1p(t * t / df))


def _log_gamma_ratio(a: float) -> float:
    """log(gamma(a + 1/2) / gamma(a)); by a series for large `a`, to avoid cancellation."""
    if a < 50:
        return math.lgamma(a + 0.5) - math.lgamma(a)
    return 0.5 * math.log(a) - 1 / (8 * a) + 1 / (192 * a**3) - 1 / (640 * a**5) + 17 / (14336 * a**7)


def _incomplete_beta(t2: float, df: float) -> float:
    """I_x(df/2, 1/2) at x = df / (df + t2), by the continued fraction of Numerical Recipes 6.4."""
    a, b = df / 2, 0.5
    x, y = df / (df + t2), t2 / (df + t2)
    if y == 0:
        return 1.0
    log_front = _log_gamma_ratio(a) - 0.5 * math.log(math.pi) - a * math.log1p(t2 / df) + b * math.log(y)
    front = math.exp(log_front)
    if x < (a + 1) / (a + b + 2):
        return front * _fraction(a, b, x) / a
    return 1 - front * _fraction(b, a, y) / b


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1 - (a + b) * x / (a + 1)
    d = 1 / (d if abs(d) > _TINY else _TINY)
    h = d
    for m in range(1, 100_000):
        for top in (m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)), -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))):
            d = 1 + top * d
            c = 1 + top / c
            d = 1 / (d if abs(d) > _TINY else _TINY)
            c = c if abs(c) > _TINY else _TINY
            h *= d * c
        if abs(d * c - 1) < 1e-15:
            break
    return h
