"""Excel workbooks: the rows of each sheet as text, with their ranges."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from ..core.errors import UsageError
from ..core.optional import require
from .archive import check_archive
from .document import Block, Document
from .kinds import MEDIA_TYPES
from .limits import Limits
from .table_text import cell_text, row_blocks, rows_left_out

_COLUMNS = 500
_PIECE = 1 << 18
_OVERLAP = 4_096  # bytes of a piece that are looked at again with the next one
_SAID = {  # what the XML of a sheet may hold, and the note about it
    re.compile(
        rb"<c [^>]*>(?:<f[^>]*/>|<f[^>]*>[^<]*</f>)(?:<v/>|<v></v>)?</c>"
    ): "formulas without a stored value are empty: save it in Excel",
    re.compile(rb"<row [^>]*\bhidden=.(?:1|true)"): "hidden rows are read",
    re.compile(rb"<col [^>]*\bhidden=.(?:1|true)"): "hidden columns are read",
}
_EMPTY = 10_000  # empty rows in a row after which a sheet is at its end


def read_xlsx(file: BinaryIO, name: str, limits: Limits) -> Document:
    """A workbook as blocks: rows as `column: value`, in places such as `Q1!A2:D40`.

    Args:
        file: The file.
        name: Name of the document.
        limits: The limits of the archive and of the rows of each sheet.

    Returns:
        The document. The first row with two cells of text names the columns, and the rows above it are
        text. Formulas have the value that was stored with them. Hidden sheets are left out, which a note says.

    Raises:
        UsageError: The file is damaged, encrypted or over a limit.
        MissingPackageError: openpyxl is not installed.
    """
    openpyxl = require("openpyxl", "docs", "to read Excel workbooks")
    members = check_archive(file, name, limits)
    try:
        workbook = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    except (KeyError, ValueError, AttributeError, TypeError) as e:
        raise UsageError("The file is damaged", detail=f"{name}: {e}"[:300], hint="Save it again in Excel.") from None
    blocks: list[Block] = []
    hidden: list[str] = []
    notes: list[str] = []
    for sheet in workbook.worksheets:
        if sheet.sheet_state != "visible":
            hidden.append(sheet.title)
            continue
        found, more = _sheet(sheet, limits.rows, openpyxl.utils.get_column_letter)
        if found:
            blocks += [Block(sheet.title, "heading", 1, place=f"{_quoted(sheet.title)}"), *found]
        if more:
            notes.append(f"{sheet.title}: {rows_left_out(limits.rows)}")
    if hidden:
        notes.insert(0, f"hidden sheet{'s' * (len(hidden) > 1)} left out: {', '.join(hidden)}")
    notes += _said(file, members)
    if any(m.startswith(("xl/comments", "xl/threadedComments")) for m in members):
        notes.append("comments left out")
    return Document(name, MEDIA_TYPES["xlsx"], tuple(blocks), workbook.properties.title or "", notes=tuple(notes))


def _said(file: BinaryIO, members: frozenset[str]) -> list[str]:
    """Notes about the sheets that openpyxl does not tell when it reads row by row."""
    left = dict(_SAID)
    found = set()
    with zipfile.ZipFile(file) as archive:
        for member in sorted(m for m in members if m.startswith("xl/worksheets/") and m.endswith(".xml")):
            last = b""
            with archive.open(member) as stream:
                while left and (piece := stream.read(_PIECE)):
                    hits = [p for p in left if p.search(last + piece)]
                    found |= {left.pop(p) for p in hits}
                    last = piece[-_OVERLAP:]
    return [note for note in _SAID.values() if note in found]


def _sheet(sheet: Any, most: int, letter: Any) -> tuple[list[Block], bool]:
    sheet.reset_dimensions()  # what the file says of its size may be wrong
    rows = _rows(sheet)
    above: list[tuple[int, list[Any]]] = []
    header: tuple[int, list[Any]] | None = None
    for number, row in rows:
        if sum(isinstance(v, str) and bool(v.strip()) for v in row) >= 2:
            header = (number, row)
            break
        above.append((number, row))
        if len(above) >= 10:
            break
    title, blocks = _quoted(sheet.title), []
    if header is None:  # no names of columns
        found, more = _numbered([], above, rows, most, title, letter)
        return found, more
    for number, row in above:
        if text := "; ".join(filter(None, map(cell_text, row))):
            blocks.append(Block(text, place=f"{title}!A{number}"))
    names = [cell_text(v) for v in header[1]]
    found, more = _numbered(names, [], rows, most, title, letter)
    if not found:
        found = [Block(" | ".join(filter(None, names)), "table", place=f"{title}!A{header[0]}:{letter(len(names))}{header[0]}")]
    return [*blocks, *found], more


def _numbered(
    names: Sequence[str], first: list[tuple[int, list[Any]]], rest: Iterator[tuple[int, list[Any]]], most: int, title: str, letter: Any
) -> tuple[list[Block], bool]:
    """Rows as blocks with their ranges; the numbers of rows are those of the sheet."""
    numbers: list[int] = []
    width = [max(1, len(names))]

    def values() -> Iterator[list[Any]]:
        for source in (first, rest):
            for number, row in source:
                numbers.append(number)
                width[0] = max(width[0], len(row))
                yield row

    def place(a: int, b: int) -> str:
        return f"{title}!A{numbers[a - 1]}:{letter(width[0])}{numbers[b - 1]}"

    return row_blocks(names, values(), place, most)


def _rows(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    """Rows that hold something, with their numbers and without empty cells at their ends."""
    empty = 0
    for number, row in enumerate(sheet.iter_rows(max_col=_COLUMNS, values_only=True), 1):
        values = list(row)
        while values and (values[-1] is None or values[-1] == ""):
            values.pop()
        empty = 0 if values else empty + 1
        if empty > _EMPTY:
            return
        if values:
            yield number, values


def _quoted(title: str) -> str:
    """A sheet's name as formulas write it.

    >>> _quoted("Q1"), _quoted("Sales 2025")
    ('Q1', "'Sales 2025'")
    """
    return title if title.isidentifier() else "'" + title.replace("'", "''") + "'"
