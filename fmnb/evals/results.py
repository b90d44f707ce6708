"""The data of an evaluation: answers, scores, and their statistics."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

from ..batch.answers import Answer
from ..core.errors import UsageError
from ..stats.resampling import SEED
from . import failures
from .analysis import Analysis, analyze
from .cached_answers import CacheUse, cache_use
from .clusters import RowGroups
from .datasets import dedupe
from .datasets.dataset import Dataset
from .failures import MAX_FAILURES
from .score_matrix import Matrix, matrix
from .scorers.base import Score
from .scorers.judge import JudgeDiagnostics
from .scoring import Answers, Scores, failure_reason


@dataclass(frozen=True)
class Results:
    """Answers of models on a test set with their scores.

    The input of tables, sentences, files and comparisons.
    """

    run: str
    prompt: str
    dataset: Dataset
    names: tuple[str, ...]
    samples: int
    answers: Sequence[Answer]
    scores: Mapping[str, Sequence[Score]]
    batch: str = ""
    corpus: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    judge_diagnostics: Mapping[str, JudgeDiagnostics] = field(default_factory=dict)  # by scorer, of judges
    badges: Mapping[str, str] = field(default_factory=dict)  # of judges: "uncalibrated", or their agreement with people
    missing: str = "drop"
    max_failures: float = MAX_FAILURES
    request_times: tuple[float | None, ...] = ()  # of each answer, in seconds since the epoch
    started_at: float = 0.0  # 0 if unknown
    seed: int = SEED
    prompt_titles: tuple[str, ...] = ("",)  # of several prompts
    original_call: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)  # scorers and options of this kernel's call

    @classmethod
    def from_scores(cls, answers: Answers, scores: Scores, original_call: Mapping[str, Any] | None = None) -> Self:
        """Combine answers and scores into an evaluation."""
        prompt = str(getattr(answers.prompt, "text", answers.prompt))
        return cls(
            scores.run,
            prompt,
            answers.dataset,
            answers.names,
            answers.samples,
            answers.answers,
            scores.scores,
            answers.batch,
            scores.corpus,
            scores.judge_diagnostics,
            {n: c.badge for n, c in scores.judge_diagnostics.items()},
            answers.missing,
            answers.max_failures,
            answers.request_times,
            answers.started_at,
            prompt_titles=answers.prompt_titles,
            original_call=original_call or {},
        )

    @functools.cached_property
    def _analysis_cache(self) -> dict[str, Analysis]:
        return {}

    def analysis(self, scorer: str = "") -> Analysis:
        """The statistics of one scorer (default: the first). UsageError if there is no score or verdict."""
        name = self._scorer_name(scorer)
        if name not in self._analysis_cache:
            m = self.matrix(name)
            if not failures.has_scores(m):
                detail = " ".join(failures.no_verdict_sentences(m)) or f"no row is left: {failures.causes_text(m.drop_causes)}"
                hint = "Name the column of correct answers: target='...'." if not m.n_expected else "Look at `evaluation.failures()`."
                raise UsageError(f"{name} has no scores to compare", detail=detail, hint=hint)
            notes: tuple[str, ...] = (str(self.judge_diagnostics[name]) + ".",) if name in self.judge_diagnostics else ()
            groups = self.row_groups
            result = analyze(m, groups.users, by=groups.by, questions=groups.questions, seed=self.seed)
            self._analysis_cache[name] = replace(result, notes=notes)
        return self._analysis_cache[name]

    @functools.cached_property
    def row_groups(self) -> RowGroups:
        """The clusters of rows: by user or template, and by question."""
        users = tuple(s.group for s in self.dataset)
        by = self.dataset.by or "group"
        prompt = self.prompt if len(self.prompt_titles) < 2 else ""
        return RowGroups(users, tuple(dedupe.questions(self.dataset.samples, self.dataset.by, prompt)), by)

    def matrix(self, scorer: str = "") -> Matrix:
        """Rows by models: means over samples."""
        name = self._scorer_name(scorer)
        if name not in self._matrix_cache:
            arguments = (
                name,
                self.names,
                len(self.dataset),
                self.samples,
                self.scores[name],
                self._call_errors,
                self.missing,
                self.max_failures,
            )
            self._matrix_cache[name] = matrix(*arguments)
        return self._matrix_cache[name]

    @property
    def analyses(self) -> dict[str, Analysis]:
        """The statistics of every scorer that has scores."""
        return {n: self.analysis(n) for n in self.scores if failures.has_scores(self.matrix(n))}

    @functools.cached_property
    def _matrix_cache(self) -> dict[str, Matrix]:
        return {}

    @functools.cached_property
    def _call_errors(self) -> dict[int, str]:
        return {i: reason for i, a in enumerate(self.answers) if (reason := failure_reason(a))}

    def _scorer_name(self, name: str) -> str:
        if not name:
            return next(iter(self.scores))
        if name not in self.scores:
            raise UsageError("No such scorer in this evaluation", detail=repr(name), hint=f"One of {', '.join(self.scores)}.")
        return name

    @property
    def cache_use(self) -> CacheUse:
        """How many answers came from the cache, and how old they are."""
        times = self.request_times if len(self.request_times) == len(self.answers) else [None] * len(self.answers)
        return cache_use(times, [a.source for a in self.answers], self.started_at)
