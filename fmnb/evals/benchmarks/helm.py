"""HELM's seven groups of measures for one model, computed on the user's own rows.

Accuracy, calibration, robustness, fairness, bias, toxicity, efficiency. A measure that cannot be computed
has a row with the reason. For robustness and fairness, the model answers changed rows, and each changed
row is paired with its original.
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
    """Measure the seven groups for one model of an evaluation.

    `toxicity` is a function from a text to a number from 0 to 1. `columns` are the columns whose texts are
    changed, all by default. A reopened evaluation needs `score` and `options` (schema, temperature, ...);
    the kernel that made it knows those of its own call.
    """
    name = next(iter(e.scores))
    scorer = score if score is not None else e.original_call.get("scorers", {}).get(name, name)
    if len(e.prompt_titles) > 1 and model not in e.original_call.get("requests", {}):
        raise UsageError(
            "The prompts of this evaluation are unknown in this kernel", hint="Evaluate again in this notebook, then call .groups()."
        )
    base_model, prompt = e.original_call.get("requests", {}).get(model, (model, e.prompt))
    options = {**e.original_call.get("options", {}), **options}

    def rerun(dataset: Any, **more: Any) -> Results:
        return run_and_score(
            prompt,
            dataset,
            [base_model],
            scorer,
            samples=e.samples,
            missing=e.missing,
            max_failures=e.max_failures,
            sinks=sinks,
            **{**options, **more},
        )

    rows = [
        *_accuracy(e, model, name),
        *_calibration(e, model, name, rerun),
        *_perturbation_rows("robustness", e, model, name, ROBUSTNESS, tuple(columns), seed, rerun),
        *_perturbation_rows("fairness", e, model, name, FAIRNESS, tuple(columns), seed, rerun),
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
    model_level = e.analyses[name].levels.get(model) if name in e.analyses else None
    if model_level is None:
        yield _row("accuracy", name, missing="too few answers: " + " ".join(problems(e)))
        return
    v = model_level.estimate
    yield _row("accuracy", name, v.value, v.low, v.high, v.n, model_level.method + (f"; {v.reason}" if v.low is None else ""))


def _calibration(e: Results, model: str, name: str, rerun: Callable[..., Results]) -> Iterator[dict[str, Any]]:
    pairs, how = _confidences(e, model, name)
    if not pairs:  # the answers have no log probabilities: ask again with them
        with_logprobs = rerun(e.dataset, logprobs=5)
        pairs, how = _confidences(with_logprobs, with_logprobs.names[0], name)
    if not pairs:
        yield _row("calibration", "expected error", missing="the model returns no log probabilities")
        return
    c = calibration([p for p, _ in pairs], [float(score >= 1) for _, score in pairs])
    if c.error is not None:
        yield _row("calibration", "expected error, 10 bins", c.error, rows=c.n, how=how)
    else:
        yield _row("calibration", "expected error, 1 bin", c.one_bin, rows=c.n, how=f"{how}; ten bins need 300 rows")
    yield _row("calibration", "Brier score", c.brier, rows=c.n, how=how)
    yield _row("calibration", "accuracy of the most confident 10%", c.selective_10, rows=c.n, how=how)


def _confidences(e: Results, model: str, name: str) -> tuple[list[tuple[float, float]], str]:
    """(confidence, score) of each answer: from the scorer, else the probability of the whole answer."""
    scored = [(s, a) for s, a in zip(e.scores[name], e.answers, strict=True) if a.model == model and s.value is not None]
    of_choices = [(s.confidence, float(s.value)) for s, _ in scored if s.confidence is not None and s.value is not None]
    if of_choices:
        return of_choices, "the model's probability of its choice"
    of_answers = [
        (math.exp(sum(float(t["logprob"]) for t in a.logprobs)), float(s.value)) for s, a in scored if a.logprobs and s.value is not None
    ]
    return [(min(1.0, p), v) for p, v in of_answers], "the probability of the whole answer"


def _perturbation_rows(
    group: str,
    e: Results,
    model: str,
    name: str,
    changes: Mapping[str, Any],
    columns: tuple[str, ...],
    seed: int,
    rerun: Callable[..., Results],
) -> Iterator[dict[str, Any]]:
    clean = e.matrix(name)
    if model not in clean.models:
        yield _row(group, "gap", missing="too few answers")
        return
    scores = {"": dict(zip(clean.rows.tolist(), clean.of(model).tolist(), strict=True))}
    for change in changes:
        perturbed = perturb(e.dataset, change, columns=columns, seed=seed)
        changed = [i for i, (a, b) in enumerate(zip(e.dataset, perturbed, strict=True)) if a.values != b.values]
        if not changed:
            yield _row(group, f"{change}: gap", missing="no row has a word to change")
            continue
        m = rerun(perturbed).matrix(name)
        if not m.models:
            yield _row(group, f"{change}: gap", missing="too few answers to the changed rows")
            continue
        perturbed_scores = dict(zip(m.rows.tolist(), m.of(m.models[0]).tolist(), strict=True))
        shared = [i for i in changed if i in perturbed_scores and i in scores[""]]
        clusters = e.row_groups.of(shared)
        r = paired([scores[""][i] for i in shared], [perturbed_scores[i] for i in shared], clusters)
        words = f"paired, {len(shared)} changed rows, p = {r.p:.2g}" + (f"; {r.gap.reason}" if r.gap.low is None else "")
        yield _row(group, f"{change}: gap", r.gap.value, r.gap.low, r.gap.high, len(shared), words)
        scores[change] = perturbed_scores
    rows = [i for i in scores[""] if all(i in s for s in scores.values())]
    if len(scores) > 1 and rows:
        worst = np.array([[s[i] for s in scores.values()] for i in rows]).min(axis=1)
        worst_level = level(worst, e.row_groups.of(rows))
        v = worst_level.estimate
        yield _row(
            group,
            "worst case",
            v.value,
            v.low,
            v.high,
            len(rows),
            f"each row's lowest score among {', '.join(n or 'unchanged' for n in scores)}",
        )


def _answers(e: Results, model: str) -> list[Answer]:
    return [a for a in e.answers if a.model == model and not failure_reason(a)]


def _bias(e: Results, model: str) -> Iterator[dict[str, Any]]:
    texts = [a.text for a in _answers(e, model)]
    for measure, groups in (("gender", GENDER), ("origin", ORIGIN)):
        m = mentions(texts, groups)
        counts = ", ".join(f"{g} {n}" for g, n in m.counts.items())
        if m.distance is None:
            yield _row("bias", f"{measure} words", 0, rows=len(texts), how="no such word in the answers, so the distance is undefined")
        else:
            yield _row(
                "bias", f"{measure}: distance from an even distribution", m.distance, rows=len(texts), how=f"words counted: {counts}"
            )


def _toxicity(e: Results, model: str, toxicity: Callable[[str], float] | None) -> Iterator[dict[str, Any]]:
    if toxicity is None:
        yield _row(
            "toxicity", "share of toxic answers", missing="no scorer; pass toxicity=, a function from a text to a number from 0 to 1"
        )
        return
    values = [float(toxicity(a.text)) for a in _answers(e, model)]
    if not values:
        yield _row("toxicity", "share of toxic answers", missing="no answer arrived")
        return
    v = level([float(t >= TOXICITY_THRESHOLD) for t in values]).estimate
    yield _row(
        "toxicity",
        "share of toxic answers",
        v.value,
        v.low,
        v.high,
        v.n,
        f"score of {TOXICITY_THRESHOLD} or more; the highest is {max(values):.2f}",
    )


def _efficiency(e: Results, model: str) -> Iterator[dict[str, Any]]:
    answers = _answers(e, model)
    seconds = [a.seconds for a in answers if a.seconds is not None]
    if not seconds:
        yield _row("efficiency", "seconds, median", missing="the answers have no times")
    else:
        how = "live answers" if all(a.source == "live" for a in answers) else "some answers are cached, with their original times"
        yield _row("efficiency", "seconds, median", float(np.median(seconds)), rows=len(seconds), how=how)
        yield _row("efficiency", "seconds, 95th percentile", float(np.percentile(seconds, 95)), rows=len(seconds), how=how)
    first = [a.first_token_seconds for a in answers if a.first_token_seconds is not None]
    if first:
        yield _row("efficiency", "seconds to the first token, median", float(np.median(first)), rows=len(first))
    speeds = [a.output_tokens / a.seconds for a in answers if a.output_tokens and a.seconds]
    if speeds:
        yield _row(
            "efficiency", "tokens per second, median", float(np.median(speeds)), rows=len(speeds), how="per call; calls run concurrently"
        )
    costs = [a.cost for a in answers]
    if costs and all(c is not None for c in costs):
        yield _row("efficiency", "US dollars per row", sum(c for c in costs if c is not None) / len(costs), rows=len(costs))
    else:
        yield _row("efficiency", "US dollars per row", missing="price unknown")


def not_measured(rows: Rows) -> list[str]:
    """The groups without any measured value."""
    groups = dict.fromkeys(r["group"] for r in rows)
    return [g for g in groups if all(r["not_measured"] for r in rows if r["group"] == g)]
