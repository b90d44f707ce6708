"""Schemas whose answer is one of a closed set of labels: the possible answers, and the label names."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.types import Request

MAX_LABELS = 256  # labels: for a schema with more, the answer is generated


@dataclass(frozen=True, slots=True)
class Labels:
    """The possible answers as JSON texts, and the label names that users see."""

    texts: tuple[str, ...]
    names: tuple[str, ...]


def labels(schema: dict[str, Any] | None) -> Labels | None:
    """The closed set of answers of a schema for an object with one field that is a choice; else None.

    >>> schema = {"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}, "required": ["mood"]}
    >>> labels(schema).texts
    ('{"mood": "good"}', '{"mood": "bad"}')
    """
    properties = (schema or {}).get("properties")
    if not isinstance(schema, dict) or not isinstance(properties, dict) or len(properties) != 1:
        return None
    ((name, kind),) = properties.items()
    if schema.get("required") != [name]:
        return None
    values = _values(kind, schema)
    if values is None or not 1 <= len(values) <= MAX_LABELS:
        return None
    texts = tuple(json.dumps({name: v}, ensure_ascii=False) for v in values)
    names = tuple(v if isinstance(v, str) else json.dumps(v) for v in values)
    return Labels(texts, names) if len(set(names)) == len(names) else None


def _values(kind: Any, schema: dict[str, Any]) -> list[Any] | None:
    """The possible values of a field; None if they are not listed."""
    if not isinstance(kind, dict):
        return None
    if isinstance(to := kind.get("$ref"), str):
        room, _, name = to.removeprefix("#/").partition("/")
        return _values(schema.get(room, {}).get(name), schema) if "/" not in name else None
    if isinstance(kind.get("enum"), list):
        return list(kind["enum"])
    if "const" in kind:
        return [kind["const"]]
    if kind.get("type") in ("boolean", "null"):
        return [True, False] if kind["type"] == "boolean" else [None]
    if isinstance(options := kind.get("anyOf"), list):
        parts = [_values(k, schema) for k in options]
        return None if None in parts else [v for f in parts if f for v in f]
    return None


def log_softmax(scores: Sequence[float]) -> list[float]:
    """Normalize scores to the log-probabilities of one choice.

    >>> [round(math.exp(p), 2) for p in log_softmax([1.0, 1.0])]
    [0.5, 0.5]
    """
    top = max(scores)
    z = top + math.log(sum(math.exp(s - top) for s in scores))
    return [s - z for s in scores]


def sample_label(scores: Sequence[float], request: Request) -> int:
    """The index of a label sampled with the request's temperature.

    With a seed, the same request gets the same label; different rows are sampled independently.
    """
    generator = random.Random(None if request.seed is None else f"{request.seed} {request.sample} {request.fingerprint()}")
    logprobs = log_softmax([s / max(request.temperature or 0.0, 1e-3) for s in scores])
    return generator.choices(range(len(scores)), [math.exp(s) for s in logprobs])[0]
