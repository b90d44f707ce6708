"""Answers that should be JSON: readable, as a schema wants, equal to a target field by field."""

from __future__ import annotations

import json
from typing import Any

from ...core.errors import FmnbError, SchemaMismatchError, UsageError
from ...schemas.spec import SchemaSpec, to_schema
from ...schemas.validate import parse
from .base import Case, Score, Scorer


def json_scorer(_: str = "") -> Scorer:
    """The share of the target's fields that the answer has right; without a target, whether it is JSON at all."""

    def score(case: Case) -> Score:
        data = case.data if case.data is not None else read_json(case.text)
        if data is None:
            return Score(0.0, explanation="no JSON in the answer")
        if case.target in (None, ""):
            return Score(1.0)
        goal = read_json(case.target) if isinstance(case.target, str) else case.target
        if goal is None:
            return Score(None, error="the target is no JSON")
        right, of, wrong = _compare(_as_data(data), goal)
        return Score(right / of if of else 1.0, explanation=", ".join(wrong[:5]) and f"wrong: {', '.join(wrong[:5])}")

    return Scorer("json", score, needs_target=False, description="fields equal to the target's")


def schema(text: str = "") -> Scorer:
    """The answer matches a schema, written as after `--schema`."""
    if not text:
        raise UsageError("Which schema", hint="`schema:name, score float`.")
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
    """The JSON in a text, fenced or bare; None where there is none.

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


def _compare(data: Any, goal: Any, at: str = "") -> tuple[int, int, list[str]]:
    """Right fields, all fields, and where it is wrong."""
    if isinstance(goal, dict):
        parts = [_compare(data.get(k) if isinstance(data, dict) else None, v, f"{at}.{k}" if at else str(k)) for k, v in goal.items()]
        return sum(p[0] for p in parts), sum(p[1] for p in parts), [w for p in parts for w in p[2]]
    if isinstance(goal, list):
        same = isinstance(data, list) and sorted(map(_sort_key, data)) == sorted(map(_sort_key, goal))
        return int(same), 1, [] if same else [at or "list"]
    if isinstance(goal, (int, float)) and not isinstance(goal, bool) and isinstance(data, (int, float)) and not isinstance(data, bool):
        same = abs(data - goal) <= 1e-9 * max(1, abs(goal))
    elif isinstance(goal, str) and isinstance(data, str):
        same = data.strip().casefold() == goal.strip().casefold()
    else:
        same = data == goal and type(data) is type(goal)
    return int(same), 1, [] if same else [at or "value"]


def _sort_key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, default=str).casefold()
