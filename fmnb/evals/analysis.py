"""What the scores say: each model's level, every pair's gap, who is tied, and how many rows would tell more."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ..stats.holm import holm, letters
from ..stats.level import Level, level
from ..stats.paired import Paired, is_real, paired
from ..stats.power import rows_needed
from ..stats.resampling import QUICK, SEED, bootstrap_many
from ..stats.shares import Interval
from .failures import doubt
from .matrix import Matrix

NICE = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3)  # gaps people name


@dataclass(frozen=True)
class Pair:
    """Two models on the same rows: `test` is b less a, `p` holds for all pairs together, `real` says whether one beats the other."""

    a: str
    b: str
    test: Paired
    p: float
    real: bool
    bootstrap: Interval | None = None
    target_gap: float | None = None
    more_rows: int | None = None
    doubt: str = ""  # why the gap is no verdict: failures could turn it

    @property
    def better(self) -> str:
        """The one with the higher mean."""
        return self.b if self.test.gap.value > 0 else self.a


@dataclass(frozen=True)
class Analysis:
    """Of one scorer. `points` says that scores lie between 0 and 1 and gaps are told in points of a hundred."""

    scorer: str
    matrix: Matrix
    levels: dict[str, Level]
    pairs: tuple[Pair, ...]
    letters: dict[str, str]
    clusters: tuple[Hashable, ...] | None
    by: str
    points: bool
    seed: int
    draws: int
    notes: tuple[str, ...] = field(default=())

    @property
    def order(self) -> list[str]:
        """Models, best first."""
        return sorted(self.levels, key=lambda m: -self.levels[m].estimate.value)

    @property
    def cluster_count(self) -> int | None:
        """How many groups the rows are in, None where each stands alone."""
        return len(set(self.clusters)) if self.clusters is not None else None


def analyse(
    m: Matrix,
    groups: Sequence[str | None] = (),
    *,
    by: str = "group",
    confidence: float = 0.95,
    draws: int = QUICK,
    seed: int = SEED,
) -> Analysis:
    """All of it, for the rows of a matrix; `groups` are of all rows of the set, None where a row stands alone.

    Rows are taken as clusters where a group has more than one of them. Raises ValueError where no row is left.
    """
    if not len(m.rows):
        raise ValueError("no row could be scored")
    clusters = clusters_of([groups[i] for i in m.rows]) if len(groups) else None
    duels = {(a, b): m.pair(a, b) for a, b in combinations(m.models, 2)}
    alone = {k: clusters_of([groups[i] for i in rows]) if len(groups) else None for k, (_, _, rows) in duels.items()}
    levels = {name: level(m.of(name), clusters, confidence) for name in m.models}
    found = [(a, b, paired(x, y, alone[a, b], confidence)) for (a, b), (x, y, rows) in duels.items() if len(rows)]
    raised = holm([t.p for _, _, t in found])
    points = bool(m.values.min() >= 0 and m.values.max() <= 1)
    intervals: Sequence[Interval | None] = [None] * len(found)
    if found and draws:
        gaps = [duels[a, b][1] - duels[a, b][0] for a, b, _ in found]
        if m.duels:  # pairs of a judge have rows of their own
            one = [
                bootstrap_many(d[:, None], alone[a, b], draws=draws, seed=seed, confidence=confidence)
                for d, (a, b, _) in zip(gaps, found, strict=True)
            ]
            intervals = [i for some in one for i in some]
        else:
            intervals = bootstrap_many(np.stack(gaps, axis=1), clusters, draws=draws, seed=seed, confidence=confidence)
    pairs = []
    for (a, b, test), p, interval in zip(found, raised, intervals, strict=True):
        why = doubt(m, a, b, test.gap.value)
        real = is_real(test.gap, p) and not why
        gap, more = (None, None) if real else more_rows(test, test.gap.n, points)
        pairs.append(Pair(a, b, test, p, real, interval, gap, more, why))
    real_pairs = {frozenset((p.a, p.b)) for p in pairs if p.real}
    ranked = sorted(m.models, key=lambda n: -levels[n].estimate.value)
    return Analysis(
        m.scorer,
        m,
        levels,
        tuple(pairs),
        letters(ranked, lambda x, y: frozenset((x, y)) not in real_pairs),
        clusters,
        by,
        points,
        seed,
        draws,
    )


def clusters_of(groups: Sequence[str | None]) -> tuple[Hashable, ...] | None:
    """Each row's cluster where some group has several rows, else None; a row without a group is a cluster of its own.

    >>> clusters_of(["a", "a", None]), clusters_of(["a", "b", None])
    (('a', 'a', ('row', 2)), None)
    """
    named = [g for g in groups if g is not None]
    if len(set(named)) == len(named):
        return None
    return tuple(g if g is not None else ("row", i) for i, g in enumerate(groups))


def more_rows(test: Paired, n: int, points: bool) -> tuple[float | None, int | None]:
    """A gap worth seeing that these rows cannot see, and how many more rows would."""
    error = test.gap.standard_error
    if not error or not points:
        return None, None
    spread = error * math.sqrt(n)  # with the design effect in it
    seen = abs(test.gap.value)
    smallest = test.smallest if test.smallest is not None else 2.80 * error
    below = [g for g in NICE if g < smallest]
    if not below:
        return None, None
    wanted = next((g for g in below if g >= seen), below[-1])
    if wanted < smallest / 4:  # ten times the rows and more are no advice
        wanted = below[-1]
    return wanted, max(1, rows_needed(spread, wanted) - n)
