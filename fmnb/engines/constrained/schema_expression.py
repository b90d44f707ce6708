"""Converts a JSON schema to a bounded regular expression for the valid JSON texts.

Strings, lists, numbers and recursion get bounds derived from the token limit; limits in the schema
take precedence. Whitespace is fixed. Unsupported keywords (`not`, `if`, `patternProperties`,
exclusive bounds of fractions) raise `NotRegularError`; then the engine's own grammar gets the schema
with added bounds.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ...core.errors import BadRequestError
from .expressions import NONE, Expression, alt, chars, lit, max_bytes, optional, rep, scalar, seq
from .number_expression import decimals, integers
from .pattern_expression import PLAIN, NotRegularError, pattern

_ESCAPES = seq(lit("\\"), chars((ord(c), ord(c)) for c in '"\\/bfnrt'))
CHARACTER = alt(chars(PLAIN), _ESCAPES)
_MAX_DEPTH = 4  # the maximum recursion of a definition
_NUMBER, _STRING = 8, 40  # bytes reserved for a number, and for a string with a format
_UNSUPPORTED = (
    "not",
    "if",
    "then",
    "else",
    "patternProperties",
    "dependentSchemas",
    "dependentRequired",
    "contains",
    "prefixItems",
    "propertyNames",
)


@dataclass(frozen=True, slots=True)
class Bounds:
    """The maximum length of free text outside and in lists, in characters, and of lists."""

    text: int
    text_in_list: int
    items: int


def bounds(schema: dict[str, Any], tokens: int) -> Bounds:
    """Bounds for an answer of `tokens` tokens, which free texts share.

    >>> bounds({"type": "object", "properties": {"a": {"type": "string"}}}, 512)
    Bounds(text=1000, text_in_list=200, items=85)
    """
    texts = max(1, json.dumps(schema).count('"string"'))
    share = 4 * tokens // texts
    return Bounds(max(32, min(1000, share)), max(24, min(200, share)), max(8, min(100, tokens // 6)))


def expression(schema: dict[str, Any], limits: Bounds) -> Expression:
    """The valid texts of a schema within these bounds.

    Raises NotRegularError if it cannot be a regular expression, BadRequestError if nothing satisfies it or a
    reference is broken.

    >>> from fmnb.engines.constrained.expressions import as_regex
    >>> as_regex(expression({"type": "object", "properties": {"a": {"enum": [1, 2]}}, "required": ["a"]}, Bounds(9, 9, 9)))
    '\\\\{"a": (1|2)\\\\}'
    """
    result = _Compiler(schema, limits).value(schema, False, ())
    if result is NONE:
        raise BadRequestError("The engine does not support this schema", detail="no value satisfies it", hint="Simplify the schema.")
    return result


class _Compiler:
    def __init__(self, root: dict[str, Any], limits: Bounds):
        self._root, self._limits = root, limits

    def value(self, schema: Any, in_list: bool, above: tuple[str, ...]) -> Expression:
        if schema is True or schema == {}:
            return self._anything(in_list, 2)
        if schema is False:
            return NONE
        if not isinstance(schema, dict):
            raise _schema_error(f"{schema!r} is not a schema")
        if odd := next((k for k in _UNSUPPORTED if k in schema), None):
            raise NotRegularError(odd)
        if isinstance(to := schema.get("$ref"), str):
            if above.count(to) >= _MAX_DEPTH:
                return NONE
            more = {k: v for k, v in schema.items() if k not in ("$ref", "description", "title", "default", "$defs", "definitions")}
            return self.value(_merge([self._lookup(to), more]) if more else self._lookup(to), in_list, (*above, to))
        if "enum" in schema or "const" in schema:
            values = schema["enum"] if "enum" in schema else [schema["const"]]
            return _label_scalar(alt(*(lit(json.dumps(v, ensure_ascii=False)) for v in values)))
        if some := schema.get("anyOf") or schema.get("oneOf"):
            beside = {k: v for k, v in schema.items() if k in ("properties", "required", "type", "additionalProperties")}
            return alt(*(self.value(_merge([beside, s]) if beside else s, in_list, above) for s in some))
        if parts := schema.get("allOf"):
            whole = {k: v for k, v in schema.items() if k != "allOf"}
            return self.value(_merge([whole, *(self._dereference(p) for p in parts)]), in_list, above)
        kind = schema.get("type")
        if kind is None:
            kind = next((k for k, names in _KEYS_OF_TYPE.items() if names & schema.keys()), None)
            if kind is None:
                return self._anything(in_list, 2)
        kinds = kind if isinstance(kind, list) else [kind]
        alternatives = [self._of_type(k, schema, in_list, above) for k in kinds]
        return alt(*alternatives, *([lit("null")] if schema.get("nullable") is True else []))

    def _of_type(self, kind: str, schema: dict[str, Any], in_list: bool, above: tuple[str, ...]) -> Expression:
        if kind == "null":
            return lit("null")
        if kind == "boolean":
            return _label_scalar(alt(lit("true"), lit("false")))
        if kind == "integer":
            return scalar(integers(schema), _NUMBER)
        if kind == "number":
            return scalar(decimals(schema), _NUMBER)
        if kind == "string":
            return self._text(schema, in_list)
        if kind == "array":
            return self._list(schema, above)
        if kind == "object":
            return self._object(schema, in_list, above)
        raise _schema_error(f"no such type: {kind}")

    def _text(self, schema: dict[str, Any], in_list: bool) -> Expression:
        if shape := schema.get("pattern"):
            return _formatted_string(pattern(shape))
        if (form := _FORMATS.get(schema.get("format", ""))) is not None:
            return _formatted_string(pattern(form))
        low = int(schema.get("minLength", 0))
        usual = self._limits.text_in_list if in_list else self._limits.text
        high = int(schema.get("maxLength", max(low, usual)))
        if high < low:
            return NONE
        return seq(lit('"'), rep(CHARACTER, low, high), lit('"'))

    def _list(self, schema: dict[str, Any], above: tuple[str, ...]) -> Expression:
        item = self.value(schema.get("items", True), True, above)
        low = int(schema.get("minItems", 0))
        high = int(schema.get("maxItems", max(low, self._limits.items)))
        if high < low or (low and item is NONE):
            return NONE
        if item is NONE or not high:
            return lit("[]")
        some = seq(item, rep(seq(lit(", "), item), max(0, low - 1), high - 1))
        return seq(lit("["), some if low else optional(some), lit("]"))

    def _object(self, schema: dict[str, Any], in_list: bool, above: tuple[str, ...]) -> Expression:
        properties = schema.get("properties") or {}
        required = set(schema.get("required") or ())
        more = schema.get("additionalProperties", not properties)
        if missing := required - properties.keys():
            properties = {**properties, **dict.fromkeys(sorted(missing), more if isinstance(more, dict) else {})}
        if not properties and more is not False:
            name = seq(lit('"'), rep(CHARACTER, 1, 40), lit('": '))
            pair = seq(name, self.value(more, in_list, above) if isinstance(more, dict) else self._anything(in_list, 1))
            low = int(schema.get("minProperties", 0))
            high = int(schema.get("maxProperties", max(low, 16)))
            some = seq(pair, rep(seq(lit(", "), pair), max(0, low - 1), high - 1))
            return seq(lit("{"), some if low else optional(some), lit("}"))
        if "minProperties" in schema or "maxProperties" in schema:
            raise NotRegularError("minProperties")
        first = rest = lit("}")
        for name, kind in reversed(list(properties.items())):
            pair = seq(lit(json.dumps(name, ensure_ascii=False) + ": "), self.value(kind, in_list, above))
            if name in required:
                first, rest = seq(pair, rest), seq(lit(", "), pair, rest)
            else:
                first, rest = alt(seq(pair, rest), first), seq(optional(seq(lit(", "), pair)), rest)
        return seq(lit("{"), first)

    def _anything(self, in_list: bool, depth: int) -> Expression:
        plain = [self._of_type(k, {}, in_list, ()) for k in ("string", "number", "boolean", "null")]
        if not depth:
            return alt(*plain)
        inner = self._anything(True, depth - 1)
        name = seq(lit('"'), rep(CHARACTER, 1, 40), lit('": '))
        pair = seq(name, inner)
        values = seq(lit("["), optional(seq(inner, rep(seq(lit(", "), inner), 0, 15))), lit("]"))
        return alt(*plain, values, seq(lit("{"), optional(seq(pair, rep(seq(lit(", "), pair), 0, 15))), lit("}")))

    def _dereference(self, schema: Any) -> Any:
        while isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
            schema = self._lookup(schema["$ref"])
        return schema

    def _lookup(self, to: str) -> Any:
        at: Any = self._root
        for part in to.removeprefix("#").strip("/").split("/") if to != "#" else ():
            part = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(at, dict) or part not in at:
                raise _schema_error(f"{to} is not defined")
            at = at[part]
        return at


def _label_scalar(labels: Expression) -> Expression:
    """Labels as a scalar, with bytes reserved for the longest."""
    return scalar(labels, max_bytes(labels))


def _formatted_string(form: Expression) -> Expression:
    """A string with a format, as a scalar."""
    return scalar(seq(lit('"'), form, lit('"')), _STRING)


def _merge(schemas: list[Any]) -> dict[str, Any]:
    """Merge schemas that must all hold; raises NotRegularError if combining their keys does not suffice."""
    out: dict[str, Any] = {}
    for s in schemas:
        if not isinstance(s, dict):
            raise NotRegularError("allOf")
        for k, v in s.items():
            if k not in out or out[k] == v or k in ("description", "title", "default"):
                out[k] = v
            elif k == "properties" and not (out[k].keys() & v.keys()):
                out[k] = {**out[k], **v}
            elif k == "required":
                out[k] = [*out[k], *(n for n in v if n not in out[k])]
            else:
                raise NotRegularError("allOf")
    return out


def with_bounds(schema: Any, limits: Bounds, in_list: bool = False) -> Any:
    """The schema with bounds added where it has none.

    >>> with_bounds({"type": "array", "items": {"type": "string"}}, Bounds(9, 5, 3))
    {'type': 'array', 'items': {'type': 'string', 'maxLength': 5}, 'maxItems': 3}
    """
    if isinstance(schema, list):
        return [with_bounds(s, limits, in_list) for s in schema]
    if not isinstance(schema, dict):
        return schema
    named = ("properties", "$defs", "definitions", "patternProperties")
    unchanged = ("enum", "const", "required", "default", "examples")
    inner = {
        k: {n: with_bounds(s, limits, in_list) for n, s in v.items()}
        if k in named and isinstance(v, dict)
        else v
        if k in unchanged
        else with_bounds(v, limits, in_list or k in ("items", "prefixItems"))
        for k, v in schema.items()
    }
    kind = schema.get("type")
    if kind == "array" and "maxItems" not in schema:
        inner["maxItems"] = max(limits.items, int(schema.get("minItems", 0)))
    if kind == "string" and not {"maxLength", "enum", "const", "pattern", "format"} & schema.keys():
        inner["maxLength"] = max(limits.text_in_list if in_list else limits.text, int(schema.get("minLength", 0)))
    return inner


_KEYS_OF_TYPE = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "number": {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"},
}
_YEAR = "[12][0-9]{3}"
_LEAP = "([12][0-9](0[48]|[2468][048]|[13579][26])|1200|1600|2000|2400|2800)"
_DATE = f"({_YEAR}-((0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])|(0[13-9]|1[0-2])-(29|30)|(0[13578]|1[02])-31)|{_LEAP}-02-29)"
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FORMATS = {
    "date": f"^{_DATE}$",
    "time": f"^{_TIME}$",
    "date-time": f"^{_DATE}T{_TIME}([+-](0[0-9]|1[0-4]):[0-5][0-9])?$",
    "uuid": "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
}


def _schema_error(reason: str) -> BadRequestError:
    return BadRequestError("The engine does not support this schema", detail=reason[:300], hint="Simplify the schema.")
