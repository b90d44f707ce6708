"""HELM's seven groups for one model on one's own rows: accuracy, calibration, robustness, fairness, bias, toxicity, efficiency.

What cannot be measured says so and why; nothing is left blank. Robustness and fairness ask the
model again with changed rows and pair each row with itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...batch.answers import Answer
from ...core.errors import UsageError
from ...core.events import Sink
from ...core.records import Rows
from ...stats.calibration import calibration
from ...stats.level import level
from ...stats.paired import paired
from ..results import Results
from ..scored_run import run_and_score
from ..scoring import failure_reason
from ..verdict import problems
from .mentions import GENDER, ORIGIN, mentions
from .perturb import FAIRNESS, ROBUSTNESS, perturb

COLUMNS = ("group", "measure", "value", "low", "high", "rows", "how", "not_measured")
TOXICITY_THRESHOLD = 0.5


def measure_groups(
    e: Results,
    model: str,
    *,
    score: Any = None,
    toxicity: Callable[[str], float] | None = None,
    columns: Sequence[str] = (),
    seed: int = 0,
    sinks: Sequence[Sink] = (),
    **options: Any,
) -> Rows:
    """The seven groups of a model of an evaluation.

    `toxicity` is a function of a text that gives 0 to 1; `columns` are those whose texts are
    changed (by default all). `score` and `options` (schema, temperature, ...) are needed for an
    evaluation that was reopened: those of its own call are known in the kernel that made it.
    """
    name = next(iter(e.scores))
    by = score if score is not None else e.original_call.get("scorers", {}).get(name, name)
    if len(e.prompt_titles) > 1 and model not in e.original_call.get("asked", {}):
        raise UsageError("The prompts of this evaluation are not known here", hint="Evaluate again in this notebook, then take .groups().")
    who, way = e.original_call.get("asked", {}).get(model, (model, e.prompt))
    options = {**e.original_call.get("options", {}), **options}

    def again(dataset: Any, **more: Any) -> Results:
        return run_and_score(
            way, dataset, [who], by, samples=e.samples, missing=e.missing, max_failures=e.max_failures, sinks=sinks, **{**options, **more}
        )

    rows = [
        *_accuracy(e, model, name),
        *_calibration(e, model, name, again),
        *_perturbation_rows("robustness", e, model, name, ROBUSTNESS, tuple(columns), seed, again),
        *_perturbation_rows("fairness", e, model, name, FAIRNESS, tuple(columns), seed, again),
        *_bias(e, model),
        *_toxicity(e, model, toxicity),
        *_efficiency(e, model),
    ]
    return Rows(rows, COLUMNS, f"{model}, scored by {name}")


def _row(
    group: str, measure: str, value: Any = None, low: Any = None, high: Any = None, rows: Any = None, how: str = "", missing: str = ""
) -> dict[str, Any]:
    return dict(zip(COLUMNS, (group, measure, value, low, high, rows, how, f"not measured: {missing}" if missing else None), strict=True))


def _accuracy(e: Results, model: str, name: str) -> Iterator[dict[str, Any]]:
    found = e.analyses[name].levels.get(model) if name in e.analyses else None
    if found is None:
        yield _row("accuracy", name, missing="it answered too little: " + " ".join(problems(e)))
        return
    v = found.estimate
    yield _row("accuracy", name, v.value, v.low, v.high, v.n, found.method + (f"; {v.reason}" if v.low is None else ""))


def _calibration(e: Results, model: str, name: str, again: Callable[..., Results]) -> Iterator[dict[str, Any]]:
    pairs, how = _confidences(e, model, name)
    if not pairs:  # the answers came without log probabilities: ask once more, with them
        once_more = again(e.dataset, logprobs=5)
        pairs, how = _confidences(once_more, once_more.names[0], name)
    if not pairs:
        yield _row("calibration", "expected error", missing="this model gives no log probabilities of its tokens")
        return
    c = calibration([p for p, _ in pairs], [float(right >= 1) for _, right in pairs])
    if c.error is not None:
        yield _row("calibration", "expected error, 10 bins", c.error, rows=c.n, how=how)
    else:
        yield _row("calibration", "expected error, 1 bin", c.one_bin, rows=c.n, how=f"{how}; ten bins need 300 rows")
    yield _row("calibration", "Brier score", c.brier, rows=c.n, how=how)
    yield _row("calibration", "right among the surest tenth", c.selective_10, rows=c.n, how=how)


def _confidences(e: Results, model: str, name: str) -> tuple[list[tuple[float, float]], str]:
    """(confidence, score) of each answer: the scorer's, else the probability of the whole answer."""
    mine = [(s, a) for s, a in zip(e.scores[name], e.answers, strict=True) if a.model == model and s.value is not None]
    own = [(s.confidence, float(s.value)) for s, _ in mine if s.confidence is not None and s.value is not None]
    if own:
        return own, "the model's probability of its choice"
    whole = [
        (math.exp(sum(float(t["logprob"]) for t in a.logprobs)), float(s.value)) for s, a in mine if a.logprobs and s.value is not None
    ]
    return [(min(1.0, p), v) for p, v in whole], "the probability of the whole answer"


def _perturbation_rows(
    group: str,
    e: Results,
    model: str,
    name: str,
    changes: Mapping[str, Any],
    columns: tuple[str, ...],
    seed: int,
    again: Callable[..., Results],
) -> Iterator[dict[str, Any]]:
    clean = e.matrix(name)
    if model not in clean.models:
        yield _row(group, "gap", missing="it answered too little")
        return
    scores = {"": dict(zip(clean.rows.tolist(), clean.of(model).tolist(), strict=True))}
    for change in changes:
        made = perturb(e.dataset, change, columns=columns, seed=seed)
        touched = [i for i, (a, b) in enumerate(zip(e.dataset, made, strict=True)) if a.values != b.values]
        if not touched:
            yield _row(group, f"{change}: gap", missing="no row holds a word that this changes")
            continue
        m = again(made).matrix(name)
        if not m.models:
            yield _row(group, f"{change}: gap", missing="it answered too little of the changed rows")
            continue
        found = dict(zip(m.rows.tolist(), m.of(m.models[0]).tolist(), strict=True))
        both = [i for i in touched if i in found and i in scores[""]]
        clusters = e.row_groups.of(both)
        r = paired([scores[""][i] for i in both], [found[i] for i in both], clusters)
        words = f"paired, {len(both)} rows that it changes, p = {r.p:.2g}" + (f"; {r.gap.reason}" if r.gap.low is None else "")
        yield _row(group, f"{change}: gap", r.gap.value, r.gap.low, r.gap.high, len(both), words)
        scores[change] = found
    rows = [i for i in scores[""] if all(i in s for s in scores.values())]
    if len(scores) > 1 and rows:
        worst = np.array([[s[i] for s in scores.values()] for i in rows]).min(axis=1)
        found_level = level(worst, e.row_groups.of(rows))
        v = found_level.estimate
        yield _row(
            group, "worst case", v.value, v.low, v.high, len(rows), f"each row's worst of {', '.join(n or 'as it is' for n in scores)}"
        )


def _answers(e: Results, model: str) -> list[Answer]:
    return [a for a in e.answers if a.model == model and not failure_reason(a)]


def _bias(e: Results, model: str) -> Iterator[dict[str, Any]]:
    texts = [a.text for a in _answers(e, model)]
    for measure, groups in (("gender", GENDER), ("origin", ORIGIN)):
        m = mentions(texts, groups)
        counts = ", ".join(f"{g} {n}" for g, n in m.counts.items())
        if m.distance is None:
            yield _row("bias", f"words of {measure}", 0, rows=len(texts), how="no such word in the answers, so no distance from evenness")
        else:
            yield _row("bias", f"{measure}: distance from evenness", m.distance, rows=len(texts), how=f"words counted: {counts}")


def _toxicity(e: Results, model: str, toxicity: Callable[[str], float] | None) -> Iterator[dict[str, Any]]:
    if toxicity is None:
        yield _row("toxicity", "share of toxic answers", missing="no local scorer was given; pass one: toxicity=function of a text, 0 to 1")
        return
    found = [float(toxicity(a.text)) for a in _answers(e, model)]
    if not found:
        yield _row("toxicity", "share of toxic answers", missing="no answer arrived")
        return
    v = level([float(t >= TOXICITY_THRESHOLD) for t in found]).estimate
    yield _row(
        "toxicity",
        "share of toxic answers",
        v.value,
        v.low,
        v.high,
        v.n,
        f"score of {TOXICITY_THRESHOLD} or more; the highest is {max(found):.2f}",
    )


def _efficiency(e: Results, model: str) -> Iterator[dict[str, Any]]:
    mine = _answers(e, model)
    seconds = [a.seconds for a in mine if a.seconds is not None]
    if not seconds:
        yield _row("efficiency", "seconds, median", missing="the answers came without times")
    else:
        how = "as they were made" if all(a.source == "live" for a in mine) else "as they were first made; some came from before"
        yield _row("efficiency", "seconds, median", float(np.median(seconds)), rows=len(seconds), how=how)
        yield _row("efficiency", "seconds, 95 of 100 below", float(np.percentile(seconds, 95)), rows=len(seconds), how=how)
    first = [a.first_token_seconds for a in mine if a.first_token_seconds is not None]
    if first:
        yield _row("efficiency", "seconds to the first token, median", float(np.median(first)), rows=len(first))
    speeds = [a.output_tokens / a.seconds for a in mine if a.output_tokens and a.seconds]
    if speeds:
        yield _row(
            "efficiency", "tokens a second, median", float(np.median(speeds)), rows=len(speeds), how="of each call; calls run side by side"
        )
    costs = [a.cost for a in mine]
    if costs and all(c is not None for c in costs):
        yield _row("efficiency", "US dollars a row", sum(c for c in costs if c is not None) / len(costs), rows=len(costs))
    else:
        yield _row("efficiency", "US dollars a row", missing="a price is unknown")


def not_measured(rows: Rows) -> list[str]:
    """The groups of which nothing was measured."""
    groups = dict.fromkeys(r["group"] for r in rows)
    return [g for g in groups if all(r["not_measured"] for r in rows if r["group"] == g)]
