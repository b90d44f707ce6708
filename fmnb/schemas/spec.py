"""A schema: the JSON schema to send, and how to build the user's objects from answers.

`convert` makes it from what people write. The forms here are valid in strict modes of services: every
field required, optional ones nullable, no additional properties, an object as root (a list is wrapped
in `{"items": [...]}`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
ITEMS = "items"


@dataclass(frozen=True)
class SchemaSpec:
    """A JSON schema to send, and how to build objects from answers.

    `schema` is the JSON schema; with `wrapped`, a list is wrapped in `items`; `build` converts
    validated JSON data to the user's objects.
    """

    schema: Json
    name: str = "answer"
    wrapped: bool = False
    build: Callable[[Any], Any] = lambda data: data


def identity(value: Any) -> Any:
    return value


def optional(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return build if build is identity else lambda value: None if value is None else build(value)


def each(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return build if build is identity else lambda values: [build(v) for v in values]


def dict_builder(builders: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda data: {k: builders.get(k, identity)(v) for k, v in data.items()}


def nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def object_schema(properties: dict[str, Json]) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def list_spec(inner: SchemaSpec) -> SchemaSpec:
    schema = dict(inner.schema)
    top: Json = {k: schema.pop(k) for k in ("$defs", "definitions") if k in schema}  # references point to the root
    root = object_schema({ITEMS: {"type": "array", "items": schema}})
    return SchemaSpec({**root, **top}, inner.name, True, each(inner.build))
