"""Validates answers against their schema: finds the JSON in a text, checks it, builds objects.

The validator supports what `spec` generates and the common parts of JSON Schema. It accepts what it
does not support, since services enforce their own schemas.
"""

from __future__ import annotations

import json
import math
import re
import sys
import typing
from collections.abc import Callable
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any

from ..core.errors import SchemaError, SchemaMismatchError
from .spec import ITEMS, Json, SchemaSpec


def parse(text: str, spec: SchemaSpec) -> Any:
    """Parse the data of an answer: a dict, a list, or the user's objects.

    Accepts a code fence and text around the JSON, and nothing else. Raises SchemaMismatchError with
    the problem and its location.

    >>> from fmnb.schemas.convert import to_schema
    >>> parse('Sure!\\n```json\\n{"n": 3}\\n```', to_schema("n int"))
    {'n': 3}
    """
    data = _read_json(text, lists=spec.wrapped)
    if spec.wrapped and isinstance(data, list):
        data = {ITEMS: data}
    data = _fill_nulls(data, spec.schema)
    problems = [*_numbers_not_in_json(data), *_problems(data, spec.schema, "", spec.schema)]
    if problems:
        detail = "; ".join(problems[:5]) + (f"; and {len(problems) - 5} more" if len(problems) > 5 else "")
        raise SchemaMismatchError("The answer does not match the schema", detail=detail, billed=True)
    try:
        return spec.build(data[ITEMS] if spec.wrapped else data)
    except SchemaMismatchError:
        raise
    except Exception as e:  # raised by the user's __post_init__ or validator
        raise SchemaMismatchError("The answer does not match the schema", detail=f"{type(e).__name__}: {e}", billed=True) from e


def read_json(text: str) -> Any:
    """The JSON in an answer without a schema; None if there is none.

    >>> read_json("Here:\\n```json\\n[1, 2]\\n```"), read_json("no")
    ([1, 2], None)
    """
    try:
        data = _read_json(text, lists=True)
    except SchemaMismatchError:
        return None
    return None if any(_numbers_not_in_json(data)) else data


def repair_prompt(error: SchemaMismatchError) -> str:
    """The prompt of the repair request."""
    return (
        f"That answer cannot be used: {error.detail or error.message}. Answer again with the corrected JSON alone, without any other text."
    )


_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)^[ \t]*\1[`~]*[ \t]*$", re.DOTALL | re.MULTILINE)


def _read_json(text: str, lists: bool = False) -> Any:
    """The JSON in an answer: all of it, the content of a fence, or the first value after other text."""
    stripped = text.strip().removeprefix("\ufeff")
    candidates = [stripped, *(m[2].strip() for m in _FENCE.finditer(text))]
    first: json.JSONDecodeError | None = None
    for candidate in candidates:
        try:
            return json.loads(candidate)
        except json.JSONDecodeError as e:
            first = first or e
        except RecursionError:
            raise SchemaMismatchError("The answer is not JSON", detail="nested too deeply", billed=True) from None
        except ValueError:  # Python converts no integer of more than 4,300 digits
            raise _long_number() from None
    decoder = json.JSONDecoder()
    for m in list(re.finditer(r"[{\[]", stripped))[:50]:
        try:
            data, _ = decoder.raw_decode(stripped, m.start())
        except (json.JSONDecodeError, RecursionError):
            continue
        except ValueError:
            raise _long_number() from None
        if isinstance(data, dict) or (isinstance(data, list) and (lists or not data or isinstance(data[0], dict))):
            return data
    if not stripped:
        raise SchemaMismatchError("The answer is not JSON", detail="it is empty", billed=True)
    assert first is not None
    truncated = stripped.startswith(("{", "[")) and first.pos >= len(stripped) - 1 and stripped[-1] not in "}]"
    around = stripped[max(0, first.pos - 20) : first.pos + 20].replace("\n", " ")
    raise SchemaMismatchError(
        "The answer is not JSON",
        detail="it is truncated" if truncated else f"{first.msg} at line {first.lineno}, column {first.colno}, near {around!r}",
        hint="Allow more tokens with --max-tokens." if truncated else "",
        billed=True,
    )


def _long_number() -> SchemaMismatchError:
    return SchemaMismatchError("The answer cannot be used", detail="it has a number with thousands of digits", billed=True)


def _numbers_not_in_json(data: Any) -> typing.Iterator[str]:
    """NaN and infinities with their locations.

    Python's reader makes them from `NaN`, `-Infinity` and `1e999`. They would break comparisons, sums and strict readers of the stored data.
    """
    todo = [(data, "")]
    while todo:  # not recursive: JSON may be nested more deeply than Python calls
        value, at = todo.pop()
        if isinstance(value, float) and not math.isfinite(value):
            yield f"{at or 'the answer'} is {_show(value)}, not a finite number"
        elif isinstance(value, dict):
            todo += [(item, _join(at, name)) for name, item in reversed(value.items())]
        elif isinstance(value, list):
            todo += [(item, f"{at}[{i}]") for i, item in reversed([*enumerate(value)])]


_CHECKS: dict[str, Callable[[Any], bool]] = {
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: (isinstance(v, int) and not isinstance(v, bool)) or (isinstance(v, float) and v.is_integer()),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "array": lambda v: isinstance(v, list),
    "object": lambda v: isinstance(v, dict),
}


def _problems(value: Any, schema: Any, at: str, root: Json, depth: int = 0) -> typing.Iterator[str]:
    """Problems of a value with their locations, for the supported subset of JSON Schema."""
    if schema is True or not isinstance(schema, dict) or depth > 200:
        return
    location = at or "the answer"
    if ref := schema.get("$ref"):
        yield from _problems(value, _resolve(ref, root), at, root, depth + 1)
    for sub in schema.get("allOf", ()):
        yield from _problems(value, sub, at, root, depth + 1)
    if options := schema.get("anyOf") or schema.get("oneOf"):
        alternatives = [list(_problems(value, s, at, root, depth + 1)) for s in options]
        if all(alternatives):
            yield min(alternatives, key=len)[0] if len(options) > 1 and value is not None else f"{location} is null"
            return
    if "enum" in schema and value not in schema["enum"]:
        near = get_close_matches(value, [c for c in schema["enum"] if isinstance(c, str)], n=1) if isinstance(value, str) else []
        yield f"{location} is {_show(value)}, not one of {', '.join(map(_show, schema['enum']))}" + (f" (near: {near[0]})" if near else "")
        return
    if "const" in schema and value != schema["const"]:
        yield f"{location} is {_show(value)}, not {_show(schema['const'])}"
        return
    kinds = schema.get("type")
    if kinds:
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not any(_CHECKS.get(k, lambda v: True)(value) for k in kinds):
            yield f"{location} is {_show(value)}, not {' or '.join(kinds)}"
            return
        if kinds == ["number"] and isinstance(value, int) and abs(value) > sys.float_info.max:
            yield f"{location} is {_show(value)}, too large for a number with decimals"
            return
    if isinstance(value, str):
        yield from _string_problems(value, schema, location)
    elif isinstance(value, list):
        for bound, violated in (
            ("minItems", len(value) < schema.get("minItems", 0)),
            ("maxItems", len(value) > schema.get("maxItems", len(value))),
        ):
            if violated:
                yield f"{location} has {len(value)} items, {bound} is {schema[bound]}"
        for i, item in enumerate(value):
            yield from _problems(item, schema.get("items", True), f"{at}[{i}]", root, depth + 1)
    elif isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", ()):
            if name not in value:
                yield f"{_join(at, name)} is missing"
        additional = schema.get("additionalProperties", True)
        for name, item in value.items():
            if name in properties:
                yield from _problems(item, properties[name], _join(at, name), root, depth + 1)
            elif additional is False:
                near = get_close_matches(name, [p for p in properties if p not in value], n=1)
                yield f"{_join(at, name)} is not in the schema" + (f" (meant {near[0]}?)" if near else "")
            elif isinstance(additional, dict):
                yield from _problems(item, additional, _join(at, name), root, depth + 1)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        for bound, violated in (
            ("minimum", value < schema.get("minimum", value)),
            ("maximum", value > schema.get("maximum", value)),
            ("exclusiveMinimum", "exclusiveMinimum" in schema and value <= schema["exclusiveMinimum"]),
            ("exclusiveMaximum", "exclusiveMaximum" in schema and value >= schema["exclusiveMaximum"]),
        ):
            if violated:
                yield f"{location} is {value}, {bound} is {schema[bound]}"


def _fill_nulls(value: Any, schema: Any) -> Any:
    """Add null for omitted nullable fields, which small models tend to leave out."""
    if not isinstance(schema, dict):
        return value
    if isinstance(value, list):
        return [_fill_nulls(v, schema.get("items")) for v in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    out = {k: _fill_nulls(v, properties.get(k)) for k, v in value.items()}
    for name in schema.get("required", ()):
        if name not in out and {"type": "null"} in properties.get(name, {}).get("anyOf", ()):
            out[name] = None
    return out


def _string_problems(value: str, schema: Json, location: str) -> typing.Iterator[str]:
    parser = {"date": date.fromisoformat, "date-time": datetime.fromisoformat}.get(schema.get("format", ""))
    if parser:
        try:
            parser(value)
        except ValueError:
            yield f"{location} is {_show(value)}, not a {schema['format']} like {'2026-01-31' if schema['format'] == 'date' else '2026-01-31T12:00:00'}"
    if len(value) < schema.get("minLength", 0) or len(value) > schema.get("maxLength", len(value)):
        yield f"{location} has {len(value)} characters, outside minLength and maxLength"
    if (pattern := schema.get("pattern")) and not re.search(pattern, value):
        yield f"{location} is {_show(value)}, which does not match {pattern}"


def _resolve(ref: str, root: Json) -> Any:
    at: Any = root
    for part in ref.removeprefix("#").strip("/").split("/") if ref != "#" else ():
        part = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(at, dict) or part not in at:
            raise SchemaError("The schema has a reference to a missing definition", detail=ref, hint="Put it under $defs.")
        at = at[part]
    return at


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
