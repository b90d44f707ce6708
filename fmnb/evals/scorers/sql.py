"""Scores SQL: runs the answer's and the target's query with DuckDB and compares the tables.

Queries run in a separate process (`data/sql/_worker.py`) with a memory limit. The database is locked before
anything of a row runs, including its `setup`: files, network, extensions and settings are out of reach. The
time limit covers setup, query and reading together; the number of rows is limited, too.
"""

from __future__ import annotations

import json
import math
import os
import re
import select
import subprocess
import sys
import time
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.optional import require
from ...data.sql import _worker
from .base import Case, Score, Scorer, targets
from .fences import blocks

SECONDS, ROWS, TEXT, MEMORY = 20.0, 100_000, 64 << 20, 3 << 30
NO_QUERY = "there is no query"  # the message of `_worker.py`
_STARTUP_SECONDS = 30.0  # seconds that the process may take to come up
_LANGUAGES = {
    "duckdb",
    "postgres",
    "pgsql",
    "sqlite",
    "sqlite3",
    "mariadb",
    "bigquery",
    "snowflake",
    "redshift",
    "hive",
}  # in addition to *sql
_QUERY = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:select|with|values|from|table|pivot|unpivot|show|describe|summarize)\b", re.I | re.S
)
_ORDER_BY = re.compile(r"\border\s+by\b(?!.*\bselect\b)", re.IGNORECASE | re.DOTALL)
_WORKER = Path(_worker.__file__).read_text("utf-8")

Table = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Limits:
    """Limits of a query: seconds for setup, query and reading, rows, bytes of text, bytes of memory."""

    seconds: float = SECONDS
    rows: int = ROWS
    text: int = TEXT
    memory: int = MEMORY


class QueryError(Exception):
    """A query failed or exceeded a limit; the message has the reason."""


class SetupError(QueryError):
    """The database or the row's setup failed before any query ran; the message has the reason."""


def sql(database: str = "", limits: Limits = Limits()) -> Scorer:
    """Correct if the answer's query returns the same table as the target's.

    `sql:PATH` names a DuckDB file; otherwise the row's `setup` column creates the tables. Row order counts only
    if the target ends in ORDER BY; column names do not count. The database is read-only, only SELECT and its
    equivalents run, and setup and queries have no access to files and network. A query that takes more than 20
    seconds with its setup, returns more than 100,000 rows, or needs more memory than DuckDB's 1 GB is wrong, and
    its score has the reason.
    """
    if sys.platform == "win32":
        raise UsageError("This scorer does not run on Windows", detail="sql", hint="Its limits are those of Linux and macOS: use WSL.")
    require("duckdb", "sql", "to score SQL")
    path = Path(database).expanduser().resolve() if database else None
    if path is not None and not path.is_file():
        raise UsageError("No such database", detail=database)
    process = _Process(limits)

    def table(case: Case, query: str) -> Table:
        setup = "" if path else str(case.values.get("setup") or "")
        return process.table(str(path or ""), setup, query)

    def score(case: Case) -> Score:
        target_tables, problem = [], ""
        for t in targets(case):
            try:
                target_tables.append((table(case, t), _ORDER_BY.search(t) is not None))
            except SetupError as e:
                failure = "the database cannot be opened" if path else "the row's setup failed"
                return Score(None, error=f"{failure}: {e}"[:200])
            except QueryError as e:
                problem = str(e)
        if not target_tables:
            return Score(None, error=f"the target's query failed: {problem}"[:200])
        query = extract(case.text)
        try:
            result = table(case, query)
        except QueryError as e:
            return Score(0.0, query[:200], explanation="no query in the answer" if str(e) == NO_QUERY else str(e)[:200])
        correct = any(equal_tables(result, rows, ordered) for rows, ordered in target_tables)
        return Score(float(correct), query[:200], explanation="" if correct else difference(result, *target_tables[0])[:200])

    return Scorer("sql", score, description="the query's result equals the target's")


def extract(text: str) -> str:
    """The query of an answer: its last SQL block, else its last unmarked block, else the text outside.

    >>> extract("```bash\\nls\\n```\\nThen\\n```sql\\nselect 1\\n```")
    'select 1'
    """
    found_blocks, outside = blocks(text)
    sql_blocks = [b.text.strip() for b in found_blocks if b.language in _LANGUAGES or b.language.endswith("sql")]
    unmarked = [b.text.strip() for b in found_blocks if not b.language]
    query_like = [t for t in unmarked if _QUERY.match(t)]  # what a query gives is often shown in a block, too
    for texts in (sql_blocks, query_like, unmarked):
        if texts:
            return next((t for t in reversed(texts) if t), "").rstrip("; \n")
    return outside.rstrip("; \n")


class _Process:
    """The process that runs queries: started with the first one, restarted after a timeout."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._worker: subprocess.Popen[bytes] | None = None
        self._buffer = b""

    def table(self, database: str, setup: str, query: str) -> Table:
        """The rows of a query. Raises QueryError."""
        request = {"database": database, "setup": setup, "query": query, "rows": self._limits.rows, "bytes": self._limits.text}
        try:
            reply = self._ask(request)
        except BaseException:  # an interrupt too: what runs is not to answer the next question
            self._end()
            raise
        if "error" in reply:
            raise (QueryError if reply.get("of", "query") == "query" else SetupError)(reply["error"])
        return [tuple(row) for row in reply["rows"]]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._worker is None or self._worker.poll() is not None:
            self._start()
        try:
            self._send(request)
            line = self._read_line(self._limits.seconds)
        except BrokenPipeError:
            line = b""
        if line is None:
            raise QueryError(f"still running after {self._limits.seconds:g} s")
        if not line:
            raise QueryError("the query exceeds the memory limit")
        try:
            reply: dict[str, Any] = json.loads(line)
        except ValueError:
            raise QueryError("invalid output of the query process") from None
        return reply

    def _start(self) -> None:
        self._end()
        self._worker = subprocess.Popen(
            [sys.executable, "-P", "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "MALLOC_ARENA_MAX": "2"},
            start_new_session=True,
        )
        weakref.finalize(self, _kill, self._worker)
        self._send({"path": [p for p in sys.path if p], "memory": self._limits.memory})
        self._send({"database": "", "setup": "", "query": "select 1", "rows": 1, "bytes": 1})
        if not self._read_line(_STARTUP_SECONDS):
            raise QueryError("DuckDB does not start")

    def _send(self, value: dict[str, Any]) -> None:
        assert self._worker is not None and self._worker.stdin is not None
        self._worker.stdin.write(json.dumps(value).encode() + b"\n")
        self._worker.stdin.flush()

    def _read_line(self, seconds: float) -> bytes | None:
        """The next line; "" if the process has ended, None on a timeout."""
        assert self._worker is not None and self._worker.stdout is not None
        deadline, parts, fd = time.monotonic() + seconds, [self._buffer], self._worker.stdout.fileno()
        while b"\n" not in parts[-1]:
            if not select.select([fd], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            parts.append(os.read(fd, 1 << 20))
            if not parts[-1]:
                return b""
        line, _, self._buffer = b"".join(parts).partition(b"\n")
        return line

    def _end(self) -> None:
        if self._worker is not None:
            _kill(self._worker)
        self._worker, self._buffer = None, b""


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            try:
                stream.close()
            except BrokenPipeError:
                pass


def equal_tables(a: Table, b: Table, ordered: bool) -> bool:
    """Whether two tables have the same rows; floats are compared to 9 digits.

    >>> equal_tables([(1, "x"), (2, "y")], [(2, "y"), (1, "x")], False)
    True
    """
    x, y = [tuple(map(_normalize_cell, r)) for r in a], [tuple(map(_normalize_cell, r)) for r in b]
    return x == y if ordered else Counter(x) == Counter(y)


def difference(result: Table, target: Table, ordered: bool) -> str:
    """The first difference between a table and the target's.

    >>> difference([(1, "x"), (2, "y")], [(1, "x"), (2, "z")], False)
    "column 2 of row 2 is 'y', the target has 'z'"
    >>> difference([(2,), (1,)], [(1,), (2,)], True)
    "the target's rows in another order: row 1 is (2), the target has (1)"
    """
    if len(result) != len(target):
        return f"{_row_count_text(result)}, the target has {len(target):,}"
    widths = [len(t[0]) if t else 0 for t in (result, target)]
    if widths[0] != widths[1]:
        return f"{widths[0]} column{'s' * (widths[0] != 1)}, the target has {widths[1]}"
    x, y = [tuple(map(_normalize_cell, r)) for r in result], [tuple(map(_normalize_cell, r)) for r in target]
    if ordered:
        row = next(i for i, (a, b) in enumerate(zip(x, y, strict=True)) if a != b)
        if Counter(x) == Counter(y):
            return f"the target's rows in another order: row {row + 1} is {_row_text(result[row])}, the target has {_row_text(target[row])}"
        return _row_difference(row, result[row], target[row])
    extra, missing = Counter(x) - Counter(y), Counter(y) - Counter(x)
    row = next(i for i, r in enumerate(x) if r in extra)
    nearest = max((i for i, r in enumerate(y) if r in missing), key=lambda i: sum(a == b for a, b in zip(x[row], y[i], strict=True)))
    if extra.total() == 1 or sum(a == b for a, b in zip(x[row], y[nearest], strict=True)):
        return _row_difference(row, result[row], target[nearest])
    return f"{extra.total():,} of {_row_count_text(result)} differ: {_row_text(result[row])} is not a row of the target, and {_row_text(target[nearest])} is missing"


def _row_difference(at: int, result: tuple[Any, ...], target: tuple[Any, ...]) -> str:
    """The first column in which two rows differ."""
    column = next(i for i, (a, b) in enumerate(zip(result, target, strict=True)) if _normalize_cell(a) != _normalize_cell(b))
    return f"column {column + 1} of row {at + 1} is {_value_text(result[column])}, the target has {_value_text(target[column])}"


def _row_count_text(table: Table) -> str:
    return f"{len(table):,} row{'s' * (len(table) != 1)}"


def _row_text(row: tuple[Any, ...]) -> str:
    return f"({', '.join(map(_value_text, row))})"


def _value_text(value: Any) -> str:
    text = "NULL" if value is None else repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _normalize_cell(value: Any) -> Any:
    as_number: Callable[[float], Any] = lambda v: round(v, 9) if math.isfinite(v) and abs(v) < 1e9 else float(f"{v:.9g}")  # noqa: E731
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return as_number(float(value)) if value == value else "nan"
    return str(value)
