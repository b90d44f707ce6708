"""Schema texts.

    sentiment positive|negative|mixed, topics list[str], score float?, quote: exact words from the text

A field is `name [type | a|b|c][?][: description]`; fields are separated by commas. Types:
str (the default), int, float, bool, date, `list[...]` of those, choices. Labels with
spaces, commas, `|`, `:` or `?` are quoted: `team 'pay, refund'|tech`. Around the whole text,
`list[ ... ]` requests a list: of values for a type (`list[str]`, `list[a|b]`), of objects
for fields (`list[name, age int]`). A text that starts with `{` is a JSON schema.
"""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Callable
from datetime import date
from difflib import get_close_matches
from typing import Any

from ..core.errors import SchemaError
from .json_schema import from_json
from .spec import Json, SchemaSpec, dict_builder, each, identity, list_spec, nullable, object_schema, optional

_TYPES: dict[str, Json] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "date": {"type": "string", "format": "date"},
}
_BUILDERS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "date": date.fromisoformat,
}  # 3.0 is an int, 3 a float  # 3.0 is an int, 3 a float
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
_FIELD = re.compile(r"([^\W\d]\w*)(\?)?(?:\s+(.*?))?\s*", re.DOTALL)


def from_text(text: str) -> SchemaSpec:
    if text.lstrip().startswith("{"):
        try:
            return from_json(json.loads(text))
        except ValueError as e:
            raise SchemaError("This JSON schema cannot be read", detail=str(e), hint="Check its quotes and commas.") from None
    stripped = text.strip()
    if (list_match := re.fullmatch(r"list\[(.*)\]", stripped, re.DOTALL)) and _balanced(list_match[1]):
        start = text.index("[") + 1
        inner = list_match[1].strip()
        if _is_kind(inner.removesuffix("?").rstrip()):
            schema, build = parse_type(inner.removesuffix("?").rstrip(), start)
            if inner.endswith("?"):
                schema, build = nullable(schema), optional(build)
            return list_spec(SchemaSpec(schema, "answer", False, build))
        return list_spec(SchemaSpec(*_fields(text, start, text.rindex("]"))))
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
    return object_schema(properties), "answer", False, dict_builder(builders)


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


def _field(field: str, at: int) -> tuple[str, Json, Callable[[Any], Any]]:
    head, *described = _parts(field, ":", 1)
    m = _FIELD.fullmatch(head)
    if not m:
        raise _error("This is not a field", at, field, "Write name, type and description: 'score float: from 0 to 1'.")
    name, mark, kind, description = m[1], m[2], (m[3] or "").strip(), "".join(described).strip()
    is_optional = bool(mark) or kind.endswith("?")
    kind = kind.removesuffix("?").strip()
    schema, build = parse_type(kind or "str", at + (m.start(3) if m[3] else 0))
    if is_optional:
        schema, build = nullable(schema), optional(build)
    if description:
        schema = {**schema, "description": description.strip('"')}
    return name, schema, build


def parse_type(kind: str, at: int) -> tuple[Json, Callable[[Any], Any]]:
    if kind in _TYPES:
        return dict(_TYPES[kind]), _BUILDERS.get(kind, identity)
    if inner := re.fullmatch(r"list\[(.*)\]", kind, re.DOTALL):
        schema, build = parse_type(inner[1].strip() or "str", at + 5)
        return {"type": "array", "items": schema}, each(build)
    if len(_parts(kind, "|")) > 1 or _is_quoted(kind):
        labels = [c.strip() for c in _parts(kind, "|")]
        choices = [c[1:-1].strip() if _is_quoted(c) else c.strip("\"'") for c in labels]
        if not all(choices) or len(set(choices)) != len(choices):
            raise _error("A choice is empty or appears twice", at, kind, "Write each choice once: positive|negative|mixed.")
        if all(c in _TYPES for c in labels):
            raise _error("A field must have one type", at, kind, "Use the wider type, or str.")
        return {"type": "string", "enum": choices}, identity
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
