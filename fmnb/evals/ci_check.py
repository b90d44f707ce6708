"""The check for a CI job: is a run significantly worse than a baseline, by more than allowed.

0  passed: no significant drop above the allowed one was detected
1  a model is significantly worse, by more than allowed
2  usage error: no such run or file, nothing in common, an invalid option
3  inconclusive: too few shared rows, too many failed calls, answers as old as the baseline's
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError
from .evaluate import reopen
from .evaluation import Evaluation
from .failures import check_share, failure_sentences, no_verdict_sentences
from .regression import Change, RunComparison, significant_drops

PASSED, WORSE, USAGE, INCONCLUSIVE = 0, 1, 2, 3
MIN_OVERLAP = 0.8  # of the baseline's rows; missing rows could be the ones that got worse
MIN_ROWS = 10  # fewer cannot show a significant drop


@dataclass(frozen=True)
class CheckResult:
    """The result of the check.

    `inconclusive` lists reasons why there is no verdict; `comparison` is None if nothing could be compared.
    """

    comparison: RunComparison | None
    drops: tuple[Change, ...]
    max_drop: float
    inconclusive: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the check passed."""
        return self.code == PASSED

    @property
    def code(self) -> int:
        """The exit code: 0 passed, 1 worse, 3 inconclusive."""
        return WORSE if self.drops else INCONCLUSIVE if self.inconclusive else PASSED

    def __str__(self) -> str:
        comparison = self.comparison
        unit = " points" if comparison is not None and comparison.in_points else ""
        lines = [*(comparison.sentences if comparison is not None else ()), *self.inconclusive, *self.warnings]
        if self.drops and comparison is not None:
            models = ", ".join(c.after for c in self.drops)
            worse_rows = ", ".join(comparison.regressed[:10]) + (" ..." if len(comparison.regressed) > 10 else "")
            lines = [f"FAILED: {models} got worse", *lines, *([f"rows that got worse: {worse_rows}"] if worse_rows else [])]
        else:
            lines = ["INCONCLUSIVE" if self.inconclusive else "passed", *lines]
        return "\n".join([*lines, f"(drops of up to {self.max_drop:g}{unit} are allowed)"])


def check(
    run: str | Evaluation,
    baseline: str | Evaluation,
    *,
    max_drop: float = 0.0,
    scorer: str = "",
    min_overlap: float = MIN_OVERLAP,
    min_rows: int = MIN_ROWS,
    max_failures: float | None = None,
    allow_cached: bool = False,
) -> CheckResult:
    """Compare a run with a baseline; each is a run id, a file of `evaluation.save`, or an evaluation.

    Args:
        run: The later run.
        baseline: The baseline.
        max_drop: Allowed drop, in percentage points if scores lie between 0 and 1. A drop that is not
            significant does not fail the check; the result reports the minimum detectable drop.
        scorer: Name of the scorer; the first one of both runs if empty.
        min_overlap: Share of the baseline's rows that the run must have scored.
        min_rows: Minimum number of shared rows.
        max_failures: Share of failed answers that still allows a verdict; by default that of each run.
        allow_cached: Whether answers may be as old as the baseline's.

    Raises:
        UsageError: The two cannot be compared: nothing in common, no such run.
    """
    if not max_drop >= 0:
        raise UsageError("The allowed drop must not be negative", detail=repr(max_drop))
    if not 0 <= min_overlap <= 1:
        raise UsageError("The share of shared rows must be a number from 0 to 1", detail=repr(min_overlap))
    before, after = (_with_max_failures(e, max_failures) for e in (_load(baseline), _load(run)))
    name = scorer or next((n for n in before.scores if n in after.scores), "")
    no_verdicts = [
        f"{label}: {s}"
        for label, e in (("baseline", before), ("run", after))
        if name in e.scores
        for s in no_verdict_sentences(e.matrix(name))
    ]
    failures = [
        f"{which}: {s}"
        for which, e in (("baseline", before), ("run", after))
        if name in e.scores
        for s in failure_sentences(e.matrix(name))
    ]
    comparison = None
    try:
        comparison = before.compare(after, scorer)
    except UsageError:
        if not no_verdicts:
            raise
    inconclusive = list(no_verdicts)
    if comparison is not None:
        n_baseline = max(len(before.dataset), 1)
        if comparison.rows < min_overlap * n_baseline:
            inconclusive.append(
                f"Only {comparison.rows:,} of the baseline's {n_baseline:,} rows can be compared; at least {min_overlap:.0%} are required."
            )
        if comparison.rows < min_rows:
            inconclusive.append(f"{comparison.rows:,} rows are too few for a verdict; at least {min_rows:,} are required.")
    old = _count_old_answers(before, after)
    if old and not allow_cached and old > after.max_failures * len(after.answers):
        inconclusive.append(
            f"{old:,} of the run's {len(after.answers):,} answers are as old as the baseline's: nothing new was measured. Send the requests again with fresh=True."
        )
    cache_notes = [f"{which}: {e.cache_use.sentence}" for which, e in (("baseline", before), ("run", after)) if e.cache_use.count]
    drops: tuple[Change, ...] = ()
    if comparison is not None:
        drops = tuple(significant_drops(comparison.changes, max_drop / 100 if comparison.in_points else max_drop))
    return CheckResult(comparison, drops, max_drop, tuple(inconclusive), tuple([*failures, *cache_notes]))


def _count_old_answers(before: Evaluation, after: Evaluation) -> int:
    """How many answers of a run were already in the cache when the baseline ran."""
    times = [t for t in before.request_times if t is not None]
    newest = max(times, default=before.started_at)
    return sum(t is not None and t < after.started_at and t <= newest for t in after.request_times)


def _with_max_failures(e: Evaluation, max_failures: float | None) -> Evaluation:
    return e if max_failures is None else e.with_max_failures(check_share(max_failures))


def _load(source: str | Evaluation) -> Evaluation:
    if isinstance(source, Evaluation):
        return source
    if Path(source).suffix or "/" in source or Path(source).exists():
        return Evaluation.load(source)
    return reopen(source)
