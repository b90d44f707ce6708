"""Checks values read from files against dataclass annotations: types, finite numbers, limited depth."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Callable
from typing import Any

MOST = 2**63 - 1  # largest integer of a database and a 64-bit float
DEPTH = 60

Check = Callable[[Any], bool]


def find_mistyped(value: Any) -> str:
    """Name of the first field whose value does not match its annotation; "" if all match.

    >>> import dataclasses
    >>> @dataclasses.dataclass
    ... class Point:
    ...     x: float = 0.0
    >>> find_mistyped(Point("a")), find_mistyped(Point(2)), find_mistyped(Point(float("nan")))
    ('x', '', 'x')
    """
    for name, check in _checks(value.__class__):
        if not check(getattr(value, name)):
            return name
    return ""


@functools.cache
def _checks(kind: Any) -> tuple[tuple[str, Check], ...]:
    hints = typing.get_type_hints(kind)
    return tuple((f.name, _check(hints[f.name])) for f in dataclasses.fields(kind))


def _check(hint: Any) -> Check:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        choices = [_check(a) for a in arguments]
        return lambda v: any(c(v) for c in choices)
    if origin is typing.Literal:
        return lambda v: v in arguments
    if origin in (tuple, list) and arguments:
        inner = _check(arguments[0])
        return lambda v: isinstance(v, origin) and all(map(inner, v))
    if origin is not None:
        hint = origin
    if hint is type(None):
        return lambda v: v is None
    if hint is float:
        return lambda v: type(v) in (int, float) and math.isfinite(v) and abs(v) <= MOST
    if hint is int:
        return lambda v: type(v) is int and abs(v) <= MOST
    if hint in (str, bytes, bool):
        return lambda v: isinstance(v, hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return lambda v: isinstance(v, hint) and not find_mistyped(v)
    if hint is dict or isinstance(hint, type) and issubclass(hint, typing.Mapping):  # type: ignore[arg-type]
        return lambda v: isinstance(v, dict) and is_json_value(v)
    return is_json_value


def is_json_value(value: Any, depth: int = DEPTH) -> bool:
    """Whether a JSON value can be stored again: numbers in range, nesting not too deep.

    >>> is_json_value({"a": [1, None]}), is_json_value(10**400)
    (True, False)
    """
    if isinstance(value, bool):
        return True
    if isinstance(value, int):
        return abs(value) <= MOST
    if isinstance(value, float):
        return not math.isnan(value) and (abs(value) <= MOST or value == -math.inf)  # the logarithm of probability 0
    if isinstance(value, dict):
        return depth > 0 and all(isinstance(k, str) and is_json_value(v, depth - 1) for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return depth > 0 and all(is_json_value(v, depth - 1) for v in value)
    return True
