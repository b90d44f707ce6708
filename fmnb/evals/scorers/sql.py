"""Answers that are SQL: run by DuckDB beside the target's, and the tables compared.

Queries run in a process of their own (`_sql_worker.py`) with a limit on memory. The database is
locked before anything of a row is run, its `setup` too: no file, no network, no extension and no
setting can be reached. Time counts over set-up, query and reading together, rows up to a limit.
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
from .base import Case, Score, Scorer, targets
from .fences import blocks

SECONDS, ROWS, TEXT, MEMORY = 20.0, 100_000, 64 << 20, 3 << 30
NO_QUERY = "there is no query"  # as `_sql_worker.py` says it
_START = 30.0  # seconds that the process may take to come up
_LANGUAGES = {"duckdb", "postgres", "pgsql", "sqlite", "sqlite3", "mariadb", "bigquery", "snowflake", "redshift", "hive"}  # beside *sql
_QUERY = re.compile(
    r"(?:\s|--[^\n]*\n|/\*.*?\*/|\()*(?:select|with|values|from|table|pivot|unpivot|show|describe|summarize)\b", re.I | re.S
)
_ORDERED = re.compile(r"\border\s+by\b(?!.*\bselect\b)", re.IGNORECASE | re.DOTALL)
_WORKER = (Path(__file__).parent / "_sql_worker.py").read_text("utf-8")

Table = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Limits:
    """Seconds over set-up, query and reading together, rows of a result, bytes of its texts, bytes of memory of the process."""

    seconds: float = SECONDS
    rows: int = ROWS
    text: int = TEXT
    memory: int = MEMORY


class QueryError(Exception):
    """A query failed, or went over a limit; says why."""


class SetupError(QueryError):
    """The database or the row's set-up failed before any query ran; says why."""


def sql(database: str = "", limits: Limits = Limits()) -> Scorer:
    """The answer's query gives the same table as the target's: `sql:PATH` names a DuckDB file, else the row's `setup` column makes the tables.

    Rows count in any order unless the target ends in ORDER BY; column names do not count. The
    database is opened read-only, and of an answer only SELECT and what stands for it is run; set-up and queries can reach no file and no network. A query
    that takes more than 20 seconds with its set-up, gives more than 100,000 rows or needs more
    memory than DuckDB's 1 GB is wrong, and its score says why.
    """
    require("duckdb", "sql", "to score SQL")
    path = Path(database).expanduser().resolve() if database else None
    if path is not None and not path.is_file():
        raise UsageError("No such database", detail=database)
    process = _Process(limits)

    def table(case: Case, query: str) -> Table:
        setup = "" if path else str(case.values.get("setup") or "")
        return process.table(str(path or ""), setup, query)

    def score(case: Case) -> Score:
        goals, problem = [], ""
        for t in targets(case):
            try:
                goals.append((table(case, t), _ORDERED.search(t) is not None))
            except SetupError as e:
                return Score(None, error=f"{'the database cannot be opened' if path else 'the setup of the row fails'}: {e}"[:200])
            except QueryError as e:
                problem = str(e)
        if not goals:
            return Score(None, error=f"the target's query fails: {problem}"[:200])
        query = extract(case.text)
        try:
            found = table(case, query)
        except QueryError as e:
            return Score(0.0, query[:200], explanation="no query in the answer" if str(e) == NO_QUERY else str(e)[:200])
        right = any(equal_tables(found, rows, ordered) for rows, ordered in goals)
        return Score(float(right), query[:200], explanation="" if right else difference(found, *goals[0])[:200])

    return Scorer("sql", score, description="the query's result equals the target's")


def extract(text: str) -> str:
    """The query of an answer: its last block marked as SQL, else its last one without a language, else the text outside of blocks.

    >>> extract("```bash\\nls\\n```\\nThen\\n```sql\\nselect 1\\n```")
    'select 1'
    """
    found, outside = blocks(text)
    marked = [b.text.strip() for b in found if b.language in _LANGUAGES or b.language.endswith("sql")]
    plain = [b.text.strip() for b in found if not b.language]
    like_queries = [t for t in plain if _QUERY.match(t)]  # what a query gives is often shown in a block, too
    for texts in (marked, like_queries, plain):
        if texts:
            return next((t for t in reversed(texts) if t), "").rstrip("; \n")
    return outside.rstrip("; \n")


class _Process:
    """The process that queries run in: started with the first, ended and started anew where one takes too long."""

    def __init__(self, limits: Limits):
        self._limits = limits
        self._running: subprocess.Popen[bytes] | None = None
        self._left = b""

    def table(self, database: str, setup: str, query: str) -> Table:
        """The rows of a query. Raises QueryError."""
        asked = {"database": database, "setup": setup, "query": query, "rows": self._limits.rows, "bytes": self._limits.text}
        try:
            said = self._ask(asked)
        except BaseException:  # an interrupt too: what runs is not to answer the next question
            self._end()
            raise
        if "error" in said:
            raise (QueryError if said.get("of", "query") == "query" else SetupError)(said["error"])
        return [tuple(row) for row in said["rows"]]

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self._running is None or self._running.poll() is not None:
            self._start()
        try:
            self._send(asked)
            line = self._line(self._limits.seconds)
        except BrokenPipeError:
            line = b""
        if line is None:
            raise QueryError(f"still running after {self._limits.seconds:g} s")
        if not line:
            raise QueryError("the query needs more memory than it may have")
        try:
            found: dict[str, Any] = json.loads(line)
        except ValueError:
            raise QueryError("the query's process said something else") from None
        return found

    def _start(self) -> None:
        self._end()
        self._running = subprocess.Popen(
            [sys.executable, "-P", "-c", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": os.environ.get("PATH", ""), "MALLOC_ARENA_MAX": "2"},
            start_new_session=True,
        )
        weakref.finalize(self, _kill, self._running)
        self._send({"path": [p for p in sys.path if p], "memory": self._limits.memory})
        self._send({"database": "", "setup": "", "query": "select 1", "rows": 1, "bytes": 1})
        if not self._line(_START):
            raise QueryError("DuckDB does not start")

    def _send(self, value: dict[str, Any]) -> None:
        assert self._running is not None and self._running.stdin is not None
        self._running.stdin.write(json.dumps(value).encode() + b"\n")
        self._running.stdin.flush()

    def _line(self, seconds: float) -> bytes | None:
        """What it says next, "" where it has ended, None where it takes too long."""
        assert self._running is not None and self._running.stdout is not None
        until, parts, fd = time.monotonic() + seconds, [self._left], self._running.stdout.fileno()
        while b"\n" not in parts[-1]:
            if not select.select([fd], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            parts.append(os.read(fd, 1 << 20))
            if not parts[-1]:
                return b""
        line, _, self._left = b"".join(parts).partition(b"\n")
        return line

    def _end(self) -> None:
        if self._running is not None:
            _kill(self._running)
        self._running, self._left = None, b""


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
    """Whether two tables hold the same rows, floats to 9 digits.

    >>> equal_tables([(1, "x"), (2, "y")], [(2, "y"), (1, "x")], False)
    True
    """
    x, y = [tuple(map(_normalize_cell, r)) for r in a], [tuple(map(_normalize_cell, r)) for r in b]
    return x == y if ordered else Counter(x) == Counter(y)


def difference(found: Table, goal: Table, ordered: bool) -> str:
    """What first tells a table from the target's, in words.

    >>> difference([(1, "x"), (2, "y")], [(1, "x"), (2, "z")], False)
    "column 2 of row 2 is 'y', the target has 'z'"
    >>> difference([(2,), (1,)], [(1,), (2,)], True)
    'the rows of the target in another order: row 1 is (2), the target has (1)'
    """
    if len(found) != len(goal):
        return f"{_row_count_text(found)}, the target has {len(goal):,}"
    widths = [len(t[0]) if t else 0 for t in (found, goal)]
    if widths[0] != widths[1]:
        return f"{widths[0]} column{'s' * (widths[0] != 1)}, the target has {widths[1]}"
    x, y = [tuple(map(_normalize_cell, r)) for r in found], [tuple(map(_normalize_cell, r)) for r in goal]
    if ordered:
        at = next(i for i, (a, b) in enumerate(zip(x, y, strict=True)) if a != b)
        if Counter(x) == Counter(y):
            return f"the rows of the target in another order: row {at + 1} is {_row_text(found[at])}, the target has {_row_text(goal[at])}"
        return _row_difference(at, found[at], goal[at])
    extra, missing = Counter(x) - Counter(y), Counter(y) - Counter(x)
    at = next(i for i, r in enumerate(x) if r in extra)
    nearest = max((i for i, r in enumerate(y) if r in missing), key=lambda i: sum(a == b for a, b in zip(x[at], y[i], strict=True)))
    if extra.total() == 1 or sum(a == b for a, b in zip(x[at], y[nearest], strict=True)):
        return _row_difference(at, found[at], goal[nearest])
    return f"{extra.total():,} of {_row_count_text(found)} differ: {_row_text(found[at])} is no row of the target, and {_row_text(goal[nearest])} is missing"


def _row_difference(at: int, found: tuple[Any, ...], goal: tuple[Any, ...]) -> str:
    """The first column in which two rows differ."""
    c = next(i for i, (a, b) in enumerate(zip(found, goal, strict=True)) if _normalize_cell(a) != _normalize_cell(b))
    return f"column {c + 1} of row {at + 1} is {_value_text(found[c])}, the target has {_value_text(goal[c])}"


def _row_count_text(table: Table) -> str:
    return f"{len(table):,} row{'s' * (len(table) != 1)}"


def _row_text(row: tuple[Any, ...]) -> str:
    return f"({', '.join(map(_value_text, row))})"


def _value_text(value: Any) -> str:
    shown = "NULL" if value is None else repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


def _normalize_cell(value: Any) -> Any:
    as_number: Callable[[float], Any] = lambda v: round(v, 9) if math.isfinite(v) and abs(v) < 1e9 else float(f"{v:.9g}")  # noqa: E731
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return as_number(float(value)) if value == value else "nan"
    return str(value)
