"""Folders of diffusers pipelines: a `model_index.json` names parts, each in a folder of its own.

Finds the files of a repository that form a pipeline with one set of weights, and whether they are
complete. Only safetensors are accepted: other formats can run code when they are read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

INDEX = "model_index.json"
_TEXT = (".json", ".txt", ".model")
_VARIANT = re.compile(r"\.(fp16|bf16|fp8|non_ema|ema)(?=[.-]|$)")


def parts_of(index: dict[str, Any]) -> list[str]:
    """The folders of the parts of a pipeline; an empty part has none.

    >>> parts_of({"_class_name": "P", "unet": ["diffusers", "U"], "safety_checker": [None, None], "flag": False})
    ['unet']
    """
    return [k for k, v in index.items() if not k.startswith("_") and isinstance(v, list) and len(v) == 2 and v[1]]


def files_of(names: Iterable[str], parts: Iterable[str], half: bool) -> list[str]:
    """The files that form a pipeline, with one set of weights: 16-bit if `half`.

    The index is last, since its record marks the download as complete.

    >>> files_of(["model_index.json", "unet/config.json", "unet/m.safetensors", "unet/m.fp16.safetensors", "unet/m.bin", "big.safetensors"],
    ...          ["unet"], True)
    ['unet/config.json', 'unet/m.fp16.safetensors', 'model_index.json']
    """
    names = list(names)
    chosen: list[str] = []
    for part in parts:
        inside = [n for n in names if n.startswith(part + "/") and n.count("/") == 1]
        chosen += [n for n in inside if n.endswith(_TEXT) and not n.endswith((".index.json", ".fp16.json"))]
        chosen += _weights(inside, half)
    return [*sorted(set(chosen)), *([INDEX] if INDEX in names else [])]


def _weights(names: list[str], half: bool) -> list[str]:
    """One set of weights of a part, with its index if it is sharded."""
    found = {n: m[1] if (m := _VARIANT.search(n)) else "" for n in names if n.endswith(".safetensors") or ".safetensors.index" in n}
    kinds = {kind for n, kind in found.items() if n.endswith(".safetensors")}
    order = ("fp16", "bf16", "", "non_ema") if half else ("", "bf16", "fp16", "non_ema")
    best = next((k for k in order if k in kinds), None)
    return [n for n, kind in found.items() if kind == best]


def complete(folder: Path) -> bool:
    """Whether a folder has all parts of its pipeline, with their weights."""
    try:
        parts = parts_of(json.loads((folder / INDEX).read_text("utf-8")))
    except (OSError, ValueError, AttributeError):
        return False
    for part in parts:
        if not (folder / part).is_dir():
            return False
        for index in (folder / part).glob("*.safetensors.index*.json"):
            try:
                wanted = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
            except (OSError, ValueError, KeyError, AttributeError):
                return False
            if not all((folder / part / name).is_file() for name in wanted):
                return False
    return any(True for _ in folder.glob("*/*.safetensors"))
