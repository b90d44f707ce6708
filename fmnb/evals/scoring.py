"""Answers to scores: every one an event of a run of its own, whatever a scorer does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ..batch.answers import Answer
from ..calls.session import session
from ..core.errors import FmnbError, Interrupted, StoreError, UsageError
from ..core.events import Cancelled, EventStamper, Failed, Finished, Scored, Sink, Started, emit
from ..core.run_ids import new_run
from ..prompts.prompt import render
from ..store.log_sink import LogSink
from .datasets.dataset import Dataset
from .datasets.sample import Sample, plain
from .failures import MAX_FAILURES
from .score_matrix import NO_TARGET, NO_VERDICT
from .scorers import judge as judging
from .scorers.base import Case, Score, Scorer, judged, scorer
from .scorers.judge import Conduct, Judge

ScorerLike: TypeAlias = str | Scorer | Judge | Callable[..., object]
"""A scorer: its name ("exact", "numeric:0.01"), an `fm.Judge`, or a function of (answer), (answer, target) or (answer, target, row)."""


@dataclass(frozen=True)
class Answers:
    """What is scored: the answers of a batch (or of several, one a prompt) in the order of row, model, sample, and what they are about."""

    prompt: Any
    dataset: Dataset
    names: tuple[str, ...]
    samples: int
    answers: Sequence[Answer]
    batch: str
    values: Mapping[str, Any]
    missing: str
    max_failures: float = MAX_FAILURES
    asked: tuple[float | None, ...] = ()  # when each answer was asked for, None where that is not known
    begun: float = 0.0
    ways: tuple[str, ...] = ("",)  # titles of the prompts, where there were several


@dataclass(frozen=True)
class Scores:
    """By scorer: a score for each answer, each model's figure for all of them together, how a judge behaved. `run` holds them as events."""

    run: str
    scores: dict[str, list[Score]]
    corpus: dict[str, dict[str, float]]
    conduct: dict[str, Conduct]


def scorers_of(given: Any, notebook: Mapping[str, Any] | None = None) -> list[Scorer | Judge]:
    """Scorers from names, functions and judges, each with a name of its own; `judge:NAME` may name a function of the notebook.

    Raises UsageError for no scorer, and for the same one twice.
    """
    listed = (
        [g.strip() for g in given.split(",")] if isinstance(given, str) else list(given) if isinstance(given, (list, tuple)) else [given]
    )
    if not listed:
        raise UsageError("There is no scorer", hint='`score="exact"`, for example.')
    twice = [g for i, g in enumerate(listed) if g in listed[:i]]
    if twice:
        name = twice[0] if isinstance(twice[0], str) else getattr(twice[0], "__name__", getattr(twice[0], "name", ""))
        raise UsageError("Scorers need different names", detail=f"{name}, twice", hint="Name each scorer once.")
    return _named(listed, [_scorer(g, notebook or {}) for g in listed])


def _scorer(given: Any, notebook: Mapping[str, Any]) -> Scorer | Judge:
    if isinstance(given, str) and given.partition(":")[0] == "judge":
        name = given.partition(":")[2]
        return Judge(notebook[name], name=given) if name in notebook else Judge(name or None, name=given if name else "judge")
    return given if isinstance(given, Judge) else scorer(given)


def _named(listed: Sequence[Any], found: Sequence[Scorer | Judge]) -> list[Scorer | Judge]:
    """With different names: of two of one kind the more precise one (`ifeval:loose`, a judge's model), then a number."""
    times = Counter(s.name for s in found)
    precise = [_precise(g, s) if times[s.name] > 1 else s.name for g, s in zip(listed, found, strict=True)]
    out: list[Scorer | Judge] = []
    seen: Counter[str] = Counter()
    for name, s in zip(precise, found, strict=True):
        seen[name] += 1
        own = name if seen[name] == 1 else f"{name}_{seen[name]}"
        out.append(s if own == s.name else replace(s, name=own))
    return out


def _precise(given: Any, s: Scorer | Judge) -> str:
    if isinstance(s, Judge):
        label = s.model if isinstance(s.model, str) else getattr(s.model, "__name__", "")
        return f"judge:{label}" if s.name == "judge" and label else s.name
    return given if isinstance(given, str) else s.name


def failure(a: Answer) -> str:
    """Why a call gave no answer to score, or ""."""
    if a.error is not None:
        what, seen = str(a.error.get("message") or "the call failed"), str(a.error.get("detail") or "").strip()
        return f"{what}: {seen.splitlines()[0][:100]}" if seen else what
    return "never asked" if not a.run else "the call was stopped" if a.finish == "cancelled" else ""


def score_all(given: Answers, scorers: Sequence[Scorer | Judge], sinks: Sequence[Sink] = ()) -> Scores:
    """Score every answer; the scores are written down as they are made."""
    stamp = EventStamper(new_run())
    listeners = session.listeners(*sinks)
    writers: list[Sink] = [s for s in listeners if isinstance(s, LogSink)]  # a view or a sidebar does not want thousands of scores
    meta: dict[str, Any] = {
        "asked": ", ".join(given.names),
        "batch": given.batch,
        "prompt": str(getattr(given.prompt, "text", given.prompt)),
        "scorers": [s.name for s in scorers],
        "dataset": given.dataset.name,
        "version": given.dataset.version,
        "by": given.dataset.by,
        "missing": given.missing,
        "max_failures": given.max_failures,
        "ways": list(given.ways),
        "begun": given.begun,
    }
    whole = stamp(Started(kind="evaluate", model=meta["asked"], meta={**meta, "samples": [s.to_dict() for s in given.dataset]}))
    emit(whole, writers)
    light = Started(kind="evaluate", model=meta["asked"], meta=meta, run=whole.run, n=whole.n, at=whole.at)
    emit(light, [s for s in listeners if s not in writers])
    out = Scores(stamp.run, {}, {}, {})
    shown = [question(given.prompt, s, given.values) or str(getattr(given.prompt, "text", given.prompt)) for s in given.dataset]
    cases = [case_of(given.dataset.samples[a.row], a, shown[a.row]) for a in given.answers]
    try:
        for s in scorers:
            _score_by(s, given, cases, out, stamp, writers, sinks)
    except KeyboardInterrupt:
        emit(stamp(Cancelled()), listeners)
        raise Interrupted(None, stamp.run, kept="the answers are kept; the same call scores them without asking again") from None
    except FmnbError as e:
        emit(stamp(Failed(error=e.to_dict())), listeners)
        raise
    met = {n: [dict(s.against) for s in found] for n, found in out.scores.items() if any(s.against for s in found)}
    said: dict[str, Any] = {"against": met} if met else {}
    said |= {"conduct": {n: str(c) for n, c in out.conduct.items()}, "badges": {n: c.badge for n, c in out.conduct.items()}}
    emit(stamp(Finished(extra={"corpus": out.corpus, **said})), listeners)
    return out


def _score_by(
    s: Scorer | Judge, given: Answers, cases: Sequence[Case], out: Scores, stamp: EventStamper, writers: list[Sink], sinks: Sequence[Sink]
) -> None:
    """All answers by one scorer, put into `out` and written down."""
    if isinstance(s, Judge):
        out.scores[s.name], out.conduct[s.name] = _judged(given, s, sinks)
    else:
        out.scores[s.name], figures = _scored(given, cases, s)
        if figures:
            out.corpus[s.name] = figures
    for a, one in zip(given.answers, out.scores[s.name], strict=True):
        stamp.n += 1  # stamped here: there are ten thousands of them
        event = Scored(
            run=stamp.run,
            n=stamp.n,
            at=time.time(),
            answer=a.run,
            scorer=s.name,
            value=one.value,
            row=a.row,
            model=a.model,
            sample=a.sample,
            parsed=plain(one.read),
            explanation=plain(one.why),
            error=plain(one.error),
            confidence=one.confidence,
        )
        for write in writers:
            emit(event, [write])


def question(prompt: Any, s: Sample, values: Mapping[str, Any]) -> str:
    """What a row's call asked; "" for a row that cannot be asked."""
    try:
        return render(prompt, {**values, **s.values}).text
    except FmnbError:
        return ""


def _scored(given: Answers, cases: Sequence[Case], by: Scorer) -> tuple[list[Score], dict[str, float]]:
    """A score for each answer, and each model's figure for all of them together where the scorer has one."""
    fit = [c for c, a in zip(cases, given.answers, strict=True) if not failure(a)]
    if by.ahead is not None:
        by.ahead(fit)
    scores = [Score(None, error=failure(a)) if failure(a) else judged(by, c) for c, a in zip(cases, given.answers, strict=True)]
    corpus = {}
    if by.corpus is not None:
        for name in given.names:
            mine = [c for c, s in zip(cases, scores, strict=True) if c.model == name and s.value is not None]
            if mine:
                corpus[name] = by.corpus(mine)
    return scores, corpus


def case_of(s: Sample, a: Answer, prompt: str = "") -> Case:
    """An answer beside its row and what was asked, as scorers take it."""
    return Case(a.text, s.target, s.values, a.data, a.logprobs, s.id, a.model, a.run, prompt)


def _judged(given: Answers, by: Judge, sinks: Sequence[Sink]) -> tuple[list[Score], Conduct]:
    questions = [question(given.prompt, s, given.values) for s in given.dataset]
    texts = {(a.row, a.model, a.sample): a.text for a in given.answers if not failure(a)}
    pairs = judging.duels(given.names, questions, texts, [s.target for s in given.dataset], given.samples)
    verdicts, run = judging.decide(by, pairs, sinks)
    won = judging.points(verdicts)
    try:
        people = judging.human_labels()
    except StoreError:
        people = {}
    unusable = {(v.duel.row, n, v.duel.sample): v.trouble for v in verdicts if not v.usable for n in (v.duel.a, v.duel.b)}
    several = len(given.names) > 2
    scores = []
    for a in given.answers:
        key = (a.row, a.model, a.sample)
        if failure(a):
            scores.append(Score(None, error=failure(a)))
        elif key in won:
            met = won[key]
            trouble = unusable.get(key, "")
            scores.append(Score(sum(met.values()) / len(met), read=run, why=trouble, against=met if several else {}))
        elif key in unusable:
            scores.append(Score(None, error=f"{NO_VERDICT}: {unusable[key]}"))
        else:
            scores.append(Score(None, error=NO_TARGET if len(given.names) == 1 else f"{NO_VERDICT}: no other model answered"))
    return scores, judging.conduct(verdicts, people)
