"""What a label does to a row, and which row tells most when it is labelled next."""

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
    """The data set with one rater's word on a row.

    Without choices: "accept" stands behind the target (or the answer that was given), "reject"
    takes it away and keeps it among the rejected. With choices the target is what most raters
    chose; while they are even it stays what it was. Raises UsageError for another word.
    """
    s: Sample = d[id]
    allowed = list(choices) or [ACCEPT, REJECT]
    if value not in allowed:
        raise UsageError("No such label", detail=repr(value), hint=f"One of {', '.join(allowed)}.")
    labels = {**s.extra.get("labels", {}), annotator: value}
    extra = {**s.extra, "labels": labels}
    if choices:
        counts = Counter(v for v in labels.values() if v in choices).most_common(2)
        clear = len(counts) == 1 or counts[0][1] > counts[1][1]
        return d.replaced(replace(s, target=counts[0][0] if clear else s.target, made="", weak=False, extra=extra))
    if value == ACCEPT:
        target = s.target if s.target is not None else s.extra.get("answer", s.extra.get("refused"))
        return d.replaced(replace(s, target=target, made="", weak=False, extra=extra))
    if s.target is not None:
        bad = s.target if isinstance(s.target, str) else json.dumps(s.target, ensure_ascii=False)
        extra |= {"refused": s.target, "rejected": list(dict.fromkeys([*_as_list(s.extra.get("rejected")), bad]))}
    return d.replaced(replace(s, target=None, extra=extra))


def edit(d: Dataset, id: str, annotator: str, text: str) -> Dataset:
    """The data set with a row's target written anew by a person; what it was is among the rejected."""
    if not text.strip():
        raise UsageError("A good answer has words", hint="Write it, or reject the row.")
    s: Sample = d[id]
    before = s.target if isinstance(s.target, str) else s.extra.get("answer")
    rejected = [*_as_list(s.extra.get("rejected")), *([before] if isinstance(before, str) and before != text else [])]
    extra = {**s.extra, "labels": {**s.extra.get("labels", {}), annotator: ACCEPT}, "chosen": text}
    if rejected:
        extra["rejected"] = list(dict.fromkeys(r for r in rejected if r != text))
    return d.replaced(replace(s, target=text, made="", weak=False, extra=extra))


def unlabel(d: Dataset, before: Sample) -> Dataset:
    """The data set with a row as it was."""
    return d.replaced(before)


def labeling_order(d: Dataset, annotator: str, evaluation: Results | None = None) -> list[str]:
    """Ids, the most telling first: rows this rater has not seen; among them where raters disagree, models disagree,
    a machine made the target, behaviour stood in for it, or none is there."""
    split = _disagreement(evaluation) if evaluation is not None else {}

    def rank(at: int) -> tuple[float, ...]:
        s = d.samples[at]
        labels = s.extra.get("labels", {})
        others = {v if isinstance(v, str) else json.dumps(v) for k, v in labels.items() if k != annotator}
        return (
            float(annotator in labels),
            -float(len(others) > 1),
            -split.get(s.id, 0.0),
            -float(s.made == "machine"),
            -float(s.weak),
            -float(s.target is None),
            float(at),
        )

    return [d.samples[i].id for i in sorted(range(len(d)), key=rank)]


def _disagreement(e: Results) -> Mapping[str, float]:
    """Of each row how far the models' scores lie apart."""
    m = e.matrix()
    return {e.dataset.samples[row].id: float(v.max() - v.min()) for row, v in zip(m.rows.tolist(), m.values, strict=True)}


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())
