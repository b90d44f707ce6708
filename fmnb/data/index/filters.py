"""Filters of a search as SQL: `path`, `after`, `before`, and the columns of tables."""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from ...core.errors import UsageError
from ...store.index_file import Condition

FilterValue: TypeAlias = str | int | float | bool | datetime.date | None | Sequence[str | int | float | bool | None]
"""A value that a column has, or several of which it has one."""

BUILT_IN = ("path", "after", "before")


def condition(filters: Mapping[str, Any], columns: Sequence[str]) -> Condition:
    """The condition of these filters. Raises UsageError for one that is no column of the index.

    >>> condition({"path": "docs/*.md"}, [])
    Condition(sql='(f.path = ? OR f.path GLOB ?)', values=('docs/*.md', 'docs/*.md'))
    """
    parts: list[str] = []
    values: list[Any] = []
    for name, value in filters.items():
        if name == "path":
            sql, some = _path(value)
        elif name in ("after", "before"):
            sql, some = f"f.mtime {'>=' if name == 'after' else '<'} ?", (_seconds(name, value),)
        elif name in columns:
            sql, some = _column(name, value)
        else:
            near = difflib.get_close_matches(name, [*BUILT_IN, *columns], 1)
            known = ", ".join([*BUILT_IN, *columns])
            raise UsageError("No such filter", detail=name, hint=f"Did you mean {near[0]}?" if near else f"This index has {known}.")
        parts.append(f"({sql})")
        values += some
    return Condition(" AND ".join(parts), tuple(values))


def _path(value: Any) -> tuple[str, tuple[Any, ...]]:
    """A pattern with `*`, `?` or `[`; otherwise a file, a file name or a folder."""
    if isinstance(value, (list, tuple)):
        found = [_path(v) for v in value]
        return " OR ".join(sql for sql, _ in found) or "0", tuple(v for _, values in found for v in values)
    text = str(value).replace("\\", "/")
    if any(c in text for c in "*?["):
        return "f.path = ? OR f.path GLOB ?", (text, text)  # a file's own name may hold such characters
    text = text.rstrip("/")
    return "f.path = ? OR f.path LIKE ? ESCAPE '!' OR f.path LIKE ? ESCAPE '!'", (text, f"%/{_literal(text)}", f"{_literal(text)}/%")


def _literal(text: str) -> str:
    """A text whose characters LIKE does not interpret."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def _seconds(name: str, value: Any) -> float:
    """A date, or a date and time, as seconds since the epoch; a date is midnight here."""
    try:
        when = datetime.datetime.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(when, datetime.datetime):
            return when.timestamp()
        if isinstance(when, datetime.date):
            return datetime.datetime(when.year, when.month, when.day).timestamp()
    except (ValueError, OverflowError, OSError):
        pass
    raise UsageError(f"`{name}` must be a date", detail=repr(value)[:60], hint=f'For example {name}="2026-01-31".')


def _column(name: str, value: Any) -> tuple[str, tuple[Any, ...]]:
    """A column that has a value, or one of several."""
    # the path is a JSON string with its quotes, so that a name may hold dots and brackets
    path = '$."' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    several = list(value) if isinstance(value, (list, tuple, set)) else [value]
    if not all(v is None or isinstance(v, (str, int, float, bool)) for v in several):
        raise UsageError(f"The filter {name} must be a value or a list of values", detail=repr(value)[:60])
    return " OR ".join(["json_extract(c.columns, ?) IS ?"] * len(several)) or "0", tuple(x for v in several for x in (path, v))
