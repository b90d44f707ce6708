"""PDF files: paragraphs, headings and fields by page, and pictures."""

from __future__ import annotations

import logging
import re
from typing import Any, BinaryIO

from ..core.errors import UsageError
from ..core.optional import require
from .document import Block, Document
from .limits import Limits
from .markdown import HIDDEN
from .pdf_annotations import page_fields, with_fields
from .pdf_lines import Line, line_blocks, page_lines
from .pdf_visible import VisibleText, layers_off
from .pictures import Pictures


def read_pdf(file: BinaryIO, name: str, limits: Limits) -> Document:
    """A PDF as blocks with their pages.

    Args:
        file: The file.
        name: Name of the document.
        limits: How many pages and pictures are read.

    Returns:
        The document. Notes say which pages hold no text, or could not be read, and whether hidden text was
        left out.

    Raises:
        UsageError: The file is damaged or encrypted.
        MissingPackageError: pypdf is not installed.
    """
    pypdf = require("pypdf", "docs", "to read PDF files")
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    reader = _open(pypdf, file, name)
    pictures = Pictures(limits)
    lines: list[Line] = []
    said: dict[str, list[int]] = {}
    count = len(reader.pages)
    hidden = comments = False
    off = layers_off(reader)
    fields: dict[int, list[Block]] = {}
    for number in range(1, min(count, limits.pages) + 1):
        try:
            page = reader.pages[number - 1]
            visible = VisibleText(page, off)
            found = list(page_lines(page, number, visible))
            fields[number], commented = page_fields(page, number)
        except MemoryError:
            raise
        except Exception as e:  # pypdf raises many kinds of errors for damaged pages
            said.setdefault(f"cannot be read ({type(e).__name__})", []).append(number)
            continue
        lines += found
        hidden, comments = hidden or visible.hidden, comments or commented
        if not found and not fields[number]:
            said.setdefault("holds no text (scanned?)", []).append(number)
        elif visible.scan:
            said.setdefault("holds the text layer of a scan, which may have errors of recognition", []).append(number)
        _add_pictures(page, number, pictures)
    notes = [_pages_say(pages, words) for words, pages in said.items()]
    notes += [HIDDEN] if hidden else []
    notes += ["comments left out"] if comments else []
    if count > limits.pages:
        notes.append(f"only the first {limits.pages:,} pages were read")
    blocks = tuple(with_fields(line_blocks(lines), fields))
    title = _title(reader) or next((b.text for b in blocks if b.kind == "heading"), "")
    return Document(name, "application/pdf", blocks, title, count, tuple(pictures.found), (*notes, *pictures.notes))


def _open(pypdf: Any, file: BinaryIO, name: str) -> Any:
    errors = pypdf.errors
    try:
        reader = pypdf.PdfReader(file)
        encrypted = reader.is_encrypted and not reader.decrypt("")
        if not encrypted:
            len(reader.pages)
            return reader
    except errors.DependencyError as e:
        raise UsageError("The file is encrypted", detail=f"{name}: {e}", hint="Save a copy without a password, and read that.") from None
    except errors.FileNotDecryptedError:
        pass
    except MemoryError:
        raise
    except Exception as e:  # pypdf raises many kinds of errors for damaged files
        raise UsageError("The PDF cannot be read", detail=f"{name}: {type(e).__name__}: {e}"[:300], hint="Save it again.") from None
    raise UsageError("The file is encrypted", detail=name, hint="Save a copy without a password, and read that.")


def _add_pictures(page: Any, number: int, pictures: Pictures) -> None:
    if pictures.full:
        return
    try:
        for image in page.images:
            pictures.add(image.data, page=number)
            if pictures.full:
                return
    except MemoryError:
        raise
    except Exception:  # pypdf raises many kinds of errors for images it cannot decode, ImportError without Pillow
        return


def _title(reader: Any) -> str:
    try:
        return " ".join(str(reader.metadata.title or "").split())[:300] if reader.metadata else ""
    except Exception:  # damaged metadata
        return ""


def _pages_say(pages: list[int], words: str) -> str:
    """A note about pages.

    >>> _pages_say([1, 3, 4, 5], "holds no text"), _pages_say([2], "holds no text")
    ('pages 1, 3-5 hold no text', 'page 2 holds no text')
    """
    spans: list[list[int]] = []
    for page in pages:
        if spans and spans[-1][1] == page - 1:
            spans[-1][1] = page
        else:
            spans.append([page, page])
    listed = ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)
    if len(pages) == 1:
        return f"page {listed} {words}"
    return f"pages {listed} {re.sub('^holds', 'hold', words)}"
