"""Labels of the notebook's values: answers, tables, files, and whatever contains them."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable
from datetime import date, time, timedelta
from itertools import islice
from numbers import Number
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeAlias

from ..core.labels import UNTRUSTED, column_label, join, messages_label, part_label
from ..core.records import Rows
from ..core.response import Response
from ..core.types import File, Image, Label, Message, Request, Text
from .dataframes import table_of

AccessPath: TypeAlias = tuple[tuple[str, Any], ...]  # `t.city[0]` is (".", "city"), ("[", 0) of t

_PLAIN = (str, bytes, Number, date, time, timedelta, type(None))
_TABLES = ("pandas", "polars", "pyarrow", "duckdb")
_ITEMS = 100_000  # items of a value that are looked at; one with more is untrusted


def label_of(value: Any) -> Label | None:
    """The label of a value of the notebook; None for what the user wrote.

    Answers, tables, files and tracebacks are untrusted. A DataFrame has the data class in
    `df.attrs["data_class"]`, and its columns. Lists, dicts and dataclasses have the labels of their items.

    >>> label_of(Response("hi")), label_of("hi"), label_of([Response("hi")])
    (Label(untrusted=True, data_class='', columns=()), None, Label(untrusted=True, data_class='', columns=()))
    """
    found: dict[Label, None] = {}
    waiting, seen, left = [value], set(), _ITEMS
    while waiting:
        item = waiting.pop()
        left -= 1
        if left < 0:
            found[UNTRUSTED] = None
            break
        if isinstance(item, _PLAIN) or id(item) in seen:
            continue
        seen.add(id(item))
        known, label = _own_label(item)
        if label is not None:
            found[label] = None
        elif not known:
            waiting += islice(_items(item), left + 1)
    return join(found)


def label_at(value: Any, path: AccessPath) -> Label | None:
    """The label of what an expression reads of a value: of one item or column, if it names one.

    >>> label_at({"a": Response("hi"), "b": "typed"}, (("[", "b"),)) is None
    True
    """
    if path:
        (kind, key), rest = path[0], path[1:]
        if isinstance(value, dict) and kind == "[" and key in value:
            return label_at(dict.__getitem__(value, key), rest)
        if isinstance(value, (list, tuple)) and kind == "[" and isinstance(key, int) and -len(value) <= key < len(value):
            return label_at(value[key], rest)
        if _is_of_table_library(value) and (names := _column_names(value)):
            is_column = key in names and (kind == "[" or not hasattr(type(value), str(key)))
            return column_label(getattr(value, "attrs", {}), [key] if is_column else names)
    return label_of(value)


def _own_label(value: Any) -> tuple[bool, Label | None]:
    """Whether the kind of value is known, and its label."""
    if isinstance(value, Response):
        return True, value.label
    if isinstance(value, (Text, Image, File)):
        return True, part_label(value)
    if isinstance(value, Message):
        return True, messages_label([value])
    if isinstance(value, Request):
        return True, messages_label(value.messages)
    if isinstance(value, (Path, BaseException, Rows)):
        return True, UNTRUSTED
    if (messages := getattr(type(value), "_prompt_messages_", None)) is not None:  # conversations and comparisons
        return True, messages_label(messages(value))
    if hasattr(type(value), "_prompt_parts_"):  # prompts; the parts of a rendered one have labels of their own
        return True, None
    if _is_of_table_library(value):
        names = _column_names(value)
        return True, column_label(getattr(value, "attrs", {}), names) if names else UNTRUSTED
    if (dtype := getattr(value, "dtype", None)) is not None and not isinstance(value, type):  # of numpy; numbers carry no instructions
        return True, UNTRUSTED if getattr(dtype, "kind", "O") in "OSUTV" else None
    return False, None


def _items(value: Any) -> Iterable[Any]:
    """The items of a container, without running code of its class."""
    for kind in (list, tuple, set, frozenset, deque):
        if isinstance(value, kind):
            return kind.__iter__(value)  # type: ignore[arg-type, attr-defined]
    if isinstance(value, dict):
        return dict.values(value)
    if isinstance(value, SimpleNamespace):
        return vars(value).values()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [getattr(value, f.name, None) for f in dataclasses.fields(value)]
    return ()


def _is_of_table_library(value: Any) -> bool:
    return any(base.__module__.split(".")[0].lstrip("_") in _TABLES for base in type(value).__mro__)


def _column_names(value: Any) -> list[str]:
    """The columns of a table; none of a value that is no table, or cannot be read now."""
    try:
        table = table_of(value)
    except Exception:
        return []
    return [] if table is None else list(map(str, table.names))
