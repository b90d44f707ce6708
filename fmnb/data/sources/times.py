"""Times to live ("5m"), and how old a value is in words."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from ...core.errors import UsageError

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST = 366 * 86400.0


def seconds_of(ttl: str | float | timedelta) -> float:
    """A time to live in seconds.

    Args:
        ttl: A number with a unit, such as "30s", "5m", "2h" or "1d", a number of seconds, or a timedelta.

    Raises:
        UsageError: It is none of these, not positive, or longer than a year.

    >>> seconds_of("5m"), seconds_of("1.5h"), seconds_of(30)
    (300.0, 5400.0, 30.0)
    """
    found = 0.0
    if isinstance(ttl, timedelta):
        found = ttl.total_seconds()
    elif isinstance(ttl, str) and (m := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd])\s*", ttl)):
        found = float(m[1]) * _UNITS[m[2]]
    elif isinstance(ttl, (int, float)) and not isinstance(ttl, bool):
        found = float(ttl)
    if not 0 < found <= _LONGEST:
        raise UsageError("That is no time to live", detail=repr(ttl)[:60], hint='Use "30s", "5m", "2h" or "1d", at most a year.')
    return found


def as_of(at: float, now: float) -> str:
    """When a value was fetched, in local time, and how long ago.

    >>> as_of(1_800_000_000, 1_800_000_200).partition(", ")[2]
    '3 minutes old'
    """
    then, today = datetime.fromtimestamp(at), datetime.fromtimestamp(now)
    shown = then.strftime("%H:%M" if then.date() == today.date() else "%Y-%m-%d %H:%M")
    return f"as of {shown}, {_age(max(0.0, now - at))}"


def _age(seconds: float) -> str:
    if seconds < 60:
        return "just fetched" if seconds < 5 else f"{int(seconds)} seconds old"
    unit, length = next((u, n) for u, n in (("day", 86400), ("hour", 3600), ("minute", 60)) if seconds >= n)
    count = int(seconds // length)
    return f"{count} {unit}{'s' * (count != 1)} old"
