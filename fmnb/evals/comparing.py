"""Two evaluations of the same rows: did anything get better or worse, and is that real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError
from ..rows import Rows
from ..stats.holm import holm
from ..stats.paired import Paired, is_real, paired
from .analysis import clusters_of, more_rows
from .matrix import Matrix

if TYPE_CHECKING:
    from .evaluation import Evaluation


@dataclass(frozen=True)
class Change:
    """One model in both runs: `test` is the later less the earlier; `p` holds for all models together."""

    before: str
    after: str
    level_before: float
    level_after: float
    test: Paired
    p: float
    real: bool


@dataclass(frozen=True)
class RunComparison:
    """What changed between two runs, on the rows they share. `left_out` counts rows of either that the other does not have, or has otherwise."""

    scorer: str
    changes: tuple[Change, ...]
    rows: int
    left_out: dict[str, int]
    points: bool
    by: str
    improved: tuple[str, ...] = ()
    regressed: tuple[str, ...] = ()

    @property
    def sentences(self) -> list[str]:
        """A sentence a model, then what was left out."""
        out = [_sentence(c, self) for c in self.changes]
        if self.left_out:
            out.append(f"Left out: {', '.join(f'{n:,} rows {why}' for why, n in self.left_out.items())}.")
        return out

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    @property
    def table(self) -> Rows:
        """A row a model: before, after, the gap with its interval and p."""
        rows = [
            {
                "before": c.before,
                "after": c.after,
                "score_before": c.level_before,
                "score_after": c.level_after,
                "gap": c.test.gap.value,
                "low": c.test.gap.low,
                "high": c.test.gap.high,
                "p": c.p,
                "real": c.real,
                "improved": c.test.only_b,
                "regressed": c.test.only_a,
            }
            for c in self.changes
        ]
        return Rows(rows, note=" ".join(self.sentences))


def compare_runs(before: Evaluation, after: Evaluation, scorer: str = "") -> RunComparison:
    """Pairs rows by id; a row whose values or target changed in between is left out, and counted.

    Models are paired by name; where each run has one model, these two. Raises UsageError where
    the runs share no scorer, no model or no row.
    """
    name = scorer or next((n for n in before.scores if n in after.scores), "")
    if name not in before.scores or name not in after.scores:
        raise UsageError(
            "The runs were not scored alike",
            seen=f"{', '.join(before.scores)} and {', '.join(after.scores)}",
            todo="Score one again: run.score_again([...]).",
        )
    pairs = [(n, n) for n in before.names if n in after.names]
    if not pairs and len(before.names) == len(after.names) == 1:
        pairs = [(before.names[0], after.names[0])]
    if not pairs:
        raise UsageError("The runs have no model in common", seen=f"{', '.join(before.names)} and {', '.join(after.names)}")
    x, y = before.matrix(name), after.matrix(name)
    at_x, at_y = _at(before, x), _at(after, y)
    shared, left_out = _shared(before, after, at_x, at_y)
    if not shared:
        raise UsageError(
            "The runs share no row",
            seen=f"{len(before.dataset):,} and {len(after.dataset):,} rows",
            todo="Give rows ids that stay: id='...'.",
        )
    groups = {s.id: s.group for s in before.dataset}
    clusters = clusters_of([groups[i] for i in shared])
    i, j = np.array([at_x[s] for s in shared]), np.array([at_y[s] for s in shared])
    tests = [(a, b, paired(x.of(a)[i], y.of(b)[j], clusters)) for a, b in pairs]
    raised = holm([t.p for _, _, t in tests])
    changes = tuple(
        Change(a, b, float(x.of(a)[i].mean()), float(y.of(b)[j].mean()), t, p, is_real(t.gap, p))
        for (a, b, t), p in zip(tests, raised, strict=True)
    )
    first = y.of(pairs[0][1])[j] - x.of(pairs[0][0])[i]
    both = np.concatenate([x.values.ravel(), y.values.ravel()])
    return RunComparison(
        name,
        changes,
        len(shared),
        left_out,
        bool(both.min() >= 0 and both.max() <= 1),
        before.dataset.by or "group",
        tuple(s for s, d in zip(shared, first, strict=True) if d > 0),
        tuple(s for s, d in zip(shared, first, strict=True) if d < 0),
    )


def _at(e: Evaluation, m: Matrix) -> dict[str, int]:
    return {e.dataset.samples[row].id: place for place, row in enumerate(m.rows.tolist())}


def _shared(before: Evaluation, after: Evaluation, at_x: dict[str, int], at_y: dict[str, int]) -> tuple[list[str], dict[str, int]]:
    old, new = {s.id: s for s in before.dataset}, {s.id: s for s in after.dataset}
    counts = {
        "only in the earlier run": sum(i not in new for i in old),
        "only in the later run": sum(i not in old for i in new),
        "whose content changed": sum(i in new and (s.values != new[i].values or s.target != new[i].target) for i, s in old.items()),
        "without a score in one of them": sum(i in new and (i not in at_x or i not in at_y) for i in old),
    }
    shared = [i for i in old if i in at_x and i in at_y and old[i].values == new[i].values and old[i].target == new[i].target]
    return shared, {why: n for why, n in counts.items() if n}


def _sentence(c: Change, r: RunComparison) -> str:
    gap, unit = c.test.gap, 100 if r.points else 1
    who = c.after if c.before == c.after else f"{c.after} (before: {c.before})"
    words = " points" if r.points else ""
    rows = f"paired, {r.rows:,} rows" + (f", {gap.clusters:,} {r.by}s" if gap.clusters is not None else "")
    p = "p < .001" if c.p < 0.001 else f"p = {c.p:.2g}"
    size = f"{abs(gap.value) * unit:.3g}{words}"
    if c.real:
        how = "better" if gap.value > 0 else "worse"
        ends = sorted((abs(gap.low) * unit, abs(gap.high) * unit)) if gap.low is not None and gap.high is not None else None
        interval = f"95% {ends[0]:.3g} to {ends[1]:.3g}, " if ends else ""
        return f"{who} got {how} by {size} ({interval}{rows}, {p})."
    if gap.standard_error == 0 and gap.value == 0:
        return f"{who} scored the same on every row ({rows})."
    smallest = f"; {gap.why}" if gap.why else ""
    if c.test.smallest:
        smallest = f"; gaps under {c.test.smallest * unit:.2g}{words} cannot be seen here"
        seen, more = more_rows(c.test, r.rows, r.points)
        smallest += f", {seen * unit:.3g}{words} could with about {more:,} more rows" if seen and more else ""
    return f"{who} did not change in a way that can be told from chance: {'+' if gap.value >= 0 else '-'}{size} ({rows}, {p}{smallest})."


def real_drop(changes: Sequence[Change], most: float) -> list[Change]:
    """Changes for the worse that are real and larger than `most`."""
    return [c for c in changes if c.real and -c.test.gap.value > most]
