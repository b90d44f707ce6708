"""Statistics of an evaluation: mean scores, paired gaps, ties, and how many more rows are needed."""

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
from ..stats.paired import Paired, is_significant, paired_all
from ..stats.proportions import Interval
from ..stats.resampling import QUICK, SEED, bootstrap_many
from .clusters import RowGroups, group_noun
from .failures import no_verdict_reason
from .score_matrix import Matrix

ROUND_GAPS = (0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3)  # gaps that reports name


@dataclass(frozen=True)
class Pair:
    """The paired difference of two models, b - a.

    `p` and `interval` are corrected for all pairs; the interval excludes 0 exactly if the corrected
    p value is significant. `additional` is the number of additional rows (or users, or questions:
    `additional_unit`) needed to detect `target_gap`.
    """

    a: str
    b: str
    test: Paired
    p: float
    significant: bool
    bootstrap: Interval | None = None
    target_gap: float | None = None
    additional: int | None = None
    no_verdict_reason: str = ""  # why failed answers prevent a verdict
    interval: Ends | None = None
    additional_unit: str = "row"
    grouping: Grouping | None = field(default=None, repr=False)

    @property
    def better(self) -> str:
        """The model with the higher mean."""
        return self.b if self.test.gap.value > 0 else self.a


@dataclass(frozen=True)
class Analysis:
    """The statistics of one scorer.

    `in_points`: scores lie between 0 and 1, and gaps are in percentage points.
    """

    scorer: str
    matrix: Matrix
    levels: dict[str, Level]
    pairs: tuple[Pair, ...]
    letters: dict[str, str]
    grouping: Grouping | None
    by: str
    in_points: bool
    seed: int
    draws: int
    notes: tuple[str, ...] = field(default=())
    row_groups: RowGroups = field(default_factory=RowGroups, repr=False)

    @property
    def ranking(self) -> list[str]:
        """Models, best first."""
        return sorted(self.levels, key=lambda m: -self.levels[m].estimate.value)

    @property
    def cluster_count(self) -> int | None:
        """The number of clusters; None if rows are independent."""
        return self.grouping.groups.count if self.grouping is not None else None

    def pair(self, x: str, y: str) -> Pair:
        """The comparison of two models, in either order."""
        return next(p for p in self.pairs if {p.a, p.b} == {x, y})


def analyze(
    m: Matrix,
    groups: Sequence[str | None] = (),
    *,
    by: str = "group",
    questions: Sequence[str | None] = (),
    confidence: float = 0.95,
    draws: int = QUICK,
    seed: int = SEED,
) -> Analysis:
    """Compute the statistics of a score matrix.

    Args:
        m: Scores.
        groups: User or template of each row of the data set; None if a row has none.
        by: What a group stands for.
        questions: A key of each row's question, equal for equal questions; None if unknown.
        confidence: Confidence level of intervals.
        draws: Number of bootstrap draws.
        seed: Seed of the bootstrap.

    Raises:
        ValueError: No row could be scored.
    """
    if not len(m.rows):
        raise ValueError("no row could be scored")
    row_groups = RowGroups(tuple(groups), tuple(questions), by)
    structure = row_groups.of(m.rows.tolist())
    levels = {name: level(m.of(name), structure, confidence) for name in m.models}
    score_pairs = {(a, b): m.pair(a, b) for a, b in combinations(m.models, 2)}
    score_pairs = {k: d for k, d in score_pairs.items() if len(d[2])}
    structures = {k: row_groups.of(rows.tolist()) if m.pairwise else structure for k, (_, _, rows) in score_pairs.items()}
    if m.pairwise:  # a judge's pairs differ in their rows
        tests = [paired_all([(x, y)], structures[k], confidence, comparisons=len(score_pairs))[0] for k, (x, y, _) in score_pairs.items()]
    else:
        tests = paired_all([(x, y) for x, y, _ in score_pairs.values()], structure, confidence)
    adjusted = holm([t.p for t in tests])
    in_points = bool(m.values.min() >= 0 and m.values.max() <= 1)
    bootstraps = _bootstraps([y - x for x, y, _ in score_pairs.values()], list(structures.values()), draws, seed, confidence)
    pairs = []
    for (a, b), test, p, bootstrap_interval in zip(score_pairs, tests, adjusted, bootstraps, strict=True):
        reason = no_verdict_reason(m, a, b, test.gap.value)
        significant = is_significant(test.gap, p) and not reason and not test.sign_differs
        g = structures[a, b]
        gap, additional = (None, None) if significant else additional_rows(test, g, in_points)
        pairs.append(
            Pair(
                a,
                b,
                test,
                p,
                significant,
                bootstrap_interval,
                gap,
                additional,
                reason,
                simultaneous_interval(test, p),
                limiting_unit(g, by),
                g,
            )
        )
    significant_pairs = {frozenset((p.a, p.b)) for p in pairs if p.significant}
    ranked = sorted(m.models, key=lambda n: -levels[n].estimate.value)
    return Analysis(
        m.scorer,
        m,
        levels,
        tuple(pairs),
        letters(ranked, lambda x, y: frozenset((x, y)) not in significant_pairs),
        structure,
        by,
        in_points,
        seed,
        draws if any(b is not None for b in bootstraps) else 0,
        row_groups=row_groups,
    )


def simultaneous_interval(test: Paired, p: float) -> Ends | None:
    """The simultaneous interval; an end is 0 if Holm's p value is significant but only shows the sign.

    Strassburger & Bretz, Statistics in Medicine 27 (2008): intervals compatible with Holm's procedure.
    """
    if test.gap.simultaneous is None:
        return None
    low, high = test.gap.simultaneous
    if is_significant(test.gap, p):
        low, high = (max(low, 0.0), high) if test.gap.value > 0 else (low, min(high, 0.0))
    return low, high


def _bootstraps(
    gaps: Sequence[np.ndarray], structures: Sequence[Grouping | None], draws: int, seed: int, confidence: float
) -> Sequence[Interval | None]:
    """Percentile intervals of the gaps; None for crossed or unequal groups, where they are too narrow."""
    if not gaps or not draws:
        return [None] * len(gaps)
    if all(g is structures[0] for g in structures) and len({len(d) for d in gaps}) == 1:
        return _bootstrap_intervals(np.stack(gaps, axis=1), structures[0], draws, seed, confidence)
    return [_bootstrap_intervals(d[:, None], g, draws, seed, confidence)[0] for d, g in zip(gaps, structures, strict=True)]


def _bootstrap_intervals(columns: np.ndarray, g: Grouping | None, draws: int, seed: int, confidence: float) -> Sequence[Interval | None]:
    if g is not None and (g.items is not None or not g.groups.balanced):
        return [None] * columns.shape[1]
    clusters: Sequence[Hashable] | None = g.groups.codes.tolist() if g is not None else None
    return bootstrap_many(columns, clusters, draws=draws, seed=seed, confidence=confidence)


def limiting_unit(g: Grouping | None, by: str) -> str:
    """What limits the precision: rows, or the smaller one of crossed groupings."""
    if g is not None and g.items is not None and g.items.count < g.groups.count:
        return "question"
    return group_noun(g, by)


def additional_rows(test: Paired, g: Grouping | None, in_points: bool) -> tuple[float | None, int | None]:
    """A round gap below the detectable one, and how many more rows (or groups) are needed to detect it."""
    smallest = test.detectable_gap
    if not smallest or not in_points:
        return None, None
    observed = abs(test.gap.value)
    below = [gap for gap in ROUND_GAPS if gap < smallest]
    if not below:
        return None, None
    target_gap = next((gap for gap in below if gap >= observed), below[-1])
    if target_gap < smallest / 4:  # more than about ten times the rows is not useful advice
        target_gap = below[-1]
    current = test.gap.n if g is None else g.count
    return target_gap, max(1, math.ceil(current * (smallest / target_gap) ** 2) - current)
