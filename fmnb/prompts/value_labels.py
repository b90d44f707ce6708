"""Labels of the values that `{{ }}` inserts: those of all names that the expression reads.

So `{{ answer.text[:100] }}` keeps the label of `answer`, and `{{ df.city[0] }}` the column of `df`.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.labels import UNTRUSTED, join, messages_label, part_label
from ..core.response import Response
from ..core.types import File, Image, Label, Message, Text
from . import template
from .dataframes import table_of

DATA_CLASS = "data_class"  # key in the `attrs` of a DataFrame
SOURCES = "fmnb_sources"  # key in its `attrs`: for each column of answers, the columns that the prompts used
_TABLES = ("pandas", "polars", "pyarrow", "duckdb")
_ITEMS = 100  # of a list or dict that are looked at


def label_of(value: Any, read: Collection[str] = ()) -> Label | None:
    """The label of a value of the notebook; None for what the user wrote.

    Answers, tables and files are untrusted. A DataFrame has the data class in
    `df.attrs["data_class"]`, and its columns: those of `read`, or all if it names none.

    >>> label_of(Response("hi")), label_of("hi")
    (Label(untrusted=True, data_class='', columns=()), None)
    """
    if value is None or isinstance(value, (str, bytes, int, float, bool)):
        return None
    if isinstance(value, Response):
        return value.label
    if isinstance(value, (Text, Image, File)):
        return part_label(value)
    if isinstance(value, Message):
        return messages_label([value])
    if isinstance(value, Path):
        return UNTRUSTED
    if (messages := getattr(type(value), "_prompt_messages_", None)) is not None:  # conversations and comparisons
        return messages_label(messages(value))
    if type(value) is dict:
        return join(map(label_of, islice(value.values(), _ITEMS)))
    if type(value) in (list, tuple):
        return join(map(label_of, value[:_ITEMS]))
    if any(base.__module__.split(".")[0] in _TABLES for base in type(value).__mro__) and (table := table_of(value)):
        names = list(map(str, table.names))
        return column_label(getattr(value, "attrs", {}), [n for n in names if n in read] or names)
    return None


def column_label(attributes: Mapping[str, Any], columns: Iterable[str]) -> Label:
    """The label of these columns of a DataFrame with these `attrs`.

    It includes the columns that answers were made from.
    """
    names = list(columns)
    sources = attributes.get(SOURCES) or {}
    made_from = [source for name in names for source in sources.get(name, ())]
    return Label(True, str(attributes.get(DATA_CLASS, "")), tuple(dict.fromkeys([*names, *made_from])))


class RowLabels(dict[str, Label]):
    """The labels of the columns of a table, by their names in the prompt.

    `by_expression` has the labels of expressions that read columns alone: they are the same for all rows.
    """

    def __init__(self, columns: Mapping[str, Label]):
        super().__init__(columns)
        self.by_expression: dict[str, Label | None] = {}


class Labels:
    """The labels of the names of a prompt while it is rendered; `columns` are those of a row."""

    def __init__(self, columns: RowLabels):
        self._columns = columns
        self._bound: dict[str, Label | None] = {}  # names of loops, and of `:=`
        self._cached: dict[tuple[str, str], Label | None] = {}

    def inserted(self, at: template.Expression, value: Any, scope: Mapping[str, Any]) -> Label | None:
        """The label of an expression's value. Numbers carry no instructions, so they are not untrusted."""
        label = self._of_names(at, scope)
        if (own := label_of(value)) is not None:
            label = join([label, own])
        for name in bound(at.source):
            self.bind(name, label)
        if label is not None and label.untrusted and isinstance(value, (bool, int, float)):
            label = replace(label, untrusted=False)
        return label if label != Label() else None

    def bind(self, name: str, label: Label | None) -> None:
        """Give a name of a loop, or of `:=`, the label of what it was taken from."""
        self._bound[name] = label

    def loop(self, items: template.Expression, value: Any, names: Iterable[str], scope: Mapping[str, Any]) -> None:
        """The names of a loop have the label of its items."""
        label = join([self._of_names(items, scope), label_of(value)])
        for name in names:
            self.bind(name, label)

    def _of_names(self, at: template.Expression, scope: Mapping[str, Any]) -> Label | None:
        source = at.source
        if not self._bound and source in self._columns.by_expression:
            return self._columns.by_expression[source]
        names = template.names_of(at)
        label = join(self._of_name(name, scope, source) for name in sorted(names))
        if not self._bound and all(name in self._columns for name in names):
            self._columns.by_expression[source] = label
        return label

    def _of_name(self, name: str, scope: Mapping[str, Any], source: str) -> Label | None:
        if name in self._bound:
            return self._bound[name]
        if name in self._columns:
            return self._of_row(self._columns[name], source)
        key = name, source
        if key not in self._cached:
            value, read = scope.get(name), words(source)
            if type(value) is dict and (named := [v for k, v in value.items() if k in read]):  # `notebook["df"]`
                self._cached[key] = join(label_of(v, read) for v in named)
            else:
                self._cached[key] = label_of(value, read)
        return self._cached[key]

    def _of_row(self, label: Label, source: str) -> Label | None:
        """Of a whole row, `row["city"]`, the columns that the expression names; of anything else its label."""
        if len(label.columns) < 2:
            return label
        read = [self._columns[c] for c in label.columns if c in words(source) and c in self._columns]
        return join(read) if read else label


@functools.lru_cache(maxsize=256)
def words(source: str) -> frozenset[str]:
    """Names of attributes and texts in an expression: `df.city` and `df["city"]` have `city`."""
    tree = ast.parse(f"(\n{source}\n)", mode="eval")
    texts = (n.value for n in ast.walk(tree) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return frozenset({n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)} | set(texts))


@functools.lru_cache(maxsize=256)
def bound(source: str) -> frozenset[str]:
    """Names that an expression binds with `:=`."""
    if ":=" not in source:
        return frozenset()
    tree = ast.parse(f"(\n{source}\n)", mode="eval")
    return frozenset(n.target.id for n in ast.walk(tree) if isinstance(n, ast.NamedExpr))
