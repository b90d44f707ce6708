"""Scores JSON answers: valid JSON, matching a schema, equal to a target field by field."""

from __future__ import annotations

import json
from typing import Any

from ...core.errors import FmnbError, SchemaMismatchError, UsageError
from ...schemas.convert import to_schema
from ...schemas.spec import SchemaSpec
from ...schemas.validate import parse
from .base import Case, Score, Scorer


def json_scorer(_: str = "") -> Scorer:
    """The share of the target's fields that are correct; without a target, whether the answer is JSON."""

    def score(case: Case) -> Score:
        data = case.data if case.data is not None else read_json(case.text)
        if data is None:
            return Score(0.0, explanation="no JSON in the answer")
        if case.target in (None, ""):
            return Score(1.0)
        target = read_json(case.target) if isinstance(case.target, str) else case.target
        if target is None:
            return Score(None, error="the target is not JSON")
        n_correct, n_fields, wrong_paths = _compare(_as_data(data), target)
        return Score(
            n_correct / n_fields if n_fields else 1.0, explanation=", ".join(wrong_paths[:5]) and f"wrong: {', '.join(wrong_paths[:5])}"
        )

    return Scorer("json", score, needs_target=False, description="fields equal to the target's")


def schema(text: str = "") -> Scorer:
    """Correct if the answer matches a schema, written as after `--schema`."""
    if not text:
        raise UsageError("The scorer needs a schema", hint="`schema:name, score float`.")
    spec: SchemaSpec = to_schema(text)

    def score(case: Case) -> Score:
        if case.data is not None:
            return Score(1.0)
        try:
            parse(case.text, spec)
        except SchemaMismatchError as e:
            return Score(0.0, explanation=e.detail[:200])
        except FmnbError as e:
            return Score(0.0, explanation=e.message)
        return Score(1.0)

    return Scorer("schema", score, needs_target=False, description="matches the schema")


def read_json(text: str) -> Any:
    """The JSON in a text, fenced or bare; None if there is none.

    >>> read_json("Here: ```json\\n{\\"a\\": 1}\\n```"), read_json("no")
    ({'a': 1}, None)
    """
    for candidate in (text, *(text[text.find(o) : text.rfind(c) + 1] for o, c in ("{}", "[]") if o in text)):
        try:
            return json.loads(candidate)
        except ValueError:
            continue
    return None


def _as_data(data: Any) -> Any:
    if hasattr(data, "model_dump"):
        return data.model_dump()
    return data.__dict__ if hasattr(data, "__dataclass_fields__") else data


def _compare(data: Any, target: Any, at: str = "") -> tuple[int, int, list[str]]:
    """The number of correct fields, the number of fields, and the paths of wrong ones."""
    if isinstance(target, dict):
        parts = [_compare(data.get(k) if isinstance(data, dict) else None, v, f"{at}.{k}" if at else str(k)) for k, v in target.items()]
        return sum(p[0] for p in parts), sum(p[1] for p in parts), [w for p in parts for w in p[2]]
    if isinstance(target, list):
        equal = isinstance(data, list) and sorted(map(_sort_key, data)) == sorted(map(_sort_key, target))
        return int(equal), 1, [] if equal else [at or "list"]
    if isinstance(target, (int, float)) and not isinstance(target, bool) and isinstance(data, (int, float)) and not isinstance(data, bool):
        equal = abs(data - target) <= 1e-9 * max(1, abs(target))
    elif isinstance(target, str) and isinstance(data, str):
        equal = data.strip().casefold() == target.strip().casefold()
    else:
        equal = data == target and type(data) is type(target)
    return int(equal), 1, [] if equal else [at or "value"]


def _sort_key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).casefold()
