"""Train, dev and held-out rows: whole groups on one side, the same each time, alike in their targets."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...core.errors import UsageError
from .sample import SPLITS, Sample


def split(samples: Sequence[Sample], shares: Mapping[str, float], *, stratify: str | None = "target", seed: int = 0) -> list[Sample]:
    """Samples with their split set; `shares` are of rows, what they leave is "train".

    Rows of one group stay together. `stratify` is "target", a value's name, or None; strata are
    kept as even as whole groups allow. Which side a group falls on hangs on its name and the
    seed alone. Raises UsageError for shares above 1 or names that are no split.

    >>> rows = [Sample(str(i), {"q": i}, i % 2, f"u{i // 4}") for i in range(40)]
    >>> out = split(rows, {"heldout": 0.5})
    >>> sum(s.split == "heldout" for s in out)
    20
    """
    unknown = [n for n in shares if n not in SPLITS]
    if unknown:
        raise UsageError("No such split", detail=repr(unknown[0]), hint=f"One of {', '.join(SPLITS)}.")
    if any(v < 0 for v in shares.values()) or sum(shares.values()) > 1 + 1e-9:
        raise UsageError("Shares of rows lie between 0 and 1 and add up to 1 at most", detail=str(dict(shares)))
    wanted = {**shares, "train": shares.get("train", 0.0) + 1 - sum(shares.values())}
    groups: dict[str, list[int]] = defaultdict(list)
    for i, s in enumerate(samples):
        groups[s.group if s.group is not None else f"\x00{s.id}"].append(i)
    total = Counter(_stratum(s, stratify) for s in samples)
    placed: dict[str, Counter[Any]] = {name: Counter() for name in wanted}
    where: dict[int, str] = {}
    for group in sorted(groups, key=lambda g: (-len(groups[g]) if g[0] != "\x00" else 0, _rank(g, seed))):
        own = Counter(_stratum(samples[i], stratify) for i in groups[group])

        def missing(name: str, own: Counter[Any] = own) -> tuple[float, float]:
            """How far the split is behind its share: in this group's strata, then in all."""
            behind = sum(n * (wanted[name] * total[s] - placed[name][s]) for s, n in own.items()) / sum(own.values())
            return (round(behind, 9), wanted[name] * len(samples) - placed[name].total())

        best = max((n for n in wanted if wanted[n] > 0), key=missing)
        placed[best].update(own)
        for i in groups[group]:
            where[i] = best
    return [replace(s, split=where[i]) for i, s in enumerate(samples)]


def _stratum(s: Sample, by: str | None) -> Any:
    if by is None:
        return None
    value = s.target if by == "target" else s.values.get(by)
    return value if isinstance(value, (str, int, float, bool)) and len(str(value)) <= 60 else None  # free text is no stratum


def _rank(group: str, seed: int) -> str:
    return hashlib.sha256(f"{seed}:{group}".encode("utf-8", "surrogatepass")).hexdigest()
