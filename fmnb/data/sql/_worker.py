"""The lock of a DuckDB connection, and a process that runs queries with limits.

The SQL scorer starts this file as text, so it imports nothing of fmnb. It reads lines of JSON (database,
setup, query, rows) and writes a line of JSON for each (rows, or an error and its phase).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

OPENING = (  # before anything is read: no extension comes from the network
    "SET autoinstall_known_extensions=false",
    "SET autoload_known_extensions=false",
    "SET allow_community_extensions=false",
)
LOCK = (  # in this order, once what belongs in the database is there: the last two block access and further changes
    "SET python_enable_replacements=false",
    "SET threads=2",
    "SET memory_limit='1GB'",
    "SET temp_directory=''",  # nothing is written, not even the folder
    "SET max_temp_directory_size='0KB'",
    "SET enable_external_access=false",
    "SET lock_configuration=true",
)

ALLOWED_STATEMENTS = {"SELECT", "MULTI"}  # MULTI is PIVOT, which first reads the columns


def connect(duckdb: Any, database: str = "") -> Any:
    """Open a file read-only, or a database in memory; no extension is loaded."""
    c = duckdb.connect(database, read_only=True) if database else duckdb.connect(":memory:")
    if not database or not is_locked(c):
        change(duckdb, c, OPENING)
    return c


def is_locked(connection: Any) -> bool:
    """Whether it is locked already: connections of one process to one file share their settings."""
    found = connection.execute("SELECT current_setting('lock_configuration'), current_setting('enable_external_access')").fetchone()
    return tuple(found) == (True, False)


def change(duckdb: Any, connection: Any, settings: Iterable[str]) -> None:
    """Run these settings in their order; an older DuckDB does not know some of them."""
    for setting in settings:
        try:
            connection.execute(setting)
        except duckdb.CatalogException:
            continue


def answer(duckdb: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The rows of a query after its setup, or an error."""
    c, phase = None, "database"
    try:
        c = connect(duckdb, request["database"])
        change(duckdb, c, LOCK)
        if request["setup"]:
            phase = "setup"
            c.execute(request["setup"])
        phase = "query"
        kinds = [s.type.name for s in c.extract_statements(request["query"])]
        if not kinds:
            return {"error": "there is no query"}
        extra_kinds = set() if "create" in request["query"].lower() else {"CREATE"}  # DuckDB before 2 makes a type for PIVOT
        if not set(kinds) <= ALLOWED_STATEMENTS | extra_kinds:
            return {"error": "not a query: only SELECT (or WITH, VALUES, FROM ...) runs"}
        result = c.execute(request["query"])
        fetched: list[list[Any]] = []
        size = 0
        while rows := result.fetchmany(500):
            fetched += [[cell(v) for v in row] for row in rows]
            size += sum(len(v) for row in fetched[-len(rows) :] for v in row if isinstance(v, str))
            if len(fetched) > request["rows"]:
                return {"error": f"more than {request['rows']:,} rows"}
            if size > request["bytes"]:
                return {"error": f"more than {request['bytes'] >> 20} MB of text"}
        return {"rows": fetched}
    except MemoryError:
        return {"error": f"the {phase} exceeds the memory limit", "of": phase}
    except Exception as e:
        return {"error": (str(e).strip() or type(e).__name__).splitlines()[0][:300], "of": phase}
    finally:
        if c is not None:
            c.close()


def cell(value: Any) -> Any:
    """A value as JSON; anything but null, booleans, numbers and text becomes text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return float(value) if type(value).__name__ == "Decimal" else str(value)


def serve() -> None:
    """Answer requests line by line until the input ends."""
    import json
    import os
    import resource
    import sys

    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a progress bar would be drawn there
    setup = json.loads(sys.stdin.readline())
    sys.path[:] = setup["path"]
    import duckdb  # type: ignore[import-untyped, unused-ignore]

    try:
        resource.setrlimit(resource.RLIMIT_AS, (setup["memory"], setup["memory"]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ValueError, OSError):
        pass
    for line in sys.stdin:
        out.write(json.dumps(answer(duckdb, json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    serve()
