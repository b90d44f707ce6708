"""Train, dev and held-out splits: deterministic, whole groups on one side, balanced targets."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...core.errors import UsageError
from .sample import SPLITS, Sample


def split(samples: Sequence[Sample], shares: Mapping[str, float], *, stratify: str | None = "target", seed: int = 0) -> list[Sample]:
    """Assign a split to each sample; `shares` are shares of rows, and the rest is "train".

    Rows of one group stay together. `stratify` is "target", a column, or None; strata are as balanced
    as whole groups allow. The assignment of a group depends only on its name and the seed. Raises
    UsageError for shares above 1 or an unknown split.

    >>> rows = [Sample(str(i), {"q": i}, i % 2, f"u{i // 4}") for i in range(40)]
    >>> out = split(rows, {"heldout": 0.5})
    >>> sum(s.split == "heldout" for s in out)
    20
    """
    unknown = [n for n in shares if n not in SPLITS]
    if unknown:
        raise UsageError("No such split", detail=repr(unknown[0]), hint=f"One of {', '.join(SPLITS)}.")
    if any(v < 0 for v in shares.values()) or sum(shares.values()) > 1 + 1e-9:
        raise UsageError("Shares must be between 0 and 1 and sum to at most 1", detail=str(dict(shares)))
    target_shares = {**shares, "train": shares.get("train", 0.0) + 1 - sum(shares.values())}
    groups: dict[str, list[int]] = defaultdict(list)
    for i, s in enumerate(samples):
        groups[s.group if s.group is not None else f"\x00{s.id}"].append(i)
    total = Counter(_stratum(s, stratify) for s in samples)
    counts: dict[str, Counter[Any]] = {name: Counter() for name in target_shares}
    split_of: dict[int, str] = {}
    for group in sorted(groups, key=lambda g: (-len(groups[g]) if g[0] != "\x00" else 0, _rank(g, seed))):
        strata = Counter(_stratum(samples[i], stratify) for i in groups[group])

        def missing(name: str, own: Counter[Any] = strata) -> tuple[float, float]:
            """How many rows the split still lacks: in this group's strata, then overall."""
            behind = sum(n * (target_shares[name] * total[s] - counts[name][s]) for s, n in own.items()) / sum(own.values())
            return (round(behind, 9), target_shares[name] * len(samples) - counts[name].total())

        best = max((n for n in target_shares if target_shares[n] > 0), key=missing)
        counts[best].update(strata)
        for i in groups[group]:
            split_of[i] = best
    return [replace(s, split=split_of[i]) for i, s in enumerate(samples)]


def _stratum(s: Sample, by: str | None) -> Any:
    if by is None:
        return None
    value = s.target if by == "target" else s.values.get(by)
    return value if isinstance(value, (str, int, float, bool)) and len(str(value)) <= 60 else None  # free text makes no strata


def _rank(group: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode("utf-8", "surrogatepass")).hexdigest()
