"""Labels of annotators, and which row to label next."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...core.errors import UsageError
from ..results import Results
from .dataset import Dataset
from .sample import Sample

ACCEPT, REJECT = "accept", "reject"


def label(d: Dataset, id: str, annotator: str, value: str, *, choices: Sequence[str] = ()) -> Dataset:
    """Add one annotator's label to a row.

    Without choices: "accept" confirms the target (or the logged answer), "reject" removes it and adds it to
    the rejected answers. With choices, the target becomes the majority label; on a tie it stays as it was.
    Raises UsageError for another label.
    """
    s: Sample = d[id]
    allowed = list(choices) or [ACCEPT, REJECT]
    if value not in allowed:
        raise UsageError("No such label", detail=repr(value), hint=f"One of {', '.join(allowed)}.")
    labels = {**s.extra.get("labels", {}), annotator: value}
    extra = {**s.extra, "labels": labels}
    if choices:
        counts = Counter(v for v in labels.values() if v in choices).most_common(2)
        has_majority = len(counts) == 1 or counts[0][1] > counts[1][1]
        return d.with_sample(replace(s, target=counts[0][0] if has_majority else s.target, made="", weak=False, extra=extra))
    if value == ACCEPT:
        target = s.target if s.target is not None else s.extra.get("answer", s.extra.get("refused"))
        return d.with_sample(replace(s, target=target, made="", weak=False, extra=extra))
    if s.target is not None:
        rejected_text = s.target if isinstance(s.target, str) else json.dumps(s.target, ensure_ascii=False)
        extra |= {"refused": s.target, "rejected": list(dict.fromkeys([*_as_list(s.extra.get("rejected")), rejected_text]))}
    return d.with_sample(replace(s, target=None, extra=extra))


def edit(d: Dataset, id: str, annotator: str, text: str) -> Dataset:
    """Replace a row's target with a person's text; the previous target becomes a rejected answer."""
    if not text.strip():
        raise UsageError("The edited answer is empty", hint="Write an answer, or reject the row.")
    s: Sample = d[id]
    previous = s.target if isinstance(s.target, str) else s.extra.get("answer")
    rejected = [*_as_list(s.extra.get("rejected")), *([previous] if isinstance(previous, str) and previous != text else [])]
    extra = {**s.extra, "labels": {**s.extra.get("labels", {}), annotator: ACCEPT}, "chosen": text}
    if rejected:
        extra["rejected"] = list(dict.fromkeys(r for r in rejected if r != text))
    return d.with_sample(replace(s, target=text, made="", weak=False, extra=extra))


def restore(d: Dataset, before: Sample) -> Dataset:
    """Restore an earlier version of a row."""
    return d.with_sample(before)


def labeling_order(d: Dataset, annotator: str, evaluation: Results | None = None) -> list[str]:
    """Ids in the order of labeling, the most informative row first.

    Rows without a label of this annotator come first; among them rows on which annotators disagree, then
    those on which models disagree, machine-made targets, weak targets, and missing targets.
    """
    disagreement = _disagreement(evaluation) if evaluation is not None else {}

    def rank(index: int) -> tuple[float, ...]:
        s = d.samples[index]
        labels = s.extra.get("labels", {})
        others = {v if isinstance(v, str) else json.dumps(v) for k, v in labels.items() if k != annotator}
        return (
            float(annotator in labels),
            -float(len(others) > 1),
            -disagreement.get(s.id, 0.0),
            -float(s.made == "machine"),
            -float(s.weak),
            -float(s.target is None),
            float(index),
        )

    return [d.samples[i].id for i in sorted(range(len(d)), key=rank)]


def _disagreement(e: Results) -> Mapping[str, float]:
    """The range of the models' scores on each row."""
    m = e.matrix()
    return {e.dataset.samples[row].id: float(v.max() - v.min()) for row, v in zip(m.rows.tolist(), m.values, strict=True)}


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
