"""Queries in a process of their own, so that memory and time have a limit that holds. Started by `sql.py` as text; imports nothing of ours.

A line of JSON in (database, setup, query, rows), a line of JSON out (rows, or error and of what).
"""

from __future__ import annotations

from typing import Any

LOCKED = (  # in this order: the last two shut the door to the others
    "SET autoinstall_known_extensions=false",
    "SET autoload_known_extensions=false",
    "SET allow_community_extensions=false",
    "SET python_enable_replacements=false",
    "SET threads=2",
    "SET memory_limit='1GB'",
    "SET max_temp_directory_size='0KB'",
    "SET enable_external_access=false",
    "SET lock_configuration=true",
)

QUERIES = {"SELECT", "MULTI"}  # the second: PIVOT, which first looks which columns there are


def connect(duckdb: Any, database: str) -> Any:
    """A locked database: before anything of a row is run in it, its set-up too."""
    c = duckdb.connect(database, read_only=True) if database else duckdb.connect(":memory:")
    for setting in LOCKED:
        try:
            c.execute(setting)
        except duckdb.CatalogException:  # an older DuckDB does not know it
            continue
    return c


def answer(duckdb: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The rows of a query after its set-up, or why there are none."""
    c, of = None, "database"
    try:
        c = connect(duckdb, request["database"])
        if request["setup"]:
            of = "setup"
            c.execute(request["setup"])
        of = "query"
        kinds = [s.type.name for s in c.extract_statements(request["query"])]
        if not kinds:
            return {"error": "there is no query"}
        own = set() if "create" in request["query"].lower() else {"CREATE"}  # DuckDB before 2 makes a type for PIVOT
        if not set(kinds) <= QUERIES | own:
            return {"error": "not a query: only SELECT (or WITH, VALUES, FROM ...) is run"}
        result = c.execute(request["query"])
        found: list[list[Any]] = []
        size = 0
        while rows := result.fetchmany(500):
            found += [[cell(v) for v in row] for row in rows]
            size += sum(len(v) for row in found[-len(rows) :] for v in row if isinstance(v, str))
            if len(found) > request["rows"]:
                return {"error": f"more than {request['rows']:,} rows"}
            if size > request["bytes"]:
                return {"error": f"more than {request['bytes'] >> 20} MB of text"}
        return {"rows": found}
    except MemoryError:
        return {"error": f"the {of} needs more memory than it may have", "of": of}
    except Exception as e:
        return {"error": (str(e).strip() or type(e).__name__).splitlines()[0][:300], "of": of}
    finally:
        if c is not None:
            c.close()


def cell(value: Any) -> Any:
    """A value as JSON has it; what is no number is text."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return float(value) if type(value).__name__ == "Decimal" else str(value)


def serve() -> None:
    """Answer line after line until there are no more."""
    import json
    import os
    import resource
    import sys

    out = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # a progress bar would be drawn there
    begin = json.loads(sys.stdin.readline())
    sys.path[:] = begin["path"]
    import duckdb  # type: ignore[import-untyped, unused-ignore]

    try:
        resource.setrlimit(resource.RLIMIT_AS, (begin["memory"], begin["memory"]))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ValueError, OSError):
        pass
    for line in sys.stdin:
        out.write(json.dumps(answer(duckdb, json.loads(line))) + "\n")
        out.flush()


if __name__ == "__main__":
    serve()
