"""How far a batch is, in a few words beside its bar: only what there is something to say of."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from ..views.footer import money, uncertain_calls_text
from .summary import Tally

_ROWS, _SECONDS = 8, 3.0  # a rate of less is chance
_SLOW_ROWS, _SLOW_SECONDS = 2, 20.0  # where a row takes long, nobody waits for eight
_WINDOW = 20.0, 60.0  # seconds that a rate is of: a quarter of the time, but not less and not more
_PER = ((1, "s"), (60, "min"), (3600, "h"))


@dataclass
class Pace:
    """How many rows come in a second, by those of the last seconds.

    It is counted from the first row on, so that loading a model is not in it, and to the last one:
    a silence says nothing until it is longer than all before.

    >>> p = Pace()
    >>> for n in range(1, 41):
    ...     p.add(30 + n / 10, n)
    >>> round(p.rate(34.05), 1), p.rate(44.0) < 5
    (10.0, True)
    """

    _marks: deque[tuple[float, int]] = field(default_factory=deque)  # seconds, rows until then

    def add(self, seconds: float, rows: int) -> None:
        """So many rows have come."""
        if not rows or (self._marks and rows <= self._marks[-1][1]):
            return
        self._marks.append((seconds, rows))
        least, most = _WINDOW
        since = seconds - min(most, max(least, seconds / 4))
        while len(self._marks) > 3 and self._marks[1][0] < since and rows - self._marks[1][1] >= _ROWS:
            self._marks.popleft()

    def rate(self, seconds: float) -> float | None:
        """Rows a second; None while too few have come to say it."""
        if len(self._marks) < 2:
            return None
        (began, first), (end, last) = self._marks[0], self._marks[-1]
        times = [at for at, _ in self._marks]
        longest = max(b - a for a, b in zip(times, times[1:], strict=False))
        took = end - began + max(0.0, seconds - end - longest)
        rows = last - first
        enough = (rows >= _ROWS and took >= _SECONDS) or (rows >= _SLOW_ROWS and took >= _SLOW_SECONDS)
        return rows / took if enough else None


@dataclass
class SoFar:
    """The words of one batch. They are kept calm: the rate is one of many seconds, and keeps its unit."""

    _pace: Pace = field(default_factory=Pace)
    _unit: int = -1

    def words(self, t: Tally, asked: int, seconds: float, *, at_once: int = 0, elsewhere: int = 0, last: bool = False) -> str:
        """Rate, time left, money, failures, calls at once; without rate, time and calls when it goes no further.

        `at_once` is 0 where it says nothing; `elsewhere` are rows that other kernels ask.

        >>> t = Tally()
        >>> SoFar().words(t, 10, 1.0, at_once=4)
        '4 at once'
        >>> t.answered, t.failed, t.cost = 4, 1, 0.0123
        >>> SoFar().words(t, 10, 1.0, last=True)
        '1 failed · $0.012'
        """
        fresh = t.answered + t.failed - t.reused - t.known_failed
        self._pace.add(seconds, fresh)
        rate = None if last else self._pace.rate(seconds)
        left = asked - t.answered - t.failed
        parts = []
        if rate:
            parts.append(self._rate(rate))
            parts += [f"{_long(left / rate)} left"] if left > 0 else []
        parts += [f"{t.failed:,} failed"] if t.failed else []
        parts += [("about " if t.estimated else "") + money(t.cost)] if t.cost else ["price unknown"] if t.unpriced else []
        parts += [uncertain_calls_text(t.doubtful)] if t.doubtful and last else []
        parts += [f"{at_once} at once"] if at_once and not last else []
        parts += [f"{elsewhere:,} asked by another kernel"] if elsewhere and not last else []
        parts += [f"{t.reused:,} from before"] if t.reused else []
        return " · ".join(parts)

    def _rate(self, rate: float) -> str:
        """A rate in the unit it had, unless that has become far off."""
        shown = rate * _PER[self._unit][0]
        if self._unit < 0 or shown < 0.3 or (shown > 300 and self._unit > 0):
            self._unit = next((i for i, (per, _) in enumerate(_PER) if rate * per >= 1), len(_PER) - 1)
        per, name = _PER[self._unit]
        return f"{_two(rate * per)}/{name}"


def _two(value: float) -> str:
    """A number that does not flicker.

    >>> _two(3.14159), _two(114), _two(1234)
    ('3.1', '110', '1,200')
    """
    return f"{value:.1f}" if value < 9.95 else f"{float(f'{value:.2g}'):,.0f}"


def _long(seconds: float) -> str:
    """A time to come, no finer than it is known.

    >>> _long(3.2), _long(33), _long(240), _long(7000)
    ('3 s', '35 s', '4 min', '1.9 h')
    """
    if seconds < 10:
        return f"{max(1, round(seconds))} s"
    if seconds < 90:
        return f"{5 * round(seconds / 5)} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
