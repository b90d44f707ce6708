"""Any table, as rows that go in and columns that come out: the same kind, order and index.

Supports pandas, polars, Arrow tables, DuckDB relations, lists of dicts, lists of texts and
dicts of columns; anything else with Arrow's C stream becomes an Arrow table. None of those
libraries is imported for a value of another.
"""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...core.errors import UsageError
from ...core.labels import label_frame
from ...core.types import Label

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Column:
    """A column to add. `kind` is str, int, float, bool, date, list or object (any JSON value)."""

    name: str
    values: Sequence[Any]
    kind: str = "object"
    label: Label | None = None  # of what the answers were made from


@dataclass(frozen=True)
class Table:
    """A table as a batch uses it.

    `take(names)` yields rows of these columns' values, `add` returns the table with columns added,
    `head` its first rows.
    """

    columns: tuple[str, ...]
    count: int
    take: Callable[[Sequence[str]], Iterator[Row]]
    add: Callable[[Sequence[Column]], Any]
    head: Callable[[int], Table]
    reserved: tuple[str, ...] = ()  # names besides the columns' that an added column must not use
    attributes: Mapping[str, Any] = field(default_factory=dict)  # `attrs` of a DataFrame


def table_of(value: Any) -> Table:
    """The table of a value; UsageError if it is not a table.

    >>> table_of([{"a": 1}, {"a": 2, "b": "x"}]).columns
    ('a', 'b')
    """
    for base in type(value).__mro__:  # a GeoDataFrame is a DataFrame
        root, name = base.__module__.split(".")[0], base.__name__
        match root, name:
            case "pandas", "DataFrame":
                return _pandas(value)
            case "pandas", "Series":
                return _pandas(value.to_frame(name=value.name if value.name is not None else "value"))
            case "polars", "DataFrame":
                return _polars(value)
            case "polars", "LazyFrame":
                return _polars(value.collect())
            case "polars", "Series":
                return _polars(value.to_frame(value.name or "value"))
            case "pyarrow", "Table":
                return _arrow(value, lambda table: table)
            case "pyarrow", ("ChunkedArray" | "Array"):
                return _arrow(sys.modules["pyarrow"].table({"value": value}), lambda table: table)
            case "pyarrow", "RecordBatch":
                return _arrow(sys.modules["pyarrow"].Table.from_batches([value]), lambda table: table)
            case (("duckdb" | "_duckdb"), "DuckDBPyRelation"):
                return _duckdb(value)
    if isinstance(value, Mapping) and value and all(isinstance(v, (list, tuple)) for v in value.values()):
        return _dict_of_columns(value)
    if isinstance(value, (list, tuple)):
        if all(isinstance(r, Mapping) for r in value):
            return _dicts(list(value))
        if all(isinstance(r, str) for r in value):
            return _dicts([{"text": r} for r in value])
    if hasattr(value, "__arrow_c_stream__"):
        return _arrow(importlib.import_module("pyarrow").table(value), lambda table: table)
    raise UsageError(
        "This is not a table",
        detail=type(value).__name__,
        hint="Pass a DataFrame, an Arrow table, a DuckDB relation, a list of dicts or texts, or the path of a Parquet, CSV or JSONL file.",
    )


def missing(value: Any) -> bool:
    """Whether a cell is empty: None, NaN, NaT, NA.

    >>> missing(float("nan")), missing(0), missing("")
    (True, False, False)
    """
    if value is None:
        return True
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NAType", "NaTType")


def free_name(name: str, used: Sequence[Any]) -> str:
    """The name, with a suffix if a column has it already.

    >>> free_name("text", ["id", "text"])
    'text_fm'
    """
    free, n = name, 1
    while free in used:
        free = f"{name}_fm" if n == 1 else f"{name}_fm{n}"
        n += 1
    return free


def _column_indexes(columns: Sequence[Any], names: Sequence[str]) -> list[int]:
    """The indexes of these columns. UsageError if several columns have the same name."""
    listed = [c if isinstance(c, str) else str(c) for c in columns]
    for name in names:
        if listed.count(name) > 1:
            raise UsageError("Two columns have the same name", detail=name, hint="Rename one of them.")
    return [listed.index(n) for n in names]


def _pandas(frame: Any) -> Table:
    columns = tuple(c if isinstance(c, str) else str(c) for c in frame.columns)

    def take(names: Sequence[str]) -> Iterator[Row]:
        at = _column_indexes(columns, names)
        return iter(zip(*(frame.iloc[:, i].tolist() for i in at), strict=True)) if at else iter([()] * len(frame))

    def add(new: Sequence[Column]) -> Any:
        pandas = sys.modules["pandas"]
        out = frame.copy(deep=False)
        plain = frame.columns.nlevels == 1
        extra = {c.name if plain else (c.name, *[""] * (frame.columns.nlevels - 1)): _pandas_values(pandas, c, frame.index) for c in new}
        if not extra:
            return out
        joined = pandas.concat([out, pandas.DataFrame(extra, index=frame.index)], axis=1)
        joined.columns.names = frame.columns.names
        result = joined if type(joined) is type(frame) else type(frame)(joined)
        result.attrs = dict(frame.attrs)
        label_frame(result.attrs, {c.name: c.label for c in new if c.label is not None})
        return result

    tops = tuple(str(c[0]) for c in frame.columns if not any(c[1:])) if frame.columns.nlevels > 1 else ()
    return Table(columns, len(frame), take, add, lambda n: _pandas(frame.iloc[:n]), tops, frame.attrs)


_PANDAS = {"int": "Int64", "float": "float64", "bool": "boolean", "date": "datetime64[s]"}


def _pandas_values(pandas: Any, c: Column, index: Any) -> Any:
    """One new column; whole numbers and bools keep their type beside missing values."""
    dtype: Any = _PANDAS.get(c.kind, object)
    values: Any = list(c.values)
    if c.kind == "int" and all(v is not None for v in values):
        dtype = "int64"
    if c.kind == "bool" and all(v is not None for v in values):
        dtype = "bool"
    try:
        return pandas.Series(values, index=index, dtype=dtype)
    except (TypeError, ValueError, OverflowError):  # a whole number in an answer may exceed 64 bits, a date may be in the year 9999
        return pandas.Series(values, index=index, dtype=object)


def _polars(frame: Any) -> Table:
    def take(names: Sequence[str]) -> Iterator[Row]:
        _column_indexes(frame.columns, names)
        return iter(frame.select(names).iter_rows()) if names else iter([()] * frame.height)

    def add(new: Sequence[Column]) -> Any:
        return frame.with_columns([_polars_values(sys.modules["polars"], c) for c in new]) if new else frame

    return Table(tuple(frame.columns), frame.height, take, add, lambda n: _polars(frame.head(n)))


def _polars_values(polars: Any, c: Column) -> Any:
    kinds = {"str": polars.String, "int": polars.Int64, "float": polars.Float64, "bool": polars.Boolean, "date": polars.Date}
    if c.kind in kinds:
        try:
            return polars.Series(c.name, list(c.values), dtype=kinds[c.kind])
        except (TypeError, ValueError, OverflowError, polars.exceptions.PolarsError):
            pass
    elif (listed := _strings(c.values)) is not None:
        return polars.Series(c.name, listed, dtype=polars.List(polars.String))
    return polars.Series(c.name, _texts(c.values), dtype=polars.String)


def _strings(values: Sequence[Any]) -> list[Any] | None:
    """The values if all of them are lists of texts or missing, otherwise None."""
    if not any(v is not None for v in values):
        return None
    return list(values) if all(v is None or (isinstance(v, list) and all(isinstance(x, str) for x in v)) for v in values) else None


def _texts(values: Sequence[Any]) -> list[str | None]:
    """Values of different types as JSON texts, since a typed column cannot mix them."""
    return [v if v is None or isinstance(v, str) else json.dumps(v, ensure_ascii=False, default=str) for v in values]


def _arrow(table: Any, back: Callable[[Any], Any]) -> Table:
    arrow = importlib.import_module("pyarrow")

    def take(names: Sequence[str]) -> Iterator[Row]:
        at = _column_indexes(table.column_names, names)
        if not at:
            return iter([()] * table.num_rows)
        return (row for b in table.select(at).to_batches(4096) for row in zip(*(c.to_pylist() for c in b.columns), strict=True))

    def add(new: Sequence[Column]) -> Any:
        out = table
        for c in new:
            out = out.append_column(c.name, arrow_values(arrow, c))
        return back(out)

    return Table(tuple(table.column_names), table.num_rows, take, add, lambda n: _arrow(table.slice(0, n), back))


def arrow_values(arrow: Any, c: Column) -> Any:
    """One new column as an Arrow array of a type that depends only on its kind, never on its values.

    So the parts of a table have the same types. A value that does not fit the type, such as a
    whole number of more than 64 bits, is null here; the answer's text still has it.
    """
    kinds = {"int": arrow.int64(), "float": arrow.float64(), "bool": arrow.bool_(), "date": arrow.date32()}
    kinds["list"] = arrow.list_(arrow.string())
    if c.kind not in kinds:
        return arrow.array(_texts(c.values), type=arrow.string())
    conversion_errors = (arrow.ArrowException, TypeError, ValueError, OverflowError)
    try:
        return arrow.array(list(c.values), type=kinds[c.kind])
    except conversion_errors:
        pass

    def fit(value: Any) -> Any:
        try:
            return arrow.scalar(value, type=kinds[c.kind]).as_py()
        except conversion_errors:
            return None

    return arrow.array([fit(v) for v in c.values], type=kinds[c.kind])


def _duckdb(relation: Any) -> Table:
    import duckdb

    table = relation.to_arrow_table() if hasattr(relation, "to_arrow_table") else relation.arrow()
    if not hasattr(table, "num_rows"):  # a RecordBatchReader
        table = table.read_all()
    return _arrow(table, duckdb.from_arrow)


def _dicts(rows: list[Any]) -> Table:
    columns = tuple(dict.fromkeys(str(k) for r in rows for k in r))
    keys = dict(zip(columns, columns, strict=True)) | {str(k): k for r in rows for k in r if not isinstance(k, str)}

    def take(names: Sequence[str]) -> Iterator[Row]:
        return (tuple(r[n] if n in r else r.get(keys[n]) for n in names) for r in rows)

    def add(new: Sequence[Column]) -> Any:
        return [{**r, **{c.name: c.values[i] for c in new}} for i, r in enumerate(rows)]

    return Table(columns, len(rows), take, add, lambda n: _dicts(rows[:n]))


def _dict_of_columns(value: Mapping[Any, Any]) -> Table:
    lengths = {len(v) for v in value.values()}
    if len(lengths) > 1:
        raise UsageError("The columns have different lengths", detail=", ".join(f"{k}: {len(v)}" for k, v in list(value.items())[:6]))
    columns = {str(k): list(v) for k, v in value.items()}

    def take(names: Sequence[str]) -> Iterator[Row]:
        return iter(zip(*(columns[n] for n in names), strict=True)) if names else iter([()] * max(lengths))

    def add(new: Sequence[Column]) -> Any:
        return {**columns, **{c.name: list(c.values) for c in new}}

    return Table(tuple(columns), max(lengths), take, add, lambda n: _dict_of_columns({k: v[:n] for k, v in columns.items()}))
