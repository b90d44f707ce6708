"""Whether a value is what a figure says, how likely that is by chance, and whether it is nearly that."""

from __future__ import annotations

import math
from collections.abc import Iterable

from .figure_text import FigureText

_NEAR = 0.30  # the table's value is shown beside a figure that is this close


def matches(figure: FigureText, value: float) -> bool:
    """Whether a value rounds to the figure, or lies just beyond its bound.

    >>> from .parse import figures
    >>> [matches(figures(t)[0], 30.4506) for t in ("30.5", "30.4", "over 30", "over 20")]
    [True, False, True, False]
    """
    if not math.isfinite(value):
        return False
    if figure.value == 0 and figure.scale > 1:
        return value == 0  # 0.0M: its interval holds everything
    stated = figure.value
    if figure.bound:
        reach = abs(stated) * (0.06 if figure.hedged else 0.25)
        if figure.bound in (">", ">="):
            beyond = value > stated or (figure.bound == ">=" and value >= stated)
            return beyond and (value <= stated + reach or (stated <= 10 and value <= stated + 1))
        beyond = value < stated or (figure.bound == "<=" and value <= stated)
        return beyond and value >= stated - reach
    return figure.low <= value <= figure.high


def chance(figure: FigureText, values: Iterable[float]) -> float:
    """The chance that a random figure of this size and precision meets one of the values.

    Random figures are drawn from half to one and a half of the figure.

    >>> from .parse import figures
    >>> round(chance(figures("30.5")[0], [30.4506, 28.0]), 4)
    0.0065
    """
    size = abs(figure.value) or figure.step
    width = max(figure.high - figure.low, 1e-12)
    low, high = 0.5 * size, 1.5 * size
    met = {round(abs(v) / width) for v in values if math.isfinite(v) and low - width <= abs(v) <= high + width}
    return min(1.0, len(met) * width / (high - low + width))


def written_like(figure: FigureText, value: float) -> str:
    """A value in the form of the figure, for "the table gives 675".

    >>> from .parse import figures
    >>> written_like(figures("$1.2 million")[0], 1_340_000), written_like(figures("12.5%")[0], 13.04)
    ('$1.3 million', '13.0%')
    """
    places = max(0, -math.floor(math.log10(figure.step / figure.scale) + 1e-9)) if figure.step > 0 else 0
    number = f"{value / figure.scale:,.{places}f}"
    digits = [i for i, c in enumerate(figure.text) if c.isdigit()]
    if not digits or figure.in_words:
        return f"{value:,.6g}"
    return figure.text[: digits[0]].lstrip("+-−–") + number + figure.text[digits[-1] + 1 :]


def is_slip(figure: FigureText, value: float) -> bool:
    """Whether a value has the figure's digits but for one, or two in another order.

    >>> from .parse import figures
    >>> [is_slip(figures("657")[0], v) for v in (675, 651, 765, 400)]
    [True, True, False, False]
    """
    one, other = _digits(written_like(figure, figure.value)), _digits(written_like(figure, value))
    if len(one) != len(other) or len(one) < 3:
        return False
    unlike = [i for i, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]
    if len(unlike) == 1:
        return True
    return len(unlike) == 2 and one[unlike[0]] == other[unlike[1]] and one[unlike[1]] == other[unlike[0]] and unlike[1] - unlike[0] <= 2


def _digits(text: str) -> str:
    return "".join(c for c in text if c.isdigit())


def is_near(figure: FigureText, value: float) -> bool:
    """Whether a value is close enough to be named beside the figure."""
    return abs(value - figure.value) <= _NEAR * max(abs(value), abs(figure.value))
