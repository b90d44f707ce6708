"""The gate for a CI job: has a run become worse than an earlier one, by more than is allowed, and not by chance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import UsageError
from .comparing import Change, RunComparison, real_drop
from .evaluation import Evaluation
from .running import reopen


@dataclass(frozen=True)
class Outcome:
    """What the check found. It fails on a drop that is real and larger than allowed."""

    comparison: RunComparison
    drops: tuple[Change, ...]
    max_drop: float

    @property
    def passed(self) -> bool:
        """Whether the job may go on."""
        return not self.drops

    def __str__(self) -> str:
        unit = " points" if self.comparison.points else ""
        allowed = f"drops of up to {self.max_drop:g}{unit} are let through"
        if self.passed:
            return "\n".join(["passed", *self.comparison.sentences, f"({allowed})"])
        named = ", ".join(c.after for c in self.drops)
        lost = ", ".join(self.comparison.regressed[:10]) + (" ..." if len(self.comparison.regressed) > 10 else "")
        rows = [f"rows that got worse: {lost}"] if lost else []
        return "\n".join([f"FAILED: {named} got worse", *self.comparison.sentences, *rows, f"({allowed})"])


def check(run: str | Evaluation, against: str | Evaluation, *, max_drop: float = 0.0, scorer: str = "") -> Outcome:
    """Compare a run with a baseline: ids of the log, files that `evaluation.save` wrote, or evaluations.

    `max_drop` is in points of a hundred where scores lie between 0 and 1. A drop that chance
    explains never fails the check, however large: then the set is too small, and it says so.
    Raises UsageError where the two cannot be compared.
    """
    if not max_drop >= 0:
        raise UsageError("The drop that is let through is 0 or more", seen=repr(max_drop))
    before, after = _opened(against), _opened(run)
    found = before.compare(after, scorer)
    most = max_drop / 100 if found.points else max_drop
    return Outcome(found, tuple(real_drop(found.changes, most)), max_drop)


def _opened(given: str | Evaluation) -> Evaluation:
    if isinstance(given, Evaluation):
        return given
    if Path(given).suffix or "/" in given or Path(given).exists():
        return Evaluation.load(given)
    return reopen(given)
