"""JSON schemas as they are, and pydantic's, made valid in strict modes of services."""

from __future__ import annotations

import re
from typing import Any

from ..core.errors import SchemaError
from .spec import ITEMS, Json, SchemaSpec, list_spec, object_schema


def from_json(schema: Json) -> SchemaSpec:
    if not ({"type", "properties", "anyOf", "oneOf", "$ref", "enum", "allOf"} & schema.keys()):
        raise SchemaError(
            "This dict is not a JSON schema", detail=", ".join(map(str, list(schema)[:6])) or "{}", hint="It needs 'type' or 'properties'."
        )
    if "properties" in schema and "type" not in schema:
        schema = {"type": "object", **schema}
    name = re.sub(r"\W+", "_", str(schema.get("title") or "answer"))[:60]
    if schema.get("type") == "array":
        return (
            list_spec(SchemaSpec(schema.get("items", {}), name))
            if not ({"$defs", "definitions"} & schema.keys())
            else _wrapped_root(schema, name)
        )
    if schema.get("type") != "object" and "$ref" not in schema and "anyOf" not in schema:
        raise SchemaError(
            "The root of a schema must be an object or an array",
            detail=str(schema.get("type")),
            hint="Put the value into an object with one field.",
        )
    return SchemaSpec(schema, name)


def _wrapped_root(schema: Json, name: str) -> SchemaSpec:
    top: Json = {k: schema[k] for k in ("$defs", "definitions") if k in schema}
    inner = {k: v for k, v in schema.items() if k not in top}
    return SchemaSpec({**object_schema({ITEMS: inner}), **top}, name, True)


def strict(schema: Any) -> Any:
    """A pydantic schema for strict modes: all fields required, no additional properties, no defaults."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    named = {"properties", "$defs", "definitions"}
    out = {
        k: {n: strict(s) for n, s in v.items()} if k in named and isinstance(v, dict) else strict(v)
        for k, v in schema.items()
        if k != "default"
    }
    if out.get("type") == "object" and "properties" in out:
        out |= {"required": list(out["properties"]), "additionalProperties": False}
    return out
