"""Rate limits that a service reports in response headers.

x-ratelimit-limit-requests, -remaining-requests, -reset-requests        OpenAI, Groq, Azure and most others
anthropic-ratelimit-requests-limit, -remaining, -reset                  Anthropic (a reset is an ISO time)
x-ratelimit-limit, -remaining, -reset; ratelimit-limit, ...             one limit, for requests
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from datetime import datetime

from ...core.backend import RateLimitState

_FORMS = (
    ("requests", "x-ratelimit-{}-requests"),
    ("tokens", "x-ratelimit-{}-tokens"),
    ("requests", "anthropic-ratelimit-requests-{}"),
    ("tokens", "anthropic-ratelimit-tokens-{}"),
    ("requests", "x-ratelimit-{}"),
    ("requests", "ratelimit-{}"),
)
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def read(headers: Mapping[str, str]) -> dict[str, RateLimitState]:
    """The rate limits of "requests" and "tokens", if the headers report remaining, limit and reset.

    >>> read({"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59", "x-ratelimit-reset-requests": "1s"})
    {'requests': RateLimitState(remaining=59.0, limit=60.0, reset=1.0)}
    """
    limits: dict[str, RateLimitState] = {}
    for name, form in _FORMS:
        if name in limits or (remaining := headers.get(form.format("remaining"))) is None:
            continue
        limit, reset = headers.get(form.format("limit")), headers.get(form.format("reset"))
        try:
            if limit is not None and reset is not None:
                limits[name] = RateLimitState(float(remaining), float(limit), seconds_until(reset))
        except ValueError:
            pass  # an unknown format
    return limits


def seconds_until(text: str) -> float:
    """A reset as seconds from now. Raises ValueError for an unknown format.

    The formats are `6m0s`, `20ms`, a number of seconds, a Unix time, and an ISO time.

    >>> seconds_until("6m0.5s"), seconds_until("20ms"), seconds_until("3")
    (360.5, 0.02, 3.0)
    """
    text = text.strip()
    try:
        number = float(text)
        return max(0.0, number - time.time()) if number > 1e9 else max(0.0, number)
    except ValueError:
        pass
    if re.fullmatch(r"(?:\d+(?:\.\d+)?(?:ms|[smhd]))+", text):
        return sum(float(n) * _UNITS[unit] for n, unit in re.findall(r"(\d+(?:\.\d+)?)(ms|[smhd])", text))
    return max(0.0, datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() - time.time())
