"""The text of a PDF's pages as lines, and lines as paragraphs and headings.

A PDF has no paragraphs, only text at places: lines that follow each other closely are one. Large or bold
lines are headings.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from .document import Block
from .pdf_visible import VisibleText

_LARGER = 1.12  # a heading's size, in that of the text
_GAP = 1.35  # a gap between paragraphs, in that between lines
_HEADING = 160  # characters


@dataclass(frozen=True, slots=True)
class _Piece:
    text: str
    x: float
    y: float
    size: float
    bold: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a page: where it begins, and the size of its letters in points."""

    text: str
    page: int
    x: float
    y: float
    size: float
    bold: bool


def page_lines(page: Any, number: int, visible: VisibleText) -> Iterator[Line]:
    """The lines of a page in the order of its content.

    Args:
        page: The page, as pypdf has it.
        number: Its number, from 1.
        visible: What takes hidden text out of it.

    Returns:
        The lines with their places and sizes; cells of a table that are beside each other are one line.
    """
    pieces: list[_Piece] = []

    def piece(text: str, cm: Any, tm: Any, font: Any, size: float) -> None:
        scale = (float(tm[2]) ** 2 + float(tm[3]) ** 2) ** 0.5 * (float(cm[2]) ** 2 + float(cm[3]) ** 2) ** 0.5
        x = float(tm[4]) * float(cm[0]) + float(tm[5]) * float(cm[2]) + float(cm[4])
        y = float(tm[4]) * float(cm[1]) + float(tm[5]) * float(cm[3]) + float(cm[5])
        bold = "bold" in str((font or {}).get("/BaseFont", "")).lower()
        pieces.append(_Piece(text, x, y, round(float(size or 0) * scale, 1), bold))

    page.extract_text(visitor_operand_before=visible.before, visitor_operand_after=visible.after, visitor_text=piece)
    held: list[_Piece] = []
    above: Line | None = None
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


def _line(pieces: list[_Piece], page: int) -> Line | None:
    text = " ".join("".join(p.text for p in pieces).split())
    said = [p for p in pieces if p.text.strip()]
    return Line(text, page, said[0].x, said[0].y, max(p.size for p in said), all(p.bold for p in said)) if said else None


def line_blocks(lines: list[Line]) -> Iterator[Block]:
    """Lines as paragraphs and headings.

    Args:
        lines: Lines of all pages; the size of most of the text is that of paragraphs.

    Returns:
        The blocks with their pages.

    >>> lines = [Line("Notice", 1, 0, 700, 18, True), Line("Contractors have four", 1, 0, 670, 10, False), Line("weeks.", 1, 0, 658, 10, False)]
    >>> [(b.kind, b.text) for b in line_blocks(lines)]
    [('heading', 'Notice'), ('text', 'Contractors have four\\nweeks.')]
    """
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


def _is_large(paragraph: list[Line], body: float) -> bool:
    size = sum(len(line.text) for line in paragraph)
    return body > 0 and paragraph[0].size >= _LARGER * body and len(paragraph) <= 3 and size <= _HEADING


def _paragraphs(lines: list[Line]) -> Iterator[list[Line]]:
    """Lines that follow each other closely, in one size, on one page."""
    gaps = Counter(
        round(a.y - b.y, 1) for a, b in zip(lines, lines[1:], strict=False) if a.page == b.page and 0 < a.y - b.y < 4 * max(a.size, 4)
    )
    usual = {}  # the usual gap after a line of each size
    for size in {line.size for line in lines}:
        near = {g: n for g, n in gaps.items() if 0.8 * size <= g <= 2.2 * size}
        usual[size] = max(near, key=lambda g: (near[g], -g)) if near else 1.3 * size
    held: list[Line] = []
    for line in lines:
        if held and not _follows(held[-1], line, usual[held[-1].size]):
            yield held
            held = []
        held.append(line)
    if held:
        yield held


def _follows(above: Line, line: Line, usual: float) -> bool:
    if above.page != line.page or abs(above.size - line.size) > 0.6 or (above.bold and not line.bold and len(above.text) < 80):
        return False
    gap = above.y - line.y
    return -1 <= gap <= max(usual * _GAP, usual + 2)


def _joined(lines: Iterable[str]) -> str:
    """Lines of a paragraph; a word that is divided at the end of a line is one word again."""
    return re.sub(r"(?<=[a-zà-ÿ])[-\u2010]\n(?=[a-zà-ÿ])", "", "\n".join(lines))
