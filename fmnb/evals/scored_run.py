"""A run over a test set: call the models and score their answers, or read both from the log.

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
from ..comparison.comparison import expand_grid
from ..core.errors import StoreError, UsageError
from ..core.events import Finished, Scored, Sink, Started
from ..store import log
from .datasets import heldout
from .datasets.dataset import Dataset, batch_rows
from .datasets.sample import Sample
from .failures import MAX_FAILURES, check_share
from .results import Results
from .scorers import judge as judging
from .scorers.base import Score, Scorer
from .scorers.judge import Judge
from .scoring import Answers, render_question, score_all, scorers_of


def run_and_score(
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
    """Call models for every row and score the answers; arguments as in `fm.evaluate`."""
    if missing not in ("failure", "drop"):
        raise UsageError("No such value of missing", detail=repr(missing), hint='"drop" (drops the row) or "failure" (counts as 0).')
    check_share(max_failures)
    scorers = scorers_of(score, options.get("values"))
    head = options.pop("head", None)
    if head is not None:
        dataset = replace(dataset, samples=dataset.samples[: Limits(head).head])
    if not len(dataset):
        raise UsageError("The test set has no rows", hint="Give a table with rows.")
    _check_targets(dataset, scorers)
    listed = list(models) if isinstance(models, (list, tuple)) else [models]
    ways = [(c.prompt, str(c.condition.get("prompt", ""))) for c in expand_grid(prompt, ["any"], Options(), prompts=prompts)]
    if len({title for _, title in ways}) < len(ways):
        raise UsageError("Two prompts have the same name", detail=", ".join(t for _, t in ways))
    for s in scorers:
        if isinstance(s, Judge):
            judging.require_two([f"{m} {title}" for m in listed for _, title in ways], [x.target for x in dataset])
            judging.warn_of_self_judging(s, listed)
    options.setdefault("values", {})
    values = options["values"]
    held = [s for s in dataset if s.split == "heldout"]  # remember them before their prompts are in the log
    heldout.remember_rows(held, dataset.name)
    heldout.remember_texts(text for s in held for text in (render_question(way, s, values) for way, _ in ways) if text)
    if fresh:
        options["cache"] = False
    made: list[Batch] = []
    begun = time.time()
    for way, _ in ways:
        left = dict(options)
        if made and left.get("budget") is not None:  # one budget for all prompts
            left["budget"] = max(0.0, left["budget"] - sum(b.summary.cost or 0.0 for b in made))
        made.append(batch(way, batch_rows(dataset.samples), listed, samples=samples, sinks=sinks, **left))
    names, answers = combine_batches([title for _, title in ways], made)
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
        request_times(answers),
        begun,
        tuple(t for _, t in ways),
    )
    asked = [(m, way) for way, _ in ways for m in listed]
    again = {"scorers": {s.name: s for s in scorers}, "options": options, "asked": dict(zip(names, asked, strict=True))}
    return Results.from_scores(given, score_all(given, scorers, sinks), again)


def combine_batches(titles: Sequence[str], batches: Sequence[Batch]) -> tuple[tuple[str, ...], list[Answer]]:
    """Combine batches of several prompts: names "model, prompt", and answers by row, name, sample."""
    if len(batches) == 1:
        return batches[0].models, list(batches[0].answers)
    names = tuple(f"{m}, {title}" for title, b in zip(titles, batches, strict=True) for m in b.models)
    each = [len(b.models) * b.samples for b in batches]
    return names, [
        replace(a, model=f"{a.model}, {title}")
        for row in range(batches[0].rows)
        for title, b, n in zip(titles, batches, each, strict=True)
        for a in b.answers[row * n : (row + 1) * n]
    ]


def request_times(answers: Sequence[Answer]) -> tuple[float | None, ...]:
    """Request time of each answer; None if it is not in the log."""
    try:
        known = log.request_times([a.run for a in answers if a.run])
    except StoreError:
        known = {}
    return tuple(known.get(a.run) for a in answers)


def read(run: str) -> Results:
    """Read results from the log, without calling a model. UsageError if the run is not an evaluation."""
    start, *events = log.events_of(run)
    if not isinstance(start, Started) or start.kind != "evaluate":
        raise UsageError("That run is not an evaluation", detail=run, hint="`%fm log` lists runs with their kind.")
    meta = start.meta
    made = [reopen_batch(b) for b in meta["batch"].split(",")]
    names, answers = combine_batches(meta.get("ways") or [""], made)
    samples = made[0].samples
    places = {(a.row, a.model, a.sample): i for i, a in enumerate(answers)}
    nothing = Score(None, error="no score")
    scores: dict[str, list[Score]] = {n: [nothing] * len(answers) for n in meta["scorers"]}
    for e in events:
        if isinstance(e, Scored) and e.scorer in scores:
            scores[e.scorer][places[e.row, e.model, e.sample]] = Score(e.value, e.parsed, e.explanation, e.error, e.confidence)
    end = events[-1] if events and isinstance(events[-1], Finished) else None
    for n, met in ((end.extra if end else {}).get("against") or {}).items():
        scores[n] = [replace(s, points_against=m) for s, m in zip(scores[n], met, strict=True)]
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
        request_times=request_times(answers) if meta.get("begun") else (),
        started_at=float(meta.get("begun") or 0.0),
        prompt_titles=tuple(meta.get("ways") or ("",)),
    )


def _check_targets(dataset: Dataset, scorers: Sequence[Scorer | Judge]) -> None:
    need = [s.name for s in scorers if not isinstance(s, Judge) and s.needs_target]
    if need and all(s.target is None or s.target == "" for s in dataset):
        columns = ", ".join(dict.fromkeys(k for s in dataset for k in s.values))
        raise UsageError(
            f"{', '.join(need)} needs targets, and no row has one",
            detail=f"columns {columns}",
            hint="Name the column with target='...', or use a scorer without targets: judge, json, schema, your own function.",
        )
