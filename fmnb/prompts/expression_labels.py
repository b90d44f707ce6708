"""The label of each value that `{{ }}` inserts: of everything that its expression reads.

So `{{ answer.text[:100] }}` keeps the label of `answer`, and `{{ df.city[0] }}` the column of `df`.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from numbers import Number
from typing import Any

from ..core.labels import RowLabels, join
from ..core.types import Label
from . import template
from .value_labels import AccessPath, label_at, label_of


class Labels:
    """The labels of the names of a prompt while it is rendered; `columns` are those of a row."""

    def __init__(self, columns: RowLabels):
        self._columns = columns
        self._bound: dict[str, Label | None] = {}  # names of loops, and of `:=`
        self._cached: dict[tuple[str, AccessPath], Label | None] = {}

    def inserted(self, at: template.Expression, value: Any, scope: Mapping[str, Any]) -> Label | None:
        """The label of an expression's value. Numbers carry no instructions, so they are not untrusted."""
        label = self.evaluated(at, value, scope)
        if label is not None and label.untrusted and isinstance(value, Number):
            label = replace(label, untrusted=False)
        return label if label != Label() else None

    def evaluated(self, at: template.Expression, value: Any, scope: Mapping[str, Any]) -> Label | None:
        """The label of an expression's value, which the names that it binds with `:=` get too."""
        label = self._of_names(at, scope)
        if (own := label_of(value)) is not None:
            label = join([label, own])
        for name in template.names_bound(at):
            self._bound[name] = label
        return label

    def loop(self, items: template.Expression, value: Any, names: Iterable[str], scope: Mapping[str, Any]) -> None:
        """The names of a loop have the label of its items."""
        label = self.evaluated(items, value, scope)
        for name in names:
            self._bound[name] = label

    def _of_names(self, at: template.Expression, scope: Mapping[str, Any]) -> Label | None:
        source = at.source
        if not self._bound and source in self._columns.by_expression:
            return self._columns.by_expression[source]
        names = template.names_of(at)
        label = join(self._of_name(name, path, scope) for name in sorted(names) for path in access_paths(source, name))
        if not self._bound and all(name in self._columns for name in names):
            self._columns.by_expression[source] = label
        return label

    def _of_name(self, name: str, path: AccessPath, scope: Mapping[str, Any]) -> Label | None:
        if name in self._bound:
            return self._bound[name]
        if name in self._columns:
            label = self._columns[name]
            key = path[0][1] if path and path[0][0] == "[" else None
            return self._columns[key] if key in label.columns and len(label.columns) > 1 else label  # `row["city"]`
        if (name, path) not in self._cached:
            self._cached[name, path] = label_at(scope.get(name), path)
        return self._cached[name, path]


@functools.lru_cache(maxsize=256)
def access_paths(source: str, name: str) -> tuple[AccessPath, ...]:
    """What an expression reads of a name, each time it names it: attributes and constant keys that follow.

    >>> access_paths("t.city[0]", "t")
    ((('.', 'city'), ('[', 0)),)
    """
    tree = _parse(source)
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            path: list[tuple[str, Any]] = []
            inner: ast.AST = node
            while step := _step(parents.get(inner), inner):
                path.append(step)
                inner = parents[inner]
            found.append(tuple(path))
    return tuple(dict.fromkeys(found))


def _step(parent: ast.AST | None, inner: ast.AST) -> tuple[str, Any] | None:
    if isinstance(parent, ast.Attribute):
        return ".", parent.attr
    if isinstance(parent, ast.Subscript) and parent.value is inner and isinstance(parent.slice, ast.Constant):
        return "[", parent.slice.value
    return None


def _parse(source: str) -> ast.Expression:
    return ast.parse(f"(\n{source}\n)", mode="eval")
