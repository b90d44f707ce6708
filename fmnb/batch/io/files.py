"""Tables in files that need never fit into memory: Parquet, CSV and JSONL, one or a pattern of many, read a chunk at a time.

Files are looked through before anything is asked: what their columns hold from the first row
to the last, and how many rows there are. So a row further down, or a file that differs, is no
surprise after half of the answers were paid. Every file is then read into the same columns.
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
from .formats import KINDS, LOOK, READ, arrow_library, common, fitted
from .tables import Row, Table, table_of

ANSWERS = ".answers"  # how a folder of parts beside its input ends
_LONGEST = 4096  # characters of a path
_ANSWERS = re.compile(re.escape(ANSWERS) + r"(-[0-9a-f]{6})?$")


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


def is_path(value: object) -> TypeGuard[str | Path]:
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
            "These files cannot be gone over", detail=", ".join(sorted(map(str, kinds))), hint="Parquet, CSV and JSONL, one kind at a time."
        )
    kind = kinds.pop()
    arrow_library()
    stats = [(p, p.stat()) for p in paths]
    mark = json.dumps([[str(p.resolve()), s.st_size, s.st_mtime_ns] for p, s in stats])
    looked = [_looked(kind, os.path.abspath(p), s.st_size, s.st_mtime_ns) for p, s in stats]
    schema = _together(paths, [s for s, _ in looked], text=kind != "parquet")
    if kind == "parquet":
        for path, (own, _) in zip(paths, looked, strict=True):
            _check_fits(path, own, schema)
    read = READ[kind]

    def chunks(rows: int) -> Iterator[Table]:
        batches = (batch for path in paths for batch in read(path, schema))
        return (table_of(t) for t in _even(batches, rows))

    return Files(tuple(paths), schema, sum(n for _, n in looked), mark, chunks)


def whole(files: Files) -> Table:
    """All of it in memory."""
    parts = [c.add(()) for c in files.chunks(100_000)]
    return table_of(arrow_library().concat_tables(parts)) if parts else files.head(1)


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
        raise UsageError("That is a folder", detail=text, hint=f"Say which of its files: {str(Path(text) / '*.parquet')!r}.")
    if os.path.isfile(text):
        return [Path(text)]
    found: list[Path] = []
    if glob.has_magic(text) and len(text) <= _LONGEST and "\0" not in text:
        found = [p for p in sorted(map(Path, glob.glob(text, recursive=True))) if p.is_file()]
        if ANSWERS not in text:
            found = [p for p in found if not any(map(_ANSWERS.search, p.parts[:-1]))]
    if not found:
        raise UsageError(
            "There is no such file", detail=_short(text), hint="Name a Parquet, CSV or JSONL file, or a pattern of several in quotes."
        )
    return found


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 200 else text[:199] + "…"


# ── what is in them


@functools.lru_cache(maxsize=1024)
def _looked(kind: str, path: str, size: int, changed: int) -> tuple[Any, int]:
    """Schema and number of rows of a file as it is now. It is looked through once for `--dry-run`, `--head` and the whole."""
    return LOOK[kind](Path(path))


def _together(paths: Sequence[Path], schemas: Sequence[Any], *, text: bool) -> Any:
    """One schema for all files. Columns whose types do not go together become `text`, or are a UsageError."""
    arrow, first = arrow_library(), schemas[0]
    if all(s.equals(first) for s in schemas):
        return first
    types: dict[str, Any] = {}
    where: dict[str, Path] = {}
    for path, schema in zip(paths, schemas, strict=True):
        if twice := next((n for n in schema.names if schema.names.count(n) > 1), None):
            raise UsageError(f"Two columns of {path.name} have that name", detail=twice, hint="Rename one of them.")
        for name, kind in zip(schema.names, schema.types, strict=True):
            old = types.get(name, kind)
            both = common(old, kind) or (arrow.string() if text else None)
            if both is None:
                raise UsageError(
                    f"The column {name!r} is of two types",
                    detail=f"{old} in {where[name].name}, {kind} in {path.name}",
                    hint="Write it with one type in all files, or go over them one after the other.",
                )
            if both != old or name not in where:
                where[name] = path
            types[name] = both
    return arrow.schema(list(types.items()), metadata=first.metadata)


def _check_fits(path: Path, own: Any, schema: Any) -> None:
    """Whether all values of a Parquet file fit the columns of all files: one at its end must not stop what was paid for."""
    arrow, parquet = arrow_library(), importlib.import_module("pyarrow.parquet")
    narrow = [n for n in own.names if own.field(n).type != schema.field(n).type] if not own.equals(schema) else []
    if not narrow:
        return
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=65_536, columns=narrow):
                fitted(batch, arrow.schema([schema.field(n) for n in batch.schema.names]))
    except (arrow.ArrowException, OSError) as e:
        raise UsageError(
            f"{path.name} does not go together with the other files",
            detail=f"{', '.join(repr(n) for n in narrow)}: {str(e)[:160]}",
            hint="Write the column with one type in all files, or go over them one after the other.",
        ) from None


def _even(batches: Iterator[Any], rows: int) -> Iterator[Any]:
    """Tables of so many rows each, the last with what is left."""
    arrow = arrow_library()
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
