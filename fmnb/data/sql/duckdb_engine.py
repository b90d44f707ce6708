"""DuckDB: frames and files in a locked database in memory, or a database file opened read-only.

The order matters: no extension is loaded, the named tables come in, then the connection is locked,
and only then does a query run.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import QueryError, UsageError
from ...core.optional import require
from . import _worker, duckdb_tree, files, gate
from .engine import Column, Result, stopped
from .files import quoted
from .frames import Frame, default_kind, fetch
from .watch import Limits, Stopped, run_watched

_WHY = "to ask tables with SQL"


def memory_engine(tables: Mapping[str, Frame | Path]) -> tuple[DuckDBEngine, list[str]]:
    """These frames and files in a locked database in memory, and notes. Raises UsageError."""
    duckdb = require("duckdb", "sql", _WHY)
    connection = _worker.connect(duckdb)
    notes: list[str] = []
    paths: list[str] = []
    kinds = [t.kind for t in tables.values() if isinstance(t, Frame)]
    try:
        for name, table in tables.items():
            if isinstance(table, Frame):
                _register(duckdb, connection, name, table)
            else:
                path, said = files.load(duckdb, connection, name, table)
                paths += [path] if path else []
                notes += said
        if paths:  # the only files that queries can reach
            allowed = ", ".join("'" + p.replace("'", "''") + "'" for p in paths)
            connection.execute(f"SET allowed_paths=[{allowed}]")
        _worker.change(duckdb, connection, _worker.LOCK)
        return DuckDBEngine(duckdb, connection, list(tables), kinds[0] if kinds else default_kind()), notes
    except BaseException:
        connection.close()
        raise


def file_engine(path: Path, tables: Sequence[str]) -> DuckDBEngine:
    """A DuckDB file, opened read-only and locked; only these tables can be read. Raises UsageError."""
    duckdb = require("duckdb", "sql", _WHY)
    try:
        connection = _worker.connect(duckdb, str(path))
    except duckdb.Error as e:
        raise UsageError("The database cannot be opened", detail=f"{path.name}: {str(e).splitlines()[0][:200]}") from None
    try:
        if not _worker.is_locked(connection):
            _worker.change(duckdb, connection, _worker.LOCK)
        return DuckDBEngine(duckdb, connection, tables, default_kind())
    except BaseException:
        connection.close()
        raise


def _register(duckdb: Any, connection: Any, name: str, frame: Frame) -> None:
    values = [frame.value]
    if frame.kind == "pandas":  # a DuckDB older than pandas does not know its type of text
        texts = [c for c, t in zip(frame.value.columns, frame.value.dtypes, strict=True) if str(t) == "str"]
        values += [frame.value.astype(dict.fromkeys(texts, object))] if texts and duckdb.__version__ < "1.5" else []
    for value in reversed(values):
        try:
            connection.register(name, value)
            connection.execute(f"SELECT * FROM {quoted(name)} LIMIT 0")
            return
        except (duckdb.Error, NotImplementedError) as e:
            problem = str(e).splitlines()[0][:200]
    raise UsageError("The table cannot be read by DuckDB", detail=f"{name}: {problem}")


class DuckDBEngine:
    """A locked connection of DuckDB, for one query at a time."""

    dialect = "duckdb"
    language = "DuckDB"

    def __init__(self, duckdb: Any, connection: Any, tables: Sequence[str], kind: str):
        self.tables = tuple(tables)
        self.kind = kind
        self._duckdb, self._connection = duckdb, connection
        self._turn = threading.RLock()
        self._functions = duckdb_tree.own_functions(connection)
        self.columns = {t: self._columns(t) for t in self.tables}

    def run(self, query: str, limits: Limits) -> Result:
        """Check and run a query. Raises QueryError."""
        start = time.perf_counter()
        query = query.strip().rstrip(";").rstrip()
        gate.check(query, self.tables, self.dialect)
        with self._turn:
            self._open()
            try:
                duckdb_tree.check(self._connection, query, self.tables, self._functions)
            except self._duckdb.Error as e:
                raise self._failure(e, query) from None
            try:
                frame, rows, truncated = run_watched(
                    lambda: self._explained_and_run(query, limits.rows), self._connection.interrupt, limits
                )
            except Stopped as e:
                raise stopped(str(e), query) from None
            except (self._duckdb.Error, MemoryError, OverflowError) as e:
                raise self._failure(e, query) from None
        return Result(frame, self.kind, rows, truncated, time.perf_counter() - start, query)

    def rows(self, query: str, limits: Limits) -> list[tuple[Any, ...]]:
        """The rows of a query of ours, which is not checked; none if it fails or takes too long."""
        with self._turn:
            self._open()
            connection = self._connection
            try:
                return run_watched(lambda: list(connection.execute(query).fetchall()), connection.interrupt, limits)
            except (Stopped, self._duckdb.Error):
                return []

    def spread(self, table: str, rows: int | None, size: int) -> str:
        """A query of about `size` rows from all over the table; a fixed step could follow a pattern in it."""
        source = self.quote(table)
        if rows is None or rows <= size:
            return f"SELECT * FROM {source} LIMIT {size}"
        numbered = f"SELECT *, row_number() OVER () AS fmnb_row FROM {source}"
        return f"SELECT * EXCLUDE (fmnb_row) FROM ({numbered}) WHERE hash(fmnb_row) % {-(-rows // size)} = 0 LIMIT {size}"

    def quote(self, name: str) -> str:
        """A name as an identifier; "schema.table" has two."""
        return ".".join(map(quoted, name.split("."))) if name in self.tables and "." in name else quoted(name)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> None:
        if self._connection is None:
            raise UsageError("These tables are closed", hint="Make new ones with fm.Tables.")

    def _columns(self, table: str) -> tuple[Column, ...]:
        try:
            result = self._connection.execute(f"SELECT * FROM {self.quote(table)} LIMIT 0")
        except self._duckdb.Error:
            names = self.rows("SELECT table_name FROM information_schema.tables ORDER BY 1", Limits())
            hint = f"Its tables are {', '.join(n for (n,) in names[:20])}." if names else ""
            raise UsageError("The database has no such table", detail=table, hint=hint) from None
        return tuple(Column(str(d[0]), str(d[1])) for d in result.description)

    def _explained_and_run(self, query: str, limit: int) -> tuple[Any, int, bool]:
        """The frame of a query, which is planned first, so that a wrong name is found before anything runs."""
        self._connection.execute(f"EXPLAIN SELECT * FROM (\n{query}\n)")
        return fetch(self._connection, query, self.kind, limit)

    def _failure(self, error: BaseException, query: str) -> QueryError:
        """The error for the user and for the model that repairs the query."""
        lines = str(error).split("\n\nLINE ")[0].splitlines()
        text = " ".join(line.strip() for line in lines if not line.startswith("Did you mean")).strip()
        return QueryError("DuckDB rejects the query", detail=text[:400] or type(error).__name__, sql=query)
