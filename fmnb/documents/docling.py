"""Documents as docling reads them: `read(..., using="docling")`.

docling recognizes the layout of pages with models, which it downloads with its first PDF or image. It runs in
this process, without the limits of memory and time that our own readers have.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..core.errors import UsageError
from ..core.optional import require
from .archive import check_archive
from .document import Block, BlockKind, Document
from .kinds import MEDIA_TYPES, Kind
from .limits import Limits

_FORMATS: frozenset[Kind] = frozenset({"pdf", "docx", "pptx", "xlsx", "html", "markdown", "csv", "picture"})
_LEFT_OUT = ("page_header", "page_footer")


def read_with_docling(kind: Kind, file: BinaryIO, name: str, limits: Limits) -> Document:
    """Read a file with docling.

    Args:
        kind: Its format.
        file: The file, open at its start.
        name: Name of the document.
        limits: The limits of archives.

    Returns:
        The document, with pages and headings as docling found them; headers and footers are left out.

    Raises:
        UsageError: docling does not read the format, or not this file.
        MissingPackageError: docling is not installed.
    """
    if kind not in _FORMATS:
        raise UsageError("docling does not read this format", detail=name, hint="Leave out `using`.")
    converter = require("docling.document_converter", "", "to read with docling", package="docling")
    models = require("docling.datamodel.base_models", "", "to read with docling", package="docling")
    if kind in ("docx", "pptx", "xlsx"):
        check_archive(file, name, limits)
    stream = models.DocumentStream(name=name, stream=io.BytesIO(file.read()))
    try:
        found = converter.DocumentConverter().convert(stream).document
        blocks = tuple(_blocks(found))
    except Exception as e:  # docling raises errors of its own and of the libraries below it
        raise UsageError(
            "docling cannot read the file", detail=f"{name}: {type(e).__name__}: {e}"[:300], hint="Leave out `using`."
        ) from None
    title = next((b.text for b in blocks if b.kind == "heading"), "")
    return Document(name, MEDIA_TYPES.get(kind, "application/octet-stream"), blocks, title, len(found.pages) or None)


def _blocks(found: Any) -> Iterator[Block]:
    for item, _ in found.iterate_items():
        label = str(getattr(item.label, "value", item.label))
        page = item.prov[0].page_no if item.prov else None
        if label in _LEFT_OUT:
            continue
        if label == "table":
            yield Block(item.export_to_markdown(found), "table", page=page)
        elif text := getattr(item, "text", ""):
            kind: BlockKind = "heading" if label in ("title", "section_header") else "code" if label == "code" else "text"
            level = int(getattr(item, "level", 1)) if kind == "heading" else 0
            yield Block(f"- {text}" if label == "list_item" else text, kind, level, page=page)
