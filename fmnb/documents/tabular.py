"""CSV, TSV, JSON and JSONL files: rows of data as text, with their row numbers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..core.errors import UsageError
from .document import Block, Document
from .limits import Limits
from .plain import decode
from .table_text import row_blocks, row_place, rows_left_out

_SAMPLE = 20_000  # characters from which the separator is found


def read_csv(data: bytes, name: str, limits: Limits) -> Document:
    """A CSV or TSV file; its first line names the columns.

    Args:
        data: The file's bytes.
        name: The file's name; `.tsv` and `.tab` are separated by tabs, other separators are found.
        limits: How many rows are read.

    Returns:
        The document.

    Raises:
        UsageError: The bytes are not text, or no table.

    >>> read_csv(b"city;n\\nOslo;1", "a.csv", Limits()).text
    'city: Oslo; n: 1'
    """
    text, notes = decode(data, name)
    csv.field_size_limit(max(csv.field_size_limit(), 1 << 20))
    reader = csv.reader(io.StringIO(text, newline=""), _dialect(text, name))
    try:
        columns = [c.strip() for c in next(reader, [])]
        blocks, more = row_blocks(columns, reader, row_place, limits.rows)
    except csv.Error as e:
        raise UsageError("The table cannot be read", detail=f"{name}, line {reader.line_num}: {e}", hint="Is a quote left open?") from None
    if columns and not blocks:
        blocks = [Block(" | ".join(columns), "table")]
    return Document(name, "text/csv", tuple(blocks), notes=(*notes, *([rows_left_out(limits.rows)] if more else [])))


def _dialect(text: str, name: str) -> Any:
    if name.lower().endswith((".tsv", ".tab")):
        return csv.excel_tab
    lines = [line for line in text[:_SAMPLE].split("\n")[:20] if line.strip()]
    head = lines[0] if lines else ""
    # csv.Sniffer backtracks for minutes on some texts; the header tells enough
    separator = max(",;\t|", key=lambda c: (min(line.count(c) for line in lines[:2]) > 0, head.count(c))) if lines else ","

    class Dialect(csv.excel):
        delimiter = separator

    return Dialect


def read_jsonl(data: bytes, name: str, limits: Limits) -> Document:
    """A file with a JSON value on each line.

    Args:
        data: The file's bytes.
        name: The file's name.
        limits: How many rows are read.

    Returns:
        The document; keys of nested objects are joined by dots.

    Raises:
        UsageError: The bytes are not text, or a line is not JSON.

    >>> read_jsonl(b'{"a": {"b": 1}}', "a.jsonl", Limits()).text
    'a.b: 1'
    """
    text, notes = decode(data, name)
    blocks, more = _objects((_parse(line, name, n) for n, line in enumerate(text.split("\n"), 1) if line.strip()), limits)
    return Document(name, "application/jsonl", tuple(blocks), notes=(*notes, *([rows_left_out(limits.rows)] if more else [])))


def read_json(data: bytes, name: str, limits: Limits) -> Document:
    """A JSON file: a list becomes its rows, an object a row for each of its keys.

    Args:
        data: The file's bytes.
        name: The file's name.
        limits: How many rows are read.

    Returns:
        The document.

    Raises:
        UsageError: The bytes are not text, or not JSON.

    >>> read_json(b'{"notice": {"weeks": 4}}', "a.json", Limits()).text
    'notice.weeks: 4'
    """
    text, notes = decode(data, name)
    value = _parse(text, name, 0) if text.strip() else []
    rows = value if isinstance(value, list) else [{k: v} for k, v in value.items()] if isinstance(value, dict) else [value]
    blocks, more = _objects(iter(rows), limits)
    if isinstance(value, dict):
        blocks = [Block(b.text, "table") for b in blocks]
    return Document(name, "application/json", tuple(blocks), notes=(*notes, *([rows_left_out(limits.rows)] if more else [])))


def _parse(text: str, name: str, line: int) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        where = f"{name}, line {line}" if line else name
        raise UsageError("The file is not valid JSON", detail=f"{where}: {e}"[:300], hint="Is it complete?") from None


def _objects(values: Iterator[Any], limits: Limits) -> tuple[list[Block], bool]:
    return row_blocks([""], ([_line(v)] for v in values), row_place, limits.rows)


def _line(value: Any) -> str:
    return "; ".join(f"{k}: {t}" if k else t for k, t in _leaves(value, ""))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """The values in an object with their paths; a short list of plain values is one value."""
    left = [(path, value)]
    while left:
        path, value = left.pop()
        if isinstance(value, Mapping):
            left += [(f"{path}.{k}" if path else str(k), v) for k, v in reversed(list(value.items()))]
        elif isinstance(value, list) and any(isinstance(v, (dict, list)) for v in value):
            left += [(f"{path}.{n}" if path else str(n), v) for n, v in reversed(list(enumerate(value, 1)))]
        elif isinstance(value, list):
            yield path, ", ".join(map(_plain, value))
        elif value is not None and value != "":
            yield path, _plain(value)


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
