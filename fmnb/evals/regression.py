"""Two evaluations of the same rows: did anything get better or worse, and is that real."""

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
from ..stats.paired import Paired, is_real, paired_all
from .analysis import interval_of, limiting, more_rows
from .clusters import group_words, in_words, plural
from .failures import blocked
from .report.number_text import p_words
from .results import Results
from .score_matrix import Matrix


@dataclass(frozen=True)
class Change:
    """One model in both runs: `test` is the later less the earlier; `p` and `interval` hold for all models together."""

    before: str
    after: str
    level_before: float
    level_after: float
    test: Paired
    p: float
    real: bool
    interval: Ends | None = None
    grouping: Grouping | None = field(default=None, repr=False)


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
    without: tuple[str, ...] = ()  # models of which too much failed in one of the runs

    @property
    def sentences(self) -> list[str]:
        """A sentence a model, then what was left out."""
        out = [f"{name} cannot be compared: too many of its answers failed in one of the runs." for name in self.without]
        out += [_sentence(c, self) for c in self.changes]
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
                "low": c.interval[0] if c.interval else None,
                "high": c.interval[1] if c.interval else None,
                "p": c.p,
                "real": c.real,
                "improved": c.test.only_b,
                "regressed": c.test.only_a,
            }
            for c in self.changes
        ]
        return Rows(rows, note=" ".join(self.sentences))


def compare_runs(before: Results, after: Results, scorer: str = "") -> RunComparison:
    """Pairs rows by id; a row whose values or target changed in between is left out, and counted.

    Models are paired by name; where each run has one model, these two. Raises UsageError where
    the runs share no scorer, no model or no row.
    """
    name = scorer or next((n for n in before.scores if n in after.scores), "")
    if name not in before.scores or name not in after.scores:
        raise UsageError(
            "The runs were not scored alike",
            detail=f"{', '.join(before.scores)} and {', '.join(after.scores)}",
            hint="Score one again: run.rescore([...]).",
        )
    pairs = [(n, n) for n in before.names if n in after.names]
    if not pairs and len(before.names) == len(after.names) == 1:
        pairs = [(before.names[0], after.names[0])]
    if not pairs:
        raise UsageError("The runs have no model in common", detail=f"{', '.join(before.names)} and {', '.join(after.names)}")
    x, y = before.matrix(name), after.matrix(name)
    able = [(a, b) for a, b in pairs if a in x.models and b in y.models]
    if not able:
        raise UsageError("No model can be compared", detail=" ".join([*blocked(x), *blocked(y)]) or "no row has a score")
    without = tuple(b for a, b in pairs if (a, b) not in able)
    pairs = able
    at_x, at_y = _at(before, x), _at(after, y)
    shared, left_out = _shared(before, after, at_x, at_y)
    if not shared:
        raise UsageError(
            "The runs share no row",
            detail=f"{len(before.dataset):,} and {len(after.dataset):,} rows",
            hint="Give rows ids that stay: id='...'.",
        )
    at = {s.id: i for i, s in enumerate(before.dataset)}
    structure = before.row_groups.of([at[i] for i in shared])
    i, j = np.array([at_x[s] for s in shared]), np.array([at_y[s] for s in shared])
    tests = paired_all([(x.of(a)[i], y.of(b)[j]) for a, b in pairs], structure)
    raised = holm([t.p for t in tests])
    changes = tuple(
        Change(
            a,
            b,
            float(x.of(a)[i].mean()),
            float(y.of(b)[j].mean()),
            t,
            p,
            is_real(t.gap, p) and not t.sign_differs,
            interval_of(t, p),
            structure,
        )
        for (a, b), t, p in zip(pairs, tests, raised, strict=True)
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
        without,
    )


def _at(e: Results, m: Matrix) -> dict[str, int]:
    return {e.dataset.samples[row].id: place for place, row in enumerate(m.rows.tolist())}


def _shared(before: Results, after: Results, at_x: dict[str, int], at_y: dict[str, int]) -> tuple[list[str], dict[str, int]]:
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
    rows = f"paired, {r.rows:,} rows" + (f", {group_words(c.grouping, r.by)}" if c.grouping is not None else "")
    p = p_words(c.p)
    size = f"{abs(gap.value) * unit:.3g}{words}"
    if c.real:
        how = "better" if gap.value > 0 else "worse"
        ends = sorted((abs(c.interval[0]) * unit, abs(c.interval[1]) * unit)) if c.interval else None
        together = f" for all {gap.comparisons} models together" if gap.comparisons > 1 else ""
        interval = f"95%{together} {ends[0]:.3g} to {ends[1]:.3g}, " if ends else ""
        unsure = "" if ends or not gap.why else f"; how much is uncertain: {in_words(c.grouping, r.by, gap.why)}"
        return f"{who} got {how} by {size} ({interval}{rows}, {p}){unsure}."
    if c.test.identical:
        return f"{who} scored the same on every row ({rows})."
    smallest = f"; {in_words(c.grouping, r.by, gap.why)}" if gap.why else ""
    if c.test.sign_differs:
        smallest = f"; with every {r.by} counting the same it is a change the other way"
    elif c.test.smallest and abs(gap.value) < c.test.smallest:
        least = c.test.smallest * unit
        smallest = f"; gaps under {f'{math.ceil(least - 1e-9)}' if least >= 1 and r.points else f'{least:.2g}'}{words} cannot be seen here"
        seen, more = more_rows(c.test, c.grouping, r.points)
        what = limiting(c.grouping, r.by)
        smallest += f", {seen * unit:.3g}{words} could with about {more:,} more {plural(what)}" if seen and more else ""
    return f"{who} did not change in a way that can be told from chance: {'+' if gap.value >= 0 else '-'}{size} ({rows}, {p}{smallest})."


def real_drop(changes: Sequence[Change], most: float) -> list[Change]:
    """Changes for the worse that are real and larger than `most`."""
    return [c for c in changes if c.real and -c.test.gap.value > most]
