"""`fm.Tables`: frames, files or a database, asked with SQL that is checked before it runs."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.typing import DataFrame, TableLike
from .duckdb_engine import memory_engine
from .engine import Engine, Result
from .files import is_path
from .frames import Frame, frame_of
from .watch import Limits


class Tables:
    """Tables that are asked with SQL: frames and files, or a database of your own, read-only.

        tables = fm.Tables(sales=df, orders="orders.parquet")
        tables.ask("Revenue per region last quarter?").df

    A query is one SELECT over these tables: it cannot read other files, other variables or the
    network, and stops at a time limit.

    Args:
        frames: Tables by name, for names that are options of this function, such as "limit".
        limit: The most rows that a query returns.
        seconds: The time limit of a query.
        name: The name in notes and sources.
        **more: Tables by name: a DataFrame of pandas or polars, an Arrow table, a DuckDB relation, a
            list of dicts, a dict of columns, or the path of a CSV, TSV, JSON, JSONL, Parquet or xlsx file.

    Raises:
        UsageError: A table cannot be read.
        MissingPackageError: duckdb or sqlglot is not installed.

    >>> Tables(sales=[{"region": "north", "qty": 3}, {"region": "south", "qty": 4}]).sql("select sum(qty) n from sales")
    [{'n': 7}]
    """

    def __init__(
        self,
        frames: Mapping[str, TableLike] | None = None,
        /,
        *,
        limit: int = 10_000,
        seconds: float = 20.0,
        name: str = "tables",
        **more: TableLike,
    ):
        self.name = name
        self._limits = _limits(limit, seconds)
        self._engine, self.notes, self._attributes = _in_memory({**(frames or {}), **more})

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the tables.

        >>> Tables(sales=[{"qty": 3}]).names
        ('sales',)
        """
        return self._engine.tables

    def sql(self, query: str, *, limit: int | None = None) -> DataFrame | list[dict[str, object]] | dict[str, list[object]]:
        """Run one SELECT and return its rows.

        Args:
            query: One SELECT over these tables, in the database's own SQL; for frames and files, DuckDB's.
            limit: The most rows to return; a warning says when there are more.

        Returns:
            A frame of the kind that went in; for files and databases, a pandas DataFrame.

        Raises:
            QueryError: The query was refused, stopped or rejected; the message says why.

        >>> Tables(sales={"qty": [3, 4]}).sql("select max(qty) most from sales")
        {'most': [4]}
        """
        limits = self._limits if limit is None else _limits(limit, self._limits.seconds)
        result = self._run(query, limits)
        if result.truncated:
            warnings.warn(f"fmnb: these are the first {result.rows:,} rows; the query has more (`limit=`)", stacklevel=2)
        return result.frame

    def close(self) -> None:
        """Close the connection and release the frames."""
        self._engine.close()

    def __enter__(self) -> Tables:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        shown = ", ".join(self.names[:10]) + ", …" * (len(self.names) > 10)
        return f"Tables({shown})"

    def _run(self, query: str, limits: Limits) -> Result:
        if not isinstance(query, str):
            raise UsageError("The query must be a string", detail=type(query).__name__)
        return self._engine.run(query, limits)


def _limits(rows: int, seconds: float) -> Limits:
    if not isinstance(rows, int) or isinstance(rows, bool) or rows < 1:
        raise UsageError("limit must be a whole number of at least 1", detail=repr(rows))
    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not 0 < seconds < 86_400:
        raise UsageError("seconds must be a number above 0", detail=repr(seconds))
    return Limits(float(seconds), rows)


def _in_memory(tables: Mapping[str, Any]) -> tuple[Engine, tuple[str, ...], dict[str, Mapping[str, Any]]]:
    """The engine over frames and files, notes, and the `attrs` of each frame."""
    if not tables:
        raise UsageError("There are no tables", hint='Name them: fm.Tables(sales=df, orders="orders.parquet").')
    _check_names(tables)
    found: dict[str, Frame | Path] = {}
    for name, value in tables.items():
        found[name] = Path(value) if is_path(value) else frame_of(value, name)
    engine, notes = memory_engine(found)
    return engine, tuple(notes), {n: f.attributes for n, f in found.items() if isinstance(f, Frame)}


def _check_names(names: Any) -> None:
    seen: dict[str, str] = {}
    for name in names:
        if not isinstance(name, str) or not name.strip() or not name.isprintable() or '"' in name or "." in name or len(name) > 100:
            raise UsageError("That is not the name of a table", detail=repr(name)[:120], hint="Use letters, digits and _.")
        if name.lower() in seen:
            raise UsageError("Two tables have the same name", detail=f"{seen[name.lower()]}, {name}; SQL ignores case")
        seen[name.lower()] = name
