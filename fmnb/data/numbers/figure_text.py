"""A figure as a text writes it: value, interval, unit, kind, bound, place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["number", "percent", "points", "multiple", "fraction", "ordinal", "date"]
Grain: TypeAlias = Literal["day", "month", "quarter", "year", "decade", "century", "month of any year", "quarter of any year"]


@dataclass(frozen=True)
class When:
    """A date as it is written: only the parts that are stated."""

    grain: Grain
    year: int = 0
    month: int = 0
    day: int = 0


@dataclass(frozen=True)
class FigureText:
    """One figure of a text.

    `low` and `high` bound the values that round to what is written. `whole_end` is where its unit
    ends. `bound` is `>`, `>=`, `<`, `<=` or empty. `when` is set for dates alone.
    """

    text: str
    start: int
    end: int
    value: float
    low: float
    high: float
    step: float = 1.0
    kind: Kind = "number"
    unit: str | None = None
    hedged: bool = False
    bound: str = ""
    in_words: bool = False
    scale: float = 1.0
    whole_end: int = 0
    when: When | None = None


def interval(value: float, step: float, *, hedged: bool = False, zeros: float = 0.0) -> tuple[float, float]:
    """The values that a writer may have rounded to this one. `zeros` is the place of trailing zeros.

    >>> [round(x, 3) for x in interval(12.5, 0.1)]
    [12.45, 12.55]
    """
    half = step / 2
    if zeros:
        half = max(half, min(zeros / 2, abs(value) * 0.005))
    if hedged:
        half = max(half, abs(value) * 0.025)
    slack = 1e-9 * max(1.0, abs(value))
    return value - half - slack, value + half + slack
