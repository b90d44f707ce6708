"""One interface to all kinds of tables: names, types, null counts, and rows by number.

Tables are recognized by the module of their class, so no table library is imported here.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """`nulls(k)` counts nulls in the first k columns; `take(rows, k)` returns the first k values of rows.

    `rows` is None for a lazy table.
    """

    kind: str
    rows: int | None
    names: list[str]
    types: list[str]
    nulls: Callable[[int], list[int]]
    take: Callable[[list[int], int], list[list[Any]]]

    @property
    def columns(self) -> int:
        """Number of columns."""
        return len(self.names)


def table_of(value: Any) -> Table | None:
    """The value as a table, or None."""
    root = type(value).__module__.split(".")[0]
    kind = type(value).__name__
    for base in type(value).__mro__:  # a GeoDataFrame is a DataFrame
        root, name = base.__module__.split(".")[0], base.__name__
        if root == "pandas" and name == "DataFrame":
            return _pandas(value, kind)
        if root == "pandas" and name in ("Series", "Index"):
            frame = (
                value.to_frame(name=value.name if value.name is not None else "value") if name == "Series" else value.to_frame(index=False)
            )
            return _pandas(frame, kind)
        if root == "polars" and name == "DataFrame":
            return _polars(value, "DataFrame (polars)")
        if root == "polars" and name == "Series":
            return _polars(value.to_frame(), "Series (polars)")
        if root == "polars" and name == "LazyFrame":
            found = value.collect_schema()
            names = list(found.names())
            return Table("LazyFrame (polars)", None, names, [str(t) for t in found.dtypes()], lambda k: [0] * k, lambda rows, k: [])
        if root == "numpy" and name == "ndarray":
            return _numpy(value)
        if root == "pyarrow" and name in ("Array", "ChunkedArray"):
            return _arrow(sys.modules["pyarrow"].table({"value": value}), f"{kind} (pyarrow)")
        if root == "pyarrow" and name in ("Table", "RecordBatch"):
            return _arrow(value, f"{kind} (pyarrow)")
    if isinstance(value, dict):
        return _dict_of_columns(value)
    if isinstance(value, (list, tuple)) and value and all(isinstance(v, dict) and v for v in value):
        return _list_of_dicts(value)
    if hasattr(type(value), "__arrow_c_stream__") and (pyarrow := sys.modules.get("pyarrow")):
        return _arrow(pyarrow.table(value), kind)
    return None


def _pandas(frame: Any, kind: str) -> Table:
    names = [_column(c) for c in frame.columns]
    types = [_pandas_type(t, frame.iloc[:, i]) for i, t in enumerate(frame.dtypes)]
    categories = {i: t for i, t in enumerate(frame.dtypes) if str(t) == "category"}
    for i, t in categories.items():
        types[i] = f"category of {len(t.categories):,}"
    index = frame.index
    plain = type(index).__name__ == "RangeIndex" and index.start == 0 and index.step == 1 and index.name is None
    levels = [] if plain else [index.get_level_values(i) for i in range(index.nlevels)]
    labels = [f"{level.name if level.name is not None else f'index{i or str()}'} (index)" for i, level in enumerate(levels)]
    depth = len(levels)

    def nulls(k: int) -> list[int]:
        columns = [int(level.isna().sum()) for level in levels]
        part = frame.iloc[:, : max(0, k - depth)].isna().sum()
        return (columns + [int(n) for n in part])[:k]

    def take(rows: list[int], k: int) -> list[list[Any]]:
        part = frame.iloc[rows, : max(0, k - depth)]
        columns = [level.take(rows).tolist() for level in levels] + [_values(part.iloc[:, i]) for i in range(part.shape[1])]
        return [list(row) for row in zip(*columns[:k], strict=True)]

    return Table(f"{kind} (pandas)", len(frame), labels + names, [_pandas_type(v.dtype, v) for v in levels] + types, nulls, take)


def _pandas_type(dtype: Any, cells: Any) -> str:
    """The type of a column, named the same in all pandas versions."""
    text = str(dtype)
    if text.startswith("datetime64["):
        zone = text[11:-1].partition(", ")[2]
        return f"datetime, {zone}" if zone else "datetime"
    if text.startswith("timedelta64["):
        return "timedelta"
    if text == "object":
        return "str" if sys.modules["pandas"].api.types.infer_dtype(cells, skipna=True) == "string" else "object"
    return "str" if text == "string" else text


def _values(column: Any) -> list[Any]:
    """Cells of a pandas column as Python objects; missing integers stay `<NA>`, missing times NaT."""
    return list(column.astype(object)) if str(column.dtype) == "category" else column.tolist()


def _column(label: Any) -> str:
    return " / ".join(str(part) for part in label) if isinstance(label, tuple) else str(label)


def _polars(frame: Any, kind: str) -> Table:
    def nulls(k: int) -> list[int]:
        return [int(frame.to_series(i).null_count()) for i in range(k)]

    def take(rows: list[int], k: int) -> list[list[Any]]:
        return [list(row) for row in frame[rows, :k].rows()] if k else []

    return Table(kind, frame.height, list(frame.columns), [str(t) for t in frame.dtypes], nulls, take)


def _arrow(table: Any, kind: str) -> Table:
    def nulls(k: int) -> list[int]:
        return [int(table.column(i).null_count) for i in range(k)]

    def take(rows: list[int], k: int) -> list[list[Any]]:
        columns = [[table.column(i)[r].as_py() for r in rows] for i in range(k)]
        return [list(row) for row in zip(*columns, strict=True)]

    return Table(kind, table.num_rows, list(table.schema.names), [str(t) for t in table.schema.types], nulls, take)


def _numpy(array: Any) -> Table | None:
    if array.ndim == 0:
        return None
    if array.dtype.names:  # a structured array has named columns
        names = list(array.dtype.names)
        flat = array.reshape(-1)

        def fields(rows: list[int], k: int) -> list[list[Any]]:
            return [[flat[n][r] for n in names[:k]] for r in rows]

        types = [str(array.dtype[n]) for n in names]
        return Table(f"structured array (numpy) of shape {array.shape}", len(flat), names, types, lambda k: [0] * k, fields)
    shape = f"array (numpy) of shape {array.shape}"
    if array.ndim > 2:
        shape += ", shown with its leading axes flattened"
    grid = (
        array.reshape(-1, 1) if array.ndim == 1 else array.reshape(-1, array.shape[-1]) if array.size else array.reshape(0, array.shape[-1])
    )
    names = ["value"] if array.ndim == 1 else [str(i) for i in range(grid.shape[1])]

    def nulls(k: int) -> list[int]:
        part = grid[:, :k]
        return [int(n) for n in (part != part).sum(axis=0)] if array.dtype.kind in "fcmM" else [0] * k  # NaN differs from itself

    return Table(shape, grid.shape[0], names, [str(array.dtype)] * len(names), nulls, lambda rows, k: grid[rows, :k].tolist())


def _dict_of_columns(value: dict[Any, Any]) -> Table | None:
    """A dict is a table if its values are lists of plain cells with the same length."""
    columns = list(value.values())
    if not columns or not all(isinstance(c, (list, tuple)) for c in columns) or len({len(c) for c in columns}) != 1 or len(columns[0]) < 2:
        return None
    if any(isinstance(v, (dict, list, tuple)) for c in columns for v in c[:20]):
        return None
    return _columns("dict of columns", [str(k) for k in value], [list(c) for c in columns])


def _list_of_dicts(rows: Any) -> Table:
    names: dict[Any, None] = {}
    for row in rows:
        names.update(dict.fromkeys(row))
    return _columns("list of dicts", [str(n) for n in names], [[row.get(n) for row in rows] for n in names])


def _columns(kind: str, names: list[str], columns: list[list[Any]]) -> Table:
    def nulls(k: int) -> list[int]:
        return [sum(map(_missing, c)) for c in columns[:k]]

    def take(rows: list[int], k: int) -> list[list[Any]]:
        return [[c[r] for c in columns[:k]] for r in rows]

    return Table(kind, len(columns[0]) if columns else 0, names, [_type_of(c) for c in columns], nulls, take)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _type_of(cells: list[Any]) -> str:
    kinds = sorted({type(c).__name__ for c in cells if c is not None})
    return " or ".join(kinds[:4]) + (" or others" if len(kinds) > 4 else "") if kinds else "null"
