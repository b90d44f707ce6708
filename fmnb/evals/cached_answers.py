"""How many answers of an evaluation came from the cache, and how old they are."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CacheUse:
    """`count` of `total` answers came from the cache.

    `oldest` and `newest` are their request times, None if unknown; `started_at` is the start of the
    evaluation. All are seconds since the epoch.
    """

    count: int
    total: int
    oldest: float | None
    newest: float | None
    started_at: float

    @property
    def sentence(self) -> str:
        """How many answers were cached, and their age; "" if none were."""
        if not self.count:
            return ""
        subject = f"{self.count:,} of {self.total:,} answers came" if self.total > 1 else "The answer came"
        if self.oldest is None or self.newest is None:
            return f"{subject} from the cache, from an unknown time; `fresh=True` (`--no-cache`) sends the requests again."
        age = age_text(self.started_at - self.oldest)
        when = f"requested {_format_time(self.oldest)}"
        if self.newest - self.oldest > 60:
            when = f"requested from {_format_time(self.oldest)} to {_format_time(self.newest)}"
            age = f"{age_text(self.started_at - self.newest)} to {age}" if age_text(self.started_at - self.newest) != age else age
        return f"{subject} from the cache, {when} ({age} before); `fresh=True` (`--no-cache`) sends the requests again."


def cache_use(request_times: Sequence[float | None], sources: Sequence[str], started_at: float) -> CacheUse:
    """Cached answers: those requested before the evaluation started, or from a source that is not live.

    >>> cache_use([100.0, 900.0], ["cached", "live"], 900.0).count
    1
    """
    cached = [t for t, s in zip(request_times, sources, strict=True) if (t is not None and t < started_at) or (t is None and s != "live")]
    known = [t for t in cached if t is not None]
    all_known = len(known) == len(cached) and bool(known)
    return CacheUse(len(cached), len(request_times), min(known) if all_known else None, max(known) if all_known else None, started_at)


def age_text(seconds: float) -> str:
    """A duration in words, rounded down.

    >>> age_text(20), age_text(90 * 60), age_text(3 * 86400)
    ('seconds', '1 h', '3 days')
    """
    for name, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            n = int(seconds // size)
            return f"{n} {name[:-1] if n == 1 and name == 'days' else name}"
    return "seconds"


def _format_time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
