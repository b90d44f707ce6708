"""A SQLite file of the user's own, opened read-only; SQLite's authorizer judges each query.

The authorizer is asked by SQLite itself while it compiles, so no other reading of the query counts.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote as url_quoted

from ...core.errors import QueryError, UsageError
from . import gate
from .engine import Column, Result, stopped
from .files import quoted
from .frames import default_kind, frame_of_rows, unique
from .functions import refused
from .watch import Limits, Stopped, run_watched

_LONGEST = 10 << 20  # bytes of one value
_FUNCTION_TABLES = {"json_each", "json_tree"}


def sqlite_engine(path: Path, tables: Sequence[str]) -> SqliteEngine:
    """The file, opened read-only; only these tables can be read. Raises UsageError."""
    try:
        uri = f"file:{url_quoted(str(path.resolve()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
        connection.execute("PRAGMA query_only=ON")
        connection.execute("PRAGMA trusted_schema=OFF")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        return SqliteEngine(connection, tables)
    except sqlite3.Error as e:
        raise UsageError("The database cannot be opened", detail=f"{path.name}: {e}") from None


class SqliteEngine:
    """A read-only connection of SQLite, for one query at a time."""

    dialect = "sqlite"
    language = "SQLite"

    def __init__(self, connection: sqlite3.Connection, tables: Sequence[str]):
        self.tables = tuple(tables)
        self.kind = default_kind()
        self._connection: sqlite3.Connection | None = connection
        self._turn = threading.RLock()
        listed = connection.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name").fetchall()
        there = {name.lower(): name for name, _ in listed}
        for table in self.tables:
            if table.lower() not in there:
                raise UsageError(
                    "The database has no such table", detail=table, hint=f"Its tables are {', '.join(list(there.values())[:20])}."
                )
        self._there = {*there, "sqlite_master", "sqlite_schema"}
        self._allowed = {t.lower() for t in self.tables}
        self._defined: set[str] = set()
        self._views = {name.lower() for name, kind in listed if kind == "view"} & self._allowed
        self.columns = {
            t: tuple(Column(r[1], r[2] or "ANY") for r in connection.execute(f"PRAGMA table_xinfo({quoted(t)})").fetchall())
            for t in self.tables
        }
        self._denied = ""
        connection.set_authorizer(self._authorize)

    def run(self, query: str, limits: Limits) -> Result:
        """Check and run a query. Raises QueryError."""
        start = time.perf_counter()
        query = query.strip().rstrip(";").rstrip()
        tree = gate.check(query, self.tables, self.dialect)
        with self._turn:
            connection = self._open()
            self._denied = ""
            self._defined = {
                node.alias.lower() for node in tree.walk() if type(node).__name__ == "CTE"
            } - self._there  # a recursion reads itself by its name
            try:
                names, rows = run_watched(lambda: _fetched(connection, query, limits.rows + 1), connection.interrupt, limits)
            except Stopped as e:
                raise stopped(str(e), query) from None
            except (sqlite3.Error, sqlite3.Warning, OverflowError, MemoryError) as e:
                if self._denied:
                    raise gate.refusal(self._denied, query, self.tables) from None
                raise QueryError("SQLite rejects the query", detail=str(e)[:400], sql=query) from None
        frame = frame_of_rows(unique(names), rows[: limits.rows], self.kind)
        return Result(frame, self.kind, min(len(rows), limits.rows), len(rows) > limits.rows, time.perf_counter() - start, query)

    def rows(self, query: str, limits: Limits) -> list[tuple[Any, ...]]:
        """The rows of a query of ours, which is not checked; none if it fails or takes too long."""
        with self._turn:
            connection = self._open()
            try:
                return run_watched(lambda: _fetched(connection, query, -1)[1], connection.interrupt, limits)
            except (Stopped, sqlite3.Error):
                return []

    def spread(self, table: str, rows: int | None, size: int) -> str:
        """A query of the first rows."""
        return f"SELECT * FROM {self.quote(table)} LIMIT {size}"

    def quote(self, name: str) -> str:
        """A name as an identifier."""
        return quoted(name)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            raise UsageError("These tables are closed", hint="Make new ones with fm.Tables.")
        return self._connection

    def _authorize(self, action: int, first: str | None, second: str | None, database: str | None, view: str | None) -> int:
        """What SQLite asks while it compiles a query."""
        name = (first or "").lower()
        if action in (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_RECURSIVE):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ:
            if name in self._allowed or name in self._defined or name in _FUNCTION_TABLES or (view or "").lower() in self._views:
                return sqlite3.SQLITE_OK
            self._denied = f"it reads the table {first}"
        elif action == sqlite3.SQLITE_FUNCTION:
            if not (problem := refused(second or "")):
                return sqlite3.SQLITE_OK
            self._denied = problem
        else:
            self._denied = "it does more than read the tables"
        return sqlite3.SQLITE_DENY


def _fetched(connection: sqlite3.Connection, query: str, limit: int) -> tuple[list[str], list[tuple[Any, ...]]]:
    cursor = connection.execute(query)
    try:
        rows = cursor.fetchall() if limit < 0 else cursor.fetchmany(limit)
        return [d[0] for d in cursor.description or ()], rows
    finally:
        cursor.close()
