"""A text column of a frame as a document: a block for each row, the other columns as its values."""

from __future__ import annotations

import difflib
import itertools
from typing import Any

from ...core.errors import UsageError
from ...documents.document import Block, Document
from ...prompts.dataframes import table_of

_ROWS = 1_000_000


def frame_document(frame: Any, column: str | None, name: str) -> Document:
    """The document of a frame's column; rows without text are left out, with a note.

    Args:
        frame: A frame of pandas, polars or Arrow, or a list of dicts.
        column: The column with the text.
        name: Name of the document.

    Raises:
        UsageError: It is no frame, is too long, or has no such column of text.
    """
    table = table_of(frame)
    if table is None or table.rows is None:
        raise UsageError("This cannot be indexed", detail=type(frame).__name__, hint="Give files, folders, or a data frame with column=.")
    if column is None or column not in table.names:
        near = difflib.get_close_matches(str(column), table.names, 1)
        hint = f"Did you mean {near[0]}?" if near else f"Columns: {', '.join(table.names[:20])}."
        raise UsageError("Which column holds the text?", detail="" if column is None else f"no column {column!r}", hint=hint)
    if table.rows > _ROWS:
        raise UsageError("The frame is too long for an index", detail=f"{table.rows:,} rows, the limit is {_ROWS:,}")
    at = table.names.index(column)
    blocks: list[Block] = []
    for row, cells in zip(itertools.count(), table.take(list(range(table.rows)), len(table.names)), strict=False):
        text = cells[at]
        if text is not None and not isinstance(text, str):
            raise UsageError(f"Column {column!r} holds no text", detail=f"row {row}: {text!r}"[:100])
        if text and text.strip():
            values = {n: _plain(v) for n, v in zip(table.names, cells, strict=True) if n != column}
            blocks.append(Block(text, place=f"row {row}", values={n: v for n, v in values.items() if v is not None}))
    empty = table.rows - len(blocks)
    return Document(name, "application/x-frame", tuple(blocks), name, notes=(f"{empty:,} rows without text",) if empty else ())


def _plain(value: Any) -> Any:
    """A value as JSON has it: numbers of numpy become Python's, dates text, missing values None."""
    value = value.item() if hasattr(value, "item") and not hasattr(value, "isoformat") else value
    if value is None or value != value:  # NaN
        return None
    return value if isinstance(value, (str, int, float, bool)) else str(value)
