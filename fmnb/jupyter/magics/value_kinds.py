"""Kinds, columns and attributes of the notebook's values, for completion.

Runs no code of theirs: only plain frames are asked for anything.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import FunctionType, ModuleType
from typing import Any, TypeGuard

_FRAMES = {"pandas": ("DataFrame",), "polars": ("DataFrame",), "pyarrow": ("Table", "RecordBatch")}


def own_names(shell: Any) -> dict[str, Any]:
    """The notebook's variables: without private names and those that IPython put there."""
    hidden = getattr(shell, "user_ns_hidden", {})
    missing = object()
    return {
        name: value for name, value in list(shell.user_ns.items()) if not name.startswith("_") and hidden.get(name, missing) is not value
    }


def kind_of(value: object) -> str:
    """The kind of a value in a few words.

    >>> kind_of(len), kind_of("text"), kind_of([1])
    ('function', 'str', 'list')
    """
    if is_frame(value):
        frame: Any = value
        rows, columns = frame.shape
        return f"frame, {rows:,}×{columns:,}"
    if issubclass(type(value), type):  # isinstance() would ask the value for its __class__
        return "class"
    if is_module(value):
        return "module"
    if type(value).__name__ in ("function", "builtin_function_or_method", "method"):
        return "function"
    return type(value).__name__


def is_frame(value: object) -> bool:
    """Whether a value is a frame of pandas, polars or pyarrow itself, not of a class made from one."""
    kind = type(value)
    return kind.__name__ in _FRAMES.get(kind.__module__.split(".")[0], ())


def is_module(value: object) -> TypeGuard[ModuleType]:
    """Whether a value is a module."""
    return issubclass(type(value), ModuleType)


def columns_of(value: object) -> dict[str, str]:
    """The columns of a frame, a list of dicts or a dict of lists, each with its type.

    >>> columns_of([{"text": "good", "stars": 5}])
    {'text': 'column', 'stars': 'column'}
    """
    return {column: kind for column, kind in all_columns_of(value).items() if isinstance(column, str)}


def all_columns_of(value: object) -> dict[object, str]:
    """The columns of a table, also those named by numbers or by tuples of both, each with its type."""
    found: dict[object, str] = {}
    if is_frame(value):
        frame: Any = value
        arrow = type(frame).__module__.startswith("pyarrow")
        names, types = (frame.schema.names, frame.schema.types) if arrow else (list(frame.columns), list(frame.dtypes))
        found = {name: f"column, {kind}" for name, kind in zip(names, types, strict=True)}
    elif type(value) is list and value and type(value[0]) is dict:
        found = dict.fromkeys(value[0], "column")
    elif type(value) is dict and value and all(type(v) is list for v in value.values()):
        found = dict.fromkeys(value, "column")
    return {column: kind for column, kind in found.items() if _is_plain(column)}


def _is_plain(column: object) -> bool:
    return type(column) in (str, int) or (type(column) is tuple and all(type(part) in (str, int) for part in column))


def attributes_of(value: object) -> dict[str, str]:
    """The public attributes of a value, as its class and its own dictionary list them.

    No attribute is read.

    >>> "upper" in attributes_of("text")
    True
    """
    found: dict[str, object] = {}
    for base in reversed(type.mro(type(value))):
        found |= type.__getattribute__(base, "__dict__")
    try:
        found |= object.__getattribute__(value, "__dict__")
    except AttributeError:  # it has slots, or is built in
        pass
    return {name: _kind_of_attribute(entry) for name, entry in sorted(found.items()) if isinstance(name, str) and not name.startswith("_")}


def _kind_of_attribute(entry: object) -> str:
    if type(entry) in _PROPERTIES:
        return "property"
    if type(entry) in _FUNCTIONS:
        return "function"
    return kind_of(entry)


# Slots and methods of built-in classes have types without public names.
_PROPERTIES = (property, functools.cached_property, type(FunctionType.__dict__["__code__"]), type(FunctionType.__dict__["__globals__"]))
_FUNCTIONS = (FunctionType, classmethod, staticmethod, type(str.upper), type(dict.__dict__["fromkeys"]))


def module_names(module: ModuleType) -> Mapping[str, str]:
    """The public names of a module, without importing what it loads lazily."""
    return {name: kind_of(entry) for name, entry in sorted(vars(module).items()) if not name.startswith("_")}
