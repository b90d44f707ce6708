"""What the scores say: each model's level, every pair's gap, who is not told apart, and how many rows would tell more."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ..stats.grouping import Grouping
from ..stats.holm import holm, letters
from ..stats.level import Level, level
from ..stats.means import Ends
from ..stats.paired import Paired, is_real, paired_all
from ..stats.proportions import Interval
from ..stats.resampling import QUICK, SEED, bootstrap_many
from .clusters import RowGroups, unit
from .failures import doubt
from .score_matrix import Matrix

NICE = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3)  # gaps people name


@dataclass(frozen=True)
class Pair:
    """Two models on the same rows: `test` is b less a, `p` holds for all pairs together, `real` says whether one beats the other.

    `interval` is of the gap and holds for all pairs together, too: it lies on one side of 0
    exactly where p, corrected, is small enough. `more_rows` counts what `more_of` names: rows, users or questions.
    """

    a: str
    b: str
    test: Paired
    p: float
    real: bool
    bootstrap: Interval | None = None
    target_gap: float | None = None
    more_rows: int | None = None
    doubt: str = ""  # why the gap is no verdict: failures could turn it
    interval: Ends | None = None
    more_of: str = "row"
    grouping: Grouping | None = field(default=None, repr=False)

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
    grouping: Grouping | None
    by: str
    points: bool
    seed: int
    draws: int
    notes: tuple[str, ...] = field(default=())
    row_groups: RowGroups = field(default_factory=RowGroups, repr=False)

    @property
    def order(self) -> list[str]:
        """Models, best first."""
        return sorted(self.levels, key=lambda m: -self.levels[m].estimate.value)

    @property
    def cluster_count(self) -> int | None:
        """How many groups the rows are in, None where each stands alone."""
        return self.grouping.groups.count if self.grouping is not None else None

    def pair(self, x: str, y: str) -> Pair:
        """The comparison of two models, in whichever order it was made."""
        return next(p for p in self.pairs if {p.a, p.b} == {x, y})


def analyse(
    m: Matrix,
    groups: Sequence[str | None] = (),
    *,
    by: str = "group",
    questions: Sequence[str | None] = (),
    confidence: float = 0.95,
    draws: int = QUICK,
    seed: int = SEED,
) -> Analysis:
    """All of it, for the rows of a matrix.

    Args:
        m: Scores.
        groups: Of all rows of the set the user (or template), None where a row has none.
        by: What a group is called.
        questions: Of all rows a key that equal questions share, None where it is not known.
        confidence: Of intervals.
        draws: Of the bootstrap that stands beside Student's intervals.
        seed: Of the draws.

    Raises:
        ValueError: Where no row is left.
    """
    if not len(m.rows):
        raise ValueError("no row could be scored")
    row_groups = RowGroups(tuple(groups), tuple(questions), by)
    structure = row_groups.of(m.rows.tolist())
    levels = {name: level(m.of(name), structure, confidence) for name in m.models}
    duels = {(a, b): m.pair(a, b) for a, b in combinations(m.models, 2)}
    duels = {k: d for k, d in duels.items() if len(d[2])}
    structures = {k: row_groups.of(rows.tolist()) if m.duels else structure for k, (_, _, rows) in duels.items()}
    if m.duels:  # pairs of a judge have rows of their own
        tests = [paired_all([(x, y)], structures[k], confidence, comparisons=len(duels))[0] for k, (x, y, _) in duels.items()]
    else:
        tests = paired_all([(x, y) for x, y, _ in duels.values()], structure, confidence)
    raised = holm([t.p for t in tests])
    points = bool(m.values.min() >= 0 and m.values.max() <= 1)
    bootstraps = _bootstraps([y - x for x, y, _ in duels.values()], list(structures.values()), draws, seed, confidence)
    pairs = []
    for (a, b), test, p, again in zip(duels, tests, raised, bootstraps, strict=True):
        why = doubt(m, a, b, test.gap.value)
        real = is_real(test.gap, p) and not why and not test.sign_differs
        g = structures[a, b]
        gap, more = (None, None) if real else more_rows(test, g, points)
        pairs.append(Pair(a, b, test, p, real, again, gap, more, why, interval_of(test, p), limiting(g, by), g))
    real_pairs = {frozenset((p.a, p.b)) for p in pairs if p.real}
    ranked = sorted(m.models, key=lambda n: -levels[n].estimate.value)
    return Analysis(
        m.scorer,
        m,
        levels,
        tuple(pairs),
        letters(ranked, lambda x, y: frozenset((x, y)) not in real_pairs),
        structure,
        by,
        points,
        seed,
        draws if any(b is not None for b in bootstraps) else 0,
        row_groups=row_groups,
    )


def interval_of(test: Paired, p: float) -> Ends | None:
    """The interval that holds for all comparisons; an end is 0 where p, corrected step by step, says the sign and no more.

    Strassburger & Bretz, Statistics in Medicine 27 (2008): the intervals that belong to Holm's procedure.
    """
    if test.gap.simultaneous is None:
        return None
    low, high = test.gap.simultaneous
    if is_real(test.gap, p):
        low, high = (max(low, 0.0), high) if test.gap.value > 0 else (low, min(high, 0.0))
    return low, high


def _bootstraps(
    gaps: Sequence[np.ndarray], structures: Sequence[Grouping | None], draws: int, seed: int, confidence: float
) -> Sequence[Interval | None]:
    """Of each gap a percentile interval; none where groups are crossed or unequal, since there it would be too narrow."""
    if not gaps or not draws:
        return [None] * len(gaps)
    if all(g is structures[0] for g in structures) and len({len(d) for d in gaps}) == 1:
        return _drawn(np.stack(gaps, axis=1), structures[0], draws, seed, confidence)
    return [_drawn(d[:, None], g, draws, seed, confidence)[0] for d, g in zip(gaps, structures, strict=True)]


def _drawn(columns: np.ndarray, g: Grouping | None, draws: int, seed: int, confidence: float) -> Sequence[Interval | None]:
    if g is not None and (g.items is not None or not g.groups.balanced):
        return [None] * columns.shape[1]
    clusters: Sequence[Hashable] | None = g.groups.codes.tolist() if g is not None else None
    return bootstrap_many(columns, clusters, draws=draws, seed=seed, confidence=confidence)


def limiting(g: Grouping | None, by: str) -> str:
    """What more of would tell more: rows, or where they hang together the groups of which there are fewest."""
    if g is not None and g.items is not None and g.items.count < g.groups.count:
        return "question"
    return unit(g, by)


def more_rows(test: Paired, g: Grouping | None, points: bool) -> tuple[float | None, int | None]:
    """A gap worth seeing that these rows cannot see, and how many more rows would; more groups, where rows are in groups."""
    smallest = test.smallest
    if not smallest or not points:
        return None, None
    seen = abs(test.gap.value)
    below = [gap for gap in NICE if gap < smallest]
    if not below:
        return None, None
    wanted = next((gap for gap in below if gap >= seen), below[-1])
    if wanted < smallest / 4:  # ten times the rows and more are no advice
        wanted = below[-1]
    have = test.gap.n if g is None else g.count
    return wanted, max(1, math.ceil(have * (smallest / wanted) ** 2) - have)
