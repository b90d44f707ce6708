"""Evaluations as JSON files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..batch.answers import Answer
from ..core.errors import UsageError
from ..core.version import __version__
from .datasets.dataset import Dataset
from .datasets.sample import Sample
from .failures import MAX_FAILURES
from .results import Results
from .scorers.base import Score

VERSION = 1
_SAME_NAME = ("run", "prompt", "samples", "batch", "missing", "seed")


def to_dict(e: Results) -> dict[str, Any]:
    """The form that JSON can hold."""
    return {
        "evaluation": VERSION,
        "fmnb": __version__,
        **{n: getattr(e, n) for n in _SAME_NAME},
        "models": list(e.names),
        "ways": list(e.prompt_titles),
        "dataset": {"name": e.dataset.name, "version": e.dataset.version, "by": e.dataset.by},
        "rows": [s.to_dict() for s in e.dataset],
        "answers": [[a.text, a.run, a.seconds, a.input_tokens, a.output_tokens, a.cost, a.error, a.finish_reason] for a in e.answers],
        "scores": {n: [[s.value, s.explanation, s.error, s.confidence] for s in scores] for n, scores in e.scores.items()},
        "max_failures": e.max_failures,
        "begun": e.started_at,
        "asked": list(e.request_times),
        "sources": [a.source for a in e.answers],
        "against": {n: [dict(s.points_against) for s in found] for n, found in e.scores.items() if any(s.points_against for s in found)},
        "corpus": {n: dict(c) for n, c in e.corpus.items()},
        "conduct": {n: str(c) for n, c in e.judge_diagnostics.items()},
        "badges": dict(e.badges),
    }


def fields(path: Path) -> dict[str, Any]:
    """The fields of an Evaluation, from a file with `to_dict`'s content. UsageError for other files."""
    if path.exists() and not path.is_file():  # reading a pipe would wait for ever
        raise UsageError("The file is not a saved evaluation", detail=f"{path} is not a regular file")
    try:
        d = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError("No such file", detail=str(path)) from None
    except (OSError, ValueError) as e:
        raise UsageError("The file is not a saved evaluation", detail=f"{path.name}: {e}"[:200]) from None
    if not isinstance(d, dict) or d.get("evaluation") != VERSION:
        raise UsageError("The file is not a saved evaluation", detail=path.name, hint="Write one with `evaluation.save(path)`.")
    try:
        return _fields(d)
    except (KeyError, TypeError, ValueError) as e:
        raise UsageError("The saved evaluation is damaged", detail=f"{path.name}: {type(e).__name__}: {e}"[:200]) from None


def _fields(d: dict[str, Any]) -> dict[str, Any]:
    names, samples = tuple(d["models"]), int(d["samples"])
    answers_per_row = len(names) * samples
    answers = []
    sources = d.get("sources") or ["live"] * len(d["answers"])
    for i, (text, run, seconds, tokens_in, tokens_out, cost, error, finish) in enumerate(d["answers"]):
        answers.append(
            Answer(
                i // answers_per_row,
                names[i % answers_per_row // samples],
                i % samples,
                run=run,
                text=text,
                seconds=seconds,
                input_tokens=tokens_in,
                output_tokens=tokens_out,
                cost=cost,
                error=error,
                finish_reason=finish,
                source=sources[i],
            )
        )
    dataset = d["dataset"]
    against = d.get("against") or {}
    return {
        **{n: d[n] for n in _SAME_NAME},
        "names": names,
        "prompt_titles": tuple(d.get("ways") or ("",)),
        "dataset": Dataset(tuple(Sample.from_dict(r) for r in d["rows"]), dataset["name"], by=dataset.get("by", "")),
        "answers": answers,
        "scores": {
            n: [
                Score(v, "", explanation, error, confidence, points)
                for (v, explanation, error, confidence), points in zip(scores, against.get(n) or [{}] * len(scores), strict=True)
            ]
            for n, scores in d["scores"].items()
        },
        "started_at": float(d.get("begun", 0.0)),
        "request_times": tuple(d.get("asked") or ()),
        "max_failures": float(d.get("max_failures", MAX_FAILURES)),
        "corpus": d["corpus"],
        "judge_diagnostics": d["conduct"],
        "badges": d["badges"],
    }
