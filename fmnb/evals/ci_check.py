"""The gate for a CI job: has a run become worse than an earlier one, by more than is allowed, and not by chance.

0  passed: nothing got worse by more than is let through, as far as these rows can see
1  a model got worse, by more than is let through, and that is not chance
2  the question was wrong: no such run or file, nothing in common, an option that is none
3  cannot tell: too few rows in common, too many failed calls, answers older than the baseline
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.errors import UsageError
from .evaluate import reopen
from .evaluation import Evaluation
from .failures import blocked, check_share, minor
from .regression import Change, RunComparison, real_drop

PASSED, WORSE, USAGE, UNCLEAR = 0, 1, 2, 3
MIN_OVERLAP = 0.8  # of the baseline's rows; the others may be those that got worse
MIN_ROWS = 10  # fewer cannot show a drop, however large


@dataclass(frozen=True)
class Outcome:
    """What the check found. `unclear` says why it cannot tell, `warnings` what to know beside; `comparison` is None where nothing could be compared."""

    comparison: RunComparison | None
    drops: tuple[Change, ...]
    max_drop: float
    unclear: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether the job may go on."""
        return self.code == PASSED

    @property
    def code(self) -> int:
        """The exit code: 0 passed, 1 worse, 3 cannot tell."""
        return WORSE if self.drops else UNCLEAR if self.unclear else PASSED

    def __str__(self) -> str:
        found = self.comparison
        unit = " points" if found is not None and found.points else ""
        lines = [*(found.sentences if found is not None else ()), *self.unclear, *self.warnings]
        if self.drops and found is not None:
            named = ", ".join(c.after for c in self.drops)
            lost = ", ".join(found.regressed[:10]) + (" ..." if len(found.regressed) > 10 else "")
            lines = [f"FAILED: {named} got worse", *lines, *([f"rows that got worse: {lost}"] if lost else [])]
        else:
            lines = ["CANNOT TELL" if self.unclear else "passed", *lines]
        return "\n".join([*lines, f"(drops of up to {self.max_drop:g}{unit} are let through)"])


def check(
    run: str | Evaluation,
    against: str | Evaluation,
    *,
    max_drop: float = 0.0,
    scorer: str = "",
    min_overlap: float = MIN_OVERLAP,
    min_rows: int = MIN_ROWS,
    max_failures: float | None = None,
    allow_cached: bool = False,
) -> Outcome:
    """Compare a run with a baseline: ids of the log, files that `evaluation.save` wrote, or evaluations.

    Args:
        run: The later run.
        against: The baseline.
        max_drop: What is let through, in points of a hundred where scores lie between 0 and 1. A
            drop that chance explains does not fail the check; it says how large a drop the rows could see.
        scorer: Which score decides; the first that both have.
        min_overlap: The share of the baseline's rows that the run must have a score for.
        min_rows: The fewest rows that tell anything.
        max_failures: The share of failed answers that still allows a verdict, by default each run's own.
        allow_cached: Whether answers may be as old as the baseline's.

    Raises:
        UsageError: Where the two cannot be compared: nothing in common, no such run.
    """
    if not max_drop >= 0:
        raise UsageError("The drop that is let through is 0 or more", detail=repr(max_drop))
    if not 0 <= min_overlap <= 1:
        raise UsageError("The share of rows in common is a number from 0 to 1", detail=repr(min_overlap))
    before, after = (_allowing(e, max_failures) for e in (_opened(against), _opened(run)))
    name = scorer or next((n for n in before.scores if n in after.scores), "")
    failed = [f"{which}: {s}" for which, e in (("baseline", before), ("run", after)) if name in e.scores for s in blocked(e.matrix(name))]
    told = [f"{which}: {s}" for which, e in (("baseline", before), ("run", after)) if name in e.scores for s in minor(e.matrix(name))]
    found = None
    try:
        found = before.compare(after, scorer)
    except UsageError:
        if not failed:
            raise
    unclear = list(failed)
    if found is not None:
        of = max(len(before.dataset), 1)
        if found.rows < min_overlap * of:
            unclear.append(f"Only {found.rows:,} of the baseline's {of:,} rows can be compared, and {min_overlap:.0%} is the least.")
        if found.rows < min_rows:
            unclear.append(f"{found.rows:,} rows are too few to tell; {min_rows:,} are the least.")
    old = _stale(before, after)
    if old and not allow_cached and old > after.max_failures * len(after.answers):
        unclear.append(
            f"{old:,} of the run's {len(after.answers):,} answers are as old as the baseline's: nothing new was measured. Ask again with fresh=True."
        )
    warned = [f"{which}: {e.reuse.sentence}" for which, e in (("baseline", before), ("run", after)) if e.reuse.count]
    drops: tuple[Change, ...] = ()
    if found is not None:
        drops = tuple(real_drop(found.changes, max_drop / 100 if found.points else max_drop))
    return Outcome(found, drops, max_drop, tuple(unclear), tuple([*told, *warned]))


def _stale(before: Evaluation, after: Evaluation) -> int:
    """How many answers of a run were in the cache when the baseline's were asked for."""
    known = [t for t in before.asked if t is not None]
    newest = max(known, default=before.begun)
    return sum(t is not None and t < after.begun and t <= newest for t in after.asked)


def _allowing(e: Evaluation, max_failures: float | None) -> Evaluation:
    return e if max_failures is None else e.allowing(check_share(max_failures))


def _opened(given: str | Evaluation) -> Evaluation:
    if isinstance(given, Evaluation):
        return given
    if Path(given).suffix or "/" in given or Path(given).exists():
        return Evaluation.load(given)
    return reopen(given)
