"""The plots of an evaluation as matplotlib Axes, to change, combine and save.

The report's own page draws the same numbers as SVG, without a library.
"""

from __future__ import annotations

import textwrap
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from ...core.errors import UsageError, alternatives
from ...core.optional import require
from ..analysis import Analysis
from ..results import Results
from .plot_words import gap_axis, missing_intervals, score_axis
from .sentences import ranked_pairs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PlotKind: TypeAlias = Literal["scores", "gaps"]
_NOTE_WIDTH = 70  # letters of a line below the axis
_DISPLAY = "_ipython_display_"  # the method that IPython calls for the value of a cell
_HEIGHT = 0.42  # inches for one model or pair


def plot(e: Results, kind: PlotKind = "scores", scorer: str = "", ax: Axes | None = None) -> Axes:
    """Draw scores or gaps with their 95% intervals.

    Args:
        e: The evaluation.
        kind: `scores` of each model, or `gaps` between models on the same rows.
        scorer: Name of the scorer; the first if empty.
        ax: Where to draw; a new figure if None.

    Returns:
        The Axes.

    Raises:
        UsageError: Another kind, or gaps of a single model.
        MissingPackageError: matplotlib is not installed.

    >>> from fmnb.evals.import_scores import from_scores
    >>> e = from_scores([{"q": i, "a": int(i % 3 > 0), "b": i % 2} for i in range(60)], ["a", "b"])
    >>> plot(e, "gaps").get_xlabel()
    'gap in points'
    """
    if kind not in get_args(PlotKind):
        raise UsageError("There is no such plot", detail=repr(kind), hint=f"Use {alternatives(map(repr, get_args(PlotKind)))}.")
    a = e.analysis(scorer)
    rows = _scores(a) if kind == "scores" else _gaps(a)
    if not rows:
        raise UsageError("There are no gaps to plot", detail="one model", hint="Evaluate two models or more.")
    if ax is None:
        pyplot = require("matplotlib.pyplot", "tutorials", "to plot", package="matplotlib")
        ax = pyplot.subplots(figsize=(6.4, 0.9 + _HEIGHT * len(rows)), layout="constrained")[1]
    scale = 100 if a.in_points else 1
    for y, (value, low, high, strong) in enumerate(r[1:] for r in reversed(rows)):
        color = "C0" if strong else "0.5"
        if low is not None and high is not None:
            ax.plot([low * scale, high * scale], [y, y], color=color, linewidth=2)
        ax.plot([value * scale], [y], marker="o", color=color, markerfacecolor=color if strong else "white", linestyle="none")
    ax.set_yticks(range(len(rows)), [r[0] for r in reversed(rows)])
    ax.set_ylim(-0.6, len(rows) - 0.4)
    if kind == "gaps":
        ax.axvline(0, color="0.3", linewidth=1)
    missing = missing_intervals(a, gaps=kind == "gaps")
    if missing and kind == "scores" and a.in_points:
        ax.set_xlim(-2, 102)  # dots without intervals would look far apart on a part of the axis
    title = score_axis(a) if kind == "scores" else gap_axis(a)
    ax.set_xlabel("\n".join([title, *textwrap.wrap(missing, _NOTE_WIDTH)]))
    ax.spines[["top", "right"]].set_visible(False)
    # As the value of a cell, the Axes would print their name over the picture that the cell shows.
    setattr(ax, _DISPLAY, partial(_show_nothing_once, ax))
    return ax


def _show_nothing_once(ax: Axes) -> None:
    delattr(ax, _DISPLAY)


_Row: TypeAlias = tuple[str, float, Any, Any, bool]


def _scores(a: Analysis) -> list[_Row]:
    found = [(m, a.levels[m].estimate) for m in a.ranking]
    return [(m, lv.value, lv.low, lv.high, True) for m, lv in found]


def _gaps(a: Analysis) -> list[_Row]:
    return [(f"{p.b} − {p.a}", p.test.gap.value, *(p.interval or (None, None)), p.significant) for p in ranked_pairs(a)]
