"""Parquet files: rows as text, read in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

from ..core.errors import UsageError
from ..core.optional import require
from .document import Document
from .kinds import MEDIA_TYPES
from .limits import Limits
from .table_text import row_blocks, row_place, rows_left_out

_BATCH = 1_000
_COLUMNS = 500


def read_parquet(file: BinaryIO, name: str, limits: Limits) -> Document:
    """A Parquet file as rows `column: value; column: value`.

    Args:
        file: The file.
        name: Name of the document.
        limits: How many rows are read.

    Returns:
        The document.

    Raises:
        UsageError: The file is damaged.
        MissingPackageError: pyarrow is not installed.
    """
    parquet = require("pyarrow.parquet", "tables", "to read Parquet files")
    try:
        opened = parquet.ParquetFile(file)
        names = list(opened.schema_arrow.names)
        blocks, more = row_blocks(names[:_COLUMNS], _rows(opened, names[:_COLUMNS]), row_place, limits.rows)
    except (OSError, ValueError, KeyError) as e:  # pyarrow's errors are of these kinds
        raise UsageError("The file cannot be read", detail=f"{name}: {e}"[:300], hint="Is it complete?") from None
    notes = [rows_left_out(limits.rows)] if more else []
    if len(names) > _COLUMNS:
        notes.append(f"only the first {_COLUMNS} columns were read")
    return Document(name, MEDIA_TYPES["parquet"], tuple(blocks), notes=tuple(notes))


def _rows(opened: Any, columns: list[str]) -> Iterator[list[Any]]:
    for batch in opened.iter_batches(batch_size=_BATCH, columns=columns, use_threads=False):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
