"""Scoring of answers: each score is an event of a separate run, even if a scorer fails."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ..batch.answers import Answer
from ..calls.run_handle import Run
from ..core.errors import FmnbError, Interrupted, StoreError, UsageError
from ..core.events import Cancelled, EventStamper, Failed, Finished, Scored, Sink, Started, emit
from ..core.run_ids import new_run
from ..prompts.prompt import render
from ..store.log_sink import LogSink
from .datasets.dataset import Dataset
from .datasets.sample import Sample, to_json_value
from .failures import MAX_FAILURES
from .score_matrix import NO_TARGET, NO_VERDICT
from .scorers import judge as judging
from .scorers.base import Case, Score, Scorer, score_case, scorer
from .scorers.judge import Judge, JudgeDiagnostics

ScorerLike: TypeAlias = str | Scorer | Judge | Callable[..., object]
"""A scorer: its name ("exact", "numeric:0.01"), an `fm.Judge`, or a function of (answer), (answer, target) or (answer, target, row)."""


@dataclass(frozen=True)
class Answers:
    """Answers to score, in the order of row, model, sample, with their prompt and data set.

    They come from one batch, or from one batch per prompt.
    """

    prompt: Any
    dataset: Dataset
    names: tuple[str, ...]
    samples: int
    answers: Sequence[Answer]
    batch: str
    values: Mapping[str, Any]
    missing: str
    max_failures: float = MAX_FAILURES
    request_times: tuple[float | None, ...] = ()  # of each answer; None if unknown
    started_at: float = 0.0
    prompt_titles: tuple[str, ...] = ("",)  # of several prompts


@dataclass(frozen=True)
class Scores:
    """Results by scorer: a score for each answer, corpus scores of each model, diagnostics of a judge."""

    run: str
    scores: dict[str, list[Score]]
    corpus: dict[str, dict[str, float]]
    judge_diagnostics: dict[str, JudgeDiagnostics]


def scorers_of(value: Any, notebook: Mapping[str, Any] | None = None) -> list[Scorer | Judge]:
    """Make scorers with unique names from names, functions and judges.

    `judge:NAME` may name a function of the notebook. Raises UsageError for no scorer, or for
    the same scorer twice.
    """
    values = (
        [g.strip() for g in value.split(",")] if isinstance(value, str) else list(value) if isinstance(value, (list, tuple)) else [value]
    )
    if not values:
        raise UsageError("There is no scorer", hint='`score="exact"`, for example.')
    repeated = [g for i, g in enumerate(values) if g in values[:i]]
    if repeated:
        name = repeated[0] if isinstance(repeated[0], str) else getattr(repeated[0], "__name__", getattr(repeated[0], "name", ""))
        raise UsageError("The same scorer is named twice", detail=name, hint="Name each scorer once.")
    return _with_unique_names(values, [_make_scorer(g, notebook or {}) for g in values])


def _make_scorer(value: Any, notebook: Mapping[str, Any]) -> Scorer | Judge:
    if isinstance(value, str) and value.partition(":")[0] == "judge":
        name = value.partition(":")[2]
        return Judge(notebook[name], name=value) if name in notebook else Judge(name or None, name=value if name else "judge")
    return value if isinstance(value, Judge) else scorer(value)


def _with_unique_names(values: Sequence[Any], scorers: Sequence[Scorer | Judge]) -> list[Scorer | Judge]:
    """Make names unique: by more specific names (`ifeval:loose`, a judge's model), then by numbers."""
    counts = Counter(s.name for s in scorers)
    names = [_specific_name(g, s) if counts[s.name] > 1 else s.name for g, s in zip(values, scorers, strict=True)]
    out: list[Scorer | Judge] = []
    used: Counter[str] = Counter()
    for name, s in zip(names, scorers, strict=True):
        used[name] += 1
        unique_name = name if used[name] == 1 else f"{name}_{used[name]}"
        out.append(s if unique_name == s.name else replace(s, name=unique_name))
    return out


def _specific_name(value: Any, s: Scorer | Judge) -> str:
    if isinstance(s, Judge):
        label = s.model if isinstance(s.model, str) else getattr(s.model, "__name__", "")
        return f"judge:{label}" if s.name == "judge" and label else s.name
    return value if isinstance(value, str) else s.name


def failure_reason(a: Answer) -> str:
    """Why there is no answer to score, or ""."""
    if a.error is not None:
        message, detail = str(a.error.get("message") or "the call failed"), str(a.error.get("detail") or "").strip()
        return f"{message}: {detail.splitlines()[0][:100]}" if detail else message
    return "not called" if not a.run else "the call was stopped" if a.finish_reason == "cancelled" else ""


def score_all(answers: Answers, scorers: Sequence[Scorer | Judge], sinks: Sequence[Sink] = ()) -> Scores:
    """Score every answer, and log each score at once."""
    stamp = EventStamper(new_run())
    handle = Run(None, sinks, runs=[stamp.run], stop_events=lambda *_: [stamp(Cancelled())])
    listeners = handle.listeners
    writers: list[Sink] = [s for s in listeners if isinstance(s, LogSink)]  # views and the sidebar do not need thousands of scores
    meta: dict[str, Any] = {
        "asked": ", ".join(answers.names),
        "batch": answers.batch,
        "prompt": str(getattr(answers.prompt, "text", answers.prompt)),
        "scorers": [s.name for s in scorers],
        "dataset": answers.dataset.name,
        "version": answers.dataset.version,
        "by": answers.dataset.by,
        "missing": answers.missing,
        "max_failures": answers.max_failures,
        "ways": list(answers.prompt_titles),
        "begun": answers.started_at,
    }
    started = stamp(Started(kind="evaluate", model=meta["asked"], meta={**meta, "samples": [s.to_dict() for s in answers.dataset]}))
    emit(started, writers)
    started_without_rows = Started(kind="evaluate", model=meta["asked"], meta=meta, run=started.run, n=started.n, at=started.at)
    emit(started_without_rows, [s for s in listeners if s not in writers])
    out = Scores(stamp.run, {}, {}, {})
    questions = [
        render_question(answers.prompt, s, answers.values) or str(getattr(answers.prompt, "text", answers.prompt)) for s in answers.dataset
    ]
    cases = [make_case(answers.dataset.samples[a.row], a, questions[a.row]) for a in answers.answers]
    try:
        with handle.interruptible():
            for s in scorers:
                _score_with(s, answers, cases, out, stamp, writers, sinks)
    except KeyboardInterrupt:
        raise Interrupted(None, stamp.run, kept="the answers are stored; the same call scores them without new requests") from None
    except FmnbError as e:
        handle.emit(stamp(Failed(error=e.to_dict())))
        raise
    points = {n: [dict(s.points_against) for s in results] for n, results in out.scores.items() if any(s.points_against for s in results)}
    extra: dict[str, Any] = {"against": points} if points else {}
    extra |= {
        "conduct": {n: str(c) for n, c in out.judge_diagnostics.items()},
        "badges": {n: c.badge for n, c in out.judge_diagnostics.items()},
    }
    handle.emit(stamp(Finished(extra={"corpus": out.corpus, **extra})))
    return out


def _score_with(
    s: Scorer | Judge, answers: Answers, cases: Sequence[Case], out: Scores, stamp: EventStamper, writers: list[Sink], sinks: Sequence[Sink]
) -> None:
    """Score all answers by one scorer, add them to `out`, and log them."""
    if isinstance(s, Judge):
        out.scores[s.name], out.judge_diagnostics[s.name] = _apply_judge(answers, s, sinks)
    else:
        out.scores[s.name], figures = _apply_scorer(answers, cases, s)
        if figures:
            out.corpus[s.name] = figures
    for a, score in zip(answers.answers, out.scores[s.name], strict=True):
        stamp.n += 1  # stamped here for speed: there are tens of thousands
        event = Scored(
            run=stamp.run,
            n=stamp.n,
            at=time.time(),
            answer=a.run,
            scorer=s.name,
            value=score.value,
            row=a.row,
            model=a.model,
            sample=a.sample,
            parsed=to_json_value(score.parsed),
            explanation=to_json_value(score.explanation),
            error=to_json_value(score.error),
            confidence=score.confidence,
        )
        for write in writers:
            emit(event, [write])


def render_question(prompt: Any, s: Sample, values: Mapping[str, Any]) -> str:
    """The rendered prompt of a row; "" if it cannot be rendered."""
    try:
        return render(prompt, {**values, **s.values}).text
    except FmnbError:
        return ""


def _apply_scorer(answers: Answers, cases: Sequence[Case], scorer: Scorer) -> tuple[list[Score], dict[str, float]]:
    """A score for each answer, and each model's corpus score if the scorer has one."""
    scorable = [c for c, a in zip(cases, answers.answers, strict=True) if not failure_reason(a)]
    if scorer.prepare is not None:
        scorer.prepare(scorable)
    scores = [
        Score(None, error=failure_reason(a)) if failure_reason(a) else score_case(scorer, c)
        for c, a in zip(cases, answers.answers, strict=True)
    ]
    corpus = {}
    if scorer.corpus is not None:
        for name in answers.names:
            model_cases = [c for c, s in zip(cases, scores, strict=True) if c.model == name and s.value is not None]
            if model_cases:
                corpus[name] = scorer.corpus(model_cases)
    return scores, corpus


def make_case(s: Sample, a: Answer, prompt: str = "") -> Case:
    """An answer with its row and prompt, as input of a scorer."""
    return Case(a.text, s.target, s.values, a.data, a.logprobs, s.id, a.model, a.run, prompt)


def _apply_judge(answers: Answers, judge: Judge, sinks: Sequence[Sink]) -> tuple[list[Score], JudgeDiagnostics]:
    questions = [render_question(answers.prompt, s, answers.values) for s in answers.dataset]
    texts = {(a.row, a.model, a.sample): a.text for a in answers.answers if not failure_reason(a)}
    pairs = judging.make_pairs(answers.names, questions, texts, [s.target for s in answers.dataset], answers.samples)
    verdicts, run = judging.judge_pairs(judge, pairs, sinks)
    points = judging.points(verdicts)
    try:
        human_labels = judging.human_labels()
    except StoreError:
        human_labels = {}
    unusable = {(v.pair.row, n, v.pair.sample): v.problem for v in verdicts if not v.usable for n in (v.pair.a, v.pair.b)}
    several_models = len(answers.names) > 2
    scores = []
    for a in answers.answers:
        key = (a.row, a.model, a.sample)
        if failure_reason(a):
            scores.append(Score(None, error=failure_reason(a)))
        elif key in points:
            points_against = points[key]
            problem = unusable.get(key, "")
            scores.append(
                Score(
                    sum(points_against.values()) / len(points_against),
                    parsed=run,
                    explanation=problem,
                    points_against=points_against if several_models else {},
                )
            )
        elif key in unusable:
            scores.append(Score(None, error=f"{NO_VERDICT}: {unusable[key]}"))
        else:
            scores.append(Score(None, error=NO_TARGET if len(answers.names) == 1 else f"{NO_VERDICT}: no other model answered"))
    return scores, judging.diagnose(verdicts, human_labels)
