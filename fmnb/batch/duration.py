"""How long a batch will take: past latencies, concurrency and rate limits give a range."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..limits import rate_limit

FEW_LATENCIES = 3  # so many latencies, or fewer, do not show how fast a call can be
_FASTER = 4  # how much faster than a few measured calls the others may be
_MAX_GROWTH = 4  # how far the concurrency may grow beyond its start


@dataclass(frozen=True)
class HostLoad:
    """The load of one host: calls, tokens of prompts and answers, and latencies of similar calls."""

    host: str
    calls: float
    tokens: float
    latencies: Sequence[float]


def estimate_seconds(
    loads: Sequence[HostLoad], rpm: float | None, tpm: float | None, concurrency: int | None
) -> tuple[float, float] | None:
    """Minimum and maximum seconds; None without latencies of similar calls and without a rate limit.

    Hosts run in parallel, the models of one host one after the other; `rpm` and `tpm` apply to all together.

    >>> estimate_seconds([HostLoad("far.example", 640, 0, [2.0] * 4)], None, None, None)
    (20.0, 80.0)
    >>> estimate_seconds([HostLoad("far.example", 640, 0, [2.0])], None, None, None)
    (5.0, 80.0)
    >>> estimate_seconds([HostLoad("far.example", 640, 0, [])], 64, None, None)
    (600.0, 900.0)
    """
    calls, tokens = sum(x.calls for x in loads), sum(x.tokens for x in loads)
    if not calls:
        return 0.0, 0.0
    minimum = max(calls / rpm * 60 if rpm else 0.0, tokens / tpm * 60 if tpm else 0.0)
    if any(x.calls and not x.latencies for x in loads):
        return (minimum, 1.5 * minimum) if minimum else None
    hosts: dict[str, tuple[float, float]] = {}
    for x in loads:
        if x.calls:
            low, high = hosts.get(x.host, (0.0, 0.0))
            fast, slow = _model_seconds(x, concurrency)
            hosts[x.host] = low + fast, high + slow
    return max(minimum, *(low for low, _ in hosts.values())), max(minimum, *(high for _, high in hosts.values()))


def _model_seconds(x: HostLoad, concurrency: int | None) -> tuple[float, float]:
    """Minimum and maximum seconds of one model's calls, if they were alone at their host."""
    known = rate_limit.host_limits(x.host)
    start = concurrency or known.concurrency
    peak = concurrency or (start if known.refused else start * _MAX_GROWTH)
    ordered = sorted(x.latencies)
    many = len(ordered) > FEW_LATENCIES
    fast, slow = (ordered[len(ordered) * n // 4] for n in (1, 3)) if many else (ordered[0] / _FASTER, ordered[-1])
    allowed = max(
        [(max(0.0, (x.tokens if s.name == "tokens" else x.calls) - s.remaining) / s.per_second) for s in known.quotas],
        default=0.0,
    )
    if known.per_second:  # learned from HTTP 429; it holds at any concurrency
        allowed = max(allowed, x.calls / known.per_second)
    return max(allowed, x.calls * fast / peak), max(allowed, x.calls * slow / start)
