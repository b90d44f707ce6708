"""A database of the user's own by SQLAlchemy: each query in a read-only transaction with a time limit.

What runs is the query as sqlglot wrote it down after the check, without comments: a comment that a
server would execute, or a word that it reads in another way, is not in it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...core.errors import MissingPackageError, QueryError, UsageError, redact
from ...core.optional import require
from . import gate
from .engine import Column, Result, stopped
from .frames import default_kind, frame_of_rows, unique
from .watch import Limits, Stopped, run_watched

# By SQLAlchemy's name: sqlglot's name, the name for models, what begins a transaction, and what undoes that; {ms} is the time limit.
_DIALECTS: dict[str, tuple[str, str, tuple[str, ...], tuple[str, ...]]] = {
    "postgresql": ("postgres", "PostgreSQL", ("SET TRANSACTION READ ONLY", "SET LOCAL statement_timeout = {ms}"), ()),
    "mysql": (
        "mysql",
        "MySQL",
        ("SET SESSION max_execution_time = {ms}", "START TRANSACTION READ ONLY"),
        ("SET SESSION max_execution_time = 0",),
    ),
    "mariadb": ("mysql", "MariaDB", ("START TRANSACTION READ ONLY",), ()),
    "sqlite": ("sqlite", "SQLite", ("PRAGMA query_only=ON",), ("PRAGMA query_only=OFF",)),
}


def sqlalchemy_engine(database: Any, tables: Sequence[str], password: Callable[[str, int | None], str] | None = None) -> SqlAlchemyEngine:
    """The database of an address or an engine; only these tables can be read.

    `password` gives the password for a host and port. Raises UsageError.
    """
    alchemy = require("sqlalchemy", "sql", "to read this database", package="sqlalchemy")
    if not isinstance(database, str):
        return SqlAlchemyEngine(alchemy, database, tables, own=False)
    try:
        url = alchemy.engine.make_url(database)
    except alchemy.exc.ArgumentError:
        raise UsageError(
            "That is not the address of a database",
            detail=database.split("@")[-1][:80],
            hint="For example postgresql://user@host/database.",
        ) from None
    if url.password is not None:
        raise UsageError(
            "The address contains a password, which would be in the notebook and its copies",
            detail=url.render_as_string(hide_password=True),
            hint='Leave it out and name a stored key: fm.Tables(database="postgresql://user@host/db", key="warehouse").',
        )
    secret = password(url.host or "localhost", url.port) if password is not None else ""
    if secret:
        url = url.set(password=secret)
    if url.drivername == "postgresql":  # today's driver, where SQLAlchemy's default is not installed
        url = url.set(drivername="postgresql+psycopg")
    try:
        engine = alchemy.create_engine(url, pool_size=1, max_overflow=0, hide_parameters=True)
    except ImportError as e:
        raise MissingPackageError(
            f"The driver of {url.drivername} is not installed", hint=f"Run `%pip install {e.name or 'it'}`, then run this cell again."
        ) from None
    except alchemy.exc.SQLAlchemyError:
        raise UsageError("SQLAlchemy does not know this kind of database", detail=url.drivername) from None
    return SqlAlchemyEngine(alchemy, engine, tables, own=True, secrets=(secret,) if secret else ())


class SqlAlchemyEngine:
    """A database by SQLAlchemy, for one query at a time."""

    def __init__(self, alchemy: Any, engine: Any, tables: Sequence[str], *, own: bool, secrets: tuple[str, ...] = ()):
        name = engine.dialect.name
        if name not in _DIALECTS:
            raise UsageError(
                "This kind of database has no read-only transactions here", detail=name, hint=f"Kinds: {', '.join(_DIALECTS)}."
            )
        self.dialect, self.language, self._begin, self._end = _DIALECTS[name]
        self.tables = tuple(tables)
        self.kind = default_kind()
        self._alchemy, self._engine, self._own, self._secrets = alchemy, engine, own, secrets
        self._turn = threading.RLock()
        self._closed = False
        try:
            self.columns = self._columns()
        except alchemy.exc.SQLAlchemyError as e:
            raise UsageError("The database cannot be read", detail=self._text(e)) from None

    def run(self, query: str, limits: Limits) -> Result:
        """Check and run a query. Raises QueryError."""
        start = time.perf_counter()
        query = query.strip().rstrip(";").rstrip()
        checked = gate.written(gate.check(query, self.tables, self.dialect), self.dialect)
        try:
            names, rows = self._fetch(checked, limits, limits.rows + 1)
        except Stopped as e:
            raise stopped(str(e), checked) from None
        except self._alchemy.exc.SQLAlchemyError as e:
            raise QueryError(f"{self.language} rejects the query", detail=self._text(e), sql=checked) from None
        frame = frame_of_rows(unique(names), rows[: limits.rows], self.kind)
        return Result(frame, self.kind, min(len(rows), limits.rows), len(rows) > limits.rows, time.perf_counter() - start, checked)

    def rows(self, query: str, limits: Limits) -> list[tuple[Any, ...]]:
        """The rows of a query of ours, which is not checked; none if it fails or takes too long."""
        try:
            return self._fetch(query, limits, -1)[1]
        except (Stopped, self._alchemy.exc.SQLAlchemyError):
            return []

    def spread(self, table: str, rows: int | None, size: int) -> str:
        """A query of the first rows."""
        return f"SELECT * FROM {self.quote(table)} LIMIT {size}"

    def quote(self, name: str) -> str:
        """A name as an identifier; "schema.table" has two."""
        quote = self._engine.dialect.identifier_preparer.quote_identifier
        return ".".join(map(quote, name.split("."))) if name in self.tables else quote(name)

    def close(self) -> None:
        """Close the connections; an engine that was handed in stays open."""
        self._closed = True
        if self._own:
            self._engine.dispose()

    def _fetch(self, query: str, limits: Limits, most: int) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Names and rows of a query in a read-only transaction, which is rolled back."""
        if self._closed:
            raise UsageError("These tables are closed", hint="Make new ones with fm.Tables.")
        with self._turn, self._transaction(limits) as connection:
            raw = connection.connection.dbapi_connection

            def work() -> tuple[list[str], list[tuple[Any, ...]]]:
                # Without parameters a % is itself; a cursor of the server holds what is not fetched.
                options = {"no_parameters": True, "stream_results": most >= 0}
                result = connection.execution_options(**options).exec_driver_sql(query)
                rows = result.fetchall() if most < 0 else result.fetchmany(most)
                names = list(result.keys())
                result.close()
                return names, [tuple(r) for r in rows]

            interrupt = getattr(raw, "cancel", None) or getattr(raw, "interrupt", None) or (lambda: None)
            return run_watched(work, interrupt, limits)

    @contextmanager
    def _transaction(self, limits: Limits) -> Iterator[Any]:
        with self._engine.connect() as connection:
            try:
                for statement in self._begin:
                    connection.exec_driver_sql(statement.format(ms=max(1, int(limits.seconds * 1000))))
                yield connection
            finally:
                connection.rollback()
                for statement in self._end:  # the connection goes back to its pool
                    connection.exec_driver_sql(statement)

    def _columns(self) -> dict[str, tuple[Column, ...]]:
        inspector = self._alchemy.inspect(self._engine)
        found = {}
        for table in self.tables:
            schema, _, name = table.rpartition(".")
            try:
                columns = inspector.get_columns(name, schema=schema or None)
            except self._alchemy.exc.NoSuchTableError:
                columns = []
            if not columns:
                there = [*inspector.get_table_names(schema=schema or None), *inspector.get_view_names(schema=schema or None)]
                hint = f"Its tables are {', '.join(sorted(there)[:20])}." if there else ""
                raise UsageError("The database has no such table", detail=table, hint=hint)
            found[table] = tuple(Column(str(c["name"]), str(c["type"])) for c in columns)
        return found

    def _text(self, error: Exception) -> str:
        """What the database says, without an address or a password."""
        text = str(getattr(error, "orig", None) or error).strip()
        lines = [line.strip() for line in text.splitlines() if not line.strip().startswith(("LINE ", "^", "(Background"))]
        return redact(" ".join(lines)[:400], *self._secrets)
