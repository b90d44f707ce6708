"""A run over a test set: the models are asked and their answers scored, or both are read from the log.

prompt, rows, models ─ batch ─► answers ─ scorers ─► Scored events ─► Results
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..batch.answers import Answer
from ..batch.options import Limits
from ..batch.run import Batch, batch
from ..batch.run import reopen as reopen_batch
from ..calls.call import Options
from ..comparison.comparison import spread
from ..core.errors import StoreError, UsageError
from ..core.events import Finished, Scored, Sink, Started
from ..store import log
from .datasets import heldout
from .datasets.dataset import Dataset, answers_of
from .datasets.sample import Sample
from .failures import MAX_FAILURES, check_share
from .results import Results
from .scorers import judge as judging
from .scorers.base import Score, Scorer
from .scorers.judge import Judge
from .scoring import Answers, question, score_all, scorers_of


def ask_and_score(
    prompt: Any,
    dataset: Dataset,
    models: Any,
    score: Any,
    *,
    prompts: Sequence[Any] | Mapping[str, Any] = (),
    samples: int = 1,
    missing: str = "drop",
    max_failures: float = MAX_FAILURES,
    fresh: bool = False,
    sinks: Sequence[Sink] = (),
    **options: Any,
) -> Results:
    """Ask models about every row and score the answers; arguments as those of `fm.evaluate`."""
    if missing not in ("failure", "drop"):
        raise UsageError(
            "missing says what a failed answer counts as", detail=repr(missing), hint='"drop" (its row is left out), or "failure" (0).'
        )
    check_share(max_failures)
    scorers = scorers_of(score, options.get("values"))
    head = options.pop("head", None)
    if head is not None:
        dataset = replace(dataset, samples=dataset.samples[: Limits(head).head])
    if not len(dataset):
        raise UsageError("There is no row to evaluate on", hint="Give a table with rows.")
    _check_targets(dataset, scorers)
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    ways = [(c.prompt, str(c.axis.get("prompt", ""))) for c in spread(prompt, ["any"], Options(), prompts=prompts)]
    if len({title for _, title in ways}) < len(ways):
        raise UsageError("Two prompts have the same name", detail=", ".join(t for _, t in ways))
    for s in scorers:
        if isinstance(s, Judge):
            judging.require_two([f"{m} {title}" for m in listed for _, title in ways], [x.target for x in dataset])
            judging.check(s, listed)
    options.setdefault("values", {})
    values = options["values"]
    held = [s for s in dataset if s.split == "heldout"]  # remembered before the log has prompts made of them
    heldout.hold_rows(held, dataset.name)
    heldout.hold(text for s in held for text in (question(way, s, values) for way, _ in ways) if text)
    if fresh:
        options["cache"] = False
    made: list[Batch] = []
    begun = time.time()
    for way, _ in ways:
        left = dict(options)
        if made and left.get("budget") is not None:  # it is one budget for all prompts
            left["budget"] = max(0.0, left["budget"] - sum(b.summary.cost or 0.0 for b in made))
        made.append(batch(way, answers_of(dataset.samples), listed, samples=samples, sinks=sinks, **left))
    names, answers = beside([title for _, title in ways], made)
    about = prompt if str(getattr(prompt, "text", prompt) or "").strip() else ways[0][0]
    runs = ",".join(b.run for b in made)
    given = Answers(
        about,
        dataset,
        names,
        made[0].samples,
        answers,
        runs,
        values,
        missing,
        max_failures,
        times(answers),
        begun,
        tuple(t for _, t in ways),
    )
    asked = [(m, way) for way, _ in ways for m in listed]
    again = {"scorers": {s.name: s for s in scorers}, "options": options, "asked": dict(zip(names, asked, strict=True))}
    return Results.of(given, score_all(given, scorers, sinks), again)


def beside(titles: Sequence[str], made: Sequence[Batch]) -> tuple[tuple[str, ...], list[Answer]]:
    """Batches of several prompts over the same rows as one: names of model and prompt, answers in the order of row, name, sample."""
    if len(made) == 1:
        return made[0].models, list(made[0].answers)
    names = tuple(f"{m}, {title}" for title, b in zip(titles, made, strict=True) for m in b.models)
    each = [len(b.models) * b.samples for b in made]
    return names, [
        replace(a, model=f"{a.model}, {title}")
        for row in range(made[0].rows)
        for title, b, n in zip(titles, made, each, strict=True)
        for a in b.answers[row * n : (row + 1) * n]
    ]


def times(answers: Sequence[Answer]) -> tuple[float | None, ...]:
    """When each answer was asked for, as far as the log knows."""
    try:
        known = log.request_times([a.run for a in answers if a.run])
    except StoreError:
        known = {}
    return tuple(known.get(a.run) for a in answers)


def read(run: str) -> Results:
    """The results of a logged run; no model is called. UsageError when it is no evaluation's run."""
    start, *events = log.events_of(run)
    if not isinstance(start, Started) or start.kind != "evaluate":
        raise UsageError("That run is no evaluation", detail=run, hint="`%fm log` lists runs; an evaluation's says so.")
    meta = start.meta
    made = [reopen_batch(b) for b in meta["batch"].split(",")]
    names, answers = beside(meta.get("ways") or [""], made)
    samples = made[0].samples
    places = {(a.row, a.model, a.sample): i for i, a in enumerate(answers)}
    nothing = Score(None, error="no score")
    scores: dict[str, list[Score]] = {n: [nothing] * len(answers) for n in meta["scorers"]}
    for e in events:
        if isinstance(e, Scored) and e.scorer in scores:
            scores[e.scorer][places[e.row, e.model, e.sample]] = Score(e.value, e.parsed, e.explanation, e.error, e.confidence)
    end = events[-1] if events and isinstance(events[-1], Finished) else None
    for n, met in ((end.extra if end else {}).get("against") or {}).items():
        scores[n] = [replace(s, against=m) for s, m in zip(scores[n], met, strict=True)]
    rows = Dataset(tuple(Sample.from_dict(r) for r in meta["samples"]), meta.get("dataset", ""), by=meta.get("by", ""))
    extra = end.extra if end else {}
    return Results(
        run,
        meta["prompt"],
        rows,
        names,
        samples,
        answers,
        scores,
        meta["batch"],
        extra.get("corpus") or {},
        extra.get("conduct") or {},
        extra.get("badges") or {},
        missing=meta.get("missing", "failure"),
        max_failures=float(meta.get("max_failures", MAX_FAILURES)),
        asked=times(answers) if meta.get("begun") else (),
        begun=float(meta.get("begun") or 0.0),
        ways=tuple(meta.get("ways") or ("",)),
    )


def _check_targets(dataset: Dataset, scorers: Sequence[Scorer | Judge]) -> None:
    need = [s.name for s in scorers if not isinstance(s, Judge) and s.needs_target]
    if need and all(s.target is None or s.target == "" for s in dataset):
        columns = ", ".join(dict.fromkeys(k for s in dataset for k in s.values))
        raise UsageError(
            f"{', '.join(need)} compares with a good answer, and no row has one",
            detail=f"columns {columns}",
            hint="Name the column: target='...'; or score by what needs none: judge, json, schema, your own function.",
        )
