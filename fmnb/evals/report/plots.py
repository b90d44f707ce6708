"""The report's plots as SVG: intervals, quality over cost, calibration.

Each plot has a title and a description in words, and no script. Colors are the page's variables, for
light and dark themes; marks also differ in shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from ...core.inert_text import inert, literal

_WIDTH, _LEFT_MARGIN, _RIGHT_MARGIN, _ROW_HEIGHT = 640, 190, 60, 28
_TEXT_COLOR, _MUTED_COLOR = "var(--fm-text, currentColor)", "var(--fm-muted, #6e6e76)"
_ACCENT_COLOR, _GRID_COLOR = "var(--fm-accent, #0b63b0)", "var(--fm-line, #8886)"


@dataclass(frozen=True)
class Mark:
    """One line of an interval plot: a label, a value and its interval; `strong` marks significant values."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    strong: bool = True
    note: str = ""
    tick: float | None = None  # a reference value


def _svg_text(text: str) -> str:
    """Text of a plot, without characters that the page's math typesetting would process."""
    return inert(text).replace("span>", "tspan>")


def intervals(
    title: str, marks: Sequence[Mark], x_name: str, *, percent: bool = True, zero: bool = False, whole: bool = False, name: str = ""
) -> str:
    """A dot with its interval for each mark.

    `zero` draws a line at 0, `percent` shows percent, `whole` the axis from 0 to 100 percent: dots
    without intervals would look far apart on a part of it.

    >>> "<title" in intervals("Scores", [Mark("a", 0.5, 0.4, 0.6)], "score, percent")
    True
    """
    known = [v for m in marks for v in (m.value, m.low, m.high, m.tick) if v is not None and math.isfinite(v)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    pad = (high - low or 0.1) * 0.06
    low, high = (max(0.0, low - pad) if low >= 0 and percent and not zero else low - pad), high + pad
    if percent and not zero:
        high = min(1.0 + pad / 4, high)
        if whole:
            low, high = 0.0, 1.0
    axis_bottom = _ROW_HEIGHT * len(marks) + 12
    height = axis_bottom + 50
    x = _scale(low, high, _LEFT_MARGIN, _WIDTH - _RIGHT_MARGIN)
    parts = [_axis(low, high, x, 12, axis_bottom, percent)]
    parts.append(_axis_title((_LEFT_MARGIN + _WIDTH - _RIGHT_MARGIN) / 2, height - 10, x_name))
    if zero:
        parts.append(f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="8" y2="{axis_bottom}" stroke="{_TEXT_COLOR}" stroke-width="1.2"/>')
    for i, m in enumerate(marks):
        y = 24 + i * _ROW_HEIGHT
        color = _ACCENT_COLOR if m.strong else _MUTED_COLOR
        parts.append(
            f'<text x="{_LEFT_MARGIN - 10}" y="{y + 4}" text-anchor="end" fill="{_TEXT_COLOR}">{_svg_text(shorten(m.label))}</text>'
        )
        if m.low is not None and m.high is not None:
            parts.append(f'<line x1="{x(m.low):.1f}" x2="{x(m.high):.1f}" y1="{y}" y2="{y}" stroke="{color}" stroke-width="2.5"/>')
            parts += [
                f'<line x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{y - 5}" y2="{y + 5}" stroke="{color}" stroke-width="1.5"/>'
                for v in (m.low, m.high)
            ]
        if m.tick is not None:
            parts.append(
                f'<line x1="{x(m.tick):.1f}" x2="{x(m.tick):.1f}" y1="{y - 8}" y2="{y + 8}" stroke="{_TEXT_COLOR}" stroke-dasharray="2 2"/>'
            )
        fill = color if m.strong else "var(--fm-paper, #fff)"
        parts.append(f'<circle cx="{x(m.value):.1f}" cy="{y}" r="5" fill="{fill}" stroke="{color}" stroke-width="2"/>')
        parts.append(
            f'<text x="{_WIDTH - _RIGHT_MARGIN + 8}" y="{y + 4}" fill="{_TEXT_COLOR}">{_value_text(m.value, percent, zero)}</text>'
        )
    description = "; ".join(_mark_text(m, percent, zero) for m in marks)
    return _svg(title, description, height, parts, name)


@dataclass(frozen=True)
class Point:
    """A model's cost and quality; `best` marks the Pareto front."""

    label: str
    x: float
    y: float
    low: float | None = None
    high: float | None = None
    best: bool = False


def pareto_front(points: Sequence[tuple[str, float, float]]) -> set[str]:
    """Labels on the Pareto front of (label, cost, quality).

    >>> sorted(pareto_front([("a", 1, 0.5), ("b", 2, 0.4), ("c", 3, 0.9)]))
    ['a', 'c']
    """
    return {
        label for label, x, y in points if not any((u <= x and v >= y) and (u < x or v > y) for other, u, v in points if other != label)
    }


def scatter(title: str, points: Sequence[Point], x_name: str, y_name: str, *, percent: bool = True, name: str = "") -> str:
    """Quality over cost, with a line along the Pareto front."""
    height, top, bottom = 300, 16, 252
    xs, ys = [p.x for p in points], [v for p in points for v in (p.y, p.low, p.high) if v is not None]
    pad_x, pad_y = (max(xs) - min(xs) or abs(max(xs)) or 1) * 0.12, (max(ys) - min(ys) or 0.1) * 0.1
    x = _scale(max(0.0, min(xs) - pad_x), max(xs) + pad_x, 70, _WIDTH - 120)
    low, high = min(ys) - pad_y, max(ys) + pad_y
    y = _scale(low, high, bottom, top)
    parts = []
    for v in _ticks(low, high, 5):
        parts.append(f'<line x1="70" x2="{_WIDTH - 120}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="{_GRID_COLOR}"/>')
        parts.append(f'<text x="62" y="{y(v) + 4:.1f}" text-anchor="end" fill="{_MUTED_COLOR}">{_value_text(v, percent, False)}</text>')
    for v in _ticks(max(0.0, min(xs) - pad_x), max(xs) + pad_x, 4):
        parts.append(f'<text x="{x(v):.1f}" y="{bottom + 18}" text-anchor="middle" fill="{_MUTED_COLOR}">{v:.3g}</text>')
    parts += [_axis_title((_WIDTH - 50) / 2, height - 8, x_name), _axis_title(14, (top + bottom) / 2, y_name, vertical=True)]
    best = sorted((p for p in points if p.best), key=lambda p: p.x)
    if len(best) > 1:
        path = " ".join(f"{x(p.x):.1f},{y(p.y):.1f}" for p in best)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{_ACCENT_COLOR}" stroke-width="1.5" stroke-dasharray="5 3"/>')
    for p in points:
        color = _ACCENT_COLOR if p.best else _MUTED_COLOR
        if p.low is not None and p.high is not None:
            parts.append(
                f'<line x1="{x(p.x):.1f}" x2="{x(p.x):.1f}" y1="{y(p.low):.1f}" y2="{y(p.high):.1f}" stroke="{color}" stroke-width="2"/>'
            )
        shape = (
            f'<circle cx="{x(p.x):.1f}" cy="{y(p.y):.1f}" r="6" fill="{color}"/>'
            if p.best
            else f'<rect x="{x(p.x) - 5:.1f}" y="{y(p.y) - 5:.1f}" width="10" height="10" fill="{color}"/>'
        )
        parts.append(shape)
        parts.append(f'<text x="{x(p.x) + 10:.1f}" y="{y(p.y) - 8:.1f}" fill="{_TEXT_COLOR}">{_svg_text(shorten(p.label))}</text>')
    description = "; ".join(
        f"{p.label}: {x_name} {p.x:.3g}, {_value_text(p.y, percent, False)}{', on the front' if p.best else ''}" for p in points
    )
    return _svg(title, description, height, parts, name)


def calibration_curve(title: str, bins: Sequence[tuple[float, float, int]], name: str = "") -> str:
    """Accuracy over confidence with the diagonal; bins are (confidence, accuracy, rows)."""
    side = 260
    x, y = _scale(0, 1, 60, 60 + side), _scale(0, 1, 16 + side, 16)
    parts = [f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(1)}" y2="{y(1)}" stroke="{_MUTED_COLOR}" stroke-dasharray="4 3"/>']
    for v in (0, 0.25, 0.5, 0.75, 1):
        parts.append(f'<line x1="{x(0)}" x2="{x(1)}" y1="{y(v):.1f}" y2="{y(v):.1f}" stroke="{_GRID_COLOR}"/>')
        parts.append(f'<text x="{x(0) - 8}" y="{y(v) + 4:.1f}" text-anchor="end" fill="{_MUTED_COLOR}">{v:.0%}</text>')
        parts.append(f'<text x="{x(v):.1f}" y="{y(0) + 18}" text-anchor="middle" fill="{_MUTED_COLOR}">{v:.0%}</text>')
    path = " ".join(f"{x(c):.1f},{y(r):.1f}" for c, r, _ in bins)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{_ACCENT_COLOR}" stroke-width="2"/>')
    parts += [f'<circle cx="{x(c):.1f}" cy="{y(r):.1f}" r="4" fill="{_ACCENT_COLOR}"/>' for c, r, _ in bins]
    parts += [_axis_title(x(0.5), y(0) + 36, "confidence of the model"), _axis_title(14, y(0.5), "accuracy", vertical=True)]
    description = "; ".join(f"of {n} rows with confidence {c:.0%}, {r:.0%} are correct" for c, r, n in bins)
    return _svg(title, description, side + 60, parts, name)


def _svg(title: str, description: str, height: float, parts: Sequence[str], name: str) -> str:
    """An SVG; `name` makes the ids of title and description unique on the page."""
    key = escape(name or "plot", quote=True)
    return (
        f'<svg role="img" aria-labelledby="{key}-t {key}-d" viewBox="0 0 {_WIDTH} {height:.0f}" '
        f'xmlns="http://www.w3.org/2000/svg" font-size="12.5" font-family="inherit">'
        f'<title id="{key}-t">{literal(title)}</title><desc id="{key}-d">{literal(description)}</desc>{"".join(parts)}</svg>'
    )


def _axis_title(x: float, y: float, text: str, *, vertical: bool = False) -> str:
    turn = f' transform="rotate(-90 {x:.0f} {y:.0f})"' if vertical else ""
    return f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="middle" fill="{_MUTED_COLOR}"{turn}>{_svg_text(text)}</text>'


def _axis(low: float, high: float, x: _Scale, top: float, bottom: float, percent: bool) -> str:
    out = []
    for v in _ticks(low, high, 6):
        out.append(f'<line x1="{x(v):.1f}" x2="{x(v):.1f}" y1="{top}" y2="{bottom}" stroke="{_GRID_COLOR}"/>')
        out.append(
            f'<text x="{x(v):.1f}" y="{bottom + 18}" text-anchor="middle" fill="{_MUTED_COLOR}">{100 * v if percent else v:.4g}</text>'
        )
    return "".join(out)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, v: float) -> float:
        return self.start + (self.end - self.start) * (v - self.low) / (self.high - self.low or 1)


def _scale(low: float, high: float, start: float, end: float) -> _Scale:
    return _Scale(low, high, start, end)


def _ticks(low: float, high: float, max_ticks: int) -> list[float]:
    """Round numbers inside a range.

    >>> _ticks(0, 1, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    step = 10 ** math.floor(math.log10((high - low) / max_ticks or 1))
    step = next((s for s in (step, 2 * step, 5 * step, 10 * step) if (high - low) / s <= max_ticks), 10 * step)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 10) + 0.0 for i in range(int((high - first * step) / step + 1e-9) + 1)]


def _value_text(v: float, percent: bool, signed: bool) -> str:
    if percent:
        return f"{100 * v:+.1f}" if signed else f"{100 * v:.1f}"
    return f"{v:+.3g}" if signed else f"{v:.4g}"


def _mark_text(m: Mark, percent: bool, signed: bool) -> str:
    out = f"{m.label}: {_value_text(m.value, percent, signed)}"
    if m.low is not None and m.high is not None:
        out += f", 95% {_value_text(m.low, percent, signed)} to {_value_text(m.high, percent, signed)}"
    return f"{out}, {m.note}" if m.note else out


def shorten(text: str, max_length: int = 25) -> str:
    return text if len(text) <= max_length else text[: max_length - 1] + "…"
