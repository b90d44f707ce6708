"""How long a batch will take, at least and at most: what calls took before, how many go at once, what the limits allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..limits import rate_limit

_MORE = 4  # times as many calls at once as it starts with, where a host takes them


@dataclass(frozen=True)
class Load:
    """What one host is to be asked: calls, and tokens of prompts and answers in all; `took` are seconds of calls like these."""

    host: str
    calls: float
    tokens: float
    took: Sequence[float]


def duration(loads: Sequence[Load], rpm: float | None, tpm: float | None, concurrency: int | None) -> tuple[float, float] | None:
    """Seconds, at least and at most; None where nothing like it was ever asked and there is no limit to go by.

    Hosts are asked side by side, the models of one host after each other; `rpm` and `tpm` hold for all together.

    >>> duration([Load("far.example", 640, 0, [2.0])], None, None, None)
    (20.0, 80.0)
    >>> duration([Load("far.example", 640, 0, [])], 64, None, None)
    (600.0, 900.0)
    """
    calls, tokens = sum(x.calls for x in loads), sum(x.tokens for x in loads)
    if not calls:
        return 0.0, 0.0
    least = max(calls / rpm * 60 if rpm else 0.0, tokens / tpm * 60 if tpm else 0.0)
    if any(x.calls and not x.took for x in loads):
        return (least, 1.5 * least) if least else None
    hosts: dict[str, tuple[float, float]] = {}
    for x in loads:
        if x.calls:
            low, high = hosts.get(x.host, (0.0, 0.0))
            quick, slow = _alone(x, concurrency)
            hosts[x.host] = low + quick, high + slow
    return max(least, *(low for low, _ in hosts.values())), max(least, *(high for _, high in hosts.values()))


def _alone(x: Load, concurrency: int | None) -> tuple[float, float]:
    """Seconds of one model's calls, were they alone at their host."""
    known = rate_limit.host_limits(x.host)
    few = concurrency or known.concurrency
    many = concurrency or (few if known.refused else few * _MORE)
    ordered = sorted(x.took)
    quick, slow = (ordered[len(ordered) * n // 4] for n in (1, 3)) if len(ordered) > 3 else (min(ordered), max(ordered))
    allowed = max(
        [(max(0.0, (x.tokens if s.name == "tokens" else x.calls) - s.remaining) / s.per_second) for s in known.quotas],
        default=0.0,
    )
    if known.per_second:  # learned from refusals: it is kept to, however many go at once
        allowed = max(allowed, x.calls / known.per_second)
    return max(allowed, x.calls * quick / many), max(allowed, x.calls * slow / few)
