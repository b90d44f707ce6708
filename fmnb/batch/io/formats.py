"""Column types and rows of Parquet, CSV and JSONL files: scanned once, read in chunks.

`SCANNERS` return a file's Arrow schema and number of rows, `READERS` its rows as batches of a
schema that may be wider than its own.
"""

from __future__ import annotations

import codecs
import importlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.errors import UsageError
from ...core.optional import require
from ...core.surrogates import replace_surrogates_in_text

KINDS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_BLOCK = 8 << 20  # bytes of a file read at a time
_LINES = 4096  # lines of a JSONL file read at a time, at most
_LEADING_ZERO = re.compile(rb"""[,;\t"\r\n][ ]{0,4}[+-]?0\d""")
_COLUMN = re.compile(r"In CSV column #(\d+)")


def arrow_library() -> Any:
    return require("pyarrow", "tables", "to read tables in files")


def common_type(a: Any, b: Any) -> Any:
    """A type that holds the values of both, None if there is none."""
    arrow = arrow_library()
    if a == b:
        return a
    a, b = (t.value_type if arrow.types.is_dictionary(t) else t for t in (a, b))
    schemas = [arrow.schema([("", t)]) for t in (a, b)]
    try:
        return arrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except arrow.ArrowException:
        return None


def cast_batch(batch: Any, schema: Any) -> Any:
    """A batch with the columns of this schema; absent columns are null."""
    arrow, compute = arrow_library(), importlib.import_module("pyarrow.compute")
    if batch.schema.equals(schema):
        return batch
    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name not in batch.schema.names:
            columns.append(arrow.nulls(batch.num_rows, kind))
        else:  # a whole number without an exact float becomes the nearest one
            columns.append(compute.cast(batch.column(name), options=compute.CastOptions(kind, allow_float_truncate=True)))
    return arrow.RecordBatch.from_arrays(columns, schema=schema)


def read_error(path: Path, e: Exception, hint: str = "Repair the file, or write it as Parquet.") -> UsageError:
    return UsageError(f"{path.name} cannot be read as a table", detail=str(e)[:200], hint=hint)


def _not_utf8(path: Path, detail: str, encoding: str = "latin-1") -> UsageError:
    hint = "Save it as UTF-8"
    if KINDS[path.suffix.lower()] == "csv":
        hint += f", for instance with pandas: read_csv(..., encoding={encoding!r}).to_csv(..., index=False)"
    return UsageError(f"{path.name} is not encoded as UTF-8", detail=detail, hint=f"{hint}.")


# ── Parquet


def _scan_parquet(path: Path) -> tuple[Any, int]:
    arrow, parquet = arrow_library(), importlib.import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            return file.schema_arrow, file.metadata.num_rows
    except (arrow.ArrowException, OSError) as e:
        raise read_error(path, e, "Write the file again, or leave it out.") from None


def _read_parquet(path: Path, schema: Any) -> Iterator[Any]:
    arrow, parquet = arrow_library(), importlib.import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096):
                yield cast_batch(batch, schema)
    except (arrow.ArrowException, OSError) as e:
        raise read_error(path, e, "Write the file again, or leave it out.") from None


# ── CSV


def _open_csv(path: Path, types: dict[str, Any]) -> Any:
    csv = importlib.import_module("pyarrow.csv")
    source: Any = path
    if path.stat().st_size < 1 << 16 and not re.search(rb"[\r\n]", content := path.read_bytes()) and content:
        source = io.BytesIO(content + b"\n")  # a file with only a header must end with a line break
    return csv.open_csv(
        source,
        read_options=csv.ReadOptions(block_size=_BLOCK, use_threads=False),  # a thread would hold more blocks, and is slower
        parse_options=csv.ParseOptions(newlines_in_values=True, delimiter="\t" if path.suffix.lower() == ".tsv" else ","),
        convert_options=csv.ConvertOptions(column_types=types),
    )


def _scan_csv(path: Path) -> tuple[Any, int]:
    """Schema and number of rows.

    The first block gives the column types; a cell further down that does not fit widens its
    column, and the scan starts again. A column with a number such as 007 is text.
    """
    arrow = arrow_library()
    names: list[str] = []
    types: dict[str, Any] = {}
    while True:
        before = types
        try:
            with path.open("rb") as file:
                if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                    raise _not_utf8(path, "it is UTF-16", "utf-16")
            with _open_csv(path, types) as reader:
                schema = reader.schema
                names = schema.names
                types = dict(zip(names, schema.types, strict=True))
                count = sum(batch.num_rows for batch in reader)
            if zeros := _leading_zero_columns(path, types):
                types = {**types, **dict.fromkeys(zeros, arrow.string())}
                continue
        except UnicodeDecodeError as e:
            raise _not_utf8(path, str(e)) from None
        except (arrow.ArrowException, OSError) as e:
            types = _widen_types(path, names, types, e)
            if types == before:
                raise read_error(path, e) from None
            continue
        for name, kind in zip(names, schema.types, strict=True):
            if kind == arrow.binary():  # the type that pyarrow gives to cells that are not text
                raise _not_utf8(path, f"column {name!r}")
        return schema, count


def _leading_zero_columns(path: Path, types: Mapping[str, Any]) -> list[str]:
    """Number columns with a value that begins with zeros, such as `007`.

    They are identifiers, which must stay as they are.
    """
    arrow = arrow_library()
    numbers = [n for n, kind in types.items() if arrow.types.is_integer(kind) or arrow.types.is_floating(kind)]
    if not numbers or not _has_leading_zero(path):
        return []
    compute = importlib.import_module("pyarrow.compute")
    found: set[str] = set()
    with _open_csv(path, {**types, **dict.fromkeys(numbers, arrow.string())}) as reader:
        for batch in reader:
            for name in set(numbers) - found:
                if compute.any(compute.match_substring_regex(batch.column(name), r"^\s*[+-]?0\d")).as_py():
                    found.add(name)
    return [n for n in numbers if n in found]


def _has_leading_zero(path: Path) -> bool:
    """Whether any cell of a CSV file begins with 0 and another digit. Almost no file of numbers has one."""
    tail = b"\n"
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            if _LEADING_ZERO.search(tail + block):
                return True
            tail = block[-8:]
    return False


def _widen_types(path: Path, names: Sequence[str], types: dict[str, Any], e: Exception) -> dict[str, Any]:
    """The column types after a cell did not fit: empty, whole numbers, numbers, text.

    They are unchanged if that was not the cause of the error.
    """
    arrow, text = arrow_library(), str(e)
    at = _COLUMN.match(text)
    name = names[int(at[1])] if at and names else ""
    if "UTF8" in text:
        raise _not_utf8(path, f"column {name!r}" if name else text) from None
    if "conversion error" not in text:
        raise read_error(path, e) from None
    if not name:
        return dict.fromkeys(names, arrow.string())
    return {**types, name: {arrow.null(): arrow.int64(), arrow.int64(): arrow.float64()}.get(types[name], arrow.string())}


def _read_csv(path: Path, schema: Any) -> Iterator[Any]:
    arrow = arrow_library()
    try:
        with _open_csv(path, dict(zip(schema.names, schema.types, strict=True))) as reader:
            for batch in reader:
                yield cast_batch(batch, schema)
    except (arrow.ArrowException, OSError) as e:
        raise read_error(path, e) from None


# ── JSONL


def _scan_jsonl(path: Path) -> tuple[Any, int]:
    """Schema and number of rows. A column of mixed types is text, with JSON for other values."""
    arrow = arrow_library()
    types: dict[str, Any] = {}
    count = 0
    for rows in _read_objects(path):
        count += len(rows)
        for name in dict.fromkeys(n for r in rows for n in r):
            array = _array([r.get(name) for r in rows])
            kind = arrow.string() if array is None else array.type
            types[name] = common_type(types.get(name, kind), kind) or arrow.string()
    return arrow.schema([(n, t if _storable(t) else arrow.string()) for n, t in types.items()]), count


def _read_jsonl(path: Path, schema: Any) -> Iterator[Any]:
    arrow = arrow_library()
    for rows in _read_objects(path):
        columns = []
        for name, kind in zip(schema.names, schema.types, strict=True):
            values = [r.get(name) for r in rows]
            array = _array(values, kind)
            if array is None:
                array = _array([_cast(v, kind) for v in values], kind)
            if array is None:
                raise UsageError(f"The column {name!r} of {path.name} changes its type", detail=str(kind), hint="Write it as Parquet.")
            columns.append(array)
        yield arrow.RecordBatch.from_arrays(columns, schema=schema)


def _array(values: list[Any], kind: Any = None) -> Any:
    """The values as an Arrow array, None if they are incompatible."""
    arrow = arrow_library()
    try:
        return arrow.array(values, type=kind)
    except (arrow.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _cast(value: Any, kind: Any) -> Any:
    arrow = arrow_library()
    if value is None:
        return None
    if kind == arrow.string():
        return replace_surrogates_in_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return float(value) if kind == arrow.float64() and isinstance(value, int) else value


def _storable(kind: Any) -> bool:
    """Whether Parquet can store the type; it cannot store objects without fields."""
    arrow, parquet = arrow_library(), importlib.import_module("pyarrow.parquet")
    try:
        parquet.write_table(arrow.schema([("", kind)]).empty_table(), arrow.BufferOutputStream())
    except arrow.ArrowException:
        return False
    return True


def _read_objects(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows in chunks. UsageError with the line number for an invalid line."""
    rows: list[dict[str, Any]] = []
    size = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    rows.append(_parse_object(path, number, line))
                    size += len(line)
                if len(rows) >= _LINES or size >= _BLOCK:
                    yield rows
                    rows, size = [], 0
    except OSError as e:
        raise read_error(path, e) from None
    if rows:
        yield rows


def _parse_object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as e:
        raise _not_utf8(path, f"line {number}: {e}") from None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise UsageError(f"Line {number} of {path.name} is not JSON", detail=str(e), hint="Repair the line, or leave it out.") from None
    if not isinstance(row, dict):
        raise UsageError(
            f"Line {number} of {path.name} is not an object",
            detail=text.strip()[:60],
            hint='Each line must be a row: {"column": value, ...}.',
        )
    return row


SCANNERS = {"parquet": _scan_parquet, "csv": _scan_csv, "jsonl": _scan_jsonl}
READERS = {"parquet": _read_parquet, "csv": _read_csv, "jsonl": _read_jsonl}
