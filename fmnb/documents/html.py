"""HTML pages: headings, paragraphs, lists, tables and code, with their lines.

Scripts, styles, comments and elements that a person does not see (`visible`) are left out.
"""

from __future__ import annotations

import codecs
import re
from bisect import bisect_right
from html import unescape

from .document import Block, BlockKind, Document
from .html_tokens import Token, html_tokens
from .markdown import HIDDEN
from .plain import decode
from .table_text import table_blocks
from .visible import Elements

_DECLARED = re.compile(rb"(?i)<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]{2,30})")
_ENCODINGS = re.compile(r"(?i)iso-?8859-\d+|latin-?1|windows-125\d|koi8-[ru]|shift_jis|euc-(?:jp|kr)|gbk|gb2312|gb18030|big5|macintosh")
_BOMS = (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLOCKS = frozenset(
    "address article aside blockquote body details dialog div dl dd dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 header hr "
    "legend main menu nav ol p pre section summary table ul caption".split()
)
_LISTS = frozenset(("ul", "ol", "menu", "dl"))
_CELL = 600  # characters; a table with a longer cell is there for the layout
_SPACE = re.compile(r"\s+")
_WORD = re.compile(r"\w\w")


def read_html(data: bytes, name: str) -> Document:
    """An HTML page as blocks.

    Args:
        data: The file's bytes.
        name: The file's name.

    Returns:
        The document; its title is that of the page, else its first heading.

    Raises:
        UsageError: The bytes are not text.

    >>> read_html(b"<h1>Notice</h1><p>Four <b>weeks</b>.<script>x</script>", "a.html").text
    'Notice\\n\\nFour weeks.'
    """
    page, notes = _decode(data, name)
    reader = _Reader(page)
    for token in html_tokens(page):
        reader.take(token)
    reader.flush()
    title = reader.title or next((b.text for b in reader.blocks if b.kind == "heading"), "")
    return Document(name, "text/html", tuple(reader.blocks), title, notes=notes + ((HIDDEN,) if reader.hidden else ()))


class _Reader:
    """Collects blocks while a page is read."""

    def __init__(self, page: str) -> None:
        self.blocks: list[Block] = []
        self.title = ""
        self.hidden = False
        self._page = page
        self._elements = Elements()
        self._ends = [m.start() for m in re.finditer("\n", page)]
        self._text: list[str] = []
        self._began = False  # whether the text so far is more than spaces
        self._first = self._last = 0  # its offsets
        self._rows: list[list[list[str]]] = []  # of the outermost table: rows, cells, pieces of text
        self._tables = 0
        self._lists = 0

    def take(self, token: Token) -> None:
        """The next token of the page."""
        match token.kind:
            case "text":
                self._add(token)
            case "start":
                self._elements.open(token)
                self._start(token.tag)
            case "end":
                if self._elements.inside(token.tag):
                    self._end(token.tag)
                    self._elements.close(token.tag)
            case "comment":
                self.hidden = self.hidden or self._says(token)

    def _says(self, token: Token) -> bool:
        """Whether a comment says something; conditions for old browsers do not."""
        text = self._page[token.start : min(token.end, token.start + 400)]
        return (
            text.startswith("<!--") and not text.startswith(("<!--[if", "<!--<![endif", "<!--[endif")) and len(re.findall(r"\w+", text)) > 1
        )

    def _add(self, token: Token) -> None:
        text = unescape(self._page[token.start : token.end])
        if self._elements.in_code:
            return
        if self._elements.inside("title") and not self._elements.inside("svg"):
            self.title = self.title or " ".join(text.split())
        elif self._elements.hidden:
            self.hidden = self.hidden or bool(_WORD.search(text))
        elif self._tables:
            self._cell().append(text)
        else:
            if not self._began:
                self._first = token.start + (len(text) - len(text.lstrip()))
                self._began = bool(text.strip())
            self._text.append(text if self._elements.inside("pre") else _SPACE.sub(" ", text))
            if text.strip():
                self._last = token.start + len(text.rstrip()) - 1

    def _start(self, tag: str) -> None:
        if tag == "table":
            if self._tables:
                self._cell().append(" ")
            else:
                self.flush()
            self._tables += 1
        elif self._tables:
            if tag == "tr" and self._tables == 1:
                self._rows.append([])
            elif tag in ("td", "th") and self._tables == 1:
                self._rows = self._rows or [[]]
                self._rows[-1].append([])
            elif tag in _BLOCKS or tag in ("br", "li", "tr", "td", "th"):
                self._cell().append(" ")
        elif tag == "li":
            self._text.append("\n- ")
        elif tag == "br":
            self._text.append("\n")
        elif tag in _LISTS:
            if not self._lists:
                self.flush()
            self._lists += 1
        elif tag in _BLOCKS:
            if self._lists and tag in ("p", "div"):
                self._text.append(" ")
            else:
                self.flush()

    def _end(self, tag: str) -> None:
        if tag == "table" and self._tables:
            self._tables -= 1
            if not self._tables:
                self._table()
        elif self._tables:
            return
        elif tag in _LISTS and self._lists:
            self._lists -= 1
            if not self._lists:
                self.flush()
        elif tag in _BLOCKS and not (self._lists and tag in ("p", "div")):
            self.flush()

    def _cell(self) -> list[str]:
        self._rows = self._rows or [[]]
        self._rows[-1] = self._rows[-1] or [[]]
        return self._rows[-1][-1]

    def _table(self) -> None:
        rows = [[" ".join("".join(pieces).split()) for pieces in row] for row in self._rows]
        self._rows = []
        if any(len(cell) > _CELL for row in rows for cell in row):
            self.blocks += [Block(cell) for row in rows for cell in row if cell]
        else:
            self.blocks += table_blocks(rows)

    def flush(self) -> None:
        """The end of a block."""
        if self._rows and not self._tables:
            self._table()
        text, self._text, self._began = "".join(self._text), [], False
        if not text.strip():
            return
        kind: BlockKind = "text"
        level = next((n for n in range(1, 7) if self._elements.inside(f"h{n}")), 0)
        if self._elements.inside("pre"):
            kind, level = "code", 0
        elif level:
            kind = "heading"
        if kind != "code":
            text = "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))
        where = (bisect_right(self._ends, self._first - 1) + 1, bisect_right(self._ends, self._last - 1) + 1)
        self.blocks.append(Block(text.strip("\n") if kind == "code" else text.strip(), kind, level, lines=where))


def _decode(data: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    """The page as text, in the encoding that it declares if it is not UTF-8."""
    declared = _DECLARED.search(data[:4_096])
    if declared and _ENCODINGS.fullmatch(encoding := declared[1].decode("ascii", "replace")) and not data.startswith(_BOMS):
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return data.decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n"), ()
    return decode(data, name)
