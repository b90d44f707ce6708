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
from ..comparison.grid import expand_grid
from ..core.errors import StoreError, UsageError
from ..core.events import Finished, Scored, Sink, Started
from ..store import log
from .datasets import heldout
from .datasets.dataset import Dataset
from .datasets.sample import Sample, batch_rows
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
    model_list = list(models) if isinstance(models, (list, tuple)) else [models]
    titled_prompts = [(c.prompt, str(c.condition.get("prompt", ""))) for c in expand_grid(prompt, ["any"], Options(), prompts=prompts)]
    if len({title for _, title in titled_prompts}) < len(titled_prompts):
        raise UsageError("Two prompts have the same name", detail=", ".join(t for _, t in titled_prompts))
    for s in scorers:
        if isinstance(s, Judge):
            judging.require_two([f"{m} {title}" for m in model_list for _, title in titled_prompts], [x.target for x in dataset])
            judging.warn_of_self_judging(s, model_list)
    options.setdefault("values", {})
    values = options["values"]
    heldout_samples = [s for s in dataset if s.split == "heldout"]  # remember them before their prompts are in the log
    heldout.remember_rows(heldout_samples, dataset.name)
    heldout.remember_texts(text for s in heldout_samples for text in (render_question(way, s, values) for way, _ in titled_prompts) if text)
    if fresh:
        options["cache"] = False
    batches: list[Batch] = []
    started_at = time.time()
    for variant, _ in titled_prompts:
        batch_options = dict(options)
        if batches and batch_options.get("budget") is not None:  # one budget for all prompts
            batch_options["budget"] = max(0.0, batch_options["budget"] - sum(b.summary.cost or 0.0 for b in batches))
        batches.append(batch(variant, batch_rows(dataset.samples), model_list, samples=samples, sinks=sinks, **batch_options))
    names, answers = combine_batches([title for _, title in titled_prompts], batches)
    base_prompt = prompt if str(getattr(prompt, "text", prompt) or "").strip() else titled_prompts[0][0]
    runs = ",".join(b.run for b in batches)
    result = Answers(
        base_prompt,
        dataset,
        names,
        batches[0].samples,
        answers,
        runs,
        values,
        missing,
        max_failures,
        request_times(answers),
        started_at,
        tuple(t for _, t in titled_prompts),
    )
    requests = [(m, way) for way, _ in titled_prompts for m in model_list]
    call = {"scorers": {s.name: s for s in scorers}, "options": options, "requests": dict(zip(names, requests, strict=True))}
    return Results.from_scores(result, score_all(result, scorers, sinks), call)


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
        times = log.request_times([a.run for a in answers if a.run])
    except StoreError:
        times = {}
    return tuple(times.get(a.run) for a in answers)


def read(run: str) -> Results:
    """Read results from the log, without calling a model. UsageError if the run is not an evaluation."""
    start, *events = log.events_of(run)
    if not isinstance(start, Started) or start.kind != "evaluate":
        raise UsageError("That run is not an evaluation", detail=run, hint="`%fm log` lists runs with their kind.")
    meta = start.meta
    batches = [reopen_batch(b) for b in meta["batch"].split(",")]
    names, answers = combine_batches(meta.get("ways") or [""], batches)
    samples = batches[0].samples
    index_of = {(a.row, a.model, a.sample): i for i, a in enumerate(answers)}
    no_score = Score(None, error="no score")
    scores: dict[str, list[Score]] = {n: [no_score] * len(answers) for n in meta["scorers"]}
    for e in events:
        if isinstance(e, Scored) and e.scorer in scores:
            scores[e.scorer][index_of[e.row, e.model, e.sample]] = Score(e.value, e.parsed, e.explanation, e.error, e.confidence)
    finished = events[-1] if events and isinstance(events[-1], Finished) else None
    for n, points in ((finished.extra if finished else {}).get("against") or {}).items():
        scores[n] = [replace(s, points_against=m) for s, m in zip(scores[n], points, strict=True)]
    rows = Dataset(tuple(Sample.from_dict(r) for r in meta["samples"]), meta.get("dataset", ""), by=meta.get("by", ""))
    extra = finished.extra if finished else {}
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
    scorer_names = [s.name for s in scorers if not isinstance(s, Judge) and s.needs_target]
    if scorer_names and all(s.target is None or s.target == "" for s in dataset):
        columns = ", ".join(dict.fromkeys(k for s in dataset for k in s.values))
        raise UsageError(
            f"{', '.join(scorer_names)} needs targets, and no row has one",
            detail=f"columns {columns}",
            hint="Name the column with target='...', or use a scorer without targets: judge, json, schema, your own function.",
        )
