"""Tables and rows as blocks of text.

A table of a text document becomes lines of cells between bars; rows of data become `column: value`,
because a passage found alone must say what its numbers are.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from .document import Block

_SIZE = 1_200  # characters of a block, but for a single long row


def table_blocks(rows: Sequence[Sequence[str]], *, page: int | None = None, place: str = "") -> list[Block]:
    """A table as blocks of lines; each block of a long table repeats its first line.

    Args:
        rows: Texts of the cells by row; the first row is the header.
        page: Page of the table.
        place: Place of the table.

    Returns:
        The blocks.

    >>> table_blocks([["who", "weeks"], ["all", "4"]])[0].text
    'who | weeks\\nall | 4'
    """
    lines = [" | ".join(" ".join(c.split()) for c in row) for row in rows if any(c.strip() for c in row)]
    blocks: list[Block] = []
    held: list[str] = []
    size = 0
    for line in lines:
        if len(held) > 1 and size + len(line) > _SIZE:
            blocks.append(Block("\n".join(held), "table", page=page, place=place))
            held, size = [lines[0]], len(lines[0])
        held.append(line)
        size += len(line) + 1
    return [*blocks, Block("\n".join(held), "table", page=page, place=place)] if held else blocks


def row_blocks(
    columns: Sequence[str], rows: Iterable[Sequence[Any]], place: Callable[[int, int], str], most: int
) -> tuple[list[Block], bool]:
    """Rows of data as blocks, a line `column: value; column: value` for each row.

    Args:
        columns: Names of the columns.
        rows: The rows; empty cells are left out.
        place: Place of the rows from one number to another; rows count from 1.
        most: How many rows are read.

    Returns:
        The blocks, and whether rows were left out.

    >>> blocks, more = row_blocks(["city", "n"], [["Oslo", 1], ["Rome", 2]], row_place, 9)
    >>> blocks[0].place, blocks[0].text
    ('rows 1-2', 'city: Oslo; n: 1\\ncity: Rome; n: 2')
    """
    blocks: list[Block] = []
    held: list[str] = []
    size, first, number = 0, 1, 0
    source = iter(rows)
    for number, row in enumerate(islice(source, most), 1):
        line = "; ".join(f"{c}: {t}" if c else t for c, t in _cells(columns, row))
        if held and size + len(line) > _SIZE:
            blocks.append(Block("\n".join(held), "table", place=place(first, number - 1)))
            held, size = [], 0
        if not held:
            first = number
        if line:
            held.append(line)
            size += len(line) + 1
    if held:
        blocks.append(Block("\n".join(held), "table", place=place(first, number)))
    return blocks, next(source, None) is not None


def row_place(first: int, last: int) -> str:
    """The place of rows.

    >>> row_place(3, 3), row_place(3, 5)
    ('row 3', 'rows 3-5')
    """
    return f"row {first}" if first == last else f"rows {first}-{last}"


def rows_left_out(most: int) -> str:
    """The note for a table over its limit.

    >>> rows_left_out(100_000)
    'only the first 100,000 rows were read'
    """
    return f"only the first {most:,} rows were read"


def cell_text(value: Any) -> str:
    """A cell as text: dates in ISO form, nothing for null.

    >>> cell_text(datetime.datetime(2025, 3, 1)), cell_text(None), cell_text(2.0)
    ('2025-03-01', '', '2')
    """
    if value is None:
        return ""
    if isinstance(value, float):
        return "" if math.isnan(value) else str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time() and value.tzinfo is None:
        value = value.date()
    return " ".join(str(value).split())


def _cells(columns: Sequence[str], row: Sequence[Any]) -> Iterator[tuple[str, str]]:
    for n, value in enumerate(row):
        if text := cell_text(value):
            yield (columns[n] if n < len(columns) else f"column {n + 1}"), text
