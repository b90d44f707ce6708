"""Files as tables of a DuckDB that is not locked yet: CSV, TSV, JSON, JSON Lines, Parquet, xlsx."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.optional import require
from .frames import built

_READERS = {
    ".csv": "read_csv(?)",
    ".tsv": "read_csv(?, delim='\t')",
    ".json": "read_json(?)",
    ".jsonl": "read_json(?, format='newline_delimited')",
    ".ndjson": "read_json(?, format='newline_delimited')",
    ".parquet": "read_parquet(?)",
    ".pq": "read_parquet(?)",
}
_NULLS = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NULL", "null", "None")  # no values, where the others are numbers or dates
_INFLATED = 500 << 20  # bytes of an xlsx file's contents
SUFFIXES = (*_READERS, ".xlsx")


def is_path(value: object) -> bool:
    """Whether a value names a file: a Path, or a text with the suffix of a table."""
    return isinstance(value, Path) or (isinstance(value, str) and "\n" not in value and len(value) < 4_096)


def load(duckdb: Any, connection: Any, name: str, path: Path) -> tuple[str, list[str]]:
    """Make the table `name` of a file; return the file that queries still read, or "", and notes.

    A Parquet file is read by the queries, the others are read now. Raises UsageError.
    """
    path = path.expanduser()
    suffix = path.suffix.lower()
    if re.match(r"[a-z][a-z0-9+.-]+://", str(path)) or ":/" in str(path)[:12]:
        raise UsageError("A table is read from a file of this machine", detail=str(path)[:80], hint="Download it first.")
    if suffix not in SUFFIXES:
        raise UsageError("Tables are not read from this kind of file", detail=path.name, hint=f"Kinds: {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise UsageError("No such file", detail=str(path))
    path = path.resolve()
    if suffix == ".xlsx":
        return "", _load_workbook(duckdb, connection, name, path)
    # A path is a pattern to DuckDB, and an argument here: only the characters of patterns are escaped.
    pattern = re.sub(r"([*?\[\]])", r"[\1]", str(path))
    try:
        if suffix in (".parquet", ".pq") and pattern == str(path):  # a pattern would not be the path that is allowed later
            literal = "'" + pattern.replace("'", "''") + "'"
            connection.execute(f"CREATE VIEW {quoted(name)} AS SELECT * FROM read_parquet({literal})")
            return str(path), []
        select, notes = _columns(connection, name, suffix, pattern)
        connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT {select} FROM {_READERS[suffix]}", [pattern])
    except duckdb.OutOfMemoryException:
        raise UsageError(
            "The file does not fit into memory", detail=path.name, hint="Convert it to Parquet, which is read in parts."
        ) from None
    except duckdb.Error as e:
        raise UsageError("The file cannot be read as a table", detail=f"{path.name}: {str(e).splitlines()[0][:200]}") from None
    return "", notes


def _columns(connection: Any, name: str, suffix: str, pattern: str) -> tuple[str, list[str]]:
    """What to select of a file, and notes: a column that is text only for its NA is read without it.

    In other columns NA stays, such as the code of Namibia.
    """
    if suffix not in (".csv", ".tsv"):
        return "*", []
    reader = _READERS[suffix]
    plain = connection.execute(f"DESCRIBE SELECT * FROM {reader}", [pattern]).fetchall()
    without = connection.execute(f"DESCRIBE SELECT * FROM {reader[:-1]}, nullstr={list(_NULLS)!r})", [pattern]).fetchall()
    changed = [
        (a[0], b[1])
        for a, b in zip(plain, without, strict=True)
        if a[0] == b[0] and a[1] == "VARCHAR" and b[1] not in ("VARCHAR", "BOOLEAN")
    ]
    if not changed:
        return "*", []
    nulls = ", ".join(f"'{n}'" for n in _NULLS)
    casts = [f"CAST(CASE WHEN {quoted(c)} NOT IN ({nulls}) THEN {quoted(c)} END AS {kind}) AS {quoted(c)}" for c, kind in changed]
    shown = ", ".join(c for c, _ in changed[:5]) + ", …" * (len(changed) > 5)
    return f"* REPLACE ({', '.join(casts)})", [f"{name}: NA and the like are null in {shown}"]


def _load_workbook(duckdb: Any, connection: Any, name: str, path: Path) -> list[str]:
    """The first sheet of a workbook; its first row has the names of the columns."""
    openpyxl = require("openpyxl", "sql", "to read xlsx files", package="openpyxl")
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(i.file_size for i in archive.infolist()) > _INFLATED:
                raise UsageError("The workbook is too large", detail=path.name, hint="Save the sheet as CSV or Parquet.")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        sheet, others = book.worksheets[0], [s.title for s in book.worksheets[1:]]
        rows = [tuple(r) for r in sheet.iter_rows(values_only=True)]
        book.close()
    except UsageError:
        raise
    except Exception as e:  # openpyxl raises what its XML reader and its own code raise
        raise UsageError("The workbook cannot be read", detail=f"{path.name}: {type(e).__name__}") from None
    rows = [r for r in rows if any(v is not None for v in r)]
    if not rows:
        raise UsageError("The first sheet is empty", detail=path.name)
    names = [str(v) if v is not None else f"column{i + 1}" for i, v in enumerate(rows[0])]
    names = [n if names.index(n) == i else f"{n}_{i + 1}" for i, n in enumerate(names)]
    columns = {n: [r[i] for r in rows[1:]] for i, n in enumerate(names)}
    connection.register("fmnb_sheet", built(columns, name))
    connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM fmnb_sheet")
    connection.unregister("fmnb_sheet")
    shown = ", ".join(others[:5])
    return [f"{name}: the first sheet, {sheet.title}, was read; the others were not: {shown}"] if others else []


def quoted(name: str) -> str:
    """A name as an identifier of SQL.

    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'
