"""Dataclasses, TypedDicts, pydantic models and type hints as JSON schemas."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from typing import Any

from ..core.errors import SchemaError
from .json_schema import strict
from .schema_text import parse_type
from .spec import Json, dict_builder, each, identity, nullable, object_schema, optional


def is_record(kind: Any) -> bool:
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or typing.is_typeddict(kind) or hasattr(kind, "model_json_schema"))


def record(kind: Any, parents: tuple[Any, ...]) -> tuple[Json, str, Callable[[Any], Any]]:
    if kind in parents:
        raise SchemaError("A recursive class cannot be a schema", detail=kind.__name__, hint="Use a JSON schema with $ref instead.")
    if hasattr(kind, "model_json_schema"):
        return strict(kind.model_json_schema()), kind.__name__, kind.model_validate
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except NameError as e:
        raise SchemaError(
            f"{kind.__name__} has a type that is not defined", detail=str(e), hint="Run the cell that defines it first."
        ) from None
    is_dataclass = dataclasses.is_dataclass(kind)
    fields = [f.name for f in dataclasses.fields(kind) if f.init] if is_dataclass else list(hints)
    notes = {f.name: f.metadata.get("description", "") for f in dataclasses.fields(kind)} if is_dataclass else {}
    properties, builders = {}, {}
    for name in fields:
        schema, _, _, build = of_type(hints[name], f"{kind.__name__}.{name}", (*parents, kind))
        # __optional_keys__ misses NotRequired in string annotations, so check the hint, too
        not_required = typing.get_origin(hints[name]) is typing.NotRequired or name in getattr(kind, "__optional_keys__", ())
        if not is_dataclass and not_required and "anyOf" not in schema:
            schema, build = nullable(schema), optional(build)
        properties[name] = {**schema, "description": notes[name]} if notes.get(name) else schema
        builders[name] = build
    to_dict = dict_builder(builders)
    schema = object_schema(properties)
    doc = (kind.__doc__ or "").strip()
    if doc and not doc.startswith(f"{kind.__name__}(") and not (typing.is_typeddict(kind) and doc.startswith("dict(")):
        schema["description"] = doc.split("\n\n")[0]
    return schema, kind.__name__, (lambda data: kind(**to_dict(data))) if is_dataclass else to_dict


def of_type(kind: Any, location: str, parents: tuple[Any, ...]) -> tuple[Json, str, bool, Callable[[Any], Any]]:
    schema, build = _typed(kind, location, parents)
    return schema, getattr(kind, "__name__", "answer"), False, build


def _typed(kind: Any, location: str, parents: tuple[Any, ...]) -> tuple[Json, Callable[[Any], Any]]:
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        schema, build = _typed(args[0], location, parents)
        note = next((a for a in args[1:] if isinstance(a, str)), "")
        return ({**schema, "description": note} if note else schema), build
    if origin in (typing.Required, typing.NotRequired):
        return _typed(args[0], location, parents)
    if kind in (str, int, float, bool, date):
        return parse_type(kind.__name__, 0)
    if kind is datetime:
        return {"type": "string", "format": "date-time"}, datetime.fromisoformat
    if origin is typing.Literal:
        names = {bool: "boolean", int: "integer", str: "string"}
        types_ = {names.get(type(a), "string") for a in args}
        return ({"type": types_.pop()} if len(types_) == 1 else {}) | {"enum": list(args)}, identity
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [m.value for m in kind]} | ({"type": "string"} if all(isinstance(m.value, str) for m in kind) else {}), kind
    if origin in (list, set, tuple) and (len(args) == 1 or (origin is tuple and len(args) == 2 and args[1] is Ellipsis)):
        schema, build = _typed(args[0], location, parents)
        build_list = each(build)
        return {"type": "array", "items": schema}, build_list if origin is list else lambda values: origin(build_list(values))
    if kind is list:
        return {"type": "array", "items": {"type": "string"}}, identity
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in args if a is not type(None)]
        parts = [_typed(a, location, parents) for a in rest]
        if len(parts) == 1:
            return nullable(parts[0][0]), optional(parts[0][1])
        if all(a in (str, int, float, bool) or build is identity for a, (_, build) in zip(rest, parts, strict=True)):
            return {"anyOf": [s for s, _ in parts] + ([{"type": "null"}] if len(rest) < len(args) else [])}, identity
    if is_record(kind):
        schema, _, build = record(kind, parents)
        return schema, build
    name = getattr(kind, "__name__", str(kind))
    raise SchemaError(
        f"{location} has a type that a schema cannot express",
        detail=name,
        hint="Use str, int, float, bool, date, list[...], Literal, Optional or another dataclass.",
    )
