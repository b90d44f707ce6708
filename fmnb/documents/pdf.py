"""PDF files: paragraphs and headings by page, and pictures.

A PDF has no paragraphs, only text at places: lines that follow each other closely are one. Large or bold
lines are headings.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from ..core.errors import UsageError
from ..core.optional import require
from .document import Block, Document
from .limits import Limits
from .markdown import HIDDEN
from .pdf_visible import VisibleText, layer_id
from .pictures import Pictures

_LARGER = 1.12  # a heading's size, in that of the text
_GAP = 1.35  # a gap between paragraphs, in that between lines
_HIDDEN, _NO_VIEW = 2, 32  # flags of an annotation
_PASSWORD = 1 << 13  # flag of a field
_HEADING = 160  # characters


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    x: float
    y: float
    size: float
    bold: bool


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    page: int
    x: float
    y: float
    size: float
    bold: bool


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
    lines: list[_Line] = []
    said: dict[str, list[int]] = {}
    count = len(reader.pages)
    hidden = comments = False
    layers_off = _layers_off(reader)
    fields: dict[int, list[Block]] = {}
    for number in range(1, min(count, limits.pages) + 1):
        try:
            page = reader.pages[number - 1]
            visible = VisibleText(page, layers_off)
            found = list(_lines(page, number, visible))
            fields[number], commented = _annotations(page, number)
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
    blocks = tuple(_with_fields(_blocks(lines), fields))
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


def _lines(page: Any, number: int, visible: VisibleText) -> Iterator[_Line]:
    """The lines of a page in the order of its content, with their places and sizes."""
    pieces: list[_Piece] = []

    def piece(text: str, cm: Any, tm: Any, font: Any, size: float) -> None:
        scale = (float(tm[2]) ** 2 + float(tm[3]) ** 2) ** 0.5 * (float(cm[2]) ** 2 + float(cm[3]) ** 2) ** 0.5
        x = float(tm[4]) * float(cm[0]) + float(tm[5]) * float(cm[2]) + float(cm[4])
        y = float(tm[4]) * float(cm[1]) + float(tm[5]) * float(cm[3]) + float(cm[5])
        bold = "bold" in str((font or {}).get("/BaseFont", "")).lower()
        pieces.append(_Piece(text, x, y, round(float(size or 0) * scale, 1), bold))

    page.extract_text(visitor_operand_before=visible.before, visitor_operand_after=visible.after, visitor_text=piece)
    held: list[_Piece] = []
    above: _Line | None = None
    for found in [*pieces, _Piece("\n", 0, 0, 0, False)]:
        for n, text in enumerate(found.text.split("\n")):
            line = _line(held, number) if n else None
            if line is not None and above is not None and abs(line.y - above.y) < 0.5 and line.x > above.x:
                above = replace(above, text=f"{above.text} | {line.text}", bold=above.bold and line.bold)  # cells of a table
            elif line is not None:
                if above is not None:
                    yield above
                above = line
            held = [] if n else held
            held.append(replace(found, text=text))
    if above is not None:
        yield above


def _line(pieces: list[_Piece], page: int) -> _Line | None:
    text = " ".join("".join(p.text for p in pieces).split())
    said = [p for p in pieces if p.text.strip()]
    return _Line(text, page, said[0].x, said[0].y, max(p.size for p in said), all(p.bold for p in said)) if said else None


def _blocks(lines: list[_Line]) -> Iterator[Block]:
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += len(line.text)
    body = sizes.most_common(1)[0][0] if sizes else 0.0
    paragraphs = list(_paragraphs(lines))
    large = sorted({p[0].size for p in paragraphs if _is_large(p, body)}, reverse=True)
    for p in paragraphs:
        text = _joined(line.text for line in p)
        if _is_large(p, body):
            yield Block(" ".join(text.split()), "heading", min(6, large.index(p[0].size) + 1), page=p[0].page)
        elif len(p) == 1 and p[0].bold and len(text) <= 100 and re.search(r"\w\w", text) and text[-1] not in ".,;:":
            yield Block(text, "heading", min(6, len(large) + 1), page=p[0].page)
        else:
            yield Block(text, page=p[0].page)


def _is_large(paragraph: list[_Line], body: float) -> bool:
    size = sum(len(line.text) for line in paragraph)
    return body > 0 and paragraph[0].size >= _LARGER * body and len(paragraph) <= 3 and size <= _HEADING


def _paragraphs(lines: list[_Line]) -> Iterator[list[_Line]]:
    """Lines that follow each other closely, in one size, on one page."""
    gaps = Counter(
        round(a.y - b.y, 1) for a, b in zip(lines, lines[1:], strict=False) if a.page == b.page and 0 < a.y - b.y < 4 * max(a.size, 4)
    )
    usual = {}  # the usual gap after a line of each size
    for size in {line.size for line in lines}:
        near = {g: n for g, n in gaps.items() if 0.8 * size <= g <= 2.2 * size}
        usual[size] = max(near, key=lambda g: (near[g], -g)) if near else 1.3 * size
    held: list[_Line] = []
    for line in lines:
        if held and not _follows(held[-1], line, usual[held[-1].size]):
            yield held
            held = []
        held.append(line)
    if held:
        yield held


def _follows(above: _Line, line: _Line, usual: float) -> bool:
    if above.page != line.page or abs(above.size - line.size) > 0.6 or (above.bold and not line.bold and len(above.text) < 80):
        return False
    gap = above.y - line.y
    return -1 <= gap <= max(usual * _GAP, usual + 2)


def _joined(lines: Iterable[str]) -> str:
    """Lines of a paragraph; a word that is divided at the end of a line is one word again."""
    return re.sub(r"(?<=[a-zà-ÿ])[-\u2010]\n(?=[a-zà-ÿ])", "", "\n".join(lines))


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


def _annotations(page: Any, number: int) -> tuple[list[Block], bool]:
    """What is filled in on a form, text boxes that were added, and whether there are comments."""
    fields: list[Block] = []
    comments = False
    for reference in page.get("/Annots") or []:
        found = reference.get_object()
        kind, said = found.get("/Subtype"), str(found.get("/Contents") or "").strip()
        if int(found.get("/F") or 0) & (_HIDDEN | _NO_VIEW):
            continue
        if kind == "/FreeText" and said:
            fields.append(Block(said, page=number))
        elif kind == "/Widget":
            value, label = _inherited(found, "/V"), str(found.get("/TU") or _inherited(found, "/T") or "")
            text = "" if value is None or hasattr(value, "get_data") else str(value).removeprefix("/").strip()
            if text and text != "Off" and not int(_inherited(found, "/Ff") or 0) & _PASSWORD:
                fields.append(Block(f"{label}: {text}" if label else text, page=number))
        elif said and kind not in ("/Link", "/Popup"):
            comments = True
    return fields, comments


def _inherited(field: Any, key: str) -> Any:
    """An entry of a field, or of the fields above it."""
    for _ in range(10):
        if field is None or field.get(key) is not None:
            break
        above = field.get("/Parent")
        field = above.get_object() if above is not None else None
    return None if field is None else field.get(key)


def _with_fields(blocks: Iterable[Block], fields: dict[int, list[Block]]) -> Iterator[Block]:
    """Blocks with those of the fields at the end of their page."""
    left = dict(fields)
    for block in blocks:
        for page in [n for n in left if n < (block.page or 0)]:
            yield from left.pop(page)
        yield block
    for page in left:
        yield from left[page]


def _layers_off(reader: Any) -> frozenset[int]:
    """The layers that a viewer does not show at first."""
    try:
        properties = reader.trailer["/Root"].get("/OCProperties")
        shown = properties.get_object()["/D"].get_object()
        off = [layer_id(r) for r in shown.get("/OFF") or []]
        if shown.get("/BaseState") == "/OFF":
            on = {layer_id(r) for r in shown.get("/ON") or []}
            off += [n for r in properties.get_object()["/OCGs"] if (n := layer_id(r)) not in on]
        return frozenset(off) - {-1}
    except (AttributeError, KeyError, TypeError):
        return frozenset()


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
