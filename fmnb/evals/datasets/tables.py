"""Tables about a data set: its splits, its differences from another one, its leaks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...core.records import Rows
from . import dedupe
from .sample import SPLITS, Sample

_MIN_LEAK_LENGTH = 20  # characters; shorter texts may occur in a prompt by chance


def summary(samples: Sequence[Sample], note: str) -> Rows:
    """Counts by split: rows, targets, groups, weak and machine-made rows."""
    names = [n for n in (*SPLITS, "") if any(s.split == n for s in samples)] or [""]
    rows = []
    for name in names:
        in_split = [s for s in samples if s.split == name]
        rows.append(
            {
                "split": name or "(none)",
                "rows": len(in_split),
                "with_target": sum(s.target is not None for s in in_split),
                "groups": len({s.group for s in in_split if s.group is not None}),
                "weak": sum(s.weak for s in in_split),
                "machine_made": sum(s.made == "machine" for s in in_split),
            }
        )
    return Rows(rows, note=note)


def differences(samples: Sequence[Sample], others: Sequence[Sample], versions: str) -> Rows:
    """Ids that the other data set added, removed or changed."""
    before, after = {s.id: s for s in samples}, {s.id: s for s in others}
    rows: list[dict[str, Any]] = [{"id": i, "change": "added"} for i in after if i not in before]
    rows += [{"id": i, "change": "removed"} for i in before if i not in after]
    for i, s in before.items():
        if i in after and s != after[i]:
            fields = [f for f in Sample.__dataclass_fields__ if getattr(s, f) != getattr(after[i], f)]
            rows.append({"id": i, "change": "changed: " + ", ".join(fields)})
    return Rows(rows, ("id", "change"), f"{versions}: {len(rows)} differ")


def leaks(samples: Sequence[Sample], prompt: str, similarity: float) -> Rows:
    """Rows of one split that resemble a row of another split or occur in the prompt."""
    rows: list[dict[str, Any]] = []
    for later, earlier, overlap in dedupe.near(dedupe.contents(samples), similarity):
        a, b = samples[earlier], samples[later]
        if a.split != b.split:
            rows.append({"id": b.id, "split": b.split, "also": a.id, "in": a.split, "similarity": overlap})
    prompt_text = _flat(prompt)
    for s in samples:
        texts = [_flat(v) for v in s.values.values() if isinstance(v, str)]
        if s.split != "train" and any(len(t) >= _MIN_LEAK_LENGTH and t in prompt_text for t in texts):
            rows.append({"id": s.id, "split": s.split, "also": "", "in": "prompt", "similarity": 1.0})
    return Rows(rows, ("id", "split", "also", "in", "similarity"), f"{len(rows)} leaks" if rows else "no leaks")


def _flat(text: str) -> str:
    return " ".join(text.casefold().split())
