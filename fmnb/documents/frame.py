"""The text column of a data frame: a block for each row, with the other columns as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from ..core.errors import UsageError
from .document import Block, Document
from .inert_document import inert_document
from .limits import LIMITS, Limits
from .table_text import rows_left_out


def read_frame(frame: object, column: str, name: str, *, limits: Limits = LIMITS) -> Document:
    """Read the text column of a data frame.

    Args:
        frame: A pandas or polars DataFrame, a pyarrow Table, or a list of dicts.
        column: Name of the column with the text.
        name: Name of the document.
        limits: How many rows are read.

    Returns:
        A document with a block for each row that has text: its place is `row N`, counted from 1, and its
        values are the other columns, but for nulls.

    Raises:
        UsageError: The value is no table, or has no such column.

    >>> read_frame([{"text": "Four weeks.", "year": 2025}], "text", "rows").blocks[0].values
    {'year': 2025}
    """
    columns = _columns(frame)
    if columns is None:
        raise UsageError("This is not a table", detail=type(frame).__name__, hint="Give a DataFrame, or a list of dicts.")
    if column not in columns:
        near = get_close_matches(column, columns, n=3, cutoff=0.5)
        raise UsageError(
            "The table has no such column",
            detail=repr(column),
            hint=f"Did you mean {' or '.join(near)}?" if near else f"It has {', '.join(list(columns)[:20])}.",
        )
    texts = columns.pop(column)
    blocks = []
    for n, text in enumerate(texts[: limits.rows]):
        if _is_null(text) or not str(text).strip():
            continue
        values = {k: cells[n] for k, cells in columns.items() if not _is_null(cells[n])}
        blocks.append(Block(str(text), place=f"row {n + 1}", values=values))
    document = inert_document(Document(name, "application/x-dataframe", tuple(blocks)), limits)
    return replace(document, notes=(*document.notes, rows_left_out(limits.rows))) if len(texts) > limits.rows else document


def _columns(frame: Any) -> dict[str, Sequence[Any]] | None:
    """The columns of a table by their names, as Python values."""
    if isinstance(frame, (list, tuple)):
        if not all(isinstance(row, Mapping) for row in frame):
            return None
        return {str(k): [row.get(k) for row in frame] for k in dict.fromkeys(k for row in frame for k in row)}
    names = getattr(frame, "column_names", None) or getattr(frame, "columns", None)
    if names is None or not hasattr(type(frame), "__getitem__"):
        return None
    return {str(n): _cells(frame[n]) for n in names}


def _cells(column: Any) -> Sequence[Any]:
    convert = next((f for n in ("to_pylist", "to_list", "tolist") if callable(f := getattr(column, n, None))), None)
    return convert() if convert else list(column)


def _is_null(value: Any) -> bool:
    return value is None or type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, float) and value != value)
