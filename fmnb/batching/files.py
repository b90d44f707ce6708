"""Tables in files that need never fit into memory: Parquet, CSV and JSONL, one or a pattern of many, read a chunk at a time.

Files are looked through before anything is asked: what their columns hold from the first row
to the last, and how many rows there are. So a row further down, or a file that differs, is no
surprise after half of the answers were paid. Every file is then read into the same columns.
"""

from __future__ import annotations

import codecs
import functools
import glob
import importlib
import io
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .._halves import whole_text
from .._require import require
from ..errors import UsageError
from .tables import Row, Table, table_of

KINDS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
ANSWERS = ".answers"  # how a folder of parts beside its input ends
_BLOCK = 8 << 20  # bytes of a file read at a time
_LINES = 4096  # lines of a JSONL file read at a time, at most
_LONGEST = 4096  # characters of a path
_ANSWERS = re.compile(re.escape(ANSWERS) + r"(-[0-9a-f]{6})?$")
_COLUMN = re.compile(r"In CSV column #(\d+)")


@dataclass(frozen=True)
class Files:
    """A table in files, with its Arrow `schema`. `chunks(rows)` gives Arrow tables of that many rows.

    `mark` changes with the files.
    """

    paths: tuple[Path, ...]
    schema: Any
    count: int
    mark: str
    chunks: Callable[[int], Iterator[Table]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.schema.names)

    def head(self, rows: int) -> Table:
        """The beginning, as a table."""
        return next(self.chunks(rows), None) or table_of(self.schema.empty_table())


def is_path(value: Any) -> bool:
    """Whether a value names files rather than being a table."""
    return isinstance(value, (str, Path))


def files_of(given: str | Path) -> Files:
    """The table that a path or pattern names.

    UsageError when nothing is there, when it is of another kind, cannot be read, or when the
    files' columns do not go together.
    """
    paths = _paths(os.path.expanduser(given))
    kinds = {KINDS.get(p.suffix.lower(), p.suffix) for p in paths}
    if len(kinds) > 1 or not kinds <= set(KINDS.values()):
        raise UsageError(
            "These files cannot be gone over", seen=", ".join(sorted(map(str, kinds))), todo="Parquet, CSV and JSONL, one kind at a time."
        )
    kind = kinds.pop()
    _arrow()
    stats = [(p, p.stat()) for p in paths]
    mark = json.dumps([[str(p.resolve()), s.st_size, s.st_mtime_ns] for p, s in stats])
    looked = [_looked(kind, os.path.abspath(p), s.st_size, s.st_mtime_ns) for p, s in stats]
    schema = _together(paths, [s for s, _ in looked], text=kind != "parquet")
    if kind == "parquet":
        for path, (own, _) in zip(paths, looked, strict=True):
            _check_fits(path, own, schema)
    read = _READ[kind]

    def chunks(rows: int) -> Iterator[Table]:
        batches = (batch for path in paths for batch in read(path, schema))
        return (table_of(t) for t in _even(batches, rows))

    return Files(tuple(paths), schema, sum(n for _, n in looked), mark, chunks)


def whole(files: Files) -> Table:
    """All of it in memory."""
    parts = [c.add(()) for c in files.chunks(100_000)]
    return table_of(_arrow().concat_tables(parts)) if parts else files.head(1)


def rows_in(files: Files, most: int | None = None) -> Table:
    """The first rows as a table that is read anew with each look, and never held; `add` alone holds it."""
    count = files.count if most is None else min(files.count, most)

    def take(names: Sequence[str]) -> Iterator[Row]:
        left = count
        for chunk in files.chunks(10_000):
            part = chunk if chunk.count <= left else chunk.head(left)
            yield from part.take(names)
            left -= part.count
            if left <= 0:
                return

    return Table(files.columns, count, take, lambda new: whole(files).head(count).add(new), lambda n: rows_in(files, min(n, count)))


def _paths(text: str) -> list[Path]:
    """The files that a path or pattern names; those of answers only where it names their folder."""
    if os.path.isdir(text):
        raise UsageError("That is a folder", seen=text, todo=f"Say which of its files: {str(Path(text) / '*.parquet')!r}.")
    if os.path.isfile(text):
        return [Path(text)]
    found: list[Path] = []
    if glob.has_magic(text) and len(text) <= _LONGEST and "\0" not in text:
        found = [p for p in sorted(map(Path, glob.glob(text, recursive=True))) if p.is_file()]
        if ANSWERS not in text:
            found = [p for p in found if not any(map(_ANSWERS.search, p.parts[:-1]))]
    if not found:
        raise UsageError(
            "There is no such file", seen=_short(text), todo="Name a Parquet, CSV or JSONL file, or a pattern of several in quotes."
        )
    return found


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:199] + "…"


def _arrow() -> Any:
    return require("pyarrow", "tables", "to read tables in files")


# ── what is in them


@functools.lru_cache(maxsize=1024)
def _looked(kind: str, path: str, size: int, changed: int) -> tuple[Any, int]:
    """Schema and number of rows of a file as it is now. It is looked through once for `--dry`, `--head` and the whole."""
    return _LOOK[kind](Path(path))


def _together(paths: Sequence[Path], schemas: Sequence[Any], *, text: bool) -> Any:
    """One schema for all files. Columns whose types do not go together become `text`, or are a UsageError."""
    arrow, first = _arrow(), schemas[0]
    if all(s.equals(first) for s in schemas):
        return first
    types: dict[str, Any] = {}
    where: dict[str, Path] = {}
    for path, schema in zip(paths, schemas, strict=True):
        if twice := next((n for n in schema.names if schema.names.count(n) > 1), None):
            raise UsageError(f"Two columns of {path.name} have that name", seen=twice, todo="Rename one of them.")
        for name, kind in zip(schema.names, schema.types, strict=True):
            old = types.get(name, kind)
            both = _common(old, kind) or (arrow.string() if text else None)
            if both is None:
                raise UsageError(
                    f"The column {name!r} is of two types",
                    seen=f"{old} in {where[name].name}, {kind} in {path.name}",
                    todo="Write it with one type in all files, or go over them one after the other.",
                )
            if both != old or name not in where:
                where[name] = path
            types[name] = both
    return arrow.schema(list(types.items()), metadata=first.metadata)


def _common(a: Any, b: Any) -> Any:
    """A type that holds the values of both, None where there is none."""
    arrow = _arrow()
    if a == b:
        return a
    a, b = (t.value_type if arrow.types.is_dictionary(t) else t for t in (a, b))
    schemas = [arrow.schema([("", t)]) for t in (a, b)]
    try:
        return arrow.unify_schemas(schemas, promote_options="permissive").field(0).type
    except arrow.ArrowException:
        return None


def _fitted(batch: Any, schema: Any) -> Any:
    """A batch with the columns of this schema; what it does not have is missing."""
    arrow, compute = _arrow(), importlib.import_module("pyarrow.compute")
    if batch.schema.equals(schema):
        return batch
    columns = []
    for name, kind in zip(schema.names, schema.types, strict=True):
        if name not in batch.schema.names:
            columns.append(arrow.nulls(batch.num_rows, kind))
        else:  # a whole number that has no exact float becomes the nearest
            columns.append(compute.cast(batch.column(name), options=compute.CastOptions(kind, allow_float_truncate=True)))
    return arrow.RecordBatch.from_arrays(columns, schema=schema)


def _check_fits(path: Path, own: Any, schema: Any) -> None:
    """Whether all values of a Parquet file fit the columns of all files: one at its end must not stop what was paid for."""
    arrow, parquet = _arrow(), importlib.import_module("pyarrow.parquet")
    narrow = [n for n in own.names if own.field(n).type != schema.field(n).type] if not own.equals(schema) else []
    if not narrow:
        return
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=65_536, columns=narrow):
                _fitted(batch, arrow.schema([schema.field(n) for n in batch.schema.names]))
    except (arrow.ArrowException, OSError) as e:
        raise UsageError(
            f"{path.name} does not go together with the other files",
            seen=f"{', '.join(repr(n) for n in narrow)}: {str(e)[:160]}",
            todo="Write the column with one type in all files, or go over them one after the other.",
        ) from None


def _unread(path: Path, e: Exception, todo: str = "Mend the file, or write it as Parquet.") -> UsageError:
    return UsageError(f"{path.name} cannot be read as a table", seen=str(e)[:200], todo=todo)


def _not_utf8(path: Path, seen: str, likely: str = "latin-1") -> UsageError:
    todo = "Write it anew as UTF-8"
    if KINDS[path.suffix.lower()] == "csv":
        todo += f", for instance with pandas: read_csv(..., encoding={likely!r}).to_csv(..., index=False)"
    return UsageError(f"{path.name} is not encoded as UTF-8", seen=seen, todo=f"{todo}.")


# ── Parquet


def _look_parquet(path: Path) -> tuple[Any, int]:
    arrow, parquet = _arrow(), importlib.import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            return file.schema_arrow, file.metadata.num_rows
    except (arrow.ArrowException, OSError) as e:
        raise _unread(path, e, "Write it again, or leave it out.") from None


def _read_parquet(path: Path, schema: Any) -> Iterator[Any]:
    arrow, parquet = _arrow(), importlib.import_module("pyarrow.parquet")
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=4096):
                yield _fitted(batch, schema)
    except (arrow.ArrowException, OSError) as e:
        raise _unread(path, e, "Write it again, or leave it out.") from None


# ── CSV


def _open_csv(path: Path, types: dict[str, Any]) -> Any:
    csv = importlib.import_module("pyarrow.csv")
    source: Any = path
    if path.stat().st_size < 1 << 16 and not re.search(rb"[\r\n]", held := path.read_bytes()) and held:
        source = io.BytesIO(held + b"\n")  # a header alone must end as a line does
    return csv.open_csv(
        source,
        read_options=csv.ReadOptions(block_size=_BLOCK, use_threads=False),  # a thread of its own holds more blocks, and is slower
        parse_options=csv.ParseOptions(newlines_in_values=True, delimiter="\t" if path.suffix.lower() == ".tsv" else ","),
        convert_options=csv.ConvertOptions(column_types=types),
    )


def _look_csv(path: Path) -> tuple[Any, int]:
    """The first block says what the columns may hold; a cell further down that does not fit widens its column, and it begins anew."""
    arrow = _arrow()
    names: list[str] = []
    types: dict[str, Any] = {}
    while True:
        given = types
        try:
            with path.open("rb") as file:
                if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
                    raise _not_utf8(path, "it is UTF-16", "utf-16")
            with _open_csv(path, types) as reader:
                schema = reader.schema
                names = schema.names
                types = dict(zip(names, schema.types, strict=True))
                count = sum(batch.num_rows for batch in reader)
        except UnicodeDecodeError as e:
            raise _not_utf8(path, str(e)) from None
        except (arrow.ArrowException, OSError) as e:
            types = _wider(path, names, types, e)
            if types == given:
                raise _unread(path, e) from None
            continue
        for name, kind in zip(names, schema.types, strict=True):
            if kind == arrow.binary():  # what pyarrow makes of cells that are no text
                raise _not_utf8(path, f"column {name!r}")
        return schema, count


def _wider(path: Path, names: Sequence[str], types: dict[str, Any], e: Exception) -> dict[str, Any]:
    """The columns' types after a cell did not fit: empty, whole numbers, numbers, text. The same where that is not what went wrong."""
    arrow, words = _arrow(), str(e)
    at = _COLUMN.match(words)
    name = names[int(at[1])] if at and names else ""
    if "UTF8" in words:
        raise _not_utf8(path, f"column {name!r}" if name else words) from None
    if "conversion error" not in words:
        raise _unread(path, e) from None
    if not name:
        return dict.fromkeys(names, arrow.string())
    return {**types, name: {arrow.null(): arrow.int64(), arrow.int64(): arrow.float64()}.get(types[name], arrow.string())}


def _read_csv(path: Path, schema: Any) -> Iterator[Any]:
    arrow = _arrow()
    try:
        with _open_csv(path, dict(zip(schema.names, schema.types, strict=True))) as reader:
            for batch in reader:
                yield _fitted(batch, schema)
    except (arrow.ArrowException, OSError) as e:
        raise _unread(path, e) from None


# ── JSONL


def _look_jsonl(path: Path) -> tuple[Any, int]:
    """A column whose values do not go together is text: what is no text is written as JSON."""
    arrow = _arrow()
    types: dict[str, Any] = {}
    count = 0
    for rows in _objects(path):
        count += len(rows)
        for name in dict.fromkeys(n for r in rows for n in r):
            found = _array([r.get(name) for r in rows])
            kind = arrow.string() if found is None else found.type
            types[name] = _common(types.get(name, kind), kind) or arrow.string()
    return arrow.schema([(n, t if _storable(t) else arrow.string()) for n, t in types.items()]), count


def _read_jsonl(path: Path, schema: Any) -> Iterator[Any]:
    arrow = _arrow()
    for rows in _objects(path):
        columns = []
        for name, kind in zip(schema.names, schema.types, strict=True):
            values = [r.get(name) for r in rows]
            found = _array(values, kind)
            if found is None:
                found = _array([_as(v, kind) for v in values], kind)
            if found is None:
                raise UsageError(f"The column {name!r} of {path.name} changes its kind", seen=str(kind), todo="Write it as Parquet.")
            columns.append(found)
        yield arrow.RecordBatch.from_arrays(columns, schema=schema)


def _array(values: list[Any], kind: Any = None) -> Any:
    """The values as an Arrow array, None where they do not go together."""
    arrow = _arrow()
    try:
        return arrow.array(values, type=kind)
    except (arrow.ArrowException, TypeError, ValueError, OverflowError):
        return None


def _as(value: Any, kind: Any) -> Any:
    arrow = _arrow()
    if value is None:
        return None
    if kind == arrow.string():
        return whole_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
    return float(value) if kind == arrow.float64() and isinstance(value, int) else value


def _storable(kind: Any) -> bool:
    """Whether Parquet can hold it: no objects without any field."""
    arrow, parquet = _arrow(), importlib.import_module("pyarrow.parquet")
    try:
        parquet.write_table(arrow.schema([("", kind)]).empty_table(), arrow.BufferOutputStream())
    except arrow.ArrowException:
        return False
    return True


def _objects(path: Path) -> Iterator[list[dict[str, Any]]]:
    """The rows, some at a time. UsageError with the line's number for one that is none."""
    rows: list[dict[str, Any]] = []
    size = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    rows.append(_object(path, number, line))
                    size += len(line)
                if len(rows) >= _LINES or size >= _BLOCK:
                    yield rows
                    rows, size = [], 0
    except OSError as e:
        raise _unread(path, e) from None
    if rows:
        yield rows


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        text = line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as e:
        raise _not_utf8(path, f"line {number}: {e}") from None
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise UsageError(f"Line {number} of {path.name} is no JSON", seen=str(e), todo="Mend the line, or leave it out.") from None
    if not isinstance(row, dict):
        raise UsageError(
            f"Line {number} of {path.name} is no object", seen=text.strip()[:60], todo='Each line is one row: {"column": value, ...}.'
        )
    return row


_LOOK = {"parquet": _look_parquet, "csv": _look_csv, "jsonl": _look_jsonl}
_READ = {"parquet": _read_parquet, "csv": _read_csv, "jsonl": _read_jsonl}


def _even(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """Tables of so many rows each, the last with what is left."""
    arrow = _arrow()
    held: list[Any] = []
    have = 0
    for batch in batches:
        held.append(batch)
        have += batch.num_rows
        while have >= rows:
            table = arrow.Table.from_batches(held)
            yield table.slice(0, rows).combine_chunks()
            rest = table.slice(rows)
            held, have = rest.to_batches(), rest.num_rows
    if have:
        yield arrow.Table.from_batches(held).combine_chunks()
