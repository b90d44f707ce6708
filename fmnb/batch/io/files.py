"""Tables in Parquet, CSV and JSONL files, read in chunks; they need not fit into memory.

A path names one file, a pattern several. Files are scanned completely before anything is sent:
column types over all rows, and the number of rows. So a value further down or a file that
differs cannot stop a batch after half of the answers are paid. All files are then read into
the same columns.
"""

from __future__ import annotations

import functools
import glob
import importlib
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

from ...core.errors import UsageError
from .formats import KINDS, READERS, SCANNERS, arrow_library, cast_batch, common_type
from .tables import Row, Table, table_of

PARTS_SUFFIX = ".answers"  # suffix of an output folder beside its input
_MAX_PATH = 4096  # characters
_PARTS_FOLDER = re.compile(re.escape(PARTS_SUFFIX) + r"(-[0-9a-f]{6})?$")


@dataclass(frozen=True)
class Files:
    """A table in files, with its Arrow `schema`. `chunks(rows)` yields tables of that many rows.

    `fingerprint` changes with the files.
    """

    paths: tuple[Path, ...]
    schema: Any
    count: int
    fingerprint: str
    chunks: Callable[[int], Iterator[Table]]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(self.schema.names)

    def head(self, rows: int) -> Table:
        """The first rows."""
        return next(self.chunks(rows), None) or table_of(self.schema.empty_table())


def is_path(value: object) -> TypeGuard[str | Path]:
    """Whether a value names files, rather than being a table."""
    return isinstance(value, (str, Path))


def open_files(path: str | Path) -> Files:
    """Scan the files that a path or pattern names.

    Raises UsageError if there is no file, if a file has another format or cannot be read, or if
    the columns of the files do not match.
    """
    paths = _paths(os.path.expanduser(path))
    kinds = {KINDS.get(p.suffix.lower(), p.suffix) for p in paths}
    if len(kinds) > 1 or not kinds <= set(KINDS.values()):
        raise UsageError(
            "These files cannot be read as one table",
            detail=", ".join(sorted(map(str, kinds))),
            hint="Use Parquet, CSV or JSONL, one format at a time.",
        )
    kind = kinds.pop()
    arrow_library()
    stats = [(p, p.stat()) for p in paths]
    mark = json.dumps([[str(p.resolve()), s.st_size, s.st_mtime_ns] for p, s in stats])
    scans = [_scan(kind, os.path.abspath(p), s.st_size, s.st_mtime_ns) for p, s in stats]
    schema = _merge_schemas(paths, [s for s, _ in scans], text=kind != "parquet")
    if kind == "parquet":
        for path, (own, _) in zip(paths, scans, strict=True):
            _check_fits(path, own, schema)
    read = READERS[kind]

    def chunks(rows: int) -> Iterator[Table]:
        batches = (batch for path in paths for batch in read(path, schema))
        return (table_of(t) for t in _rebatch(batches, rows))

    return Files(tuple(paths), schema, sum(n for _, n in scans), mark, chunks)


def read_all(files: Files) -> Table:
    """The whole table in memory."""
    parts = [c.add(()) for c in files.chunks(100_000)]
    return table_of(arrow_library().concat_tables(parts)) if parts else files.head(1)


def lazy_table(files: Files, max_rows: int | None = None) -> Table:
    """The first rows, read again on each pass and never pending in memory; only `add` holds them."""
    count = files.count if max_rows is None else min(files.count, max_rows)

    def take(names: Sequence[str]) -> Iterator[Row]:
        remaining = count
        for chunk in files.chunks(10_000):
            part = chunk if chunk.count <= remaining else chunk.head(remaining)
            yield from part.take(names)
            remaining -= part.count
            if remaining <= 0:
                return

    return Table(files.columns, count, take, lambda new: read_all(files).head(count).add(new), lambda n: lazy_table(files, min(n, count)))


def _paths(text: str) -> list[Path]:
    """The files that a path or pattern names; output files only if it names their folder."""
    if os.path.isdir(text):
        raise UsageError("That is a folder", detail=text, hint=f"Name its files: {str(Path(text) / '*.parquet')!r}.")
    if os.path.isfile(text):
        return [Path(text)]
    paths: list[Path] = []
    if glob.has_magic(text) and len(text) <= _MAX_PATH and "\0" not in text:
        paths = [p for p in sorted(map(Path, glob.glob(text, recursive=True))) if p.is_file()]
        if PARTS_SUFFIX not in text:
            paths = [p for p in paths if not any(map(_PARTS_FOLDER.search, p.parts[:-1]))]
    if not paths:
        raise UsageError(
            "There is no such file", detail=_short(text), hint="Name a Parquet, CSV or JSONL file, or a pattern of several in quotes."
        )
    return paths


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:199] + "…"


# ── columns


@functools.lru_cache(maxsize=1024)
def _scan(kind: str, path: str, size: int, changed: int) -> tuple[Any, int]:
    """Schema and row count of a file; cached until the file changes."""
    return SCANNERS[kind](Path(path))


def _merge_schemas(paths: Sequence[Path], schemas: Sequence[Any], *, text: bool) -> Any:
    """One schema for all files. Columns of incompatible types become `text`, or raise UsageError."""
    arrow, first = arrow_library(), schemas[0]
    if all(s.equals(first) for s in schemas):
        return first
    types: dict[str, Any] = {}
    where: dict[str, Path] = {}
    for path, schema in zip(paths, schemas, strict=True):
        if duplicate := next((n for n in schema.names if schema.names.count(n) > 1), None):
            raise UsageError(f"Two columns of {path.name} have the same name", detail=duplicate, hint="Rename one of them.")
        for name, kind in zip(schema.names, schema.types, strict=True):
            old = types.get(name, kind)
            both = common_type(old, kind) or (arrow.string() if text else None)
            if both is None:
                raise UsageError(
                    f"The column {name!r} has two types",
                    detail=f"{old} in {where[name].name}, {kind} in {path.name}",
                    hint="Write it with one type in all files, or run them one after the other.",
                )
            if both != old or name not in where:
                where[name] = path
            types[name] = both
    return arrow.schema(list(types.items()), metadata=first.metadata)


def _check_fits(path: Path, own: Any, schema: Any) -> None:
    """Check that all values of a Parquet file fit the merged columns, before anything is paid."""
    arrow, parquet = arrow_library(), importlib.import_module("pyarrow.parquet")
    narrow = [n for n in own.names if own.field(n).type != schema.field(n).type] if not own.equals(schema) else []
    if not narrow:
        return
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=65_536, columns=narrow):
                cast_batch(batch, arrow.schema([schema.field(n) for n in batch.schema.names]))
    except (arrow.ArrowException, OSError) as e:
        raise UsageError(
            f"{path.name} does not match the other files",
            detail=f"{', '.join(repr(n) for n in narrow)}: {str(e)[:160]}",
            hint="Write the column with one type in all files, or run them one after the other.",
        ) from None


def _rebatch(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """Tables of that many rows each; the last has the rest."""
    arrow = arrow_library()
    pending: list[Any] = []
    have = 0
    for batch in batches:
        pending.append(batch)
        have += batch.num_rows
        while have >= rows:
            table = arrow.Table.from_batches(pending)
            yield table.slice(0, rows).combine_chunks()
            rest = table.slice(rows)
            pending, have = rest.to_batches(), rest.num_rows
    if have:
        yield arrow.Table.from_batches(pending).combine_chunks()
