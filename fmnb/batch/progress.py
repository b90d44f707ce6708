"""The status text of a batch, beside its progress bar."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..views.footer import money, uncertain_calls_text
from .summary import Tally

_MIN_ROWS, _MIN_SECONDS = 8, 3.0  # fewer rows give no reliable rate
_SLOW_ROWS, _SLOW_SECONDS = 2, 20.0  # slow rows show a rate earlier
_WINDOW = 20.0, 60.0  # seconds of the window, at least and at most; a quarter of the time between
_UNITS = ((1, "s"), (60, "min"), (3600, "h"))


@dataclass
class RowRate:
    """Rows per second, over a sliding window.

    Counting starts at the first row, so that loading a model is excluded, and ends at the last
    one: a pause counts only once it is longer than every pause before.

    >>> p = RowRate()
    >>> for n in range(1, 41):
    ...     p.add(30 + n / 10, n)
    >>> round(p.rate(34.05), 1), p.rate(44.0) < 5
    (10.0, True)
    """

    _marks: deque[tuple[float, int]] = field(default_factory=deque)  # seconds, rows until then

    def add(self, seconds: float, rows: int) -> None:
        """Record that `rows` rows have finished after `seconds`."""
        if not rows or (self._marks and rows <= self._marks[-1][1]):
            return
        self._marks.append((seconds, rows))
        shortest, longest = _WINDOW
        since = seconds - min(longest, max(shortest, seconds / 4))
        while len(self._marks) > 3 and self._marks[1][0] < since and rows - self._marks[1][1] >= _MIN_ROWS:
            self._marks.popleft()

    def rate(self, seconds: float) -> float | None:
        """Rows per second; None until there are enough rows."""
        if len(self._marks) < 2:
            return None
        (began, first), (end, last) = self._marks[0], self._marks[-1]
        times = [at for at, _ in self._marks]
        longest = max(b - a for a, b in zip(times, times[1:], strict=False))
        took = end - began + max(0.0, seconds - end - longest)
        rows = last - first
        enough = (rows >= _MIN_ROWS and took >= _MIN_SECONDS) or (rows >= _SLOW_ROWS and took >= _SLOW_SECONDS)
        return rows / took if enough else None


@dataclass
class ProgressText:
    """The status text of one batch. It changes slowly: the rate covers many seconds and keeps its unit."""

    _row_rate: RowRate = field(default_factory=RowRate)
    _unit: int = -1

    def text(self, tally: Tally, total: int, seconds: float, *, in_flight: int = 0, other_kernels: int = 0, last: bool = False) -> str:
        """Rate, time left, cost, failures, calls in flight. The last text has no rate, time or calls.

        `in_flight` is 0 if it does not apply; `other_kernels` are rows that other kernels send.

        >>> t = Tally()
        >>> ProgressText().text(t, 10, 1.0, in_flight=4)
        '4 in flight'
        >>> t.answered, t.failed, t.cost = 4, 1, 0.0123
        >>> ProgressText().text(t, 10, 1.0, last=True)
        '1 failed · $0.012'
        """
        new = tally.answered + tally.failed - tally.cached - tally.cached_failures
        self._row_rate.add(seconds, new)
        rate = None if last else self._row_rate.rate(seconds)
        remaining = total - tally.answered - tally.failed
        parts = []
        if rate:
            parts.append(self._rate(rate))
            parts += [f"{_format_remaining(remaining / rate)} left"] if remaining > 0 else []
        parts += [f"{tally.failed:,} failed"] if tally.failed else []
        parts += [("about " if tally.estimated else "") + money(tally.cost)] if tally.cost else ["price unknown"] if tally.unpriced else []
        parts += [uncertain_calls_text(tally.uncertain)] if tally.uncertain and last else []
        parts += [f"{in_flight} in flight"] if in_flight and not last else []
        parts += [f"{other_kernels:,} sent by another kernel"] if other_kernels and not last else []
        parts += [f"{tally.cached:,} cached"] if tally.cached else []
        return " · ".join(parts)

    def _rate(self, rate: float) -> str:
        """The rate in its previous unit, unless that unit no longer fits."""
        shown = rate * _UNITS[self._unit][0]
        if self._unit < 0 or shown < 0.3 or (shown > 300 and self._unit > 0):
            self._unit = next((i for i, (per, _) in enumerate(_UNITS) if rate * per >= 1), len(_UNITS) - 1)
        per, name = _UNITS[self._unit]
        return f"{_round_rate(rate * per)}/{name}"


def _round_rate(value: float) -> str:
    """A number rounded so that it does not flicker.

    >>> _round_rate(3.14159), _round_rate(114), _round_rate(1234)
    ('3.1', '110', '1,200')
    """
    return f"{value:.1f}" if value < 9.95 else f"{float(f'{value:.2g}'):,.0f}"


def _format_remaining(seconds: float) -> str:
    """A remaining time, rounded to its accuracy.

    >>> _format_remaining(3.2), _format_remaining(33), _format_remaining(240), _format_remaining(7000)
    ('3 s', '35 s', '4 min', '1.9 h')
    """
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
