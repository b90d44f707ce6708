"""Answers that are SQL: run by DuckDB beside the target's, and the tables compared."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..._loop import aside, wait
from ..._require import require
from ...errors import UsageError
from .base import Case, Score, Scorer, targets

SECONDS = 20.0
_FENCED = re.compile(r"```(?:sql)?[ \t]*\n(.*?)```", re.DOTALL | re.IGNORECASE)
_ORDERED = re.compile(r"\border\s+by\b(?!.*\bselect\b)", re.IGNORECASE | re.DOTALL)


def sql(database: str = "") -> Scorer:
    """The answer's query gives the same table as the target's: `sql:PATH` names a DuckDB file, else the row's `setup` column makes the tables.

    Rows count in any order unless the target ends in ORDER BY; column names do not count. The
    database is opened read-only, and queries can reach no file and no network.
    """
    duckdb = require("duckdb", "sql", "to score SQL")
    if database and not Path(database).expanduser().is_file():
        raise UsageError("No such database", seen=database)

    def connect(case: Case) -> Any:
        if database:
            c = duckdb.connect(str(Path(database).expanduser()), read_only=True)
        else:
            c = duckdb.connect(":memory:")
            if case.values.get("setup"):
                c.execute(str(case.values["setup"]))
        c.execute("SET enable_external_access=false")
        c.execute("SET memory_limit='1GB'")
        c.execute("SET lock_configuration=true")
        return c

    def score(case: Case) -> Score:
        goals, problem = [], ""
        for t in targets(case):
            try:
                goals.append((_run(connect(case), t), _ORDERED.search(t) is not None))
            except duckdb.Error as e:
                problem = str(e).splitlines()[0]
        if not goals:
            return Score(None, error=f"the target's query fails: {problem}"[:200])
        query = extract(case.text)
        try:
            found = _run(connect(case), query)
        except duckdb.Error as e:
            return Score(0.0, query[:200], why=str(e).splitlines()[0][:200])
        right = any(same(found, rows, ordered) for rows, ordered in goals)
        return Score(float(right), query[:200], why="" if right else f"{len(found)} rows, other than the target's {len(goals[0][0])}")

    return Scorer("sql", score, about="the query's result equals the target's")


def extract(text: str) -> str:
    """The query of an answer: its first fenced block, or all of it.

    >>> extract("```sql\\nselect 1\\n```")
    'select 1'
    """
    found = _FENCED.search(text)
    return (found.group(1) if found else text).strip().rstrip(";")


def _run(connection: Any, query: str) -> list[tuple[Any, ...]]:
    """The query's rows; one that takes too long is interrupted, and that is an error of DuckDB's."""

    async def limited() -> list[tuple[Any, ...]]:
        work = asyncio.ensure_future(aside(lambda: list(connection.execute(query).fetchall())))
        done, _ = await asyncio.wait([work], timeout=SECONDS)
        if not done:
            connection.interrupt()
        return await work

    try:
        return wait(limited())
    finally:
        connection.close()


def same(a: list[tuple[Any, ...]], b: list[tuple[Any, ...]], ordered: bool) -> bool:
    """Whether two tables hold the same rows, floats to 9 digits.

    >>> same([(1, "x"), (2, "y")], [(2, "y"), (1, "x")], False)
    True
    """
    x, y = [tuple(map(_cell, r)) for r in a], [tuple(map(_cell, r)) for r in b]
    return x == y if ordered else Counter(x) == Counter(y)


def _cell(value: Any) -> Any:
    as_number: Callable[[float], Any] = lambda v: round(v, 9) if math.isfinite(v) and abs(v) < 1e9 else float(f"{v:.9g}")  # noqa: E731
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)) or type(value).__name__ == "Decimal":
        return as_number(float(value))
    return str(value)
