"""Training data from rows: SFT, DPO and chat JSONL. Held-out rows are refused.

sft    {"prompt": ..., "completion": ...}
dpo    {"prompt": ..., "chosen": ..., "rejected": ...}, one line per rejected answer
chat   {"messages": [...]}, the format of OpenAI's fine-tuning
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...core.atomic_write import write_atomic
from ...core.errors import UsageError
from ...prompts.prompt import Prompt, render
from .heldout import require_not_heldout
from .sample import Sample

FORMATS = ("sft", "dpo", "chat")


def training_examples(samples: Sequence[Sample], kind: str, prompt: str | Prompt | None = None, system: str = "") -> list[dict[str, Any]]:
    """The training examples of the samples.

    `prompt` is a template for each row's values; by default the row's `prompt` column, or its only text.
    Rows without the required fields are skipped. Raises UsageError for held-out rows, and if no example remains.

    >>> training_examples([Sample("1", {"prompt": "2+2"}, "4")], "sft")
    [{'prompt': '2+2', 'completion': '4'}]
    """
    if kind not in FORMATS:
        raise UsageError("No such training format", detail=repr(kind), hint=f"One of {', '.join(FORMATS)}.")
    prompts = [row_prompt(s, prompt) for s in samples]
    require_not_heldout(samples, ["\n".join(filter(None, (system, p, _target(s)))) for s, p in zip(samples, prompts, strict=True)])
    makers: dict[str, Callable[[Sample, str], list[dict[str, Any]]]] = {"sft": _sft, "dpo": _dpo, "chat": lambda s, p: _chat(s, p, system)}
    examples = [line for s, p in zip(samples, prompts, strict=True) for line in makers[kind](s, p)]
    if not examples:
        missing = "a chosen and a rejected answer" if kind == "dpo" else "a confirmed target"
        raise UsageError(f"No row has the fields that {kind} needs", detail=f"{len(samples)} rows without {missing}")
    return examples


def write(path: str | Path, samples: Sequence[Sample], kind: str, prompt: str | Prompt | None = None, system: str = "") -> Path:
    """Write the training examples as JSONL and return the path."""
    examples = training_examples(samples, kind, prompt, system)
    return write_atomic(Path(path).expanduser(), "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in examples))


def row_prompt(s: Sample, prompt: str | Prompt | None) -> str:
    """The prompt of a row: the rendered template, or the row's own text."""
    if prompt is not None:
        return render(prompt, s.values).text
    for name in ("prompt", "input", "question", "text"):
        if isinstance(s.values.get(name), str):
            return str(s.values[name])
    if len(s.values) == 1:
        return s.text
    raise UsageError(
        "The prompt of these rows is ambiguous", detail=", ".join(s.values), hint='Pass a template: prompt="... {{ column }} ...".'
    )


def _target(s: Sample) -> str | None:
    if s.target is None or s.made == "machine" or s.weak:
        return None
    first = s.target[0] if isinstance(s.target, (list, tuple)) and s.target else s.target
    return first if isinstance(first, str) else json.dumps(first, ensure_ascii=False)


def target_text(s: Sample) -> str:
    """All targets of a row as one text."""
    targets = s.target if isinstance(s.target, (list, tuple)) else [s.target]
    return "\n".join(t for t in targets if isinstance(t, str))


def _sft(s: Sample, p: str) -> list[dict[str, Any]]:
    target = _target(s)
    return [] if target is None else [{"prompt": p, "completion": target}]


def _dpo(s: Sample, p: str) -> list[dict[str, Any]]:
    chosen = s.extra.get("chosen", _target(s))
    rejected = s.extra.get("rejected") or []
    rejected = [rejected] if isinstance(rejected, str) else rejected
    return [{"prompt": p, "chosen": chosen, "rejected": r} for r in rejected if chosen is not None and r != chosen]


def _chat(s: Sample, p: str, system: str) -> list[dict[str, Any]]:
    target = _target(s)
    head = [{"role": "system", "content": system}] if system else []
    return [] if target is None else [{"messages": [*head, {"role": "user", "content": p}, {"role": "assistant", "content": target}]}]
