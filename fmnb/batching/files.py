"""Tables in files that need never fit into memory: Parquet, CSV and JSONL, one or a pattern of many, read a chunk at a time."""

from __future__ import annotations

import glob
import importlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from .._require import require
from ..errors import UsageError
from .tables import Table, table_of

KINDS = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".tsv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_BLOCK = 8 << 20  # bytes of a CSV file read at a time; the first decides what its columns hold


@dataclass(frozen=True)
class Files:
    """A table in files. `count` is None where it is not known without reading; `chunks(rows)` gives Arrow tables of that many rows.

    `mark` changes with the files.
    """

    paths: tuple[Path, ...]
    columns: tuple[str, ...]
    count: int | None
    mark: str
    chunks: Callable[[int], Iterator[Table]]

    def head(self, rows: int) -> Table:
        """The beginning, as a table."""
        return next(self.chunks(rows), None) or table_of(_arrow().table({n: [] for n in self.columns}))


def is_path(value: Any) -> bool:
    """Whether a value names files rather than being a table."""
    return isinstance(value, (str, Path))


def files_of(given: str | Path) -> Files:
    """The table that a path or pattern names. UsageError when nothing is there or it is of another kind."""
    text = str(Path(given).expanduser())
    found = sorted(map(Path, glob.glob(text, recursive=True))) if glob.has_magic(text) and not Path(text).exists() else [Path(text)]
    paths = [p for p in found if p.is_file()]
    if Path(text).is_dir():
        raise UsageError("That is a folder", seen=text, todo=f"Say which of its files: {str(Path(text) / '*.parquet')!r}.")
    if not paths:
        raise UsageError("There is no such file", seen=text, todo="Name a Parquet, CSV or JSONL file, or a pattern of several in quotes.")
    kinds = {KINDS.get(p.suffix.lower(), p.suffix) for p in paths}
    if len(kinds) > 1 or not kinds <= set(KINDS.values()):
        raise UsageError(
            "These files cannot be gone over", seen=", ".join(sorted(map(str, kinds))), todo="Parquet, CSV and JSONL, one kind at a time."
        )
    kind = kinds.pop()
    _arrow()
    stats = [(p, p.stat()) for p in paths]
    mark = json.dumps([[str(p.resolve()), s.st_size, s.st_mtime_ns] for p, s in stats])
    batches = {"parquet": _parquet, "csv": _csv, "jsonl": _jsonl}[kind]

    def chunks(rows: int) -> Iterator[Table]:
        return (table_of(t) for t in _even(batches(paths), rows))

    if kind == "parquet":
        parquet = importlib.import_module("pyarrow.parquet")
        count: int | None = sum(parquet.read_metadata(p).num_rows for p in paths)
        names = parquet.read_schema(paths[0]).names
    else:
        first = next(batches(paths), None)
        count, names = None, first.schema.names if first is not None else []
    return Files(tuple(paths), tuple(names), count, mark, chunks)


def whole(files: Files) -> Table:
    """All of it in memory."""
    parts = [c.add(()) for c in files.chunks(100_000)]
    return table_of(_arrow().concat_tables(parts)) if parts else files.head(1)


def _arrow() -> Any:
    return require("pyarrow", "tables", "to read tables in files")


def _parquet(paths: Sequence[Path]) -> Iterator[Any]:
    parquet = importlib.import_module("pyarrow.parquet")
    for path in paths:
        with parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=4096)


def _csv(paths: Sequence[Path]) -> Iterator[Any]:
    arrow, csv = _arrow(), importlib.import_module("pyarrow.csv")
    for path in paths:
        try:
            reader = csv.open_csv(
                path,
                read_options=csv.ReadOptions(block_size=_BLOCK),
                parse_options=csv.ParseOptions(newlines_in_values=True, delimiter="\t" if path.suffix.lower() == ".tsv" else ","),
            )
            with reader:
                yield from reader
        except arrow.ArrowInvalid as e:
            raise UsageError(
                f"{path.name} cannot be read as a table", seen=str(e)[:200], todo="Mend the file, or write it as Parquet."
            ) from None


def _jsonl(paths: Sequence[Path]) -> Iterator[Any]:
    arrow = _arrow()
    schema = None
    for path in paths:
        with path.open(encoding="utf-8") as lines:
            numbered = enumerate(lines, 1)
            while some := list(islice(numbered, 4096)):
                rows = [_object(path, n, line) for n, line in some if line.strip()]
                try:
                    table = arrow.Table.from_pylist(rows, schema=schema)
                except arrow.ArrowException as e:
                    raise UsageError(f"{path.name} changes its columns' kinds", seen=str(e)[:200], todo="Write it as Parquet.") from None
                odd = set().union(*rows) - set(table.schema.names) if schema is not None else ()
                if odd:
                    raise UsageError(f"{path.name} has more columns further down", seen=", ".join(sorted(odd)), todo="Write it as Parquet.")
                schema = table.schema
                yield from table.to_batches()


def _object(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as e:
        raise UsageError(f"Line {number} of {path.name} is no JSON", seen=str(e), todo="Mend the line, or leave it out.") from None
    if not isinstance(row, dict):
        raise UsageError(
            f"Line {number} of {path.name} is no object", seen=line.strip()[:60], todo='Each line is one row: {"column": value, ...}.'
        )
    return row


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
