"""Word files: headings, paragraphs, lists, tables, text boxes, footnotes and pictures.

What a person does not see is left out: deleted and hidden text, white text, comments. Headers and
footers are not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..core.errors import UsageError
from ..core.optional import require
from .archive import check_archive
from .document import Block, Document
from .kinds import MEDIA_TYPES
from .limits import Limits
from .markdown import HIDDEN
from .pictures import Pictures
from .table_text import table_blocks

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_THROUGH = {_W + n for n in ("sdt", "sdtContent", "ins", "moveTo", "customXml", "smartTag", "hyperlink", "fldSimple", "dir", "bdo")}
_PLAIN_TABLES = ("", "TableGrid", "TableNormal", "TableGridLight")
_TINY = 4  # half points; smaller text cannot be read


def read_docx(file: BinaryIO, name: str, limits: Limits) -> Document:
    """A Word file as blocks.

    Args:
        file: The file.
        name: Name of the document.
        limits: The limits of the archive and of pictures.

    Returns:
        The document; its title is that of its properties, else its first heading.

    Raises:
        UsageError: The file is damaged, encrypted or over a limit.
        MissingPackageError: python-docx is not installed.
    """
    docx = require("docx", "docs", "to read Word files")
    members = check_archive(file, name, limits)
    try:
        opened = docx.Document(file)
    except (KeyError, ValueError, AttributeError) as e:
        raise UsageError("The file is damaged", detail=f"{name}: {e}"[:300], hint="Save it again in Word.") from None
    reader = _Reader(opened)
    blocks = list(reader.blocks(opened.element.body))
    pictures = Pictures(limits)
    for part in opened.part.package.iter_parts():
        if part.partname.startswith("/word/footnotes.") or part.partname.startswith("/word/endnotes."):
            blocks += reader.footnotes(docx.oxml.parse_xml(part.blob))
        elif part.partname.startswith("/word/media/"):
            pictures.add(part.blob)
    notes = [HIDDEN] if reader.hidden else []
    if any(re.fullmatch(r"word/comments\w*\.xml", m) for m in members):
        notes.append("comments left out")
    title = opened.core_properties.title or next((b.text for b in blocks if b.kind == "heading"), "")
    return Document(name, MEDIA_TYPES["docx"], tuple(blocks), title, None, tuple(pictures.found), (*notes, *pictures.notes))


class _Reader:
    def __init__(self, opened: Any) -> None:
        self.hidden = False
        self._styles = {s.style_id: s for s in opened.styles}
        self._dark_page = opened.element.find(f"{_W}background") is not None

    def blocks(self, parent: Any) -> Iterator[Block]:
        """The blocks of a body, in the order of the document."""
        for child in parent:
            if child.tag == _W + "p":
                yield from self._paragraph(child)
            elif child.tag == _W + "tbl":
                rows = [[self._cell(cell) for cell in _children(row, "tc")] for row in _children(child, "tr") if not _deleted(row)]
                yield from table_blocks(rows)
            elif child.tag in _THROUGH:
                yield from self.blocks(child)

    def footnotes(self, root: Any) -> Iterator[Block]:
        """Footnotes or endnotes."""
        word = "footnote" if root.tag.endswith("footnotes") else "endnote"
        for note in root:
            if text := " ".join(filter(None, (self._text(p).strip() for p in note.iter(_W + "p")))):
                yield Block(text, place=f"{word} {note.get(_W + 'id')}")

    def _paragraph(self, p: Any) -> Iterator[Block]:
        text = self._text(p).strip()
        if text:
            level = self._level(p)
            number = p.find(f"{_W}pPr/{_W}numPr") is not None or self._style(p).startswith("List")
            yield Block(text, "heading", level) if level else Block(f"- {text}" if number else text)
        for box in p.iter(_W + "txbxContent"):
            if not _inside_another(box, p):
                yield from self.blocks(box)

    def _cell(self, cell: Any) -> str:
        texts = [b.text for b in self.blocks(cell)]
        return " ".join(texts)

    def _text(self, p: Any) -> str:
        return "".join(self._pieces(p, p))

    def _pieces(self, parent: Any, p: Any) -> Iterator[str]:
        for child in parent:
            if child.tag == _W + "r":
                text = _run(child)
                if text.strip() and self._is_hidden(child, p):
                    self.hidden = True
                else:
                    yield text
            elif child.tag in (_W + "del", _W + "moveFrom"):
                self.hidden = self.hidden or any(t.text for t in child.iter(_W + "delText"))
            elif child.tag in _THROUGH:
                yield from self._pieces(child, p)

    def _is_hidden(self, run: Any, p: Any) -> bool:
        properties = [run.find(_W + "rPr"), *(self._style_properties(run, p))]
        if _flag(properties, "vanish") or _flag(properties, "webHidden"):
            return True
        size = _value(properties, "sz")
        if size and size.isdigit() and int(size) < _TINY:
            return True
        color = (_value(properties, "color") or "").upper()
        return color in ("FFFFFF", "FEFEFE", "FDFDFD") and not self._shaded(run, p, properties)

    def _style_properties(self, run: Any, p: Any) -> Iterator[Any]:
        names = [_value([run.find(_W + "rPr")], "rStyle"), self._style_id(p)]
        for name in filter(None, names):
            style, depth = self._styles.get(name), 0
            while style is not None and depth < 20:
                yield style.element.find(_W + "rPr")
                style, depth = getattr(style, "base_style", None), depth + 1

    def _shaded(self, run: Any, p: Any, properties: list[Any]) -> bool:
        """Whether something dark may be behind the text."""
        if self._dark_page or _value(properties, "highlight") or any(e is not None and _fill(e) for e in properties):
            return True
        style = self._styles.get(self._style_id(p))
        if any(e is not None and _fill(e) for e in (p.find(_W + "pPr"), style.element.find(_W + "pPr") if style is not None else None)):
            return True
        for above in p.iterancestors():
            if above.tag == _W + "txbxContent":
                return True  # a shape has a color of its own
            if above.tag == _W + "tc" and (cell := above.find(_W + "tcPr")) is not None and _fill(cell):
                return True
            if above.tag == _W + "tbl" and (table := above.find(_W + "tblPr")) is not None:
                if _fill(table) or (_value([table], "tblStyle") or "") not in _PLAIN_TABLES:
                    return True
        return False

    def _style_id(self, p: Any) -> str:
        return _value([p.find(_W + "pPr")], "pStyle") or ""

    def _style(self, p: Any) -> str:
        style = self._styles.get(self._style_id(p))
        return (style.name or "") if style is not None else ""

    def _level(self, p: Any) -> int:
        """The level of a heading; the name of its style is English in every language of Word."""
        name = self._style(p)
        if found := re.fullmatch(r"(?i)heading (\d)", name):
            return int(found[1])
        if name == "Title":
            return 1
        style = self._styles.get(self._style_id(p))
        outline = _value([p.find(_W + "pPr"), style.element.find(_W + "pPr") if style is not None else None], "outlineLvl")
        return int(outline) + 1 if outline and outline.isdigit() and int(outline) < 9 else 0


def _children(parent: Any, tag: str) -> Iterator[Any]:
    for child in parent:
        if child.tag == _W + tag:
            yield child
        elif child.tag in _THROUGH:
            yield from _children(child, tag)


def _run(run: Any) -> str:
    found = ""
    for child in run:
        if child.tag == _W + "t":
            found += child.text or ""
        elif child.tag == _W + "tab":
            found += "\t"
        elif child.tag in (_W + "br", _W + "cr"):
            found += "\n"
        elif child.tag == _W + "noBreakHyphen":
            found += "-"
    return found


def _deleted(row: Any) -> bool:
    return row.find(f"{_W}trPr/{_W}del") is not None


def _inside_another(box: Any, p: Any) -> bool:
    """Whether a text box lies in another one, which is read already, or is the copy for older programs."""
    for above in box.iterancestors():
        if above is p:
            return False
        if above.tag in (_W + "txbxContent", _MC + "Fallback"):
            return True
    return False


def _value(properties: list[Any], tag: str) -> str | None:
    for element in properties:
        found = element.find(_W + tag) if element is not None else None
        if found is not None:
            return found.get(_W + "val")
    return None


def _flag(properties: list[Any], tag: str) -> bool:
    for element in properties:
        found = element.find(_W + tag) if element is not None else None
        if found is not None:
            return found.get(_W + "val", "true") not in ("0", "false", "off")
    return False


def _fill(properties: Any) -> bool:
    found = properties.find(_W + "shd")
    return found is not None and (
        found.get(_W + "fill", "auto").upper() not in ("AUTO", "FFFFFF") or found.get(_W + "themeFill") is not None
    )
