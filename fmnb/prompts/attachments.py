"""`--attach`: a file or a variable as parts of a message.

Images and PDFs are sent unchanged (or as text, for a model that reads no PDFs), tables are described
like data frames, text is sent completely under its file name. Word, PowerPoint and Excel files and HTML
pages are sent as the text that the readers of `documents` find, with their limits. Nothing is downloaded:
URLs are refused.
"""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..config.settings import working_folder
from ..core.errors import UsageError
from ..core.media import format_size
from ..core.types import File, Image, Part, Text
from ..documents.document_text import document_text
from ..documents.limits import LIMITS
from ..documents.read import read
from .dataframes import Table, table_of
from .describe import describe, table_text
from .figures import image_of, sniff

_DOCUMENTS = frozenset((".docx", ".docm", ".pptx", ".pptm", ".ppsx", ".xlsx", ".xlsm", ".html", ".htm", ".xhtml", ".doc", ".ppt", ".xls"))
TEXT = 400_000  # characters of one file; longer files are refused, not truncated


def attach(source: Any, *, as_text: bool = False) -> tuple[Part, ...]:
    """The message parts for a path or a variable.

    With `as_text=True`, for a model that reads no files, a PDF becomes its text (needs pypdf).
    Raises UsageError for a URL, a missing file (with the nearest names), a folder, or an
    unsupported file type.
    """
    if isinstance(source, (str, Path)):
        return _file(source, as_text)
    parts = describe(source)
    if as_text:
        return tuple(Text(pdf_text(p.data, p.name or "attachment")) if isinstance(p, File) else p for p in parts)
    return parts


def attachable(names: Mapping[str, Any]) -> dict[str, str]:
    """Variables worth attaching (tables, figures, images, documents), each with a description.

    >>> attachable({"rows": [{"a": 1}, {"a": 2}], "n": 3, "_hidden": [{"a": 1}]})
    {'rows': 'list of 2 dicts'}
    """
    found = {n: _describe(v) for n, v in names.items() if not n.startswith("_") and n not in ("In", "Out")}
    return {n: words for n, words in found.items() if words}


_ATTACHABLE = {
    "pandas": ("DataFrame", "Series"),
    "polars": ("DataFrame", "LazyFrame", "Series"),
    "pyarrow": ("Table", "RecordBatch"),
    "numpy": ("ndarray",),
    "matplotlib": ("Figure", "Axes"),
    "PIL": ("Image",),
}


def _describe(value: Any) -> str:
    for base in type(value).__mro__:
        if base.__name__ in _ATTACHABLE.get(base.__module__.split(".")[0], ()):
            shape = getattr(value, "shape", None) or getattr(value, "size", None)
            size = " × ".join(f"{n:,}" for n in shape) if isinstance(shape, tuple) and all(isinstance(n, int) for n in shape) else ""
            return f"{base.__name__} {size}".strip()
    if isinstance(value, (Image, File)):
        return type(value).__name__.lower()
    if isinstance(value, (bytes, bytearray)) and (kind := sniff(bytes(value[:16]))):
        return kind.partition("/")[2].upper()
    if isinstance(value, list) and value and all(isinstance(v, dict) for v in value[:20]):
        return f"list of {len(value):,} dicts"
    return ""


def pdf_text(data: bytes, name: str = "document.pdf") -> str:
    """The text of a PDF by page, under a line with its name; pages without text are marked."""
    document = read(data, name)
    pages = document.pages or 0
    if not document.blocks:
        raise UsageError(
            f"The PDF {name} has no text",
            detail=f"{pages} scanned pages",
            hint="Use a model that reads PDFs, or attach images of the pages.",
        )
    texts = {n: "\n\n".join(b.text for b in document.blocks if b.page == n) for n in range(1, pages + 1)}
    body = "\n".join(f"[page {n}]\n{text or '(no text on this page)'}" for n, text in texts.items())
    return f"{name} ({pages} page{'s' if pages != 1 else ''}):\n{body}\n"


def _file(source: str | Path, as_text: bool) -> tuple[Part, ...]:
    if re.match(r"(?i)[a-z][a-z0-9+.-]+://", str(source)):
        raise UsageError(
            "A URL cannot be attached",
            detail=str(source).split("?")[0],
            hint="fmnb does not download attachments: download it, then attach the file.",
        )
    path = Path(source).expanduser()
    if not path.exists():
        raise _missing(path)
    if path.is_dir():
        raise UsageError("A folder cannot be attached", detail=str(path), hint="Attach its files one by one: --attach may be repeated.")
    if not path.is_file():  # reading a pipe or a device may never end
        raise UsageError("Only a regular file can be attached", detail=str(path), hint="Copy its content into a file first.")
    try:
        if (size := path.stat().st_size) > LIMITS.size:
            limit = format_size(LIMITS.size)
            raise UsageError(
                f"{path.name} is too large to attach", detail=f"{format_size(size)}, the limit is {limit}", hint="Attach a part."
            )
        data = path.read_bytes()
    except OSError as e:
        raise UsageError("The file cannot be read", detail=f"{path}: {e.strerror}", hint="Check its permissions.") from None
    kind = sniff(data)
    if kind.startswith("image/"):
        return (image_of(data, path.name) or Image(data, kind, path.name),)
    if kind == "application/pdf":
        return (Text(pdf_text(data, path.name)),) if as_text else (File(data, kind, path.name),)
    suffix = path.suffix.lower()
    if suffix in _DOCUMENTS or data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return (Text(_fenced(path, document_text(read(data, path.name)), "")),)
    if suffix in (".parquet", ".pq", ".feather", ".arrow") or data[:4] == b"PAR1":
        return (Text(table_text(_columnar(path, data), path.name)),)
    text = _text(path, data)
    if suffix in (".csv", ".tsv"):
        return (Text(table_text(_csv(path, text), path.name)),)
    if suffix == ".ipynb":
        text = _notebook(path, text)
        suffix = ".py"
    return (Text(_fenced(path, text, _language(suffix))),)


def _fenced(path: Path, text: str, language: str) -> str:
    """A text under its file's name, in a fence that it cannot close."""
    if len(text) > TEXT:
        raise UsageError(
            f"{path.name} is too long to attach",
            detail=f"{len(text):,} characters, the limit is {TEXT:,}",
            hint="Attach only the relevant part.",
        )
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", text)), default=0))
    return f"{path.name}:\n{fence}{language}\n{text.rstrip(chr(10))}\n{fence}\n"


def _text(path: Path, data: bytes) -> str:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        if b"\0" in data[:4096]:
            text = "\0"
        else:
            text = data.decode("cp1252", "replace")
    if "\0" in text[:4096]:
        raise UsageError(
            "No model reads this kind of file",
            detail=f"{path.name}: {len(data):,} bytes, not text",
            hint="Images (PNG, JPEG, GIF, WebP), PDF, docx, pptx, xlsx, HTML, text, code, JSON, CSV and Parquet can be attached.",
        )
    return text


def _columnar(path: Path, data: bytes) -> Table:
    for module, function in (("pyarrow.parquet", "read_table"), ("polars", "read_parquet"), ("pandas", "read_parquet")):
        if path.suffix.lower() in (".feather", ".arrow"):
            module, function = (
                ("pyarrow.feather", "read_table")
                if module.startswith("pyarrow")
                else (module, "read_ipc" if module == "polars" else "read_feather")
            )
        try:
            frame = getattr(importlib.import_module(module), function)(io.BytesIO(data))
        except ImportError:
            continue
        except Exception as e:
            raise UsageError(f"{path.name} cannot be read", detail=f"{type(e).__name__}: {e}", hint="Is it complete?") from None
        found = table_of(frame)
        assert found is not None
        return found
    raise UsageError(f"{path.name} needs a package that reads it", hint="Run `%pip install pyarrow`, then run this cell again.")


def _csv(path: Path, text: str) -> Table:
    """Read a CSV with the standard library; types are inferred from all cells."""
    sample = text[:20_000]
    try:
        dialect: Any = csv.excel_tab if path.suffix.lower() == ".tsv" else csv.Sniffer().sniff(sample, delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    rows = [r for r in csv.reader(io.StringIO(text, newline=""), dialect) if r]
    head, body = (rows[0], rows[1:]) if rows else ([], [])
    width = max([len(head), *map(len, body)], default=0)
    names = [*head, *(f"column {i + 1}" for i in range(len(head), width))]
    columns = [_typed([r[i] if i < len(r) else "" for r in body]) for i in range(width)]
    return Table(
        "CSV file",
        len(body),
        names,
        [_kind(c) for c in columns],
        lambda k: [sum(v is None for v in c) for c in columns[:k]],
        lambda at, k: [[c[i] for c in columns[:k]] for i in at],
    )


def _typed(cells: list[str]) -> list[Any]:
    """All cells as int, float or text; empty cells are null, and `007` stays text."""
    for convert, pattern in ((int, r"[+-]?(0|[1-9]\d{0,17})"), (float, r"[+-]?(0|[1-9]\d*)?(\.\d+)?([eE][+-]?\d+)?|nan|NaN|inf")):
        shape = re.compile(pattern)
        if any(cells) and all(not c or shape.fullmatch(c) for c in cells):
            try:
                return [convert(c) if c else None for c in cells]
            except ValueError:
                continue
    return [c or None for c in cells]


def _kind(cells: list[Any]) -> str:
    return next((type(c).__name__ for c in cells if c is not None), "null")


def _notebook(path: Path, text: str) -> str:
    """The cell sources of a notebook, without outputs and metadata."""
    try:
        cells = json.loads(text)["cells"]
        return "\n\n".join(f"# %% [{c['cell_type']}]\n" + "".join(c["source"]) for c in cells)
    except (ValueError, KeyError, TypeError):
        raise UsageError(f"{path.name} is not a readable notebook", hint="Save it again from JupyterLab.") from None


def _language(suffix: str) -> str:
    known = {".py": "python", ".r": "r", ".sql": "sql", ".js": "javascript", ".ts": "typescript", ".json": "json", ".md": "markdown"}
    return known.get(suffix, "")


def _missing(path: Path) -> UsageError:
    folder = path.parent if path.parent.is_dir() else (working_folder() or path.parent)
    here = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))[:2_000]
    near = get_close_matches(path.name, here, n=3, cutoff=0.5) or [n for n in here if n.lower() == path.name.lower()]
    return UsageError(
        "There is no such file",
        detail=str(path),
        hint=f"Did you mean {' or '.join(near)}?" if near else f"The working folder is {working_folder() or 'gone: it was deleted'}.",
    )
