"""Frames of every kind in and out of DuckDB: what can be registered, and results of the same kind."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ...core.errors import UsageError
from ...core.optional import require

_CHUNK = 2_048  # rows of one vector of DuckDB


@dataclass(frozen=True)
class Frame:
    """A value that DuckDB can register, the kind that went in, and the `attrs` of a DataFrame."""

    value: Any = field(repr=False)
    kind: str
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)


def frame_of(value: Any, name: str) -> Frame:
    """A table in memory as a frame that DuckDB reads without a copy, where there is such a way.

    The kinds are pandas, polars, arrow, duckdb, dicts and columns. Raises UsageError if it is no table.
    """
    for base in type(value).__mro__:  # a GeoDataFrame is a DataFrame
        match base.__module__.split(".")[0], base.__name__:
            case "pandas", "DataFrame":
                return Frame(_plain_pandas(value, name), "pandas", value.attrs)
            case "pandas", "Series":
                return Frame(_plain_pandas(value.to_frame(value.name if value.name is not None else "value"), name), "pandas", value.attrs)
            case "polars", "DataFrame":
                return Frame(value, "polars")
            case "polars", "LazyFrame":
                return Frame(value.collect(), "polars")
            case "polars", "Series":
                return Frame(value.to_frame(value.name or "value"), "polars")
            case "pyarrow", "Table":
                return Frame(value, "arrow")
            case "pyarrow", "RecordBatch":
                return Frame(sys.modules["pyarrow"].Table.from_batches([value]), "arrow")
            case "pyarrow", ("ChunkedArray" | "Array"):
                return Frame(sys.modules["pyarrow"].table({"value": value}), "arrow")
            case (("duckdb" | "_duckdb"), "DuckDBPyRelation"):
                return Frame(_arrow_of(value), "duckdb")
    if isinstance(value, Mapping) and value and all(isinstance(v, (list, tuple)) for v in value.values()):
        if len({len(v) for v in value.values()}) > 1:
            lengths = ", ".join(f"{k}: {len(v)}" for k, v in islice(value.items(), 6))
            raise UsageError("The columns have different lengths", detail=f"{name}: {lengths}")
        return Frame(built({str(k): list(v) for k, v in value.items()}, name), "columns")
    if isinstance(value, (list, tuple)) and value and all(isinstance(r, Mapping) for r in value):
        names = dict.fromkeys(str(k) for r in value for k in r)
        keyed = [{str(k): v for k, v in r.items()} for r in value]
        return Frame(built({n: [r.get(n) for r in keyed] for n in names}, name), "dicts")
    if isinstance(value, (list, tuple)) and value and all(isinstance(r, str) for r in value):
        return Frame(built({"text": list(value)}, name), "dicts")
    if hasattr(value, "__arrow_c_stream__"):
        return Frame(importlib.import_module("pyarrow").table(value), "arrow")
    raise UsageError(
        "This is not a table",
        detail=f"{name}: {type(value).__name__}",
        hint="Pass a DataFrame, an Arrow table, a DuckDB relation, a list of dicts, or the path of a CSV, JSON, Parquet or xlsx file.",
    )


def _plain_pandas(frame: Any, name: str) -> Any:
    """A DataFrame with text columns and a column for each named level of the index."""
    pandas = sys.modules["pandas"]
    out = frame
    if any(n is not None for n in frame.index.names):
        out = out.reset_index()
    names = [" / ".join(str(p) for p in c if str(p)) if isinstance(c, tuple) else str(c) for c in out.columns]
    if twice := [n for n in names if names.count(n) > 1]:
        raise UsageError("Two columns have the same name", detail=f"{name}: {twice[0]}", hint="Rename one of them.")
    if names != list(out.columns):
        out = out.copy(deep=False)
        out.columns = pandas.Index(names)
    odd = [c for c, t in zip(names, out.dtypes, strict=True) if str(t).startswith(("period", "interval", "complex", "Sparse", "geometry"))]
    return out.assign(**{c: out[c].astype(str) for c in odd}) if odd else out


def built(columns: dict[str, list[Any]], name: str) -> Any:
    """Lists as an Arrow table, or as a DataFrame where values of one column differ in type."""
    if importlib.util.find_spec("pyarrow") is not None:
        arrow = importlib.import_module("pyarrow")
        try:
            return arrow.table(columns)
        except (arrow.ArrowException, TypeError, ValueError, OverflowError):
            pass
    return _plain_pandas(require("pandas", "frames", "to read lists as a table").DataFrame(columns), name)


def _arrow_of(relation: Any) -> Any:
    table = relation.to_arrow_table() if hasattr(relation, "to_arrow_table") else relation.arrow()
    return table if hasattr(table, "num_rows") else table.read_all()


def default_kind() -> str:
    """The kind of results where no frame went in: pandas, or a list of dicts without it."""
    return "pandas" if importlib.util.find_spec("pandas") is not None else "dicts"


def fetch(connection: Any, query: str, kind: str, limit: int) -> tuple[Any, int, bool]:
    """The first rows of a query as a frame of this kind, their number, and whether there are more.

    No more than the limit and one chunk is read.
    """
    if kind in ("polars", "arrow", "duckdb"):
        return _fetch_arrow(connection.sql(query), kind, limit)
    connection.execute(query)
    if kind == "pandas":
        return _fetch_pandas(connection, limit)
    names = unique([d[0] for d in connection.description or ()])
    rows = connection.fetchmany(limit + 1)
    frame = frame_of_rows(names, rows[:limit], kind)
    return frame, min(len(rows), limit), len(rows) > limit


def frame_of_rows(names: list[str], rows: list[tuple[Any, ...]], kind: str) -> Any:
    """Rows as a frame of this kind; anything but lists and dicts becomes a DataFrame."""
    if kind == "columns":
        return {n: [r[i] for r in rows] for i, n in enumerate(names)}
    if kind == "dicts":
        return [dict(zip(names, r, strict=True)) for r in rows]
    return require("pandas", "frames", "to make a DataFrame").DataFrame(rows, columns=names)


def _fetch_pandas(connection: Any, limit: int) -> tuple[Any, int, bool]:
    pandas = require("pandas", "frames", "to make a DataFrame")
    whole = {i for i, d in enumerate(connection.description or ()) if str(d[1]) in ("HUGEINT", "UHUGEINT")}
    chunks: list[Any] = []
    count = 0
    while count <= limit:
        chunk = connection.fetch_df_chunk(max(1, -(-(limit + 1 - count) // _CHUNK)))
        chunks += [chunk] if len(chunk) or not chunks else []
        count += len(chunk)
        if not len(chunk):
            break
    frame = chunks[0] if len(chunks) == 1 else pandas.concat(chunks, ignore_index=True)
    more = len(frame) > limit
    frame = frame.iloc[:limit].reset_index(drop=True) if more else frame
    for i in whole:  # a sum of whole numbers, which DuckDB hands over as floats
        values = frame.iloc[:, i]
        if values.notna().all() and (values.abs() < 2**53).all():
            frame.isetitem(i, values.astype("int64"))
    return frame, len(frame), more


def _fetch_arrow(relation: Any, kind: str, limit: int) -> tuple[Any, int, bool]:
    arrow = require("pyarrow", "tables", "to read results")
    reader = (relation.to_arrow_reader if hasattr(relation, "to_arrow_reader") else relation.fetch_arrow_reader)(_CHUNK)
    batches, count = [], 0
    for batch in reader:
        batches.append(batch)
        count += batch.num_rows
        if count > limit:
            break
    table = arrow.Table.from_batches(batches, reader.schema)
    more = table.num_rows > limit
    table = table.slice(0, limit)
    for i, column in enumerate(table.schema):
        if arrow.types.is_decimal(column.type) and column.type.precision == 38 and column.type.scale == 0:  # a sum of whole numbers
            try:
                table = table.set_column(i, column.name, table.column(i).cast(arrow.int64()))
            except arrow.ArrowException:
                pass
    if kind == "polars":
        return importlib.import_module("polars").from_arrow(table), table.num_rows, more
    if kind == "duckdb":
        return importlib.import_module("duckdb").from_arrow(table), table.num_rows, more
    return table, table.num_rows, more


def unique(names: list[str]) -> list[str]:
    """Names without repetition: the second "n" becomes "n_2"."""
    out: list[str] = []
    for n in names:
        free, k = n, 2
        while free in out:
            free, k = f"{n}_{k}", k + 1
        out.append(free)
    return out


def head(frame: Any, kind: str, count: int) -> list[dict[str, Any]]:
    """The first rows of a frame as dicts of Python values."""
    match kind:
        case "pandas":
            part = frame.iloc[:count].astype(object)
            return [{str(k): _python(v) for k, v in r.items()} for r in part.to_dict("records")]
        case "polars":
            return frame.head(count).to_dicts()
        case "arrow":
            return frame.slice(0, count).to_pylist()
        case "duckdb":
            return [dict(zip(frame.columns, r, strict=True)) for r in frame.limit(count).fetchall()]
        case "columns":
            return [dict(zip(frame, r, strict=True)) for r in islice(zip(*frame.values(), strict=True), count)]
        case _:
            return list(frame[:count])


def _python(value: Any) -> Any:
    """A cell of pandas as a Python value; missing ones are None."""
    if value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value):
        return None
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value
