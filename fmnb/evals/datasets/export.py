"""Rows as training data: SFT, DPO and chat JSONL. Held-out rows are refused.

sft    {"prompt": ..., "completion": ...}
dpo    {"prompt": ..., "chosen": ..., "rejected": ...}, one line a rejected answer
chat   {"messages": [...]}, as OpenAI's fine-tuning takes it
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


def lines(samples: Sequence[Sample], kind: str, prompt: str | Prompt | None = None, system: str = "") -> list[dict[str, Any]]:
    """The training examples; `prompt` is the template that is filled with each row's values (by default its `prompt`, or its only text).

    Rows without what the format needs are left out. Raises UsageError for held-out rows, and where nothing is left.

    >>> lines([Sample("1", {"prompt": "2+2"}, "4")], "sft")
    [{'prompt': '2+2', 'completion': '4'}]
    """
    if kind not in FORMATS:
        raise UsageError("No such training format", detail=repr(kind), hint=f"One of {', '.join(FORMATS)}.")
    asked = [row_prompt(s, prompt) for s in samples]
    require_not_heldout(samples, ["\n".join(filter(None, (system, p, _target(s)))) for s, p in zip(samples, asked, strict=True)])
    make: dict[str, Callable[[Sample, str], list[dict[str, Any]]]] = {"sft": _sft, "dpo": _dpo, "chat": lambda s, p: _chat(s, p, system)}
    found = [line for s, p in zip(samples, asked, strict=True) for line in make[kind](s, p)]
    if not found:
        need = "a chosen and a rejected answer" if kind == "dpo" else "a target a person stands behind"
        raise UsageError(f"No row has what {kind} needs", detail=f"{len(samples)} rows without {need}")
    return found


def write(path: str | Path, samples: Sequence[Sample], kind: str, prompt: str | Prompt | None = None, system: str = "") -> Path:
    """Write the training examples as JSONL; gives the path."""
    found = lines(samples, kind, prompt, system)
    return write_atomic(Path(path).expanduser(), "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in found))


def row_prompt(s: Sample, prompt: str | Prompt | None) -> str:
    """What is asked for a row: the template filled, or the row's own text."""
    if prompt is not None:
        return render(prompt, s.values).text
    for name in ("prompt", "input", "question", "text"):
        if isinstance(s.values.get(name), str):
            return str(s.values[name])
    if len(s.values) == 1:
        return s.text
    raise UsageError("What is asked of these rows", detail=", ".join(s.values), hint='Give the template: prompt="... {{ column }} ...".')


def _target(s: Sample) -> str | None:
    if s.target is None or s.made == "machine" or s.weak:
        return None
    first = s.target[0] if isinstance(s.target, (list, tuple)) and s.target else s.target
    return first if isinstance(first, str) else json.dumps(first, ensure_ascii=False)


def target_text(s: Sample) -> str:
    """What a row's good answers say, as one text."""
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
