"""Converts a value to message parts: what `{{ df }}` inserts into a prompt.

Strings are inserted completely. Tables (pandas, polars, numpy, pyarrow, dicts, lists of dicts, Arrow
objects) become their size, columns with types and null counts, and a typed sample; figures and
images become images; functions and classes their source; exceptions their traceback with the cell.
Truncated text states how much is missing. None of these libraries is imported: a value implies that
its library is loaded.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import linecache
import math
import re
import sys
import textwrap
import traceback
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any

from ..core.backend import estimate_part_tokens
from ..core.errors import UsageError
from ..core.response import Response
from ..core.types import File, Image, Part, Text
from .dataframes import Table, table_of
from .figures import image_of, sniff

ROWS_WHOLE = 20  # rows; shorter tables are inserted completely
ROWS_SAMPLE = 8
COLUMNS = 60
CELL = 200  # characters of one cell
SAMPLE = 6_000  # characters of a sample; wide tables show fewer rows
OBJECT = 20_000  # characters of JSON or of a repr


def describe(value: Any, name: str = "") -> tuple[Part, ...]:
    """The message parts for a value; `name` is its variable name.

    >>> describe(3.5)
    (Text(text='3.5'),)
    >>> print(describe([{"a": 1, "b": None}, {"a": 2, "b": "x"}], "rows")[0].text)
    rows: list of dicts, 2 rows × 2 columns
    Columns:
    - a: int
    - b: str, 1 null
    All 2 rows, values in the order of the columns:
    [1, null]
    [2, "x"]
    """
    if isinstance(value, str):
        return (Text(str(value)),)
    if isinstance(value, int) and not isinstance(value, (bool, Enum)):
        return (Text(_is_whole(value)),)
    if value is None or isinstance(value, (bool, int, float, complex, date, datetime, time, timedelta, Decimal, Fraction)):
        return (Text(str(value)),)
    if isinstance(value, Enum):
        return describe(value.value, name)
    if type(value).__name__ in ("Period", "Interval") and type(value).__module__.startswith("pandas"):
        return (Text(str(value)),)
    if isinstance(value, (Text, Image, File)):
        return (value,)
    if isinstance(value, Response):
        return (Text(value.text),) if value.text or not value.media else value.media
    if (own := getattr(type(value), "_prompt_parts_", None)) is not None:  # Prompt and Rendered define their own parts
        return own(value)
    if isinstance(value, BaseException):
        return (Text(_exception(value)),)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes(bytes(value), name)
    if isinstance(value, Path):
        return _path(value)
    if image := image_of(value, name):
        return (image,)
    if inspect.isroutine(value) or inspect.isclass(value) or inspect.ismodule(value):
        return (Text(_source(value)),)
    if table := table_of(value):
        return (Text(table_text(table, name)),)
    return (Text(_object(value, name)),)


def schema(value: object) -> str:
    """Describe a table to a model by the names and types of its columns, without any row.

    In a prompt: `{{ schema(df) }}`.

    Args:
        value: A DataFrame, an array or a list of dicts.

    Returns:
        One line per column: `name: type`.

    Raises:
        UsageError: The value is not a table.

    >>> schema([{"city": "Oslo", "people": 709037}])
    'city: str\\npeople: int'
    """
    table = table_of(value)
    if table is None:
        raise UsageError("schema() takes a table", detail=type(value).__name__, hint="Give it a DataFrame, an array or a list of dicts.")
    return "\n".join(f"{n}: {t}" for n, t in zip(table.names, table.types, strict=True))


def tokens_of(parts: tuple[Part, ...]) -> int:
    """Estimated tokens of these parts, as for a request."""
    return sum(map(estimate_part_tokens, parts))


def without_omitted(parts: tuple[Part, ...]) -> str:
    """What these parts omit of a table or long value, as text for the user; "" if nothing.

    >>> without_omitted(describe([{"a": n} for n in range(1000)], "rows"))
    '8 of 1,000 rows'
    """
    for part in parts:
        if isinstance(part, Text) and (m := _OMITTED.search(part.text)):
            return f"{m[1]} of {m[2]} rows" if m[1] else f"{m[3]} characters left out"
    return ""


_OMITTED = re.compile(r"^([\d,]+) rows? of ([\d,]+), evenly spread, row number first|^… ([\d,]+) characters left out …$", re.M)


def table_text(table: Table, name: str = "") -> str:
    """A table as text: size, columns, nulls, sample."""
    lines = [f"{name + ': ' if name else ''}{table.kind}, {_count_text(table.rows, 'row')} × {_count_text(table.columns, 'column')}"]
    shown = min(table.columns, COLUMNS)
    if table.columns:
        lines.append("Columns:")
        nulls = table.nulls(shown)
        for i in range(shown):
            lines.append(f"- {short(table.names[i])}: {table.types[i]}" + (f", {nulls[i]:,} null" if nulls[i] else ""))
    if table.columns > shown:
        kinds: dict[str, int] = {}
        for t in table.types[shown:]:
            kinds[t] = kinds.get(t, 0) + 1
        what = ", ".join(f"{n:,} {t}" for t, n in sorted(kinds.items(), key=lambda kv: (-kv[1], kv[0]))[:6])
        lines.append(f"- … {_count_text(table.columns - shown, 'column')} left out ({what})")
    if table.rows is None:
        lines.append("No rows are shown: this table has not been computed.")
    elif table.rows and table.columns:
        lines += _sample(table, shown)
    return "\n".join(lines)


def _sample(table: Table, shown: int) -> list[str]:
    rows = table.rows or 0
    at = list(range(rows)) if rows <= ROWS_WHOLE else _spread(rows, ROWS_SAMPLE)
    lines = [_row(values) for values in table.take(at, shown)]
    fit = _fit_columns(lines)
    if fit < len(lines):
        at = _spread(rows, fit)
        lines = [_row(values) for values in table.take(at, shown)]
    of = f" of the first {shown} columns" if table.columns > shown else ""
    if len(at) == rows:
        head = f"All {_count_text(rows, 'row')}{of}, values in the order of the columns:" if rows > 1 else f"The row{of}:"
        return [head, *lines]
    numbered = [f"{i}: {line}" for i, line in zip(at, lines, strict=True)]
    return [f"{_count_text(len(at), 'row')} of {rows:,}, evenly spread, row number first, values in the order of the columns:", *numbered]


def _fit_columns(lines: list[str]) -> int:
    """Number of rows of about this length that fit into the sample; at least two."""
    total = sum(map(len, lines))
    return len(lines) if total <= SAMPLE else max(min(2, len(lines)), len(lines) * SAMPLE // total)


def _spread(rows: int, k: int) -> list[int]:
    """`k` evenly spread row numbers, from first to last.

    >>> _spread(100, 4)
    [0, 33, 66, 99]
    """
    k = min(k, rows)
    return [i * (rows - 1) // (k - 1) for i in range(k)] if k > 1 else [0]


def _row(values: list[Any]) -> str:
    return "[" + ", ".join(literal(v) for v in values) + "]"


def literal(value: Any) -> str:
    """A cell as a literal that shows its type; a long one is truncated with a note.

    >>> literal("x" * 300)[-30:]
    'xxxxxx…" (100 characters more)'
    """
    value = _scalar(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, (int, float)):
        return _truncate(_is_whole(value) if isinstance(value, int) else repr(value), CELL)
    if isinstance(value, str):
        if len(value) <= CELL:
            return json.dumps(value, ensure_ascii=False)
        return json.dumps(value[:CELL] + "…", ensure_ascii=False) + f" ({len(value) - CELL:,} characters more)"
    if isinstance(value, (date, datetime, time)):
        return "NaT" if str(value) == "NaT" else json.dumps(str(value))
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value):,} bytes>"
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        return _truncate(_json(value), CELL)
    return _truncate(str(value) if str(value) in ("NaT", "<NA>") else json.dumps(str(value), ensure_ascii=False), CELL)


def short(text: str, limit: int = 80) -> str:
    """A name on one line; a very long one is visibly truncated."""
    return _truncate(" ".join(str(text).split()) or repr(str(text)), limit)


def _truncate(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text) - limit:,} characters more)"


def _scalar(value: Any) -> Any:
    """numpy's scalars as Python's own."""
    item = getattr(value, "item", None)
    if item is not None and type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:
        try:
            return item()
        except (ValueError, TypeError):
            return value
    return value


def _json(value: Any, indent: int | None = None) -> str:
    def other(v: Any) -> Any:
        v = _scalar(v)
        if isinstance(v, (set, frozenset)):
            return sorted(v, key=repr)
        if dataclasses.is_dataclass(v) and not isinstance(v, type):
            return {f.name: getattr(v, f.name) for f in dataclasses.fields(v)}
        if isinstance(v, (bytes, bytearray)):
            return f"<{len(v):,} bytes>"
        return v if isinstance(v, (str, int, float, bool, type(None))) else str(v)

    try:
        return json.dumps(value, ensure_ascii=False, default=other, indent=indent)
    except (TypeError, ValueError, RecursionError):  # unusual keys, a recursive value
        try:
            return repr(value)
        except ValueError:  # Python does not convert larger integers to text
            raise _too_long(None) from None


def _is_whole(value: int) -> str:
    try:
        return str(value)
    except ValueError:
        raise _too_long(value) from None


def _too_long(value: int | None) -> UsageError:
    digits = "" if value is None else f"about {int(value.bit_length() * math.log10(2)):,} digits; "
    return UsageError(
        "An integer is too long to be converted to text",
        detail=f"{digits}Python converts up to {sys.get_int_max_str_digits():,}",
        hint="Insert the relevant part, such as {{ n % 10**9 }} or {{ n.bit_length() }}.",
    )


def _count_text(n: int | None, noun: str) -> str:
    return f"unknown {noun}s" if n is None else f"{n:,} {noun}" + ("" if n == 1 else "s")


def _object(value: Any, name: str) -> str:
    if isinstance(value, (dict, list, tuple, set, frozenset)) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        plain = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else value
        if isinstance(plain, tuple) and hasattr(plain, "_asdict"):
            plain = plain._asdict()
        return _long(_json(plain), f"{name or 'value'}: {type(value).__name__}{_size(value)}")
    if model_dump := getattr(type(value), "model_dump_json", None):
        return _long(model_dump(value), f"{name or 'value'}: {type(value).__name__}")
    if hasattr(type(value), "_repr_markdown_"):
        try:
            text = value._repr_markdown_()
        except Exception:  # a display method that raises: fall back to repr
            text = None
        if isinstance(text, str):
            return _long(text, f"{name or 'value'}: {type(value).__name__}")
    if hasattr(type(value), "item") and type(value).__module__ == "numpy":
        return str(_scalar(value))
    return _long(_stable_repr(repr(value)), f"{name or 'value'}: {type(value).__name__}")


def _stable_repr(text: str) -> str:
    """A repr without memory addresses, which would defeat the cache."""
    return re.sub(r" at 0x[0-9a-fA-F]{6,}", "", text)


def _size(value: Any) -> str:
    return f" of {len(value):,}" if hasattr(value, "__len__") else ""


def _long(text: str, head: str) -> str:
    """The text; if it is huge, its beginning and end under a line that states it."""
    if len(text) <= OBJECT:
        return text
    keep = OBJECT // 2
    left = len(text) - 2 * keep
    return f"{head}, {len(text):,} characters; {left:,} in the middle are left out\n{text[:keep]}\n… {left:,} characters left out …\n{text[-keep:]}"


def _source(value: Any) -> str:
    try:
        return inspect.getsource(inspect.unwrap(value) if callable(value) else value).rstrip("\n")
    except (OSError, TypeError):
        pass
    if inspect.isclass(value) and (found := _class_source(value)):
        return found
    label = f"{type(value).__name__} {getattr(value, '__qualname__', getattr(value, '__name__', ''))}".strip()
    try:
        label += str(inspect.signature(value))
    except (TypeError, ValueError):
        pass
    doc = inspect.getdoc(value) or ""
    return f"{label}\n(its source is not available: built in, or made at run time)" + (f"\n{_truncate(doc, 2_000)}" if doc else "")


def _class_source(kind: type) -> str:
    """The source of a class defined in a cell, from the newest cell, or ""."""
    for file in reversed([f for f in linecache.cache if _CELL_FILE.search(f)]):
        text = "".join(linecache.getlines(file))
        if f"class {kind.__name__}" not in text:
            continue
        try:
            tree = ast.parse(text)
        except SyntaxError:  # cells with magics: IPython keeps the compiled source, other shells may not
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
                first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
                return textwrap.dedent("\n".join(text.splitlines()[first - 1 : node.end_lineno]))
    return ""


_CELL_FILE = re.compile(r"<ipython-input|ipykernel_\d+|<stdin>|<string>")


def _exception(error: BaseException) -> str:
    """The traceback from the user's code on, and the complete cell."""
    found = traceback.TracebackException.from_exception(error)
    stack = list(found.stack)
    first = next((i for i, f in enumerate(stack) if _CELL_FILE.search(f.filename)), None)
    if first is not None:
        found.stack = traceback.StackSummary.from_list(stack[first:])
    text = "".join(found.format()).rstrip("\n")
    cells = []
    for frame in stack:
        if _CELL_FILE.search(frame.filename) and (lines := linecache.getlines(frame.filename)):
            cells.append("".join(lines).rstrip("\n"))
    for code in cells[-1:]:
        text += f"\n\nThe cell that raised it:\n```python\n{code}\n```"
    if isinstance(error, SyntaxError) and error.text and not cells:
        text += f"\n\nThe line: {error.text.rstrip()}"
    return text


def _bytes(data: bytes, name: str) -> tuple[Part, ...]:
    kind = sniff(data)
    if kind.startswith("image/"):
        return (image_of(data, name) or Image(data, kind),)
    if kind == "application/pdf":
        return (File(data, kind, name),)
    raise UsageError(
        "These bytes are not an image or a PDF",
        detail=f"{len(data):,} bytes starting {data[:8]!r}",
        hint="Decode text first: {{ data.decode() }}.",
    )


def _path(path: Path) -> tuple[Part, ...]:
    """A path to an image inserts the image; any other path inserts its name."""
    if path.suffix.lower() in (".png", ".jpg", ".jpeg", ".gif", ".webp") and path.is_file():
        data = path.read_bytes()
        if sniff(data).startswith("image/"):
            return (image_of(data, path.name) or Image(data, sniff(data), path.name),)
    return (Text(str(path)),)
