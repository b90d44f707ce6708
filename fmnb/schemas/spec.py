"""Converts schema texts, types and models to JSON schemas. `validate` checks answers against them.

    sentiment positive|negative|mixed, topics list[str], score float?, quote: exact words from the text

A field is `name [type | a|b|c][?][: description]`; fields are separated by commas. Types:
str (when none is given), int, float, bool, date, `list[...]` of those, choices. Labels with
spaces, commas, `|`, `:` or `?` are quoted: `team 'pay, refund'|tech`. Around the whole text,
`list[ ... ]` requests a list: of values for a type (`list[str]`, `list[a|b]`), of objects
for fields (`list[name, age int]`). A JSON schema,
dataclass, TypedDict, pydantic model, or `list[...]` of one of these works, too.

The generated schema is valid in strict modes of services: every field required, optional ones
nullable, no additional properties, an object as root (a list is wrapped in `{"items": [...]}`).
"""

from __future__ import annotations

import dataclasses
import json
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from enum import Enum
from typing import Any

from ..core.errors import SchemaError

Json = dict[str, Any]
ITEMS = "items"
_TYPES: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
}
_BUILDERS: dict[str, Callable[[Any], Any]] = {"int": int, "float": float, "date": date.fromisoformat}  # 3.0 is an int, 3 a float
_TYPE_ALIASES = {
    "string": "str",
    "text": "str",
    "integer": "int",
    "number": "float",
    "double": "float",
    "boolean": "bool",
    "datetime": "date",
    "array": "list[str]",
    "list": "list[str]",
}


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


def to_schema(source: Any) -> SchemaSpec:
    """The schema of a text, JSON schema, dataclass, TypedDict, pydantic model, or `list[...]` of one.

    Raises SchemaError with the position and the nearest type.

    >>> to_schema("topic, score float?").schema["properties"]["score"]
    {'anyOf': [{'type': 'number'}, {'type': 'null'}]}
    """
    if isinstance(source, SchemaSpec):
        return source
    if isinstance(source, str):
        return _from_text(source)
    if isinstance(source, dict):
        return _from_json(source)
    if typing.get_origin(source) is list:
        (inner,) = typing.get_args(source) or (Any,)
        return _listed(to_schema(inner) if _is_record(inner) else SchemaSpec(*_of_type(inner, "the list's items", ())))
    if _is_record(source):
        schema, name, build = _record(source, ())
        return SchemaSpec(schema, name, False, build)
    raise SchemaError(
        "This is not a schema",
        detail=f"{type(source).__name__} {str(source)[:80]}",
        hint="Pass a text like 'name, score float', a JSON schema, a dataclass, a TypedDict or a pydantic model.",
    )


# --- text -----------------------------------------------------------------------------


def _from_text(text: str) -> SchemaSpec:
    if text.lstrip().startswith("{"):
        try:
            return _from_json(json.loads(text))
        except ValueError as e:
            raise SchemaError("This JSON schema cannot be read", detail=str(e), hint="Check its quotes and commas.") from None
    stripped = text.strip()
    if (list_match := re.fullmatch(r"list\[(.*)\]", stripped, re.DOTALL)) and _balanced(list_match[1]):
        start = text.index("[") + 1
        inner = list_match[1].strip()
        if _is_kind(inner.removesuffix("?").rstrip()):
            schema, build = _kind(inner.removesuffix("?").rstrip(), start)
            if inner.endswith("?"):
                schema, build = _nullable(schema), _optional(build)
            return _listed(SchemaSpec(schema, "answer", False, build))
        return _listed(SchemaSpec(*_fields(text, start, text.rindex("]"))))
    return SchemaSpec(*_fields(text, 0, len(text)))


def _fields(text: str, start: int, end: int) -> tuple[Json, str, bool, Callable[[Any], Any]]:
    properties: dict[str, Json] = {}
    builders: dict[str, Callable[[Any], Any]] = {}
    for at, field in _split(text, start, end):
        name, schema, build = _field(field, at)
        if name in properties:
            raise _error(f"The field {name} appears twice", at, field, "Give each field its own name.")
        properties[name], builders[name] = schema, build
    if not properties:
        raise SchemaError("This schema has no fields", detail=repr(text), hint="Write for example 'name, score float'.")
    return _object(properties), "answer", False, _dict_builder(builders)


def _split(text: str, start: int, end: int) -> typing.Iterator[tuple[int, str]]:
    """Fields and their offsets. Commas inside brackets or a continued description do not split.

    In `quote: exact words, no more` the part after the comma would be a field of two plain words,
    so descriptions with commas are put in double quotes.
    """
    depth, at, described = 0, start, False
    quote = ""
    for i in range(start, end + 1):
        c = text[i] if i < end else ","
        if quote and i < end:
            quote = "" if c == quote else quote
        elif i < end and (c == '"' or (c == "'" and not described)) and _opens_quote(text, i, end):
            quote = c
        elif c == ":" and depth <= 0:
            described = True
        elif c in "[(":
            depth += 1
        elif c in "])":
            depth -= 1
        elif (c in ",\n" and depth <= 0) or i == end:
            field = text[at:i]
            if field.strip():
                yield at + len(field) - len(field.lstrip()), field.strip()
            elif c == "," and i < end and at > start:
                raise _error("A field is missing between two commas", i, ",", "Remove one of them.")
            at, described = i + 1, False


def _opens_quote(text: str, i: int, end: int) -> bool:
    """Whether the quotation mark at `i` opens a quoted text: a label may begin there, and it is closed."""
    before = text[i - 1] if i else " "
    return (before.isspace() or before in "|[(:,") and text.find(text[i], i + 1, end) > 0


def _parts(text: str, at: str, max_splits: int = -1) -> list[str]:
    """Split a text at a character, but not inside quotes.

    >>> _parts("'a|b'|c", "|")
    ["'a|b'", 'c']
    """
    parts: list[str] = []
    quote, begin = "", 0
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"" and _opens_quote(text, i, len(text)):
            quote = c
        elif c == at and len(parts) != max_splits:
            parts.append(text[begin:i])
            begin = i + 1
    return [*parts, text[begin:]]


def _is_quoted(text: str) -> bool:
    return len(text) > 1 and text[0] in "'\"" and text.find(text[0], 1) == len(text) - 1


def _is_kind(text: str) -> bool:
    """Whether a text is a type or choices, not a field: `str`, `list[int]`, `a|b`, but not `name str`."""
    listed = re.fullmatch(r"list\[(.*)\]", text, re.DOTALL)
    if listed and _balanced(listed[1]):
        return _is_kind(listed[1].strip().removesuffix("?").rstrip())
    if text in _TYPES or _is_quoted(text):
        return True
    if len(_parts(text, ":")) > 1 or len(_parts(text, ",")) > 1 or "[" in text:
        return False
    labels = [c.strip() for c in _parts(text, "|")]
    return len(labels) > 1 and (_is_quoted(labels[0]) or " " not in labels[0])


_FIELD = re.compile(r"([^\W\d]\w*)(\?)?(?:\s+(.*?))?\s*", re.DOTALL)


def _field(field: str, at: int) -> tuple[str, Json, Callable[[Any], Any]]:
    head, *described = _parts(field, ":", 1)
    m = _FIELD.fullmatch(head)
    if not m:
        raise _error("This is not a field", at, field, "Write name, type and description: 'score float: from 0 to 1'.")
    name, mark, kind, description = m[1], m[2], (m[3] or "").strip(), "".join(described).strip()
    optional = bool(mark) or kind.endswith("?")
    kind = kind.removesuffix("?").strip()
    schema, build = _kind(kind or "str", at + (m.start(3) if m[3] else 0))
    if optional:
        schema, build = _nullable(schema), _optional(build)
    if description:
        schema = {**schema, "description": description.strip('"')}
    return name, schema, build


def _kind(kind: str, at: int) -> tuple[Json, Callable[[Any], Any]]:
    if kind in _TYPES:
        return dict(_TYPES[kind]), _BUILDERS.get(kind, _identity)
    if inner := re.fullmatch(r"list\[(.*)\]", kind, re.DOTALL):
        schema, build = _kind(inner[1].strip() or "str", at + 5)
        return {"type": "array", "items": schema}, _each(build)
    if len(_parts(kind, "|")) > 1 or _is_quoted(kind):
        labels = [c.strip() for c in _parts(kind, "|")]
        choices = [c[1:-1].strip() if _is_quoted(c) else c.strip("\"'") for c in labels]
        if not all(choices) or len(set(choices)) != len(choices):
            raise _error("A choice is empty or appears twice", at, kind, "Write each choice once: positive|negative|mixed.")
        if all(c in _TYPES for c in labels):
            raise _error("A field must have one type", at, kind, "Use the wider type, or str.")
        return {"type": "string", "enum": choices}, _identity
    near = _TYPE_ALIASES.get(kind.lower()) or next(iter(get_close_matches(kind, [*_TYPES, "list[str]"], n=1, cutoff=0.5)), "")
    colon_hint = " A description comes after a colon." if " " in kind else ""
    hint = (f"Did you mean {near}?" if near else "Types are str, int, float, bool, date, list[...] and choices like a|b|c.") + colon_hint
    raise _error("Unknown type", at, kind, hint)


def _balanced(text: str) -> bool:
    """Whether no bracket closes before it opens: `a list[str], b list[int]` is not one list."""
    depth = 0
    for c in re.sub(r"'[^']*'|\"[^\"]*\"", "", text):
        depth += (c == "[") - (c == "]")
        if depth < 0:
            return False
    return depth == 0


def _error(message: str, at: int, detail: str, hint: str) -> SchemaError:
    return SchemaError(f"{message} (at character {at + 1} of the schema)", detail=repr(detail), hint=hint)


# --- builders -------------------------------------------------------------------------


def _identity(value: Any) -> Any:
    return value


def _optional(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return build if build is _identity else lambda value: None if value is None else build(value)


def _each(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return build if build is _identity else lambda values: [build(v) for v in values]


def _dict_builder(builders: dict[str, Callable[[Any], Any]]) -> Callable[[Any], Any]:
    return lambda data: {k: builders.get(k, _identity)(v) for k, v in data.items()}


def _nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _object(properties: dict[str, Json]) -> Json:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _listed(inner: SchemaSpec) -> SchemaSpec:
    schema = dict(inner.schema)
    top: Json = {k: schema.pop(k) for k in ("$defs", "definitions") if k in schema}  # references point to the root
    root = _object({ITEMS: {"type": "array", "items": schema}})
    return SchemaSpec({**root, **top}, inner.name, True, _each(inner.build))


# --- JSON schema ----------------------------------------------------------------------


def _from_json(schema: Json) -> SchemaSpec:
    if not ({"type", "properties", "anyOf", "oneOf", "$ref", "enum", "allOf"} & schema.keys()):
        raise SchemaError(
            "This dict is not a JSON schema", detail=", ".join(map(str, list(schema)[:6])) or "{}", hint="It needs 'type' or 'properties'."
        )
    if "properties" in schema and "type" not in schema:
        schema = {"type": "object", **schema}
    name = re.sub(r"\W+", "_", str(schema.get("title") or "answer"))[:60]
    if schema.get("type") == "array":
        return (
            _listed(SchemaSpec(schema.get("items", {}), name))
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
    return SchemaSpec({**_object({ITEMS: inner}), **top}, name, True)


# --- Python types ---------------------------------------------------------------------


def _is_record(kind: Any) -> bool:
    return isinstance(kind, type) and (dataclasses.is_dataclass(kind) or typing.is_typeddict(kind) or hasattr(kind, "model_json_schema"))


def _record(kind: Any, parents: tuple[Any, ...]) -> tuple[Json, str, Callable[[Any], Any]]:
    if kind in parents:
        raise SchemaError("A recursive class cannot be a schema", detail=kind.__name__, hint="Use a JSON schema with $ref instead.")
    if hasattr(kind, "model_json_schema"):
        return _strict(kind.model_json_schema()), kind.__name__, kind.model_validate
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
        schema, _, _, build = _of_type(hints[name], f"{kind.__name__}.{name}", (*parents, kind))
        # __optional_keys__ misses NotRequired in string annotations, so check the hint, too
        not_required = typing.get_origin(hints[name]) is typing.NotRequired or name in getattr(kind, "__optional_keys__", ())
        if not is_dataclass and not_required and "anyOf" not in schema:
            schema, build = _nullable(schema), _optional(build)
        properties[name] = {**schema, "description": notes[name]} if notes.get(name) else schema
        builders[name] = build
    to_dict = _dict_builder(builders)
    schema = _object(properties)
    doc = (kind.__doc__ or "").strip()
    if doc and not doc.startswith(f"{kind.__name__}(") and not (typing.is_typeddict(kind) and doc.startswith("dict(")):
        schema["description"] = doc.split("\n\n")[0]
    return schema, kind.__name__, (lambda data: kind(**to_dict(data))) if is_dataclass else to_dict


def _of_type(kind: Any, location: str, parents: tuple[Any, ...]) -> tuple[Json, str, bool, Callable[[Any], Any]]:
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
        return _kind(kind.__name__, 0)
    if kind is datetime:
        return {"type": "string", "format": "date-time"}, datetime.fromisoformat
    if origin is typing.Literal:
        names = {bool: "boolean", int: "integer", str: "string"}
        types_ = {names.get(type(a), "string") for a in args}
        return ({"type": types_.pop()} if len(types_) == 1 else {}) | {"enum": list(args)}, _identity
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {"enum": [m.value for m in kind]} | ({"type": "string"} if all(isinstance(m.value, str) for m in kind) else {}), kind
    if origin in (list, set, tuple) and (len(args) == 1 or (origin is tuple and len(args) == 2 and args[1] is Ellipsis)):
        schema, build = _typed(args[0], location, parents)
        many = _each(build)
        return {"type": "array", "items": schema}, many if origin is list else lambda values: origin(many(values))
    if kind is list:
        return {"type": "array", "items": {"type": "string"}}, _identity
    if origin in (typing.Union, types.UnionType):
        rest = [a for a in args if a is not type(None)]
        parts = [_typed(a, location, parents) for a in rest]
        if len(parts) == 1:
            return _nullable(parts[0][0]), _optional(parts[0][1])
        if all(a in (str, int, float, bool) or build is _identity for a, (_, build) in zip(rest, parts, strict=True)):
            return {"anyOf": [s for s, _ in parts] + ([{"type": "null"}] if len(rest) < len(args) else [])}, _identity
    if _is_record(kind):
        schema, _, build = _record(kind, parents)
        return schema, build
    name = getattr(kind, "__name__", str(kind))
    raise SchemaError(
        f"{location} has a type that a schema cannot express",
        detail=name,
        hint="Use str, int, float, bool, date, list[...], Literal, Optional or another dataclass.",
    )


def _strict(schema: Any) -> Any:
    """A pydantic schema for strict modes: all fields required, no additional properties, no defaults."""
    if isinstance(schema, list):
        return [_strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    named = {"properties", "$defs", "definitions"}
    out = {
        k: {n: _strict(s) for n, s in v.items()} if k in named and isinstance(v, dict) else _strict(v)
        for k, v in schema.items()
        if k != "default"
    }
    if out.get("type") == "object" and "properties" in out:
        out |= {"required": list(out["properties"]), "additionalProperties": False}
    return out
