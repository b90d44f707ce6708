"""An evaluation as an inspect log, for tools that display such logs."""

from __future__ import annotations

import datetime
from typing import Any

from ..core.version import __version__
from .datasets.export import row_prompt
from .results import Results
from .scorers.base import Score
from .scoring import failure_reason, render_question


def inspect_log(e: Results, model: str = "") -> dict[str, Any]:
    """One model's run as the JSON of an inspect EvalLog (version 2), one epoch per sample of a row."""
    name = model or e.names[0]
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    samples = []
    for i, a in enumerate(e.answers):
        if a.model != name:
            continue
        s = e.dataset.samples[a.row]
        prompt = render_question(e.prompt, s, {}) or row_prompt(s, None)
        failure = failure_reason(a)
        samples.append(
            {
                "id": s.id,
                "epoch": a.sample + 1,
                "input": prompt,
                "target": s.target if isinstance(s.target, list) else "" if s.target is None else str(s.target),
                "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": a.text, "source": "generate"}],
                "output": {
                    "model": name,
                    "choices": [{"message": {"role": "assistant", "content": a.text}, "stop_reason": "stop"}],
                    **({"error": failure} if failure else {}),
                },
                "scores": {n: _score(scores[i]) for n, scores in e.scores.items() if scores[i].value is not None},
                "metadata": {"run": a.run, "group": s.group, "split": s.split},
            }
        )
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "run_id": e.run,
            "created": now,
            "task": e.dataset.name or "fmnb",
            "task_version": 0,
            "task_id": e.run,
            "dataset": {"name": e.dataset.name, "samples": len(e.dataset), "sample_ids": [s.id for s in e.dataset]},
            "model": name,
            "config": {"epochs": e.samples},
            "packages": {"fmnb": __version__},
        },
        "results": {"total_samples": len(samples), "completed_samples": len(samples), "scores": [_result(e, n, name) for n in e.scores]},
        "stats": {"started_at": now, "completed_at": now},
        "samples": samples,
    }


def _score(s: Score) -> dict[str, Any]:
    return {"value": s.value, "answer": s.parsed or None, "explanation": s.explanation or s.error or None}


def _result(e: Results, scorer: str, model: str) -> dict[str, Any]:
    level = e.analyses[scorer].levels.get(model) if scorer in e.analyses else None
    if level is None:
        return {"name": scorer, "scorer": scorer, "metrics": {}}
    estimate = level.estimate
    metrics = {"mean": estimate.value} | ({"stderr": estimate.standard_error} if estimate.standard_error is not None else {})
    return {"name": scorer, "scorer": scorer, "metrics": {n: {"name": n, "value": v} for n, v in metrics.items()}}
