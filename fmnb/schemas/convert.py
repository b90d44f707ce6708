"""Converts schema texts, JSON schemas, Python types and pydantic models to a `SchemaSpec`."""

from __future__ import annotations

import typing
from typing import Any

from ..core.errors import SchemaError
from .json_schema import from_json
from .python_types import is_record, of_type, record
from .schema_text import from_text
from .spec import SchemaSpec, list_spec


def to_schema(source: Any) -> SchemaSpec:
    """The schema of a text, JSON schema, dataclass, TypedDict, pydantic model, or `list[...]` of one.

    Raises SchemaError with the position and the nearest type.

    >>> to_schema("topic, score float?").schema["properties"]["score"]
    {'anyOf': [{'type': 'number'}, {'type': 'null'}]}
    """
    if isinstance(source, SchemaSpec):
        return source
    if isinstance(source, str):
        return from_text(source)
    if isinstance(source, dict):
        return from_json(source)
    if typing.get_origin(source) is list:
        (inner,) = typing.get_args(source) or (Any,)
        return list_spec(to_schema(inner) if is_record(inner) else SchemaSpec(*of_type(inner, "the list's items", ())))
    if is_record(source):
        schema, name, build = record(source, ())
        return SchemaSpec(schema, name, False, build)
    raise SchemaError(
        "This is not a schema",
        detail=f"{type(source).__name__} {str(source)[:80]}",
        hint="Pass a text like 'name, score float', a JSON schema, a dataclass, a TypedDict or a pydantic model.",
    )
