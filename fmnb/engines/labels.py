"""A schema whose answer is one of a closed set of labels: what may be written, and what each is called."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.types import Request

MOST = 256  # labels: a schema with more is written


@dataclass(frozen=True, slots=True)
class Labels:
    """What may be answered: JSON texts, and the name of each label as users know it."""

    texts: tuple[str, ...]
    names: tuple[str, ...]


def labels(schema: dict[str, Any] | None) -> Labels | None:
    """The closed set of answers of a schema: of an object with one field that is a choice. None for any other schema.

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
    if values is None or not 1 <= len(values) <= MOST:
        return None
    texts = tuple(json.dumps({name: v}, ensure_ascii=False) for v in values)
    names = tuple(v if isinstance(v, str) else json.dumps(v) for v in values)
    return Labels(texts, names) if len(set(names)) == len(names) else None


def _values(kind: Any, schema: dict[str, Any]) -> list[Any] | None:
    """The values a field may have; None where they are not a list."""
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
    if isinstance(some := kind.get("anyOf"), list):
        found = [_values(k, schema) for k in some]
        return None if None in found else [v for f in found if f for v in f]
    return None


def normed(scores: Sequence[float]) -> list[float]:
    """Log-probabilities of one choice, from scores.

    >>> [round(math.exp(p), 2) for p in normed([1.0, 1.0])]
    [0.5, 0.5]
    """
    top = max(scores)
    z = top + math.log(sum(math.exp(s - top) for s in scores))
    return [s - z for s in scores]


def drawn(scores: Sequence[float], request: Request) -> int:
    """The label that a request with a temperature draws. A seed draws the same for the same request, and for each row anew."""
    draw = random.Random(None if request.seed is None else f"{request.seed} {request.sample} {request.fingerprint()}")
    warm = normed([s / max(request.temperature or 0.0, 1e-3) for s in scores])
    return draw.choices(range(len(scores)), [math.exp(s) for s in warm])[0]
