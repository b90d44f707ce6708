"""McNemar's test of two models that are right or wrong on the same rows; only discordant rows count."""

from __future__ import annotations

from dataclasses import dataclass

from .proportions import sign_test
from .student import chi2_tail

MIN_DISCORDANT = 6  # discordant rows; five to none is still p = 0.0625


@dataclass(frozen=True, slots=True)
class McNemar:
    """Result of McNemar's test.

    `only_a` and `only_b` count rows that only one model got right; `p` is exact. The chi-square
    tests are for 25 discordant rows or more.
    """

    only_a: int
    only_b: int
    p: float
    chi2: float
    chi2_p: float
    chi2_corrected: float
    chi2_corrected_p: float


def mcnemar(only_a: int, only_b: int) -> McNemar:
    """McNemar's test, exact (binomial at one half) and by chi-square with and without Edwards' correction.

    Psychometrika 12 (1947). Raises ValueError for a negative count.

    >>> t = mcnemar(152, 209)
    >>> f"{t.p:.8f} {t.chi2} {t.chi2_corrected:.6f}"
    '0.00315066 9.0 8.686981'
    >>> mcnemar(5, 0).p, mcnemar(6, 0).p
    (0.0625, 0.03125)
    """
    if only_a < 0 or only_b < 0:
        raise ValueError(f"counts: {only_a}, {only_b}")
    n = only_a + only_b
    if n == 0:
        return McNemar(0, 0, 1.0, 0.0, 1.0, 0.0, 1.0)
    gap = abs(only_a - only_b)
    chi2, corrected = gap**2 / n, max(0, gap - 1) ** 2 / n
    return McNemar(only_a, only_b, sign_test(only_a, only_b), chi2, chi2_tail(chi2), corrected, chi2_tail(corrected))
