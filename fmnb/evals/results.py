"""The data of an evaluation, answers of models and their scores, and the statistics of them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ..batch.answers import Answer
from ..core.errors import UsageError
from ..stats.resampling import SEED
from . import failures
from .analysis import Analysis, analyse
from .cached_answers import Reuse, reuse
from .clusters import RowGroups
from .datasets import dedupe
from .datasets.dataset import Dataset
from .failures import MAX_FAILURES
from .score_matrix import Matrix, matrix
from .scorers.base import Score
from .scorers.judge import Conduct
from .scoring import Answers, Scores, failure


@dataclass(frozen=True)
class Results:
    """Answers of models on a test set with their scores: what tables, sentences, files and comparisons are made of."""

    run: str
    prompt: str
    dataset: Dataset
    names: tuple[str, ...]
    samples: int
    answers: Sequence[Answer]
    scores: Mapping[str, Sequence[Score]]
    batch: str = ""
    corpus: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    conduct: Mapping[str, Conduct] = field(default_factory=dict)  # of a judge, by scorer: how it behaved
    badges: Mapping[str, str] = field(default_factory=dict)  # of a judge: "uncalibrated", or how far it agrees with people
    missing: str = "drop"
    max_failures: float = MAX_FAILURES
    asked: tuple[float | None, ...] = ()  # when each answer was asked for, seconds since the epoch
    begun: float = 0.0  # when the models were asked; 0 where that is not known
    seed: int = SEED
    ways: tuple[str, ...] = ("",)  # titles of the prompts, where there were several
    again: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # scorers and options of this kernel's call

    @classmethod
    def of(cls, given: Answers, found: Scores, again: Mapping[str, Any] | None = None) -> Self:
        """Combine answers and scores into an evaluation."""
        prompt = str(getattr(given.prompt, "text", given.prompt))
        return cls(
            found.run,
            prompt,
            given.dataset,
            given.names,
            given.samples,
            given.answers,
            found.scores,
            given.batch,
            found.corpus,
            found.conduct,
            {n: c.badge for n, c in found.conduct.items()},
            given.missing,
            given.max_failures,
            given.asked,
            given.begun,
            ways=given.ways,
            again=again or {},
        )

    @functools.cached_property
    def _analyses(self) -> dict[str, Analysis]:
        return {}

    def analysis(self, scorer: str = "") -> Analysis:
        """The statistics of one scorer (default: the first). UsageError if nothing was scored, or too little for a verdict."""
        name = self._scorer(scorer)
        if name not in self._analyses:
            m = self.matrix(name)
            if not failures.scored(m):
                said = " ".join(failures.blocked(m)) or f"no row is left: {failures.causes(m.dropped)}"
                todo = "Name the column of good answers: target='...'." if not m.asked else "Look at `evaluation.failures()`."
                raise UsageError(f"There is nothing to compare by {name}", detail=said, hint=todo)
            notes: tuple[str, ...] = (str(self.conduct[name]) + ".",) if name in self.conduct else ()
            t = self.row_groups
            found = analyse(m, t.users, by=t.by, questions=t.questions, seed=self.seed)
            self._analyses[name] = replace(found, notes=notes)
        return self._analyses[name]

    @functools.cached_property
    def row_groups(self) -> RowGroups:
        """Which rows hang together: those of one user or template, and those that ask the same question."""
        users = tuple(s.group for s in self.dataset)
        by = self.dataset.by or "group"
        prompt = self.prompt if len(self.ways) < 2 else ""
        return RowGroups(users, tuple(dedupe.questions(self.dataset.samples, self.dataset.by, prompt)), by)

    def matrix(self, scorer: str = "") -> Matrix:
        """Rows by models: means over samples."""
        name = self._scorer(scorer)
        if name not in self._matrices:
            given = (name, self.names, len(self.dataset), self.samples, self.scores[name], self._errors, self.missing, self.max_failures)
            self._matrices[name] = matrix(*given)
        return self._matrices[name]

    @property
    def compared(self) -> dict[str, Analysis]:
        """The statistics of every scorer that has any."""
        return {n: self.analysis(n) for n in self.scores if failures.scored(self.matrix(n))}

    @functools.cached_property
    def _matrices(self) -> dict[str, Matrix]:
        return {}

    @functools.cached_property
    def _errors(self) -> dict[int, str]:
        return {i: why for i, a in enumerate(self.answers) if (why := failure(a))}

    def _scorer(self, name: str) -> str:
        if not name:
            return next(iter(self.scores))
        if name not in self.scores:
            raise UsageError("Nothing was scored by that name", detail=repr(name), hint=f"One of {', '.join(self.scores)}.")
        return name

    @property
    def reuse(self) -> Reuse:
        """How many answers came from the cache, and how old they are."""
        known = self.asked if len(self.asked) == len(self.answers) else [None] * len(self.answers)
        return reuse(known, [a.source for a in self.answers], self.begun)
