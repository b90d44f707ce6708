"""Which answers of an evaluation were not asked for it, and how old they are."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Reuse:
    """`count` of `of` answers came from the cache; `oldest` and `newest` are seconds since the epoch, `begun` is the evaluation's start.

    `oldest` is None where it is not known when the answers were asked.
    """

    count: int
    of: int
    oldest: float | None
    newest: float | None
    begun: float

    @property
    def sentence(self) -> str:
        """How many and how old; "" where all were asked for this evaluation."""
        if not self.count:
            return ""
        many = f"{self.count:,} of {self.of:,} answers came" if self.of > 1 else "The answer came"
        if self.oldest is None or self.newest is None:
            return f"{many} from the cache, nobody knows from when; `fresh=True` (`--no-cache`) asks again."
        age = ago(self.begun - self.oldest)
        when = f"asked {_date(self.oldest)}"
        if self.newest - self.oldest > 60:
            when = f"asked from {_date(self.oldest)} to {_date(self.newest)}"
            age = f"{ago(self.begun - self.newest)} to {age}" if ago(self.begun - self.newest) != age else age
        return f"{many} from the cache, {when} ({age} before); `fresh=True` (`--no-cache`) asks again."


def reuse(asked: Sequence[float | None], sources: Sequence[str], begun: float) -> Reuse:
    """What was reused: answers asked before the evaluation began, or of a source that is not live.

    >>> reuse([100.0, 900.0], ["cached", "live"], 900.0).count
    1
    """
    old = [t for t, s in zip(asked, sources, strict=True) if (t is not None and t < begun) or (t is None and s != "live")]
    known = [t for t in old if t is not None]
    whole = len(known) == len(old) and bool(known)
    return Reuse(len(old), len(asked), min(known) if whole else None, max(known) if whole else None, begun)


def ago(seconds: float) -> str:
    """A length of time as people say it.

    >>> ago(20), ago(90 * 60), ago(3 * 86400)
    ('seconds', '1 h', '3 days')
    """
    for name, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            n = int(seconds // size)
            return f"{n} {name[:-1] if n == 1 and name == 'days' else name}"
    return "seconds"


def _date(at: float) -> str:
    return datetime.datetime.fromtimestamp(at).strftime("%Y-%m-%d %H:%M")
