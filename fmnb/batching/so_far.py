"""How far a batch is, in a few words beside its bar."""

from __future__ import annotations

from .summary import Tally


def so_far(t: Tally, asked: int, seconds: float, *, at_once: int, free: bool, last: bool) -> str:
    """Rate, time left, money, errors, and calls at once; without rate and time when it goes no further.

    >>> so_far(Tally(), 10, 1.0, at_once=4, free=True, last=False)
    'free · no errors · 4 at once'
    """
    fresh = t.answered + t.failed - t.reused
    rate = fresh / max(seconds, 1e-6)
    parts = []
    if fresh and rate and not last:
        parts.append(f"{rate:,.0f}/s" if rate >= 2 else f"{rate * 60:,.0f}/min")
        parts.append(f"{_long((asked - t.answered - t.failed) / rate)} left")
    parts.append(f"${t.cost:,.4f}" if t.cost else "price unknown" if t.unpriced else "free" if free or t.answered > t.reused else "$0")
    if t.reused:
        parts.append(f"{t.reused:,} from before")
    parts.append(f"{t.failed:,} failed" if t.failed else "no errors")
    if not last:
        parts.append(f"{at_once} at once")
    return " · ".join(parts)


def _long(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
