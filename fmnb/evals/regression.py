"""Comparison of two evaluations on the same rows: significant improvements and regressions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..core.errors import UsageError
from ..core.records import Rows
from ..stats.grouping import Grouping
from ..stats.holm import holm
from ..stats.means import Ends
from ..stats.paired import Paired, is_significant, paired_all
from .analysis import additional_rows, limiting_unit, simultaneous_interval
from .clusters import group_words, name_groups, plural
from .failures import no_verdict_sentences
from .report.number_text import p_text
from .results import Results
from .score_matrix import Matrix


@dataclass(frozen=True)
class Change:
    """The change of one model, later - earlier; `p` and `interval` are corrected for all models."""

    before: str
    after: str
    level_before: float
    level_after: float
    test: Paired
    p: float
    significant: bool
    interval: Ends | None = None
    grouping: Grouping | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RunComparison:
    """Changes between two runs on the rows they share; `dropped` counts the other rows by reason."""

    scorer: str
    changes: tuple[Change, ...]
    rows: int
    dropped: dict[str, int]
    in_points: bool
    by: str
    improved: tuple[str, ...] = ()
    regressed: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()  # models with too many failed answers in one of the runs

    @property
    def sentences(self) -> list[str]:
        """A sentence for each model, then the dropped rows."""
        out = [f"{name} cannot be compared: too many of its answers failed in one of the runs." for name in self.excluded]
        out += [_sentence(c, self) for c in self.changes]
        if self.dropped:
            out.append(f"Dropped: {', '.join(f'{n:,} rows {reason}' for reason, n in self.dropped.items())}.")
        return out

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return self.table._repr_html_()

    @property
    def table(self) -> Rows:
        """A table with a row for each model: before, after, the gap with its interval and p value."""
        rows = [
            {
                "before": c.before,
                "after": c.after,
                "score_before": c.level_before,
                "score_after": c.level_after,
                "gap": c.test.gap.value,
                "low": c.interval[0] if c.interval else None,
                "high": c.interval[1] if c.interval else None,
                "p": c.p,
                "significant": c.significant,
                "improved": c.test.only_b,
                "regressed": c.test.only_a,
            }
            for c in self.changes
        ]
        return Rows(rows, note=" ".join(self.sentences))


def compare_runs(before: Results, after: Results, scorer: str = "") -> RunComparison:
    """Compare two runs on rows with the same id; rows whose values or target changed are dropped.

    Models are paired by name, or with each other if each run has a single model. Raises UsageError if
    the runs share no scorer, model or row.
    """
    name = scorer or next((n for n in before.scores if n in after.scores), "")
    if name not in before.scores or name not in after.scores:
        raise UsageError(
            "The runs have no scorer in common",
            detail=f"{', '.join(before.scores)} and {', '.join(after.scores)}",
            hint="Rescore one of them: run.rescore([...]).",
        )
    pairs = [(n, n) for n in before.names if n in after.names]
    if not pairs and len(before.names) == len(after.names) == 1:
        pairs = [(before.names[0], after.names[0])]
    if not pairs:
        raise UsageError("The runs have no model in common", detail=f"{', '.join(before.names)} and {', '.join(after.names)}")
    x, y = before.matrix(name), after.matrix(name)
    comparable = [(a, b) for a, b in pairs if a in x.models and b in y.models]
    if not comparable:
        raise UsageError(
            "No model can be compared", detail=" ".join([*no_verdict_sentences(x), *no_verdict_sentences(y)]) or "no row has a score"
        )
    excluded = tuple(b for a, b in pairs if (a, b) not in comparable)
    pairs = comparable
    at_x, at_y = _position_by_id(before, x), _position_by_id(after, y)
    shared, dropped = _shared_rows(before, after, at_x, at_y)
    if not shared:
        raise UsageError(
            "The runs have no row in common",
            detail=f"{len(before.dataset):,} and {len(after.dataset):,} rows",
            hint="Give rows stable ids: id='...'.",
        )
    at = {s.id: i for i, s in enumerate(before.dataset)}
    structure = before.row_groups.of([at[i] for i in shared])
    i, j = np.array([at_x[s] for s in shared]), np.array([at_y[s] for s in shared])
    tests = paired_all([(x.of(a)[i], y.of(b)[j]) for a, b in pairs], structure)
    adjusted = holm([t.p for t in tests])
    changes = tuple(
        Change(
            a,
            b,
            float(x.of(a)[i].mean()),
            float(y.of(b)[j].mean()),
            t,
            p,
            is_significant(t.gap, p) and not t.sign_differs,
            simultaneous_interval(t, p),
            structure,
        )
        for (a, b), t, p in zip(pairs, tests, adjusted, strict=True)
    )
    first = y.of(pairs[0][1])[j] - x.of(pairs[0][0])[i]
    all_scores = np.concatenate([x.values.ravel(), y.values.ravel()])
    return RunComparison(
        name,
        changes,
        len(shared),
        dropped,
        bool(all_scores.min() >= 0 and all_scores.max() <= 1),
        before.dataset.by or "group",
        tuple(s for s, d in zip(shared, first, strict=True) if d > 0),
        tuple(s for s, d in zip(shared, first, strict=True) if d < 0),
        excluded,
    )


def _position_by_id(e: Results, m: Matrix) -> dict[str, int]:
    return {e.dataset.samples[row].id: position for position, row in enumerate(m.rows.tolist())}


def _shared_rows(before: Results, after: Results, at_x: dict[str, int], at_y: dict[str, int]) -> tuple[list[str], dict[str, int]]:
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
    gap, unit = c.test.gap, 100 if r.in_points else 1
    model = c.after if c.before == c.after else f"{c.after} (before: {c.before})"
    points = " points" if r.in_points else ""
    rows = f"paired, {r.rows:,} rows" + (f", {group_words(c.grouping, r.by)}" if c.grouping is not None else "")
    p = p_text(c.p)
    size = f"{abs(gap.value) * unit:.3g}{points}"
    if c.significant:
        direction = "better" if gap.value > 0 else "worse"
        ends = sorted((abs(c.interval[0]) * unit, abs(c.interval[1]) * unit)) if c.interval else None
        together = f" for all {gap.comparisons} models together" if gap.comparisons > 1 else ""
        interval = f"95%{together} {ends[0]:.3g} to {ends[1]:.3g}, " if ends else ""
        no_interval = "" if ends or not gap.reason else f"; no interval: {name_groups(c.grouping, r.by, gap.reason)}"
        return f"{model} got {direction} by {size} ({interval}{rows}, {p}){no_interval}."
    if c.test.identical:
        return f"{model} scored the same on every row ({rows})."
    caveat = f"; {name_groups(c.grouping, r.by, gap.reason)}" if gap.reason else ""
    if c.test.sign_differs:
        caveat = f"; with equal weight for every {r.by} the change has the opposite sign"
    elif c.test.detectable_gap and abs(gap.value) < c.test.detectable_gap:
        detectable = c.test.detectable_gap * unit
        caveat = f"; gaps under {f'{math.ceil(detectable - 1e-9)}' if detectable >= 1 and r.in_points else f'{detectable:.2g}'}{points} cannot be detected"
        target_gap, more = additional_rows(c.test, c.grouping, r.in_points)
        sampling_unit = limiting_unit(c.grouping, r.by)
        caveat += f", {target_gap * unit:.3g}{points} could with about {more:,} more {plural(sampling_unit)}" if target_gap and more else ""
    return f"{model} did not change significantly: {'+' if gap.value >= 0 else '-'}{size} ({rows}, {p}{caveat})."


def significant_drops(changes: Sequence[Change], max_drop: float) -> list[Change]:
    """Significant drops larger than `max_drop`."""
    return [c for c in changes if c.significant and -c.test.gap.value > max_drop]
