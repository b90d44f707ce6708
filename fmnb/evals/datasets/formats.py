"""Reads tables and test files as rows: frames, CSV, JSONL, Parquet, OpenAI evals, inspect.

Readers return plain dicts; `samples_from` interprets the columns.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...batch.io.tables import missing, table_of
from ...core.errors import UsageError
from ...core.optional import require
from .sample import Sample, content_id, to_json_value

Row = dict[str, Any]


def rows_of(source: Any) -> list[Row]:
    """The rows of a frame, a list of dicts, or a file, whose extension gives the format.

    Frames of pandas, polars, pyarrow and Hugging Face datasets are supported.

    >>> rows_of([{"a": 1}])
    [{'a': 1}]
    """
    if isinstance(source, (str, Path)):
        return read(Path(source).expanduser())
    if hasattr(source, "column_names") and hasattr(source, "to_list"):  # a data set of Hugging Face
        source = source.to_list()
    table = table_of(source)
    return [dict(zip(table.columns, row, strict=True)) for row in table.take(table.columns)]


def read(path: Path) -> list[Row]:
    """Read the rows of a file: .csv, .tsv, .json, .jsonl, .parquet."""
    readers: dict[str, Callable[[Path], list[Row]]] = {
        ".csv": lambda p: _csv(p, ","),
        ".tsv": lambda p: _csv(p, "\t"),
        ".jsonl": _jsonl,
        ".ndjson": _jsonl,
        ".json": _json,
        ".parquet": lambda p: require("pyarrow.parquet", "frames", "to read Parquet", package="pyarrow").read_table(p).to_pylist(),
    }
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError("Unknown file format", detail=path.name, hint=f"One of {', '.join(readers)}.")
    try:
        return reader(path)
    except FileNotFoundError:
        matches = difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*")] if path.parent.is_dir() else [], 1)
        raise UsageError("No such file", detail=str(path), hint=f"Did you mean {matches[0]}?" if matches else "") from None
    except UnicodeDecodeError as e:
        raise UsageError("The file is not UTF-8 text", detail=f"{path.name}, byte {e.start}", hint="Save it as UTF-8.") from None


def _csv(path: Path, delimiter: str) -> list[Row]:
    text = path.read_text(encoding="utf-8-sig")
    csv.field_size_limit(10**9)
    reader = csv.DictReader(io.StringIO(text), delimiter=delimiter)
    rows = []
    for row in reader:
        if None in row:
            raise UsageError("A row has more cells than the header", detail=f"{path.name}, line {reader.line_num}")
        rows.append({k: v for k, v in row.items() if v is not None})
    return rows


def _jsonl(path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as e:
                raise UsageError("A line is not JSON", detail=f"{path.name}, line {number}: {e}") from None
            if not isinstance(row, dict):
                raise UsageError("A line is not a JSON object", detail=f"{path.name}, line {number}: {line[:40]}")
            rows.append(row)
    return rows


def _json(path: Path) -> list[Row]:
    try:
        data = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as e:
        raise UsageError("The file is not JSON", detail=f"{path.name}: {e}") from None
    if isinstance(data, dict):
        data = data.get("samples") or data.get("data") or data.get("rows")  # an inspect log, or rows under a name
    if not isinstance(data, list) or not all(isinstance(r, dict) for r in data):
        raise UsageError("The file does not contain a list of objects", detail=path.name)
    return data


def samples_from(
    rows: Sequence[Mapping[str, Any]], *, target: str | None = None, id: str | None = None, group: str | None = None
) -> tuple[list[Sample], str]:
    """Convert rows to samples, and return the name of the group column.

    `target`, `id` and `group` name columns; by default the columns with these names, for `group` also
    user or template. Files of `Dataset.save`, OpenAI evals (`input`, `ideal`) and inspect (`input`, `target`,
    `choices`, `metadata`) are recognized by their columns. Raises UsageError for a missing column and
    for two rows with the same id.

    >>> samples_from([{"q": "2+2", "target": 4}])[0][0].values
    {'q': '2+2'}
    """
    names = list(dict.fromkeys(k for r in rows for k in r))
    for column in (target, id, group):
        if column is not None and column not in names:
            if not rows:
                raise UsageError("The table has no rows", detail=f"so it has no {column!r} to read", hint="Give a table with rows.")
            matches = difflib.get_close_matches(column, names, 1)
            raise UsageError(
                "No such column", detail=repr(column), hint=f"Did you mean {matches[0]}?" if matches else f"Columns: {', '.join(names)}."
            )
    if "values" in names and all(isinstance(r.get("values"), Mapping) for r in rows):
        samples = [Sample.from_dict(r) for r in rows]
    else:
        if target is None:
            target = "ideal" if "ideal" in names and "input" in names else "target" if "target" in names else None
        group = group or next((n for n in ("group", "user", "template") if n in names), None)
        id = id or ("id" if "id" in names else None)
        samples = [_sample(r, target, id, group) for r in rows]
    return _with_unique_ids(samples, has_ids=id is not None or any("id" in r for r in rows)), group or ""


def _sample(row: Mapping[str, Any], target: str | None, id: str | None, group: str | None) -> Sample:
    values = {k: to_json_value(v) for k, v in row.items() if k not in (target, id, "split") and not missing(v)}
    if isinstance(values.get("input"), list):  # messages, as OpenAI-evals and inspect write them
        values["input"] = "\n\n".join(str(m.get("content", "")) if isinstance(m, Mapping) else str(m) for m in values["input"])
    target_value = to_json_value(row.get(target)) if target else None
    row_id = row.get(id) if id else None
    group_value = to_json_value(row.get(group)) if group else None
    return Sample(
        str(row_id) if row_id not in (None, "") else content_id(values, target_value),
        values,
        target_value if target_value != "" else None,
        None if group_value in (None, "") else str(group_value),
        str(row.get("split") or ""),
    )


def _with_unique_ids(samples: list[Sample], has_ids: bool) -> list[Sample]:
    """Make ids unique: equal rows without ids get numbers; two rows with the same id are an error."""
    counts: dict[str, int] = {}
    out = []
    for s in samples:
        n = counts[s.id] = counts.get(s.id, 0) + 1
        if n > 1 and has_ids:
            raise UsageError("Two rows have the same id", detail=s.id, hint="Give each row its own id, or omit the column.")
        out.append(s if n == 1 else Sample.from_dict({**s.to_dict(), "id": f"{s.id}-{n}"}))
    return out
